#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "reasons.h"
#include "target_parts.h"

enum {
    STRANGER_MS = 30000, /* pause while another program has the port */
    SOON_MS = 1000,      /* while it loads, or may start a model at any time */
    ABSENT_MS = 2000,    /* nobody listens there: asking costs nothing */
    FACTS_MS = 60000,
    CHOICE_MS = 300000, /* each answer may be read from the server's disk */
    LOCKED_MS = 10000,  /* it wants a key, and may note each who has none in its log */
    REFUSED_MS = 60000, /* pause after a question it does not know */
    STATE_TIMEOUT_MS = 5000,
    ACTIVITY_TIMEOUT_MS = 10000, /* a llama-server answers between two batches of a prompt */
    PATIENCE = 2,                /* state queries without a good answer until it counts as gone */
    PROBE_BODY = 1 << 20,
};

static void on_turn(void *arg);
/* ---- becoming a kind ---- */

static void on_runner_changed(void *arg)
{
    mlx_target_t *self = arg;
    mlx_target_arm(self);
    self->options.changed(self->options.arg, self);
}

static void on_runner_problem(void *arg, const char *text)
{
    mlx_target_t *self = arg;
    self->options.problem(self->options.arg, "runner", text);
}

static void on_runner_ended(void *arg, const mlx_ended_t *request)
{
    mlx_target_ended_live(arg, request);
}

/*  A server with one model loaded worked on that one. */
static void on_slots_ended(void *arg, const mlx_ended_t *request)
{
    mlx_target_t *self = arg;
    mlx_ended_t told = *request;
    told.source = "slots";
    if (mlx_value_size(self->state.models) == 1)
        told.model = mlx_value_str(mlx_value_at(self->state.models, 0), "name");
    if (!mlx_unlisted_take(&self->unlisted, &told))
        mlx_target_ended_live(self, &told);
}

static void on_unlisted(void *arg, const mlx_ended_t *request)
{
    mlx_target_t *self = arg;
    mlx_ended_t told = *request;
    if (mlx_value_size(self->state.models) == 1)
        told.model = mlx_value_str(mlx_value_at(self->state.models, 0), "name");
    mlx_target_ended_live(self, &told);
}

static void forget_activity(mlx_target_t *self)
{
    mlx_slots_destroy(&self->slots);
    self->slots = mlx_slots_new();
    mlx_slots_sink(self->slots, (mlx_ended_sink_t){on_slots_ended, self});
    mlx_meter_reset(&self->meter);
    mlx_unlisted_reset(&self->unlisted);
    if (self->gate)
        mlx_gate_forget(self->gate);
    self->state.has_slots = false;
    self->state.has_counters = false;
}

/*  What goes to a server of this machine is looked at where that tells when to ask. A kind with a
 *  question that disturbs it is asked that one through the gate. */
static void make_gate(mlx_target_t *self)
{
    const mlx_endpoint_t *at = &self->options.endpoint;
    bool of_use = self->backend->on_demand, disturbs = false;
    for (size_t i = 0; i < self->ask_count; i++) {
        of_use |= self->asks[i].query->role == MLX_QUERY_ACTIVITY;
        disturbs |= self->asks[i].query->disturbs;
    }
    if (of_use && mlx_endpoint_local(at))
        self->traffic = mlx_traffic_new(at->port, self->options.opens);
    if (disturbs)
        self->gate = mlx_gate_new(self->traffic);
}

static void become(mlx_target_t *self, const mlx_runtime_backend_t *backend)
{
    self->backend = backend;
    self->ask_count = 0;
    for (size_t i = 0; i < MLX_RUNTIME_QUERIES_MAX && backend->queries[i].path; i++)
        self->asks[self->ask_count++] =
            (mlx_target_ask_t){.owner = self, .query = &backend->queries[i]};
    make_gate(self);
    if (backend->runners && self->options.runner_probe &&
        mlx_endpoint_local(&self->options.endpoint))
        self->runner = mlx_runner_new(&(mlx_runner_options_t){
            .loop = self->options.loop,
            .http = self->options.http,
            .proc_root = self->options.proc_root,
            .ollama_port = (uint16_t)self->options.endpoint.port,
            .changed = on_runner_changed,
            .problem = on_runner_problem,
            .ended = on_runner_ended,
            .arg = self,
        });
}

