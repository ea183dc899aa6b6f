#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/rfc3339.h"

enum {
    TIMEOUT_MS = 5000,
    MAX_BODY = 4 << 20,
    MODELS_MAX = 1000,
};

/*  keep_alive -1 is a date centuries away. */
static const int64_t forever_us = 7258118400000000;

typedef struct step step_t;

struct mlx_probe {
    mlx_http_t *http;
    mlx_http_call_t *call;
    char *url;
    mlx_probe_fn fn;
    void *arg;
    const step_t *step;
    mlx_found_t found;
};

/*  One question. take says what to ask next: NULL with *DONE set when all is known, NULL without
 *  when the answer is of no use (then OTHERWISE is asked). */
struct step {
    const char *path;
    const step_t *(*take)(mlx_probe_t *self, const mlx_value_t *body, bool *done);
    const step_t *otherwise;
    bool optional; /* what is known without the answer will do */
};

static const step_t ask_tags, ask_version, ask_v1, ask_props, ask_vllm;

static void set_version(mlx_probe_t *self, const mlx_value_t *body, const char *key)
{
    const char *text = mlx_value_str(body, key);
    char *out = self->found.version;
    snprintf(out, sizeof self->found.version, "%s", text ? text : "");
    for (; *out; out++)
        if ((unsigned char)*out < 0x20 || (unsigned char)*out > 0x7e)
            *out = '?';
}

static void set_text(mlx_value_t *model, const char *key, const char *text)
{
    if (text && *text && strlen(text) < 512)
        mlx_value_set_str(model, key, text);
}

static mlx_value_t *add_model(mlx_probe_t *self, const char *name)
{
    if (!name || !*name || strlen(name) >= 512 || mlx_value_size(self->found.models) >= MODELS_MAX)
        return NULL;
    mlx_value_t *model = mlx_value_append(self->found.models, mlx_value_map());
    mlx_value_set_str(model, "name", name);
    return model;
}

static void set_context(mlx_value_t *model, const mlx_value_t *owner, const char *key)
{
    int64_t context;
    if (mlx_value_int(owner, key, &context) && context > 0)
        mlx_value_set_int(model, "context", context);
}

/* ---- Ollama ---- */

static void set_details(mlx_value_t *model, const mlx_value_t *item)
{
    const mlx_value_t *details = mlx_value_get(item, "details");
    set_text(model, "digest", mlx_value_str(item, "digest"));
    set_text(model, "quantization", mlx_value_str(details, "quantization_level"));
}

static const step_t *take_ps(mlx_probe_t *self, const mlx_value_t *body, bool *done)
{
    const mlx_value_t *models = mlx_value_get(body, "models");
    (void)done;
    /* Go writes an empty list as null where it was never made. */
    if (!models || (mlx_value_type(models) != MLX_LIST && mlx_value_type(models) != MLX_NULL))
        return NULL;
    self->found.kind = "ollama";
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *item = mlx_value_at(models, i);
        const char *expires = mlx_value_str(item, "expires_at");
        mlx_value_t *model = add_model(self, mlx_value_str(item, "name"));
        int64_t us;
        if (!model)
            continue;
        set_details(model, item);
        set_context(model, item, "context_length");
        mlx_value_set_bool(model, "loaded", true);
        if (!expires || !mlx_rfc3339_parse(expires, &us))
            continue;
        if (us <= 0) /* Go's zero time */
            mlx_value_set_bool(model, "loading", true);
        else if (us < forever_us)
            mlx_value_set_int(model, "expires_at", us);
    }
    return &ask_tags;
}

static const step_t *take_tags(mlx_probe_t *self, const mlx_value_t *body, bool *done)
{
    const mlx_value_t *models = mlx_value_get(body, "models");
    (void)done;
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *item = mlx_value_at(models, i);
        const char *name = mlx_value_str(item, "name");
        if (name && mlx_probe_model(self->found.models, name))
            continue;
        mlx_value_t *model = add_model(self, name);
        if (model)
            set_details(model, item);
    }
    return &ask_version;
}

static const step_t *take_version(mlx_probe_t *self, const mlx_value_t *body, bool *done)
{
    set_version(self, body, "version");
    *done = true;
    return NULL;
}

/* ---- OpenAI's API ---- */

