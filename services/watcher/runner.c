#include "runner.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/runtime/runtime.h"
#include "manifests.h"
#include "runner_scan.h"
#include "slots.h"

enum {
    BUSY_MS = 250,
    IDLE_MS = 400,
    QUIET_MS = 5000, /* while it would be seen if something came */
    LOADING_MS = 250,
    TIMEOUT_MS = 10000, /* a runner answers between two batches of a prompt */
    MAX_BODY = 1 << 20,
    GIVE_UP = 3, /* bad answers in a row */
    SCAN_MIN_US = 300 * 1000,
    SCAN_SOON_US = 10 * 1000 * 1000, /* for so long after a change a runner is looked for often */
    SCAN_MAX_US = 30 * 1000 * 1000,
};

/*  One llama-server. */
typedef struct {
    mlx_runner_t *owner;
    mlx_runner_process_t process;
    char *model; /* name of what it runs; NULL: not known */
    mlx_slots_t *slots;
    mlx_http_call_t *call;
    mlx_timer_t *timer;
    int bad;
} server_t;

struct mlx_runner {
    mlx_runner_options_t options;
    server_t *servers[MLX_RUNNERS_MAX];
    size_t count;
    mlx_value_t *models;     /* loaded, as last told */
    mlx_timer_t *scan_timer; /* to the next scan, while a model has no runner */
    int64_t changed_us;      /* when a model came or went, or a runner */
    bool died;               /* the newest one, and there is none since */
    bool seen;               /* what comes is */
    int64_t next_scan_us;    /* monotonic; 0: as soon as there is need */
    int64_t scan_pause_us;
    char reason[256];
    mlx_activity_t ended; /* totals and last request of the runners that are gone */
    char ended_model[256];
};

static void poll_server(void *arg);
static void scan_when_due(mlx_runner_t *self);

mlx_runner_t *mlx_runner_new(const mlx_runner_options_t *options)
{
    mlx_runner_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->scan_pause_us = SCAN_MIN_US;
    mlx_activity_clear(&self->ended);
    self->ended.available = true;
    self->ended.requests = 0;
    self->ended.generating = 0;
    return self;
}

static void destroy_server(server_t *server)
{
    mlx_runner_options_t *o = &server->owner->options;
    if (server->call)
        mlx_http_abort(o->http, &server->call);
    if (server->timer)
        mlx_loop_cancel(o->loop, &server->timer);
    mlx_slots_destroy(&server->slots);
    free(server->model);
    free(server);
}

/*  What SERVER does, with the names that are known here. */
static void activity_of(const server_t *server, int64_t since_us, int64_t now_us,
                        mlx_activity_t *out)
{
    mlx_slots_activity(server->slots, since_us, now_us, out);
    out->model = server->model;
    out->last.model = server->model;
    out->last.source = "runner";
    for (size_t i = 0; i < out->list_count; i++)
        out->list[i].model = server->model;
}

/*  Totals must not fall because a model was unloaded. */
static void keep_totals(mlx_runner_t *self, const server_t *server)
{
    mlx_activity_t seen;
    activity_of(server, 0, INT64_MAX, &seen);
    mlx_activity_t totals;
    mlx_activity_clear(&totals);
    totals.available = seen.available;
    totals.tokens_total = seen.tokens_total;
    totals.prompt_tokens_total = seen.prompt_tokens_total;
    totals.requests_total = seen.requests_total;
    totals.last = seen.last;
    bool newer = seen.last.t_us > self->ended.last.t_us;
    mlx_activity_add(&self->ended, &totals);
    if (newer) {
        snprintf(self->ended_model, sizeof self->ended_model, "%.255s",
                 server->model ? server->model : "");
        self->ended.last.model = self->ended_model[0] ? self->ended_model : NULL;
    }
}

static void drop(mlx_runner_t *self, size_t index)
{
    server_t *server = self->servers[index];
    keep_totals(self, server);
    self->servers[index] = self->servers[--self->count];
    destroy_server(server);
}

static void drop_all(mlx_runner_t *self)
{
    while (self->count > 0)
        drop(self, self->count - 1);
}

void mlx_runner_destroy(mlx_runner_t **self)
{
    if (!*self)
        return;
    drop_all(*self);
    mlx_loop_cancel((*self)->options.loop, &(*self)->scan_timer);
    mlx_value_destroy(&(*self)->models);
    free(*self);
    *self = NULL;
}

/* ---- which model a runner runs ---- */

static bool is_loaded(const mlx_runner_t *self, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(self->models); i++) {
        const char *loaded = mlx_value_str(mlx_value_at(self->models, i), "name");
        if (loaded && !strcmp(loaded, name))
            return true;
    }
    return false;
}

