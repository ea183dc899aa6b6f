#include "watcher.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finder.h"
#include "requests.h"
#include "tap.h"
#include "tap_view.h"
#include "target.h"

enum {
    TARGETS_MAX = 64,
    OLLAMA_PORT = 11434,
    TAP_PORT = 11493,    /* beside the gateway's; 11435 is that of other relays, too */
    REFRESH_MS = 5000,   /* the period of runtime topics in the catalogue */
    STREAM_MS = 250,     /* between publications while the tap streams */
    TAP_RETRY_MS = 10000 /* its port was taken, or its upstream not found */
};

struct mlx_watcher {
    mlx_watcher_options_t options;
    mlx_http_t *http;
    mlx_runtime_keys_t *keys;
    mlx_target_t *targets[TARGETS_MAX];
    size_t count;

    mlx_endpoint_t tap_listen;
    mlx_endpoint_t tap_upstream;
    mlx_target_t *tapped; /* the target behind the tap; NULL: there is no tap */
    mlx_tap_t *tap;
    mlx_tap_snapshot_t snapshot;
    mlx_tap_view_t view;
    mlx_opens_t *opens;
    mlx_requests_t *requests;
    mlx_finder_t *finder;      /* NULL: nothing is looked for */
    mlx_timer_t *stream_timer; /* runs while the tap has requests */
    mlx_timer_t *retry_timer;
    mlx_timer_t *refresh_timer;
};

/*  The port of TARGET on this machine; 0: it is on another. */
static int local_port(const mlx_target_t *target)
{
    const mlx_endpoint_t *at = mlx_target_endpoint(target);
    return mlx_endpoint_local(at) ? at->port : 0;
}

/*  A request that TARGET's slots or runners saw end. */
static void on_ended(void *arg, mlx_target_t *target, const mlx_ended_t *request)
{
    mlx_watcher_t *self = arg;
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_target_topic(target, "request");
    mlx_requests_direct(self->requests, topic, local_port(target), target == self->tapped, request);
}

/*  Who asks TARGET directly, while somebody does. */
static void name_client(mlx_watcher_t *self, mlx_target_t *target)
{
    mlx_target_client(target,
                      mlx_target_busy(target)
                          ? mlx_requests_look(self->requests, local_port(target), mlx_now_us())
                          : NULL);
}

static void note_load(mlx_watcher_t *self, const char *topic, const mlx_value_t *activity)
{
    int64_t running = 0;
    mlx_value_int(activity, "requests", &running);
    mlx_requests_running(self->requests, topic, (size_t)running, mlx_now_us());
}

static void publish_target(void *arg, mlx_target_t *target)
{
    mlx_watcher_t *self = arg;
    MLX_CLEANUP(mlx_free_p) char *models_topic = mlx_target_topic(target, "models");
    MLX_CLEANUP(mlx_free_p) char *activity_topic = mlx_target_topic(target, "activity");
    if (!models_topic)
        return;
    mlx_requests_settle(self->requests, mlx_now_us());
    name_client(self, target);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *models = mlx_target_models(target);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *activity = mlx_target_activity(
        target, target == self->tapped ? mlx_tap_view_activity(&self->view) : NULL);
    note_load(self, activity_topic, activity);
    self->options.publish(self->options.arg, models_topic, models);
    self->options.publish(self->options.arg, activity_topic, activity);
}

static void on_problem(void *arg, const char *kind, const char *text)
{
    mlx_watcher_t *self = arg;
    self->options.problem(self->options.arg, kind, text);
}

static mlx_target_t *target_at(const mlx_watcher_t *self, const mlx_endpoint_t *at)
{
    for (size_t i = 0; i < self->count; i++)
        if (mlx_endpoint_same(mlx_target_endpoint(self->targets[i]), at))
            return self->targets[i];
    return NULL;
}

