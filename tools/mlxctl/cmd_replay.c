/*  mlxctl replay */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as_now.h"
#include "common/base/clock.h"
#include "common/base/recording.h"
#include "common/cli/term.h"
#include "ctl.h"
#include "proto/catalogue.h"
#include "proto/json.h"

enum {
    HOSTS_MAX = 256,
    BATCH = 500, /* messages before the loop gets a turn */
    BROKER_TIMEOUT_MS = 5000,
    ROUND_US = 1000000 /* the shortest time for a whole file */
};

typedef struct {
    mlx_ctl_t *ctl;
    const char *path;
    mlx_recording_t *file;
    mlx_recorded_t next; /* the message that is due next */
    bool loops, exact, playing;
    double speed;
    const char *from, *to;  /* the host's name and its new one */
    mlx_overview_t *live;   /* who is on the bus already */
    char *hosts[HOSTS_MAX]; /* that were played */
    size_t host_count;
    int64_t start_us;
    unsigned round;
    int64_t played;
    int status;
    mlx_error_t err;
} replay_t;

static void on_due(void *arg);

static void end(replay_t *self, int status)
{
    self->status = status;
    mlx_loop_stop(self->ctl->loop);
}

static void on_signal(void *arg, int number)
{
    end(arg, number == SIGINT ? MLX_ERR_INTERRUPTED : MLX_OK);
}

static int open_file(replay_t *self, mlx_error_t *err)
{
    mlx_recording_close(&self->file);
    self->file = mlx_recording_open(self->path, err);
    if (!self->file)
        return -1;
    if (self->to)
        self->from = mlx_value_str(mlx_recording_head(self->file), "host");
    return 0;
}

/*  Take the next message, from the start again where that is wanted: 1, 0 at the end, -1. */
static int take_next(replay_t *self)
{
    int rc = mlx_recording_next(self->file, &self->next, &self->err);
    if (rc || !self->loops || !self->played)
        return rc;
    if (open_file(self, &self->err))
        return -1;
    self->round++;
    int64_t now_us = mlx_now_us();
    self->start_us = now_us > self->start_us + ROUND_US ? now_us : self->start_us + ROUND_US;
    return mlx_recording_next(self->file, &self->next, &self->err);
}

/*  The figures of a machine that lives must not be mixed with those of a file. */
static int check_host(replay_t *self, const char *host)
{
    const char *live[HOSTS_MAX];
    for (size_t i = 0; i < self->host_count; i++)
        if (strcmp(self->hosts[i], host) == 0)
            return 0;
    size_t count = mlx_overview_hosts(self->live, live, HOSTS_MAX);
    for (size_t i = 0; i < count; i++)
        if (strcmp(live[i], host) == 0) {
            mlx_error_set(&self->err, MLX_ERR_DATA_LOSS,
                          "a machine called %s is alive on this bus: its figures would be mixed "
                          "with the recorded ones",
                          host);
            return mlx_error_hint(&self->err, "give the recorded one another name with --host");
        }
    if (self->host_count == HOSTS_MAX)
        return mlx_error_set(&self->err, MLX_ERR_USAGE, "recording %s: more than %d hosts",
                             self->path, HOSTS_MAX);
    self->hosts[self->host_count++] = mlx_strdup(host);
    return 0;
}

static int64_t heard_us(const replay_t *self)
{
    int64_t started = 0;
    mlx_value_int(mlx_recording_head(self->file), "started", &started);
    if (started < 0 || started > MLX_TIME_MAX_US - MLX_RECORDING_LONGEST_US)
        started = 0;
    return started + self->next.at_us;
}

/*  What does not unpack is not a message: the broker would refuse it, too. */
static int play(replay_t *self)
{
    MLX_CLEANUP(mlx_message_clear) mlx_message_t message = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    if (mlx_message_unpack(&message, self->next.topic, self->next.topic_len, self->next.body,
                           self->next.body_len, NULL))
        return 0;
    if (self->exact) {
        if (check_host(self, message.host))
            return -1;
        mlx_bus_relay(self->ctl->bus, self->next.topic, self->next.body, self->next.body_len);
        return 0;
    }
    char run[32];
    (void)snprintf(run, sizeof run, "%.16s-%u", mlx_bus_boot(self->ctl->bus), self->round);
    const mlx_as_now_t how = {.from = self->from,
                              .to = self->to,
                              .run = run,
                              .heard_us = heard_us(self),
                              .now_us = mlx_wall_us()};
    mlx_as_now(&how, &message);
    if (check_host(self, message.host))
        return -1;
    mlx_message_pack(&message, &body);
    mlx_bus_relay(self->ctl->bus, message.topic, body.data, body.len);
    return 0;
}

/*  Milliseconds until the next message is due. */
static int64_t wait_ms(const replay_t *self)
{
    double due_us = (double)self->start_us + (double)self->next.at_us / self->speed;
    return (int64_t)ceil((due_us - (double)mlx_now_us()) / 1000);
}