/*  Of several names for the same weights, the one that is loaded. */
static bool on_name(void *arg, const char *name)
{
    server_t *server = arg;
    bool loaded = is_loaded(server->owner, name);
    if (loaded || !server->model) {
        free(server->model);
        server->model = mlx_strdup(name);
    }
    return !loaded;
}

static bool is_taken(const mlx_runner_t *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->servers[i]->model && !strcmp(self->servers[i]->model, name))
            return true;
    return false;
}

/*  The store could not be read: when all loaded models but one have their runner, it is that one.
 */
static void name_by_elimination(mlx_runner_t *self)
{
    server_t *nameless = NULL;
    for (size_t i = 0; i < self->count; i++)
        if (!self->servers[i]->model) {
            if (nameless)
                return;
            nameless = self->servers[i];
        }
    const char *left = NULL;
    for (size_t i = 0; i < mlx_value_size(self->models); i++) {
        const char *name = mlx_value_str(mlx_value_at(self->models, i), "name");
        if (!name || is_taken(self, name))
            continue;
        if (left)
            return;
        left = name;
    }
    if (nameless && left)
        nameless->model = mlx_strdup(left);
}

/* ---- polling ---- */

static void poll_after(server_t *server, int64_t delay_ms)
{
    server->timer = mlx_loop_after(server->owner->options.loop, delay_ms, poll_server, server);
}

static int64_t rest_ms(const mlx_runner_t *self)
{
    int64_t now_us = mlx_now_us();
    return self->seen ? (mlx_loop_grid_us(now_us, (int64_t)QUIET_MS * 1000) - now_us + 999) / 1000
                      : IDLE_MS;
}

void mlx_runner_ask(mlx_runner_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        server_t *server = self->servers[i];
        if (server->call || mlx_slots_busy(server->slots))
            continue;
        mlx_loop_cancel(self->options.loop, &server->timer);
        poll_server(server);
    }
}

void mlx_runner_seen(mlx_runner_t *self, bool seen)
{
    self->seen = seen;
}

static void report(mlx_runner_t *self, const server_t *server, const char *what)
{
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("Ollama's runner on port %d: %.300s", server->process.port, what);
    snprintf(self->reason, sizeof self->reason, "%.250s", text);
    self->options.problem(self->options.arg, text);
}

/*  No more of SERVER: its process ended, or it does not talk to us. Look again soon, or later. */
static void lose(server_t *server, bool ended)
{
    mlx_runner_t *self = server->owner;
    for (size_t i = self->count; i-- > 0;)
        if (self->servers[i] == server)
            drop(self, i);
    self->died = ended;
    self->changed_us = mlx_now_us();
    self->next_scan_us = ended ? 0 : self->changed_us + SCAN_MAX_US;
    self->scan_pause_us = SCAN_MIN_US;
    scan_when_due(self);
    self->options.changed(self->options.arg);
}

/*  It has started and loads the model: no answer yet, and no fault. */
static bool still_loads(server_t *server, const mlx_http_reply_t *reply)
{
    if (!mlx_runtime_is_loading(reply->status, reply->body))
        return false;
    poll_after(server, LOADING_MS);
    return true;
}

static void take_slots(server_t *server, const mlx_http_reply_t *reply)
{
    mlx_runner_t *self = server->owner;
    mlx_slot_list_t seen;
    mlx_error_t err = {0};
    if (reply->error.code)
        err = reply->error;
    else if (reply->status != 200)
        mlx_error_set(&err, MLX_ERR_FAILED, "HTTP %ld for /slots", reply->status);
    else
        mlx_slots_parse(reply->body, reply->body_len, &seen, &err);
    if (err.code) {
        report(self, server, err.text);
        if (++server->bad >= GIVE_UP) {
            lose(server, false);
            return;
        }
    } else {
        server->bad = 0;
        mlx_slots_update(server->slots, &seen, mlx_now_us(), mlx_wall_us());
    }
    poll_after(server, mlx_slots_busy(server->slots) ? BUSY_MS : rest_ms(self));
    self->options.changed(self->options.arg);
}

static void on_slots(void *arg, const mlx_http_reply_t *reply)
{
    server_t *server = arg;
    server->call = NULL;
    if (reply->refused)
        lose(server, true);
    else if (!still_loads(server, reply))
        take_slots(server, reply);
}

static void poll_server(void *arg)
{
    server_t *server = arg;
    server->timer = NULL;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/slots", server->process.port);
    mlx_http_request_t request = {.url = url, .timeout_ms = TIMEOUT_MS, .max_body = MAX_BODY};
    server->call = mlx_http_start(server->owner->options.http, &request, on_slots, server);
}

/* ---- finding ---- */

static bool knows(const mlx_runner_t *self, const mlx_runner_process_t *process)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->servers[i]->process.pid == process->pid &&
            self->servers[i]->process.port == process->port)
            return true;
    return false;
}