static void on_foreign(void *arg, mlx_target_t *target)
{
    mlx_watcher_t *self = arg;
    if (self->finder)
        mlx_finder_foreign(self->finder, mlx_target_endpoint(target));
}

/*  Where the next target goes: what has ended gives way when there are too many. */
static mlx_target_t **free_place(mlx_watcher_t *self)
{
    if (self->count < TARGETS_MAX)
        return &self->targets[self->count++];
    for (size_t i = 0; i < self->count; i++)
        if (mlx_target_idle(self->targets[i]) && self->targets[i] != self->tapped) {
            mlx_target_destroy(&self->targets[i]);
            return &self->targets[i];
        }
    return NULL;
}

/*  Watch what OPTIONS say, once: as the first who asks for it. */
static void watch(mlx_watcher_t *self, const mlx_target_options_t *options)
{
    mlx_target_t **place = target_at(self, &options->endpoint) ? NULL : free_place(self);
    if (!place)
        return;
    mlx_target_options_t full = *options;
    full.loop = self->options.loop;
    full.http = self->http;
    full.busy_ms = self->options.busy_ms;
    full.idle_ms = self->options.idle_ms;
    full.runner_probe = self->options.runner_probe;
    full.proc_root = self->options.proc_root;
    full.opens = self->opens;
    full.keys = self->keys;
    full.changed = publish_target;
    full.foreign = on_foreign;
    full.problem = on_problem;
    full.ended = on_ended;
    full.arg = self;
    *place = mlx_target_new(&full);
}

/* ---- what is found ---- */

static void on_found(void *arg, const mlx_found_server_t *server)
{
    mlx_watcher_t *self = arg;
    mlx_target_t *known = target_at(self, &server->endpoint);
    if (self->tap && mlx_endpoint_same(&server->endpoint, &self->tap_listen))
        return;
    if (known)
        mlx_target_wake(known, server->backend, server->probe_path);
    else
        watch(self, &(mlx_target_options_t){.endpoint = server->endpoint,
                                            .backend = server->backend,
                                            .probe_path = server->probe_path,
                                            .once = true});
}

static void on_gone(void *arg, const mlx_endpoint_t *endpoint)
{
    mlx_target_t *known = target_at(arg, endpoint);
    if (known)
        mlx_target_rest(known);
}

/*  Polls may be minutes apart; readers take what is not repeated for stale. */
static void on_refresh(void *arg)
{
    mlx_watcher_t *self = arg;
    for (size_t i = 0; i < self->count; i++)
        publish_target(self, self->targets[i]);
}

/* ---- the tap ---- */

static void fetch_tap(mlx_watcher_t *self)
{
    int64_t now_us = mlx_now_us(), wall_us = mlx_wall_us();
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_target_topic(self->tapped, "request");
    mlx_tap_snapshot(self->tap, &self->snapshot);
    mlx_requests_tap(self->requests, topic, &self->snapshot, now_us, wall_us);
    mlx_tap_view_update(&self->view, &self->snapshot, now_us, wall_us);
    publish_target(self, self->tapped);
}

static void on_stream_timer(void *arg)
{
    mlx_watcher_t *self = arg;
    fetch_tap(self);
    if (self->view.activity.requests > 0)
        mlx_target_working(self->tapped);
    else
        mlx_loop_cancel(self->options.loop, &self->stream_timer);
}

static void on_tap_news(void *arg)
{
    mlx_watcher_t *self = arg;
    if (!self->tap)
        return;
    fetch_tap(self);
    if (self->view.activity.requests > 0 && !self->stream_timer) {
        self->stream_timer = mlx_loop_every(self->options.loop, STREAM_MS, on_stream_timer, self);
        mlx_target_working(self->tapped);
        mlx_target_poll_now(self->tapped);
    }
}

/*  In the tap's thread. */
static void wake(void *arg)
{
    mlx_watcher_t *self = arg;
    mlx_loop_wake(self->options.loop, on_tap_news, self);
}

