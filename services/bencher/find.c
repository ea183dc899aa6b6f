#include "find.h"
#include "common/base/clock.h"
#include "common/base/loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

enum {
    CANDIDATES_MAX = 32,
    NAMES_SHOWN = 8,
};

typedef struct {
    char url[320];
    char topic[200];
    int rank; /* lower is tried first */
} candidate_t;

struct mlx_find {
    mlx_loop_t *loop;
    mlx_http_t *http;
    const mlx_runtime_keys_t *keys;
    mlx_find_fn fn;
    void *arg;
    char *model; /* NULL: any that is loaded */
    candidate_t list[CANDIDATES_MAX];
    size_t count;
    size_t next;
    mlx_probe_t *probe;
    mlx_timer_t *timer;
    mlx_buf_t names; /* of models that are there, for the refusal */
    size_t names_count;
    mlx_error_t last; /* why the newest candidate did not answer */
};

/* ---- candidates ---- */

static void set_url(char *out, size_t size, const char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    snprintf(out, size, "%s%.*s", strstr(url, "://") ? "" : "http://", (int)len, url);
}

/*  With the model loaded there, before those that load on demand, before the rest. */
static int rank_of(const mlx_find_t *self, const mlx_value_t *d)
{
    const char *kind = mlx_value_str(d, "kind");
    const mlx_value_t *models = mlx_value_get(d, "models");
    bool ollama = kind && strcmp(kind, "ollama") == 0;
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const char *name = mlx_value_str(mlx_value_at(models, i), "name");
        if (name && (!self->model || mlx_probe_same_model(name, self->model)))
            return ollama ? 0 : 1;
    }
    return ollama ? 2 : 3;
}

typedef struct {
    mlx_find_t *find;
    const char *host;
    const char *url; /* only the one at this place; NULL: all that are reachable */
} gather_t;

static void gather(void *arg, const mlx_message_t *message, int64_t age_us)
{
    static const char end[] = ".models";
    const gather_t *g = arg;
    mlx_find_t *self = g->find;
    size_t len = strlen(message->topic);
    const char *url = mlx_value_str(message->d, "url");
    bool up = false;
    candidate_t *c = &self->list[self->count];
    if (self->count == CANDIDATES_MAX || age_us > MLX_OVERVIEW_STALE_US || !url ||
        strlen(url) >= sizeof c->url - 8 || strcmp(message->host, g->host) != 0 ||
        len < sizeof end || strcmp(message->topic + len - strlen(end), end) != 0)
        return;
    mlx_value_bool(message->d, "reachable", &up);
    set_url(c->url, sizeof c->url, url);
    if (g->url ? strcmp(c->url, g->url) != 0 : !up)
        return;
    snprintf(c->topic, sizeof c->topic, "%.*s", (int)(len - strlen(end) + 1), message->topic);
    c->rank = rank_of(self, message->d);
    self->count++;
}

static int by_rank(const void *a, const void *b)
{
    const candidate_t *x = a, *y = b;
    return x->rank != y->rank ? x->rank - y->rank : strcmp(x->url, y->url);
}

static void gather_all(mlx_find_t *self, const mlx_find_options_t *options)
{
    char url[320] = "";
    if (options->url)
        set_url(url, sizeof url, options->url);
    gather_t g = {self, options->host, options->url ? url : NULL};
    mlx_overview_each(options->overview, "runtime.", mlx_wall_us(), gather, &g);
    if (options->url && self->count == 0)
        snprintf(self->list[self->count++].url, sizeof url, "%s", url);
    if (options->url)
        self->count = 1;
    qsort(self->list, self->count, sizeof self->list[0], by_rank);
}

/* ---- choice ---- */

static bool is_loaded(const mlx_value_t *model)
{
    bool loaded = false;
    return mlx_value_bool(model, "loaded", &loaded) && loaded;
}

/*  Without a name: the loaded one. A server that does not tell what is loaded is taken at its word
 *  when it has one model only. */
static const mlx_value_t *choose(const mlx_find_t *self, const mlx_found_t *found)
{
    if (self->model)
        return mlx_probe_model(found->models, self->model);
    for (size_t i = 0; i < mlx_value_size(found->models); i++)
        if (is_loaded(mlx_value_at(found->models, i)))
            return mlx_value_at(found->models, i);
    bool one =
        mlx_runtime_backend(found->kind)->generate.loads && mlx_value_size(found->models) == 1;
    return one ? mlx_value_at(found->models, 0) : NULL;
}

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

