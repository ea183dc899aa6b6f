#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/runtime/runtime.h"

enum {
    TIMEOUT_MS = 5000,
    MAX_BODY = 4 << 20,
};

struct mlx_probe {
    mlx_http_t *http;
    mlx_http_call_t *call;
    const mlx_runtime_keys_t *keys;
    char *url;
    bool locked; /* one of its answers was that it needs a key */
    mlx_probe_fn fn;
    void *arg;
    const char *path; /* being asked */
    const mlx_runtime_backend_t *backend;
    size_t query; /* of the back end, being asked */
    mlx_runtime_state_t state;
    mlx_found_t found;
};

static void ask(mlx_probe_t *self, const char *path);

/* ---- what was found ---- */

/*  Those that are loaded, then what else it could load. */
static void list_models(mlx_probe_t *self)
{
    mlx_value_t *list = self->found.models;
    for (size_t i = 0; i < mlx_value_size(self->state.models); i++) {
        mlx_value_t *model =
            mlx_value_append(list, mlx_value_copy(mlx_value_at(self->state.models, i)));
        if (!self->backend->lists_all)
            mlx_value_set_bool(model, "loaded", true);
    }
    for (size_t i = 0; i < mlx_value_size(self->state.available); i++) {
        const mlx_value_t *model = mlx_value_at(self->state.available, i);
        const char *name = mlx_value_str(model, "name");
        if (name && !mlx_probe_model(list, name))
            mlx_value_append(list, mlx_value_copy(model));
    }
}

static void set_version(mlx_probe_t *self)
{
    char *out = self->found.version;
    snprintf(out, sizeof self->found.version, "%.*s", (int)sizeof self->found.version - 1,
             self->state.version);
    for (; *out; out++)
        if ((unsigned char)*out < 0x20 || (unsigned char)*out > 0x7e)
            *out = '?';
}

static void succeed(mlx_probe_t *self)
{
    self->found.kind = self->backend->kind;
    set_version(self);
    list_models(self);
    self->fn(self->arg, &self->found, NULL);
}

static void fail(mlx_probe_t *self, const mlx_http_reply_t *reply)
{
    mlx_error_t err = {0};
    char advice[MLX_RUNTIME_ADVICE_MAX];
    const char *cause = mlx_runtime_cause(self->backend, self->path, reply->status, reply->body);
    if (self->locked) {
        mlx_runtime_keys_advice(self->keys, self->url, advice, sizeof advice);
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "the server at %s %s", self->url, advice);
    } else if (reply->refused || reply->status == 0)
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "no runtime answers at %s: %s", self->url,
                      reply->error.text);
    else if (cause && reply->status != 404)
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "the server at %s cannot be used: %s", self->url,
                      cause);
    else
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE,
                      "the server at %s is not a known runtime (%s returned HTTP %ld)", self->url,
                      self->path, reply->status);
    mlx_error_hint(&err, "start one (`ollama serve`, `llama-server`), or name one with --url");
    self->fn(self->arg, NULL, &err);
}

/* ---- the sequence ---- */

/*  Ask the back end's questions about models and version, which do not count as use. */
static void ask_next(mlx_probe_t *self)
{
    for (; self->query < MLX_RUNTIME_QUERIES_MAX; self->query++) {
        const mlx_runtime_query_t *query = &self->backend->queries[self->query];
        if (query->path && query->role != MLX_QUERY_ACTIVITY && !query->disturbs) {
            ask(self, query->path);
            return;
        }
    }
    succeed(self);
}

static void recognise(mlx_probe_t *self, const mlx_http_reply_t *reply)
{
    const char *next = mlx_runtime_next_probe(self->path);
    const char *server = mlx_http_header(reply, "Server");
    const mlx_runtime_answer_t answer = {.path = self->path,
                                         .status = reply->error.code ? 0 : reply->status,
                                         .body = reply->body,
                                         .len = reply->body_len,
                                         .server = server ? server : ""};
    self->backend = mlx_runtime_claimant(&answer);
    if (self->backend)
        ask_next(self);
    else if (next && reply->status)
        ask(self, next);
    else
        fail(self, reply);
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    mlx_probe_t *self = arg;
    self->call = NULL;
    self->locked |= mlx_runtime_wants_key(self->backend, self->path, reply->status, reply->body);
    if (!self->backend) {
        recognise(self, reply);
        return;
    }
    const mlx_runtime_query_t *query = &self->backend->queries[self->query];
    bool good = !reply->error.code && reply->status == 200 &&
                query->parse(reply->body, reply->body_len, &self->state, NULL) == 0;
    if (!good && query->role == MLX_QUERY_STATE && self->query == 0) {
        fail(self, reply);
        return;
    }
    self->query++;
    ask_next(self);
}

static void ask(mlx_probe_t *self, const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *url = mlx_format("%s%s", self->url, path);
    self->path = path;
    self->call = mlx_http_start(
        self->http,
        &(mlx_http_request_t){.url = url, .timeout_ms = TIMEOUT_MS, .max_body = MAX_BODY}, on_reply,
        self);
}

mlx_probe_t *mlx_probe_new(mlx_http_t *http, const mlx_runtime_keys_t *keys, const char *url,
                           mlx_probe_fn fn, void *arg)
{
    mlx_probe_t *self = mlx_alloc(1, sizeof *self);
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    self->http = http;
    self->keys = keys;
    self->url =
        strstr(url, "://") ? mlx_strndup(url, len) : mlx_format("http://%.*s", (int)len, url);
    self->fn = fn;
    self->arg = arg;
    self->found.models = mlx_value_list();
    mlx_runtime_clear(&self->state);
    ask(self, mlx_runtime_next_probe(NULL));
    return self;
}

void mlx_probe_destroy(mlx_probe_t **self_p)
{
    mlx_probe_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    if (self->call)
        mlx_http_abort(self->http, &self->call);
    mlx_value_destroy(&self->found.models);
    mlx_runtime_clear(&self->state);
    free(self->url);
    free(self);
}

bool mlx_probe_same_model(const char *name, const char *wanted)
{
    static const char latest[] = ":latest";
    size_t len = strlen(wanted);
    const char *slash = strrchr(name, '/');
    if (strncmp(name, wanted, len) == 0 && (!name[len] || strcmp(name + len, latest) == 0))
        return true;
    return slash && name[0] == '/' && strcmp(slash + 1, wanted) == 0;
}

const mlx_value_t *mlx_probe_model(const mlx_value_t *models, const char *wanted)
{
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        if (mlx_probe_same_model(mlx_value_str(model, "name"), wanted))
            return model;
    }
    return NULL;
}