static void abort_calls(mlx_target_t *self)
{
    if (self->probe)
        mlx_http_abort(self->options.http, &self->probe);
    for (size_t i = 0; i < self->ask_count; i++)
        if (self->asks[i].call)
            mlx_http_abort(self->options.http, &self->asks[i].call);
}

/*  The kind was found out and may be another the next time. */
static void become_unknown(mlx_target_t *self)
{
    abort_calls(self);
    mlx_target_close_log(self);
    mlx_runner_destroy(&self->runner);
    mlx_gate_destroy(&self->gate);
    mlx_traffic_destroy(&self->traffic);
    self->ask_count = 0;
    self->backend = NULL;
    self->seen = false;
    mlx_runtime_clear(&self->state);
}

static void on_ended_once(void *arg, const mlx_ended_t *request)
{
    mlx_target_t *self = arg;
    self->options.ended(self->options.arg, self, request);
}

mlx_target_t *mlx_target_new(const mlx_target_options_t *options)
{
    mlx_target_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->once = mlx_ended_once_new((mlx_ended_sink_t){on_ended_once, self});
    mlx_runtime_clear(&self->state);
    forget_activity(self);
    if (options->backend)
        become(self, options->backend);
    self->timer = mlx_loop_after(options->loop, 0, on_turn, self);
    return self;
}

void mlx_target_destroy(mlx_target_t **self_p)
{
    mlx_target_t *self = *self_p;
    if (!self)
        return;
    abort_calls(self);
    mlx_target_close_log(self);
    mlx_runner_destroy(&self->runner);
    mlx_gate_destroy(&self->gate);
    mlx_traffic_destroy(&self->traffic);
    if (self->timer)
        mlx_loop_cancel(self->options.loop, &self->timer);
    mlx_slots_destroy(&self->slots);
    mlx_ended_once_destroy(&self->once);
    mlx_runtime_clear(&self->state);
    free(self);
    *self_p = NULL;
}

/* ---- when to ask ---- */

