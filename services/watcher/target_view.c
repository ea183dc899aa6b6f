/*  What a target knows, as the messages tell it, and whose answer it got. */
#include <string.h>

#include "common/base/clock.h"
#include "control.h"
#include "target_parts.h"

enum {
    FORGET_US = 30 * 1000 * 1000 /* that a server has ended is told so long */
};

const mlx_runtime_backend_t *mlx_target_claimant(const char *path, const mlx_http_reply_t *reply)
{
    const char *server = mlx_http_header(reply, "Server");
    const mlx_runtime_answer_t answer = {.path = path,
                                         .status = reply->error.code ? 0 : reply->status,
                                         .body = reply->body,
                                         .len = reply->body_len,
                                         .server = server ? server : ""};
    return mlx_runtime_claimant(&answer);
}

const mlx_endpoint_t *mlx_target_endpoint(const mlx_target_t *self)
{
    return &self->options.endpoint;
}

char *mlx_target_topic(const mlx_target_t *self, const char *what)
{
    bool answered = self->reachable || self->reason[0];
    if (self->resting && mlx_now_us() - self->rested_us > FORGET_US)
        return NULL;
    if (!self->backend || !answered || (!self->seen && !self->options.expected))
        return NULL;
    return mlx_format("runtime.%s.%s.%s", self->backend->kind, self->options.endpoint.segment,
                      what);
}

mlx_value_t *mlx_target_models(const mlx_target_t *self)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", self->reachable);
    if (!self->reachable)
        mlx_value_set_str(d, "reason", self->reason);
    if (self->loading)
        mlx_value_set_bool(d, "loading", true);
    mlx_value_set_str(d, "kind", self->backend->kind);
    mlx_value_set_str(d, "url", self->options.endpoint.url);
    if (self->reachable && self->state.version[0])
        mlx_value_set_str(d, "version", self->state.version);
    if (self->reachable && self->state.sleep >= MLX_SLEEP_AWAKE)
        mlx_value_set_bool(d, "sleeping", self->state.sleep == MLX_SLEEP_ASLEEP);
    if (self->reachable && self->state.models)
        mlx_value_set(d, "models", mlx_value_copy(self->state.models));
    if (self->reachable && self->state.available)
        mlx_value_set(d, "available", mlx_value_copy(self->state.available));
    mlx_value_t *can = self->reachable ? mlx_control_can(self) : NULL;
    if (can)
        mlx_value_set(d, "can", can);
    return d;
}

bool mlx_target_idle(const mlx_target_t *self)
{
    return self->resting || self->foreign;
}

/*  What a server that is open in part says of the rest. */
static const char *needs_key(const mlx_target_t *self)
{
    static const char words[] = "needs a key";
    for (size_t i = 0; i < self->ask_count; i++)
        if (strncmp(self->asks[i].refused, words, sizeof words - 1) == 0)
            return self->asks[i].refused;
    return NULL;
}

/*  Why a kind of server that could tell its activity does not. */
static const char *why_silent(const mlx_target_t *self)
{
    if (!self->reachable)
        return NULL;
    if (self->late)
        return "it takes more than 5 s to answer: it works on a request";
    if (self->runner)
        return mlx_runner_reason(self->runner);
    if (self->backend->runners)
        return self->options.runner_probe ? "it runs on another machine: use the tap"
                                          : "watcher.runner_probe is off";
    if (self->state.router)
        return "a router's models are served by its children, and asking it about one would load "
               "that: use the tap";
    if (needs_key(self))
        return needs_key(self);
    for (size_t i = 0; i < self->ask_count; i++) {
        const mlx_target_ask_t *ask = &self->asks[i];
        if (ask->query->role == MLX_QUERY_ACTIVITY) /* the first is the best */
            return ask->refused[0] ? ask->refused : self->gate ? mlx_gate_reason(self->gate) : NULL;
    }
    return "this kind of server does not report its activity: use the tap";
}

/*  The same, and why its log does not tell it either. NULL: there is nothing to say. */
static char *why(const mlx_target_t *self)
{
    const char *silent = why_silent(self);
    const char *log = self->log ? mlx_log_source_reason(self->log) : NULL;
    if (!silent || !log)
        return silent ? mlx_strdup(silent) : NULL;
    return mlx_format("%s; its log is not read either: %s", silent, log);
}