static void on_due(void *arg)
{
    replay_t *self = arg;
    int64_t wait = 0;
    for (int i = 0; i < BATCH && (wait = wait_ms(self)) <= 0; i++) {
        if (play(self)) {
            end(self, -1);
            return;
        }
        self->played++;
        int rc = take_next(self);
        if (rc <= 0) {
            end(self, rc);
            return;
        }
    }
    mlx_loop_after(self->ctl->loop, wait > 0 ? wait : 1, on_due, self);
}

static void on_broker(void *arg)
{
    replay_t *self = arg;
    if (self->playing)
        return;
    self->playing = true;
    self->start_us = mlx_now_us();
    on_due(self);
}

static void on_no_broker(void *arg)
{
    replay_t *self = arg;
    if (self->playing)
        return;
    mlx_error_set(&self->err, MLX_ERR_UNAVAILABLE, "the bus does not accept messages");
    end(self, -1);
}

/*  False: the reader has gone. */
static bool print_message(const mlx_recorded_t *recorded)
{
    MLX_CLEANUP(mlx_message_clear) mlx_message_t message = {0};
    if (mlx_message_unpack(&message, recorded->topic, recorded->topic_len, recorded->body,
                           recorded->body_len, NULL))
        return true;
    mlx_value_t *value = mlx_message_value(&message);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, value, false);
    mlx_value_destroy(&value);
    return puts(mlx_buf_str(&text)) >= 0 && fflush(stdout) == 0;
}

static int print_all(replay_t *self, mlx_error_t *err)
{
    int rc;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, mlx_recording_head(self->file), false);
    puts(mlx_buf_str(&text));
    while ((rc = mlx_recording_next(self->file, &self->next, err)) > 0)
        if (!print_message(&self->next))
            return 0;
    return rc;
}

static int read_options(replay_t *self, const mlx_args_t *args, mlx_error_t *err)
{
    const char *text = mlx_args_value(args, "speed");
    char *rest;
    self->path = mlx_args_operand(args, 0);
    self->loops = mlx_args_count(args, "loop") > 0;
    self->exact = mlx_args_count(args, "exact") > 0;
    self->to = mlx_args_value(args, "host");
    self->speed = text ? strtod(text, &rest) : 1;
    if (text && (rest == text || *rest || !(self->speed >= 0.01 && self->speed <= 1000)))
        return mlx_error_set(err, MLX_ERR_USAGE, "--speed %s: give a number from 0.01 to 1000",
                             text);
    if (self->to && !mlx_name_valid(self->to, strlen(self->to)))
        return mlx_error_set(err, MLX_ERR_USAGE, "--host: a name has 1 to 128 bytes and no spaces");
    if (self->exact && (self->loops || self->to))
        return mlx_error_set(
            err, MLX_ERR_USAGE,
            "--exact changes nothing: it cannot be combined with --loop or --host");
    return 0;
}

static void say_start(const replay_t *self)
{
    const char *note = mlx_value_str(mlx_recording_head(self->file), "note");
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(note ? note : "", 0);
    fprintf(stderr, "replaying %s%s%s\n", self->path, note ? ": " : "", clean);
}

static int play_all(replay_t *self, const mlx_args_t *args, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    mlx_ctl_t *ctl = self->ctl;
    ctl->src = "replay";
    if (mlx_ctl_connect(ctl, args, err) ||
        mlx_loop_signals(ctl->loop, signals, on_signal, self, err))
        return -1;
    self->live = mlx_ctl_overview(ctl, err);
    int rc = self->live ? take_next(self) : -1;
    if (rc <= 0) {
        if (self->err.code)
            *err = self->err;
        return rc;
    }
    say_start(self);
    mlx_bus_on_broker(ctl->bus, on_broker, self);
    mlx_loop_after(ctl->loop, BROKER_TIMEOUT_MS, on_no_broker, self);
    mlx_loop_run(ctl->loop);
    *err = self->err;
    return self->err.code ? -1 : 0;
}

static void clear(replay_t *self)
{
    mlx_recording_close(&self->file);
    mlx_overview_destroy(&self->live);
    for (size_t i = 0; i < self->host_count; i++)
        free(self->hosts[i]);
}

int mlx_cmd_replay(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(clear) replay_t replay = {.ctl = &ctl};
    mlx_error_t err = {0};
    (void)arg;
    if (read_options(&replay, args, &err) || open_file(&replay, &err) ||
        (mlx_args_count(args, "print") ? print_all(&replay, &err) : play_all(&replay, args, &err)))
        return mlx_ctl_fail(&err);
    if (mlx_recording_cut(replay.file))
        fprintf(stderr, "mlxctl: %s is truncated: its end is missing\n", replay.path);
    return replay.status;
}
