/*  mlxctl record */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/recording.h"
#include "common/base/units.h"
#include "ctl.h"
#include "mask.h"

enum {
    SYNC_MS = 2000, /* what a crash may cost */
    NOTE_MAX = 1024
};

typedef struct {
    mlx_ctl_t *ctl;
    mlx_recording_writer_t *file;
    mlx_mask_t *mask; /* NULL: nothing is */
    int64_t start_us;
    int64_t messages, bytes;
    mlx_error_t err;
} record_t;

static void stop(record_t *record)
{
    mlx_loop_stop(record->ctl->loop);
}

static void on_end(void *arg)
{
    stop(arg);
}

static void on_signal(void *arg, int number)
{
    (void)number;
    stop(arg);
}

static void on_sync(void *arg)
{
    record_t *record = arg;
    if (!record->err.code && mlx_recording_sync(record->file, &record->err))
        stop(record);
}

/*  The message as it is, or without names. */
static void on_message(void *arg, const mlx_message_t *message, const void *body, size_t len)
{
    record_t *record = arg;
    MLX_CLEANUP(mlx_message_clear) mlx_message_t copy = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t packed = {0};
    mlx_recorded_t entry = {.at_us = mlx_now_us() - record->start_us,
                            .topic = message->topic,
                            .topic_len = strlen(message->topic),
                            .body = body,
                            .body_len = len};
    if (record->err.code)
        return;
    if (record->mask && mlx_message_unpack(&copy, entry.topic, entry.topic_len, body, len, NULL))
        return;
    if (record->mask) {
        mlx_mask_message(record->mask, &copy);
        mlx_message_pack(&copy, &packed);
        entry.topic = copy.topic;
        entry.topic_len = strlen(copy.topic);
        entry.body = packed.data;
        entry.body_len = packed.len;
    }
    if (mlx_recording_add(record->file, &entry, &record->err)) {
        stop(record);
        return;
    }
    record->messages++;
    record->bytes += (int64_t)(entry.topic_len + entry.body_len);
}

static int read_options(const mlx_args_t *args, double *seconds, mlx_error_t *err)
{
    const char *text = mlx_args_value(args, "duration"), *note = mlx_args_value(args, "note");
    *seconds = NAN;
    if (note && strlen(note) > NOTE_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "--note: more than %d bytes", NOTE_MAX);
    if (!text)
        return 0;
    if (mlx_parse_duration(text, seconds, err) == 0 && *seconds > 0 &&
        *seconds <= (double)MLX_RECORDING_LONGEST_US * 1e-6)
        return 0;
    return mlx_error_set(err, MLX_ERR_USAGE, "--duration %s: give a time such as 90s or 10m", text);
}

static mlx_value_t *make_head(record_t *record, const mlx_args_t *args)
{
    mlx_value_t *head = mlx_value_map();
    const char *host = mlx_bus_host(record->ctl->bus), *note = mlx_args_value(args, "note");
    mlx_value_set_int(head, "started", mlx_wall_us());
    mlx_value_set_str(head, "host",
                      record->mask ? mlx_mask_name(record->mask, MLX_MASK_HOST, host) : host);
    mlx_value_set_bool(head, "masked", record->mask != NULL);
    mlx_value_set_str(head, "note", note);
    mlx_value_set_str(head, "program", "mlxctl " MLX_VERSION);
    return head;
}

static int open_file(record_t *record, const mlx_args_t *args, mlx_error_t *err)
{
    const char *path = mlx_args_operand(args, 0);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *head = make_head(record, args);
    if (mlx_args_count(args, "yes"))
        (void)unlink(path);
    record->file = mlx_recording_create(path, head, err);
    if (record->file)
        return 0;
    if (err->code == MLX_ERR_DATA_LOSS)
        mlx_error_hint(err, "name another file, or replace it with --yes");
    return -1;
}

static void say_done(const record_t *record, const char *path)
{
    MLX_CLEANUP(mlx_free_p)
    char *span =
        mlx_format_unit((double)(mlx_now_us() - record->start_us) * 1e-6, MLX_UNIT_SECONDS);
    int64_t lost = mlx_bus_stats(record->ctl->bus).gaps;
    fprintf(stderr, "recorded %lld message%s in %s: %s%s\n", (long long)record->messages,
            record->messages == 1 ? "" : "s", span, path,
            record->mask ? "; names of hosts, users and programs are masked" : "");
    if (lost > 0)
        fprintf(stderr, "%lld message%s lost on the way: this machine was too busy\n",
                (long long)lost, lost == 1 ? " was" : "s were");
}

static int run(record_t *record, const mlx_args_t *args, double seconds, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    mlx_ctl_t *ctl = record->ctl;
    if (mlx_loop_signals(ctl->loop, signals, on_signal, record, err) ||
        open_file(record, args, err))
        return -1;
    record->start_us = mlx_now_us();
    mlx_ctl_watch_bus(ctl);
    mlx_bus_subscribe_frames(ctl->bus, mlx_args_count(args, "sensors") ? "sensor." : "", on_message,
                             record);
    mlx_loop_every(ctl->loop, SYNC_MS, on_sync, record);
    if (!isnan(seconds))
        mlx_loop_after(ctl->loop, (int64_t)(seconds * 1000), on_end, record);
    mlx_loop_run(ctl->loop);
    if (record->err.code) {
        *err = record->err;
        (void)mlx_recording_finish(&record->file, NULL);
        return -1;
    }
    return mlx_recording_finish(&record->file, err);
}

int mlx_cmd_record(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_mask_destroy) mlx_mask_t *mask = NULL;
    mlx_error_t err = {0};
    double seconds;
    (void)arg;
    if (read_options(args, &seconds, &err) || mlx_ctl_connect(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    if (!mlx_args_count(args, "unmasked"))
        mask = mlx_mask_new(true);
    record_t record = {.ctl = &ctl, .mask = mask};
    if (run(&record, args, seconds, &err))
        return mlx_ctl_fail(&err);
    say_done(&record, mlx_args_operand(args, 0));
    return MLX_OK;
}