/*  What the runtime itself tells: its slots or its runners', and its counters. */
typedef struct {
    mlx_activity_t slots;
    mlx_activity_t metrics;
    mlx_activity_t log;
    const char *slots_source;
} own_t;

static void read_own(const mlx_target_t *self, int64_t now_us, own_t *out)
{
    mlx_meter_activity(&self->meter, now_us, &out->metrics);
    out->metrics.last.source = "metrics";
    out->slots_source = "slots";
    mlx_activity_clear(&out->log);
    if (self->log)
        mlx_log_source_activity(self->log, now_us, &out->log);
    if (!self->runner) {
        mlx_slots_activity(self->slots, mlx_slots_changed_us(self->slots), now_us, &out->slots);
        out->slots.last.source = "slots";
        return;
    }
    mlx_runner_activity(self->runner, now_us, &out->slots);
    out->slots_source = mlx_runner_found(self->runner) ? "runner" : NULL;
}

/*  The newest request: a log has the server's own figures of it, slots what was seen. */
static void newest(const own_t *own, mlx_activity_t *out)
{
    enum {
        SAME_US = 2 * 1000 * 1000
    };
    if (own->metrics.available && own->metrics.last.t_us)
        out->last = own->metrics.last;
    if (own->log.available && own->log.last.t_us && own->log.last.t_us + SAME_US > out->last.t_us)
        out->last = own->log.last;
}

/*  The best of them for what happens now; the others know more of what has ended. */
static const char *best_own(const own_t *own, mlx_activity_t *out)
{
    const char *source = own->slots_source;
    *out = own->slots;
    if (!own->slots.available && own->metrics.available) {
        *out = own->metrics;
        source = "metrics";
    } else if (!own->slots.available && own->log.available) {
        *out = own->log;
        source = "log";
    }
    newest(own, out);
    return source;
}

static mlx_totals_t *totals_of(mlx_target_t *self)
{
    size_t count, i = 0;
    const mlx_runtime_backend_t *const *all = mlx_runtime_backends(&count);
    while (i + 1 < count && all[i] != self->backend)
        i++;
    return &self->totals[i];
}

/*  A server with one model loaded is working on that one. */
static void name_model(const mlx_target_t *self, mlx_activity_t *own)
{
    if (self->runner || mlx_value_size(self->state.models) != 1)
        return;
    const char *name = mlx_value_str(mlx_value_at(self->state.models, 0), "name");
    own->model = name;
    own->last.model = name;
    for (size_t i = 0; i < own->list_count; i++)
        own->list[i].model = name;
}

void mlx_target_client(mlx_target_t *self, const char *client)
{
    self->client = client;
}

mlx_value_t *mlx_target_activity(mlx_target_t *self, const mlx_activity_t *tap)
{
    int64_t now_us = mlx_now_us();
    mlx_ended_once_tick(self->once, now_us);
    own_t own;
    mlx_activity_t best;
    read_own(self, now_us, &own);
    const char *source = best_own(&own, &best);
    mlx_totals_t *totals = totals_of(self);
    const mlx_totals_sources_t all = {.by = {[MLX_LEDGER_TAP] = tap,
                                             [MLX_LEDGER_SLOTS] = &own.slots,
                                             [MLX_LEDGER_METRICS] = &own.metrics,
                                             [MLX_LEDGER_LOG] = &own.log}};
    mlx_totals_update(totals, &all, now_us);
    if (!self->backend->lists_all)
        name_model(self, &best);
    for (size_t i = 0; i < best.list_count; i++)
        best.list[i].client = self->client;
    mlx_activity_t tapped;
    mlx_activity_clear(&tapped);
    if (tap)
        tapped = *tap;
    mlx_prompt_eta_join(&best, &own.log);
    mlx_prompt_eta_update(&self->eta, &best, now_us);
    mlx_prompt_eta_update(&self->eta, &tapped, now_us);
    MLX_CLEANUP(mlx_free_p) char *reason = why(self);
    mlx_activity_sources_t sources = {.tap = tap ? &tapped : NULL,
                                      .own = &best,
                                      .own_source = source,
                                      .cut = &own.log.cut,
                                      .totals = totals,
                                      .reason = reason};
    return mlx_activity_message(&sources);
}