static const step_t *take_v1(mlx_probe_t *self, const mlx_value_t *body, bool *done)
{
    static const struct {
        const char *owner;
        const char *kind;
        const step_t *next;
    } owners[] = {{"llamacpp", "llamacpp", &ask_props}, {"vllm", "vllm", &ask_vllm}};
    const mlx_value_t *data = mlx_value_get(body, "data");
    const step_t *next = NULL;
    if (mlx_value_type(data) != MLX_LIST)
        return NULL;
    self->found.kind = "openai";
    for (size_t i = 0; i < mlx_value_size(data); i++) {
        const mlx_value_t *item = mlx_value_at(data, i), *meta = mlx_value_get(item, "meta");
        const char *owner = mlx_value_str(item, "owned_by");
        mlx_value_t *model = add_model(self, mlx_value_str(item, "id"));
        for (size_t k = 0; owner && k < MLX_COUNT(owners); k++)
            if (strcmp(owner, owners[k].owner) == 0) {
                self->found.kind = owners[k].kind;
                next = owners[k].next;
            }
        if (!model)
            continue;
        set_text(model, "quantization", mlx_value_str(meta, "ftype"));
        set_context(model, meta, "n_ctx");
        set_context(model, item, "max_model_len");
        if (next)
            mlx_value_set_bool(model, "loaded", true);
    }
    *done = !next;
    return next;
}

static const step_t *take_props(mlx_probe_t *self, const mlx_value_t *body, bool *done)
{
    mlx_value_t *model = mlx_value_at(self->found.models, 0);
    set_version(self, body, "build_info");
    if (model && !mlx_value_str(model, "quantization"))
        set_text(model, "quantization", mlx_value_str(body, "model_ftype"));
    if (model)
        set_context(model, mlx_value_get(body, "default_generation_settings"), "n_ctx");
    *done = true;
    return NULL;
}

static const step_t ask_ps = {.path = "/api/ps", .take = take_ps, .otherwise = &ask_v1};
static const step_t ask_tags = {.path = "/api/tags", .take = take_tags};
static const step_t ask_version = {.path = "/api/version", .take = take_version, .optional = true};
static const step_t ask_v1 = {.path = "/v1/models", .take = take_v1};
static const step_t ask_props = {.path = "/props", .take = take_props, .optional = true};
static const step_t ask_vllm = {.path = "/version", .take = take_version, .optional = true};

/* ---- the sequence ---- */

static void ask(mlx_probe_t *self, const step_t *step);

static void end(mlx_probe_t *self, const mlx_error_t *err)
{
    self->fn(self->arg, err ? NULL : &self->found, err);
}

static void fail(mlx_probe_t *self, const mlx_http_reply_t *reply)
{
    mlx_error_t err = {0};
    if (reply->refused || reply->status == 0)
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "no runtime answers at %s: %s", self->url,
                      reply->error.text);
    else
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE,
                      "the server at %s is not a known runtime (%s returned HTTP %ld)", self->url,
                      self->step->path, reply->status);
    mlx_error_hint(&err, "start one (`ollama serve`, `llama-server`), or name one with --url");
    end(self, &err);
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    mlx_probe_t *self = arg;
    bool done = false;
    self->call = NULL;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *body = reply->status == 200 && !reply->error.code
                            ? mlx_json_parse(reply->body, reply->body_len, NULL)
                            : NULL;
    const step_t *next = body ? self->step->take(self, body, &done) : NULL;
    if (next)
        ask(self, next);
    else if (done || self->step->optional)
        end(self, NULL);
    else if (self->step->otherwise && reply->status)
        ask(self, self->step->otherwise);
    else
        fail(self, reply);
}

static void ask(mlx_probe_t *self, const step_t *step)
{
    MLX_CLEANUP(mlx_free_p) char *url = mlx_format("%s%s", self->url, step->path);
    self->step = step;
    self->call = mlx_http_start(
        self->http,
        &(mlx_http_request_t){.url = url, .timeout_ms = TIMEOUT_MS, .max_body = MAX_BODY}, on_reply,
        self);
}

mlx_probe_t *mlx_probe_new(mlx_http_t *http, const char *url, mlx_probe_fn fn, void *arg)
{
    mlx_probe_t *self = mlx_alloc(1, sizeof *self);
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    self->http = http;
    self->url =
        strstr(url, "://") ? mlx_strndup(url, len) : mlx_format("http://%.*s", (int)len, url);
    self->fn = fn;
    self->arg = arg;
    self->found.models = mlx_value_list();
    ask(self, &ask_ps);
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