static void fill(mlx_bench_target_t *target, const candidate_t *candidate, const mlx_found_t *found,
                 const mlx_value_t *model)
{
    target->runtime = mlx_runtime_backend(found->kind);
    copy(target->url, sizeof target->url, candidate->url);
    copy(target->topic, sizeof target->topic, candidate->topic);
    copy(target->version, sizeof target->version, found->version);
    copy(target->model, sizeof target->model, mlx_value_str(model, "name"));
    copy(target->digest, sizeof target->digest, mlx_value_str(model, "digest"));
    copy(target->quantization, sizeof target->quantization, mlx_value_str(model, "quantization"));
    mlx_value_int(model, "context", &target->context);
    mlx_value_int(model, "expires_at", &target->expires_at);
    mlx_value_bool(model, "loading", &target->loading);
    target->loaded = is_loaded(model);
    target->local = mlx_loopback_url(target->url);
}

static void note_names(mlx_find_t *self, const mlx_found_t *found)
{
    for (size_t i = 0; i < mlx_value_size(found->models); i++) {
        if (self->names_count < NAMES_SHOWN)
            mlx_buf_printf(&self->names, "%s%.60s", self->names_count ? ", " : "",
                           mlx_value_str(mlx_value_at(found->models, i), "name"));
        if (self->names_count++ == NAMES_SHOWN)
            mlx_buf_puts(&self->names, ", ...");
    }
}

/* ---- the sequence ---- */

static void refuse(mlx_find_t *self)
{
    mlx_error_t err = {0};
    if (self->count == 0) {
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "no runtime is reachable");
        mlx_error_hint(&err, "start one (`ollama serve`, `llama-server`), or name one with --url");
    } else if (self->last.code && self->names_count == 0) {
        err = self->last;
    } else if (self->model) {
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "no runtime has the model %.100s", self->model);
        if (self->names_count)
            mlx_error_hint(&err, "available: %.200s", mlx_buf_str(&self->names));
        else
            mlx_error_hint(&err, "`ollama pull %.100s` fetches it", self->model);
    } else {
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "no model is loaded");
        mlx_error_hint(&err, self->names_count ? "choose one of: %.200s" : "pull a model first%s",
                       self->names_count ? mlx_buf_str(&self->names) : "");
    }
    self->fn(self->arg, NULL, &err);
}

static void try_next(mlx_find_t *self);

static void on_probed(void *arg, const mlx_found_t *found, const mlx_error_t *err)
{
    mlx_find_t *self = arg;
    const mlx_value_t *model = found ? choose(self, found) : NULL;
    if (model) {
        mlx_bench_target_t target = {0};
        fill(&target, &self->list[self->next - 1], found, model);
        self->fn(self->arg, &target, NULL);
        return;
    }
    if (found)
        note_names(self, found);
    else
        self->last = *err;
    mlx_probe_destroy(&self->probe);
    try_next(self);
}

static void try_next(mlx_find_t *self)
{
    if (self->next == self->count) {
        refuse(self);
        return;
    }
    self->probe =
        mlx_probe_new(self->http, self->keys, self->list[self->next++].url, on_probed, self);
}

static void on_start(void *arg)
{
    mlx_find_t *self = arg;
    self->timer = NULL;
    try_next(self);
}

mlx_find_t *mlx_find_new(mlx_loop_t *loop, const mlx_find_options_t *options, mlx_find_fn fn,
                         void *arg)
{
    mlx_find_t *self = mlx_alloc(1, sizeof *self);
    self->loop = loop;
    self->http = options->http;
    self->keys = options->keys;
    self->model = mlx_strdup(options->model);
    self->fn = fn;
    self->arg = arg;
    gather_all(self, options);
    self->timer = mlx_loop_after(loop, 0, on_start, self);
    return self;
}

void mlx_find_destroy(mlx_find_t **self_p)
{
    mlx_find_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->loop, &self->timer);
    mlx_probe_destroy(&self->probe);
    mlx_buf_clear(&self->names);
    free(self->model);
    free(self);
}