/*  A port that is taken may be free later: the rest of the watcher is of use without the tap. */
static void open_tap(void *arg)
{
    mlx_watcher_t *self = arg;
    self->retry_timer = NULL;
    MLX_CLEANUP(mlx_free_p) char *listen = mlx_endpoint_address(&self->tap_listen);
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_endpoint_address(&self->tap_upstream);
    mlx_error_t err = {0};
    self->tap = mlx_tap_new(&(mlx_tap_config_t){.listen = listen,
                                                .upstream = upstream,
                                                .prints = self->options.prints,
                                                .wake = wake,
                                                .arg = self},
                            &err);
    if (self->tap) {
        self->tap_listen.port = mlx_tap_port(self->tap);
        MLX_CLEANUP(mlx_free_p) char *at = mlx_endpoint_address(&self->tap_listen);
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("the tap at %s forwards to %s", at, upstream);
        self->options.info(self->options.arg, text);
        return;
    }
    self->options.problem(self->options.arg, "tap", err.text);
    self->retry_timer = mlx_loop_after(self->options.loop, TAP_RETRY_MS, open_tap, self);
}

/* ---- what is watched ---- */

/*  Where Ollama is. Apps that go through the tap have OLLAMA_HOST point at it, and so may we: then
 *  it is what is behind the tap. Where the variable is not an address Ollama itself takes its
 *  default.
 */
static void find_ollama(const mlx_watcher_t *self, mlx_endpoint_t *at)
{
    mlx_error_t err = {0};
    if (mlx_endpoint_parse(at, self->options.ollama_host, OLLAMA_PORT, &err)) {
        mlx_error_prefix(&err, "OLLAMA_HOST");
        self->options.problem(self->options.arg, "OLLAMA_HOST", err.text);
        mlx_endpoint_parse(at, NULL, OLLAMA_PORT, NULL);
    }
    if (self->options.tap_listen && mlx_endpoint_same(at, &self->tap_listen) &&
        mlx_endpoint_parse(at, self->options.tap_upstream, OLLAMA_PORT, NULL))
        mlx_endpoint_parse(at, NULL, OLLAMA_PORT, NULL);
}

static void on_bad_key(void *arg, const char *text)
{
    on_problem(arg, "watcher.runtimes", text);
}

static int watch_configured(mlx_watcher_t *self, mlx_error_t *err)
{
    const mlx_value_t *list = self->options.runtimes;
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        mlx_endpoint_t at;
        const char *kind = mlx_value_str(mlx_value_at(list, i), "kind");
        if (kind && !strcmp(kind, "auto"))
            kind = NULL;
        if (kind && !mlx_runtime_backend(kind))
            return mlx_error_set(err, MLX_ERR_USAGE, "watcher.runtimes: unknown kind \"%s\"", kind);
        mlx_error_t bad = {0};
        const char *url = mlx_value_str(mlx_value_at(list, i), "url");
        if (mlx_endpoint_parse(&at, url, OLLAMA_PORT, &bad) == 0) {
            watch(self, &(mlx_target_options_t){.endpoint = at,
                                                .backend = kind ? mlx_runtime_backend(kind) : NULL,
                                                .expected = true});
            continue;
        }
        mlx_error_prefix(&bad, "watcher.runtimes"); /* the others are watched all the same */
        self->options.problem(self->options.arg, "watcher.runtimes", bad.text);
    }
    return 0;
}

static void find(mlx_watcher_t *self)
{
    self->finder = mlx_finder_new(&(mlx_finder_options_t){.loop = self->options.loop,
                                                          .proc_root = self->options.proc_root,
                                                          .found = on_found,
                                                          .gone = on_gone,
                                                          .arg = self});
}