static void on_ended(void *arg, const mlx_ended_t *request)
{
    const server_t *server = arg;
    mlx_ended_t told = *request;
    told.source = "runner";
    told.model = server->model;
    server->owner->options.ended(server->owner->options.arg, &told);
}

static void add_server(mlx_runner_t *self, const mlx_runner_process_t *process)
{
    server_t *server = mlx_alloc(1, sizeof *server);
    server->owner = self;
    server->process = *process;
    server->slots = mlx_slots_new();
    mlx_slots_sink(server->slots, (mlx_ended_sink_t){on_ended, server});
    self->servers[self->count++] = server;
    self->died = false;
    mlx_manifests_find(process->model_path, on_name, server);
    poll_after(server, 0);
}

/*  Scanning costs some milliseconds on a machine with many processes: after a while pause longer
 *  each time that it finds nothing new. */
static void scan(mlx_runner_t *self, int64_t now_us)
{
    MLX_CLEANUP(mlx_free_p) mlx_runner_scan_t *found = mlx_alloc(1, sizeof *found);
    mlx_runner_scan(found, self->options.proc_root, geteuid(), self->options.ollama_port);
    size_t before = self->count;
    for (size_t i = 0; i < found->count && self->count < MLX_RUNNERS_MAX; i++)
        if (!knows(self, &found->processes[i]))
            add_server(self, &found->processes[i]);
    if (self->count == 0 && self->died && !found->starting)
        snprintf(self->reason, sizeof self->reason,
                 "its runner has ended: Ollama starts another with the next request");
    else if (self->count == 0)
        snprintf(self->reason, sizeof self->reason, "%s", found->reason);
    if (self->count > before)
        self->scan_pause_us = SCAN_MIN_US;
    self->next_scan_us = now_us + self->scan_pause_us;
    if (self->scan_pause_us < SCAN_MAX_US && now_us - self->changed_us > SCAN_SOON_US)
        self->scan_pause_us *= 2;
}

static void on_scan_timer(void *arg)
{
    mlx_runner_t *self = arg;
    self->scan_timer = NULL;
    scan_when_due(self);
    self->options.changed(self->options.arg);
}

/*  Look for runners while there are fewer than models. */
static void scan_when_due(mlx_runner_t *self)
{
    mlx_loop_cancel(self->options.loop, &self->scan_timer);
    int64_t now_us = mlx_now_us();
    if (self->count < mlx_value_size(self->models) && now_us >= self->next_scan_us)
        scan(self, now_us);
    if (self->count >= mlx_value_size(self->models))
        return;
    int64_t left_us = self->next_scan_us - now_us;
    self->scan_timer = mlx_loop_after(self->options.loop, left_us > 0 ? left_us / 1000 + 1 : 1,
                                      on_scan_timer, self);
}

void mlx_runner_loaded(mlx_runner_t *self, const mlx_value_t *models)
{
    size_t loaded = mlx_value_size(models);
    if (loaded != mlx_value_size(self->models)) {
        self->changed_us = mlx_now_us();
        self->next_scan_us = 0;
        self->scan_pause_us = SCAN_MIN_US;
    }
    mlx_value_destroy(&self->models);
    self->models = mlx_value_copy(models);
    if (loaded == 0)
        drop_all(self);
    scan_when_due(self);
    name_by_elimination(self);
}

/* ---- what it knows ---- */

bool mlx_runner_busy(const mlx_runner_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (mlx_slots_busy(self->servers[i]->slots))
            return true;
    return false;
}

bool mlx_runner_found(const mlx_runner_t *self)
{
    return self->count > 0;
}

void mlx_runner_activity(const mlx_runner_t *self, int64_t now_us, mlx_activity_t *out)
{
    mlx_activity_clear(out);
    if (self->count == 0 && mlx_value_size(self->models) > 0)
        return;
    *out = self->ended;
    int64_t since_us = 0;
    for (size_t i = 0; i < self->count; i++) {
        int64_t changed_us = mlx_slots_changed_us(self->servers[i]->slots);
        since_us = changed_us > since_us ? changed_us : since_us;
    }
    for (size_t i = 0; i < self->count; i++) {
        mlx_activity_t part;
        activity_of(self->servers[i], since_us, now_us, &part);
        mlx_activity_add(out, &part);
    }
}

const char *mlx_runner_reason(const mlx_runner_t *self)
{
    if (mlx_value_size(self->models) == 0)
        return NULL;
    if (self->count == 0)
        return self->reason[0] ? self->reason : NULL;
    for (size_t i = 0; i < self->count; i++)
        if (self->servers[i]->bad == 0)
            return NULL;
    return self->reason;
}
