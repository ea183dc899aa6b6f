/*  mlxctl requests: what was asked of the model servers, and by whom */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/moment.h"
#include "ctl.h"
#include "history_view.h"
#include "machines.h"
#include "proto/json.h"
#include "requests_view.h"

enum {
    CALL_MS = 10000,
    PAGE = 500,  /* requests in one answer */
    NEWEST = 25, /* shown when no beginning is given */
    ALL = 1000000,
};

typedef struct {
    mlx_ctl_t *ctl;
    const mlx_args_t *args;
    mlx_machines_t machines;
    int64_t since;
    int64_t limit;
    bool json, csv;
    int status;
} requests_t;

static int read_args(requests_t *self, const mlx_args_t *args, mlx_error_t *err)
{
    const char *since = mlx_args_value(args, "since"), *count = mlx_args_value(args, "count");
    char *end;
    self->args = args;
    self->json = mlx_args_count(args, "json");
    self->csv = mlx_args_count(args, "csv");
    self->limit = since ? ALL : NEWEST;
    if (since && mlx_moment_parse(since, mlx_wall_us(), &self->since, err))
        return mlx_error_prefix(err, "--since");
    if (count)
        self->limit = strtol(count, &end, 10);
    if (count && (*end || self->limit < 1 || self->limit > ALL))
        return mlx_error_set(err, MLX_ERR_USAGE, "--count %s: not a number from 1 to %d", count,
                             ALL);
    return 0;
}

/*  One page of older ones behind those in LIST; *CURSOR 0: there are no more. */
static int fetch(const requests_t *self, mlx_value_t *list, int64_t *cursor, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_value_map();
    int64_t left = self->limit - (int64_t)mlx_value_size(list);
    mlx_value_set_str(ask, "client", mlx_args_value(self->args, "client"));
    mlx_value_set_str(ask, "model", mlx_args_value(self->args, "model"));
    mlx_value_set_str(ask, "host", self->machines.host);
    mlx_value_set_int(ask, "since", self->since);
    mlx_value_set_int(ask, "limit", left < PAGE ? left : PAGE);
    if (*cursor)
        mlx_value_set_int(ask, "cursor", *cursor);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(self->ctl, "recorder", "requests.list", ask, CALL_MS, err);
    if (!reply)
        return -1;
    const mlx_value_t *page = mlx_value_get(reply, "requests");
    for (size_t i = 0; i < mlx_value_size(page); i++)
        mlx_value_append(list, mlx_value_copy(mlx_value_at(page, i)));
    *cursor = 0;
    mlx_value_int(reply, "cursor", cursor);
    return 0;
}

static void put_line(const requests_t *self, mlx_buf_t *out, const mlx_value_t *request)
{
    if (self->csv)
        mlx_requests_csv(out, request);
    else if (self->json)
        mlx_json_write(out, request, false);
    else
        mlx_requests_line(out, request);
    if (self->json && !self->csv)
        mlx_buf_putc(out, '\n');
}

static int show(const requests_t *self, const mlx_value_t *list, bool follow)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    if (self->csv)
        mlx_requests_csv_heading(&out);
    if (self->json && !self->csv && !follow) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_value_map();
        mlx_value_set(all, "requests", mlx_value_copy(list));
        return mlx_ctl_print_json(all);
    }
    if (!self->csv && !follow)
        mlx_requests_table(&out, list, !self->machines.host, &term);
    for (size_t i = mlx_value_size(list); (self->csv || follow) && i-- > 0;)
        put_line(self, &out, mlx_value_at(list, i));
    return mlx_ctl_print_text(mlx_buf_str(&out));
}

/* ---- those to come ---- */

static bool holds(const mlx_value_t *d, const char *key, const char *part)
{
    const char *text = mlx_value_str(d, key);
    return text && strcasestr(text, part);
}

static bool is_wanted(const requests_t *self, const mlx_value_t *d)
{
    static const char *const names[] = {"client", "process", "agent", "key", "address"};
    const char *client = mlx_args_value(self->args, "client");
    const char *model = mlx_args_value(self->args, "model");
    bool named = client == NULL;
    for (size_t i = 0; i < MLX_COUNT(names) && !named; i++)
        named = holds(d, names[i], client);
    return named && (!model || holds(d, "model", model));
}

static void on_message(void *arg, const mlx_message_t *message)
{
    requests_t *self = arg;
    static const char end[] = ".request";
    size_t len = strlen(message->topic);
    if (len < sizeof end || strcmp(message->topic + len - strlen(end), end) != 0 ||
        !mlx_machines_has(&self->machines, message->host) || !is_wanted(self, message->d))
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_copy(message->d);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_value_set_str(d, "host", message->host);
    put_line(self, &out, d);
    /* A reader that has gone (`| head`) ends us quietly. */
    if (mlx_ctl_print_text(mlx_buf_str(&out)) || fflush(stdout))
        mlx_loop_stop(self->ctl->loop);
}

static void on_signal(void *arg, int number)
{
    requests_t *self = arg;
    self->status = number == SIGINT ? MLX_ERR_INTERRUPTED : MLX_OK;
    mlx_loop_stop(self->ctl->loop);
}

static int follow(requests_t *self, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    if (mlx_loop_signals(self->ctl->loop, signals, on_signal, self, err))
        return -1;
    mlx_ctl_watch_bus(self->ctl);
    mlx_bus_subscribe(self->ctl->bus, "runtime.", on_message, self);
    mlx_loop_run(self->ctl->loop);
    return self->status;
}

static int run(requests_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    bool following = mlx_args_count(self->args, "follow");
    int64_t cursor = 0;
    do {
        if (fetch(self, list, &cursor, err))
            return -1;
    } while (cursor && (int64_t)mlx_value_size(list) < self->limit);
    /* A machine that is off now may be on record; one that is neither is a slip of the pen. */
    if (mlx_value_size(list) == 0 && mlx_machines_check(self->ctl, &self->machines, err))
        return -1;
    int status = show(self, list, following);
    fflush(stdout);
    return status || !following ? status : follow(self, err);
}

int mlx_cmd_requests(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    requests_t self = {.ctl = &ctl};
    mlx_error_t err = {0};
    (void)arg;
    int status = read_args(&self, args, &err) || mlx_ctl_connect(&ctl, args, &err) ||
                         mlx_machines_choose(&ctl, args, &self.machines, &err)
                     ? -1
                     : run(&self, &err);
    return status < 0 ? mlx_ctl_fail(&err) : status;
}