bool mlx_target_busy(const mlx_target_t *self)
{
    return (self->runner && mlx_runner_busy(self->runner)) || mlx_slots_busy(self->slots) ||
           mlx_meter_busy(&self->meter) || (self->log && mlx_log_source_busy(self->log));
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pause_ms(const mlx_target_t *self, const mlx_target_ask_t *ask)
{
    const mlx_runtime_query_t *query = ask->query;
    bool busy = mlx_target_busy(self);
    bool awake = busy || (self->backend->on_demand && !mlx_target_quiet(self));
    if (!self->reachable && (self->locked || (query->idle_ms && query->role == MLX_QUERY_STATE)))
        return LOCKED_MS;
    if (!self->reachable)
        return shorter(self->options.idle_ms, self->loading ? SOON_MS : ABSENT_MS);
    if (query->tells_sleep)
        return self->options.idle_ms;
    if (ask->refused[0])
        return REFUSED_MS;
    switch (query->role) {
    case MLX_QUERY_STATE:
        if (query->idle_ms)
            return query->idle_ms;
        return awake ? shorter(self->options.busy_ms, self->options.idle_ms)
                     : self->options.idle_ms;
    case MLX_QUERY_ACTIVITY:
        if (!busy && mlx_target_quiet(self) && query->idle_ms < self->options.idle_ms)
            return self->options.idle_ms;
        return busy ? query->busy_ms : query->idle_ms;
    case MLX_QUERY_CHOICE:
        return mlx_target_quiet(self) ? CHOICE_MS : FACTS_MS;
    default:
        return query->idle_ms ? query->idle_ms : FACTS_MS;
    }
}

static void set_timer(mlx_target_t *self, int64_t delay_ms)
{
    if (self->timer)
        mlx_loop_cancel(self->options.loop, &self->timer);
    if (!self->resting && !self->foreign)
        self->timer = mlx_loop_after(self->options.loop, delay_ms, on_turn, self);
}

/*  Whether the question may be put at all. A router has no slots of its own, and naming a model to
 *  it would load that one. */
static bool may_ask(const mlx_target_t *self, const mlx_target_ask_t *ask, int64_t now_us)
{
    if (ask->call || (!self->reachable && ask->query->role != MLX_QUERY_STATE))
        return false;
    if (!ask->query->disturbs)
        return true;
    return !self->state.router && (ask->owed || mlx_gate_open(self->gate, now_us));
}

/*  Wake for the question that is due first, or for a look whether there is something to ask. */
void mlx_target_arm(mlx_target_t *self)
{
    if (!self->backend)
        return;
    int64_t now_us = mlx_now_us();
    int64_t due_us = now_us + (int64_t)REFUSED_MS * 1000;
    for (size_t i = 0; i < self->ask_count; i++) {
        const mlx_target_ask_t *ask = &self->asks[i];
        if (may_ask(self, ask, now_us) && ask->due_us < due_us)
            due_us = ask->due_us;
    }
    if (mlx_target_looks(self) && self->look_us < due_us)
        due_us = self->look_us;
    set_timer(self, due_us <= now_us ? 0 : (due_us - now_us + 999) / 1000);
}

/* ---- there or not ---- */

static void problem(mlx_target_t *self, const char *path, const char *text)
{
    MLX_CLEANUP(mlx_free_p)
    char *kind = mlx_format("%s%s", self->options.endpoint.segment, path);
    MLX_CLEANUP(mlx_free_p)
    char *line = mlx_format("%s%s: %s", self->options.endpoint.url, path, text);
    self->options.problem(self->options.arg, kind, line);
}

static void now_reachable(mlx_target_t *self)
{
    self->misses = 0;
    self->reason[0] = '\0';
    self->loading = false;
    self->late = false;
    self->locked = false;
    self->seen = true;
    if (self->reachable)
        return;
    self->reachable = true;
    mlx_target_open_log(self);
    self->sees_all = self->traffic && mlx_traffic_sees_all(self->traffic, self->options.proc_root);
    if (self->runner)
        mlx_runner_seen(self->runner, self->sees_all);
    for (size_t i = 0; i < self->ask_count; i++) {
        self->asks[i].refused[0] = '\0';
        if (self->asks[i].query->role != MLX_QUERY_STATE)
            self->asks[i].due_us = 0;
    }
}

/*  The topics of the old kind must say so before the kind is given up. */
static void now_unreachable(mlx_target_t *self, const char *reason)
{
    snprintf(self->reason, sizeof self->reason, "%s", reason);
    self->reachable = false;
    mlx_target_close_log(self);
    forget_activity(self);
    mlx_value_destroy(&self->state.models);
    mlx_value_destroy(&self->state.available);
    if (self->runner)
        mlx_runner_loaded(self->runner, NULL);
    self->options.changed(self->options.arg, self);
    if (!self->options.backend && !self->loading)
        become_unknown(self);
}

/*  An answer that is none of its kind. Of a server that does one thing at a time silence is not. */
static bool is_foreign(const mlx_target_t *self, const mlx_http_reply_t *reply)
{
    bool silent = reply->late && self->backend->one_at_a_time;
    return !reply->refused && !self->loading && !self->locked && !silent;
}

static void give_up(mlx_target_t *self)
{
    self->foreign = true;
    snprintf(self->reason, sizeof self->reason, "another program listens there");
    if (self->timer)
        mlx_loop_cancel(self->options.loop, &self->timer);
    self->options.foreign(self->options.arg, self);
}

/*  One that is connected and does not answer in time works on something: a server of one thread
 *  answers nobody meanwhile. One that says that it loads is there, too. */
static void state_missed(mlx_target_t *self, const char *path, const mlx_http_reply_t *reply,
                         const char *why)
{
    self->late = reply->late && self->reachable && self->backend->one_at_a_time;
    if (self->late)
        return;
    self->loading = mlx_runtime_is_loading(reply->status, reply->body);
    self->locked = mlx_runtime_wants_key(self->backend, path, reply->status, reply->body);
    if (self->options.once && !self->seen && is_foreign(self, reply)) {
        give_up(self);
        return;
    }
    self->seen = self->seen || self->loading || self->locked;
    if (!reply->refused && !self->loading)
        problem(self, path, why);
    self->misses++;
    if (reply->refused || self->loading || self->misses >= PATIENCE || !self->reachable)
        now_unreachable(self, why);
}

/* ---- asking ---- */

static void take_activity(mlx_target_t *self)
{
    int64_t now_us = mlx_now_us();
    if (self->state.has_slots)
        mlx_slots_update(self->slots, &self->state.slots, now_us, mlx_wall_us());
    if (self->state.has_counters) {
        mlx_meter_update(&self->meter, &self->state.counters, mlx_slots_requests(self->slots),
                         now_us, mlx_wall_us());
        mlx_unlisted_counters(&self->unlisted, &self->state.counters);
    }
    if (self->log && mlx_log_source_reading(self->log))
        mlx_unlisted_reset(&self->unlisted); /* it lists each */
    const mlx_ended_sink_t sink = {on_unlisted, self};
    mlx_unlisted_settle(&self->unlisted, mlx_slots_busy(self->slots), mlx_wall_us(), &sink);
    self->state.has_slots = false;
    self->state.has_counters = false;
}

/*  What disturbs is asked again after the last request has ended: counters move only then. */
static void tell_gate(mlx_target_t *self, const mlx_target_ask_t *answered, bool was_busy)
{
    bool busy = mlx_slots_busy(self->slots) || mlx_meter_busy(&self->meter);
    mlx_gate_answered(self->gate, busy);
    for (size_t i = 0; i < self->ask_count && was_busy && !busy; i++) {
        mlx_target_ask_t *ask = &self->asks[i];
        ask->owed = ask != answered && ask->query->disturbs && !ask->refused[0];
        if (ask->owed)
            ask->due_us = 0;
    }
}

static void good_reply(mlx_target_t *self, const mlx_target_ask_t *ask)
{
    bool was_busy = mlx_target_busy(self);
    if (ask->query->role == MLX_QUERY_ACTIVITY)
        take_activity(self);
    if (self->gate && ask->query->disturbs)
        tell_gate(self, ask, was_busy);
    if (self->gate && ask->query->tells_sleep) {
        mlx_gate_told(self->gate, self->state.sleep, mlx_now_us());
        mlx_target_ask_through_gate(self);
    }
    if (ask->query->role == MLX_QUERY_ACTIVITY)
        mlx_target_settle(self, MLX_QUERY_ACTIVITY);
    if (ask->query->role != MLX_QUERY_STATE)
        return;
    now_reachable(self);
    mlx_target_settle(self, MLX_QUERY_STATE);
    if (self->runner)
        mlx_runner_loaded(self->runner, self->state.models);
    if (self->log)
        mlx_log_source_models(self->log, mlx_value_size(self->state.models));
}

/*  A status is an answer: it does not offer this. Anything else is a fault to be counted. */
static void bad_reply(mlx_target_t *self, mlx_target_ask_t *ask, const mlx_http_reply_t *reply,
                      const char *why)
{
    const mlx_runtime_query_t *query = ask->query;
    if (query->role == MLX_QUERY_STATE) {
        state_missed(self, query->path, reply, why);
        return;
    }
    if (self->gate && query->tells_sleep)
        mlx_gate_told(self->gate, MLX_SLEEP_UNKNOWN, mlx_now_us());
    if (self->gate && query->disturbs)
        mlx_gate_unanswered(self->gate);
    snprintf(ask->refused, sizeof ask->refused, "%.299s", why);
    if (reply->status < 400 && !reply->refused)
        problem(self, query->path, why);
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    mlx_target_ask_t *ask = arg;
    mlx_target_t *self = ask->owner;
    ask->call = NULL;
    ask->refused[0] = '\0';
    char why[300];
    mlx_error_t err = {0};
    const mlx_reason_question_t question = {self->backend, self->options.keys,
                                            self->options.endpoint.url, ask->query->path};
    bool bad = mlx_reason_failed(&question, reply, why, sizeof why);
    if (!bad && ask->query->parse(reply->body, reply->body_len, &self->state, &err)) {
        bad = true;
        mlx_reason_misread(&question, reply, &err, why, sizeof why);
    }
    if (bad)
        bad_reply(self, ask, reply, why);
    else
        good_reply(self, ask);
    if (!self->backend) { /* it was given up: find out again */
        set_timer(self, self->locked ? LOCKED_MS : shorter(self->options.idle_ms, ABSENT_MS));
        return;
    }
    int64_t now_us = mlx_now_us(), pause_us = pause_ms(self, ask) * 1000;
    bool grid = pause_us >= (int64_t)MLX_LOOP_GRID_MS * 1000;
    ask->due_us = grid ? mlx_loop_grid_us(now_us, pause_us) : now_us + pause_us;
    mlx_target_arm(self);
    self->options.changed(self->options.arg, self);
}

static mlx_http_call_t *get(mlx_target_t *self, const char *path, size_t max_body,
                            int64_t timeout_ms, mlx_http_fn fn, void *arg)
{
    MLX_CLEANUP(mlx_free_p) char *url = mlx_format("%s%s", self->options.endpoint.url, path);
    mlx_http_request_t request = {.url = url, .timeout_ms = timeout_ms, .max_body = max_body};
    return mlx_http_start(self->options.http, &request, fn, arg);
}

static void ask_what_is_due(mlx_target_t *self)
{
    int64_t now_us = mlx_now_us();
    mlx_target_look(self, now_us);
    for (size_t i = 0; i < self->ask_count; i++) {
        mlx_target_ask_t *ask = &self->asks[i];
        bool state = ask->query->role == MLX_QUERY_STATE;
        if (!may_ask(self, ask, now_us) || ask->due_us > now_us)
            continue;
        ask->owed = false;
        ask->call = get(self, ask->query->path, ask->query->max_body,
                        state ? STATE_TIMEOUT_MS : ACTIVITY_TIMEOUT_MS, on_reply, ask);
    }
    mlx_target_arm(self);
}

/* ---- finding out the kind ---- */

static void on_probe(void *arg, const mlx_http_reply_t *reply);

static void probe(mlx_target_t *self, const char *path)
{
    self->probe_path = path;
    self->locked = self->locked && mlx_runtime_next_probe(NULL) != path;
    self->probe = get(self, path, PROBE_BODY, STATE_TIMEOUT_MS, on_probe, self);
}

static void on_probe(void *arg, const mlx_http_reply_t *reply)
{
    mlx_target_t *self = arg;
    self->probe = NULL;
    const mlx_runtime_backend_t *backend = mlx_target_claimant(self->probe_path, reply);
    const char *next = self->options.once ? NULL : mlx_runtime_next_probe(self->probe_path);
    self->locked |= mlx_runtime_wants_key(NULL, self->probe_path, reply->status, reply->body);
    if (!backend && !next && self->locked && self->options.expected)
        backend = &mlx_runtime_openai; /* whatever it is, it must be said that it needs a key */
    if (backend && self->options.once)
        self->options.backend = backend; /* as long as this one lives */
    if (backend) {
        become(self, backend);
        on_turn(self);
    } else if (self->options.once) {
        give_up(self);
    } else if (reply->refused || !next) {
        set_timer(self, reply->refused ? shorter(self->options.idle_ms, ABSENT_MS) : STRANGER_MS);
    } else {
        probe(self, next);
    }
}

static void on_turn(void *arg)
{
    mlx_target_t *self = arg;
    self->timer = NULL;
    if (self->backend)
        ask_what_is_due(self);
    else
        probe(self,
              self->options.probe_path ? self->options.probe_path : mlx_runtime_next_probe(NULL));
}

/* ---- coming and going ---- */

void mlx_target_rest(mlx_target_t *self)
{
    if (self->resting || self->options.expected || !self->options.once)
        return;
    self->resting = true;
    self->rested_us = mlx_now_us();
    abort_calls(self);
    if (self->timer)
        mlx_loop_cancel(self->options.loop, &self->timer);
    self->loading = false;
    if (self->backend)
        now_unreachable(self, "its program has ended");
}

void mlx_target_wake(mlx_target_t *self, const mlx_runtime_backend_t *backend,
                     const char *probe_path)
{
    bool other = backend ? backend != self->backend : self->resting || !self->backend;
    self->resting = false;
    self->foreign = false;
    self->locked = false;
    self->misses = 0;
    if (self->options.once && other) {
        become_unknown(self);
        self->options.backend = backend;
        self->options.probe_path = probe_path;
        if (backend)
            become(self, backend);
    }
    for (size_t i = 0; i < self->ask_count; i++)
        self->asks[i].due_us = 0;
    set_timer(self, 0);
}