/*  Where nobody said that Ollama is there may be another program. */
static void discover(mlx_watcher_t *self)
{
    mlx_endpoint_t at;
    find_ollama(self, &at);
    watch(self, &(mlx_target_options_t){.endpoint = at,
                                        .backend = &mlx_runtime_ollama,
                                        .expected = true,
                                        .once = self->finder && !self->options.ollama_host});
}

static int read_tap_addresses(mlx_watcher_t *self, mlx_error_t *err)
{
    const mlx_watcher_options_t *o = &self->options;
    if (!o->tap_listen)
        return 0;
    if (mlx_endpoint_parse(&self->tap_listen, o->tap_listen, TAP_PORT, err))
        return mlx_error_prefix(err, "watcher.tap_listen");
    if (!o->tap_upstream) {
        find_ollama(self, &self->tap_upstream);
        return 0;
    }
    if (mlx_endpoint_parse(&self->tap_upstream, o->tap_upstream, OLLAMA_PORT, err))
        return mlx_error_prefix(err, "watcher.tap_upstream");
    return 0;
}

static void start_tap(mlx_watcher_t *self)
{
    if (!self->options.tap_listen)
        return;
    watch(self, &(mlx_target_options_t){.endpoint = self->tap_upstream});
    self->tapped = target_at(self, &self->tap_upstream);
    if (self->tapped)
        open_tap(self);
}

mlx_watcher_t *mlx_watcher_new(const mlx_watcher_options_t *options, mlx_error_t *err)
{
    mlx_watcher_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->http = mlx_http_new(options->loop);
    self->keys = mlx_runtime_keys_new(options->runtimes);
    mlx_http_set_keys(self->http, mlx_runtime_keys_find, self->keys);
    mlx_runtime_keys_check(self->keys, on_bad_key, self);
    self->opens = mlx_opens_new(self->http);
    self->requests = mlx_requests_new(&(mlx_requests_options_t){.proc_root = options->proc_root,
                                                                .opens = self->opens,
                                                                .publish = options->publish,
                                                                .arg = options->arg});
    mlx_tap_view_reset(&self->view);
    if (read_tap_addresses(self, err) || watch_configured(self, err)) {
        mlx_watcher_destroy(&self);
    } else {
        if (options->find)
            find(self);
        if (options->discover)
            discover(self);
        self->refresh_timer = mlx_loop_every(options->loop, REFRESH_MS, on_refresh, self);
        start_tap(self);
    }
    return self;
}

void mlx_watcher_destroy(mlx_watcher_t **self_p)
{
    mlx_watcher_t *self = *self_p;
    if (!self)
        return;
    mlx_tap_destroy(&self->tap);
    mlx_finder_destroy(&self->finder);
    mlx_loop_cancel(self->options.loop, &self->refresh_timer);
    if (self->stream_timer)
        mlx_loop_cancel(self->options.loop, &self->stream_timer);
    if (self->retry_timer)
        mlx_loop_cancel(self->options.loop, &self->retry_timer);
    mlx_tap_snapshot_clear(&self->snapshot);
    while (self->count > 0)
        mlx_target_destroy(&self->targets[--self->count]);
    mlx_requests_destroy(&self->requests);
    mlx_opens_destroy(&self->opens);
    mlx_http_destroy(&self->http);
    mlx_runtime_keys_destroy(&self->keys);
    free(self);
    *self_p = NULL;
}

void mlx_watcher_hear(mlx_watcher_t *self, const char *topic, const mlx_value_t *d)
{
    mlx_requests_hear(self->requests, topic, d, mlx_now_us());
}

void mlx_watcher_control(mlx_watcher_t *self, const char *cmd, const mlx_value_t *args,
                         mlx_control_fn fn, void *arg)
{
    const mlx_control_scene_t scene = {.targets = self->targets,
                                       .count = self->count,
                                       .tapped = self->tapped,
                                       .tap = mlx_tap_view_activity(&self->view),
                                       .http = self->http,
                                       .keys = self->keys};
    mlx_control_run(&scene, cmd, args, fn, arg);
}
