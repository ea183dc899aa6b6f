#include "tests/double/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/double/app.h"
#include "tests/double/gen.h"

/*  What Ollama adds to the time for "for ever": the longest duration that Go can say. */
static const uint64_t FOREVER_NS = INT64_MAX;

static const mlx_model_t RECORDED[] = {
    {
        .name = "small-random:61m",
        .digest = "0601d458ff299000f8bb2d9f89def63c329ca163bc3177deefff3a25655b9c74",
        .blob = "e66274dfd09ce8d94fee997e597daf40cc5dd43b8e1223a30ebc10cb4fc53545",
        .size = 122799639,
        .loaded_size = 161210368,
        .parameters = "61.29M",
        .quantization = "F16",
        .embedding = 640,
        .modified = "2026-11-23T19:03:26.217684831Z",
        .created = 1795460606,
    },
    {
        .name = "tiny-random:latest",
        .digest = "7338d06a0c1c4df9622f7675b1aa413ccfd75a9668bfa57fa3db68bbdf366835",
        .blob = "92d81e19b0a81736e72a09a8c1891ee94db2b1bf3d071ebf7f8c89d0f5b36231",
        .size = 6941342,
        .loaded_size = 23561501,
        .parameters = "3.44M",
        .quantization = "F16",
        .embedding = 192,
        .modified = "2026-11-23T19:03:25.237937424Z",
        .created = 1795460605,
    },
};

const mlx_model_t *mlx_model_recorded(size_t index)
{
    return index < MLX_COUNT(RECORDED) ? &RECORDED[index] : NULL;
}

/*  64 hexadecimal digits that differ by TEXT and SALT (FNV-1a, four times). */
static void make_digest(char out[65], const char *text, uint64_t salt)
{
    for (size_t part = 0; part < 4; part++) {
        uint64_t hash = 0xcbf29ce484222325ULL ^ (salt * 4 + part);
        for (const char *c = text; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
        snprintf(out + part * 16, 17, "%016llx", (unsigned long long)hash);
    }
}

/*  Parameters from a tag such as "8b" or "135m"; 1 billion otherwise. */
static void make_size(mlx_model_t *self)
{
    const char *tag = strchr(self->name, ':');
    char unit = 'b';
    double count = 1;
    if (tag && sscanf(tag + 1, "%lf%c", &count, &unit) != 2) {
        count = 1;
        unit = 'b';
    }
    bool billions = unit == 'b' || unit == 'B';
    snprintf(self->parameters, sizeof(self->parameters), "%.1f%c", count, billions ? 'B' : 'M');
    snprintf(self->quantization, sizeof(self->quantization), "Q4_K_M");
    double weights = count * (billions ? 1e9 : 1e6) * 0.59;
    self->size = (int64_t)weights + 1234;
    self->loaded_size = (int64_t)(weights * 1.15) + 100000000;
    self->embedding = 4096;
}

static void expire(void *arg, int64_t now);

mlx_model_t *mlx_model_new(mlx_app_t *app, const char *name)
{
    mlx_model_t *self = mlx_alloc(1, sizeof(*self));
    const char *tag = strchr(name, ':') ? "" : ":latest";
    snprintf(self->name, sizeof(self->name), "%s%s", name, tag);
    const mlx_model_t *recorded = NULL;
    for (size_t i = 0; i < MLX_COUNT(RECORDED); i++) {
        if (strcmp(RECORDED[i].name, self->name) == 0)
            recorded = &RECORDED[i];
    }
    if (recorded) {
        *self = *recorded;
    } else {
        make_digest(self->digest, self->name, 1);
        make_digest(self->blob, self->name, 2);
        make_size(self);
        snprintf(self->modified, sizeof(self->modified), "%s", RECORDED[0].modified);
        self->created = RECORDED[0].created;
    }
    self->app = app;
    self->keep_ns = app->options.keep_ns;
    self->timer = mlx_net_timer_new(app->net, expire, self);
    self->view.slot_count = app->options.parallel;
    return self;
}

void mlx_model_destroy(mlx_model_t **self)
{
    if (!*self)
        return;
    for (int i = 0; i < MLX_VIEW_SLOTS; i++)
        mlx_gen_destroy(&(*self)->slots[i]);
    while ((*self)->queue) {
        mlx_gen_t *gen = (*self)->queue;
        (*self)->queue = gen->next;
        mlx_gen_destroy(&gen);
    }
    mlx_runner_destroy(&(*self)->runner);
    mlx_net_timer_destroy(&(*self)->timer);
    free(*self);
    *self = NULL;
}

void mlx_model_show(mlx_model_t *self)
{
    if (self->runner)
        mlx_runner_show(self->runner, &self->view);
}

static bool in_use(const mlx_model_t *self)
{
    for (int i = 0; i < MLX_VIEW_SLOTS; i++) {
        if (self->slots[i])
            return true;
    }
    return self->queue != NULL;
}

void mlx_model_unload(mlx_model_t *self)
{
    self->state = MLX_MODEL_ABSENT;
    mlx_net_timer_set(self->timer, -1);
    mlx_runner_destroy(&self->runner);
    memset(&self->view, 0, sizeof(self->view));
    self->view.slot_count = self->app->options.parallel;
    self->last_prompt = 0;
}

void mlx_model_runner_ended(mlx_model_t *self, pid_t pid)
{
    if (!self->runner || !mlx_runner_ended(self->runner, pid))
        return;
    if (in_use(self))
        mlx_runner_destroy(&self->runner);
    else
        mlx_model_unload(self);
}

void mlx_model_keep(mlx_model_t *self, int64_t keep_ns)
{
    bool forever = keep_ns < 0;
    self->keep_ns = keep_ns;
    self->expires = (uint64_t)mlx_net_wall(self->app->net);
    self->expires += forever ? FOREVER_NS : (uint64_t)keep_ns;
    if (self->state != MLX_MODEL_LOADED)
        return;
    if (keep_ns == 0 && !in_use(self))
        mlx_model_unload(self);
    else
        mlx_net_timer_set(self->timer, forever ? -1 : mlx_net_now(self->app->net) + keep_ns);
}

static void start_runner(mlx_model_t *self)
{
    const mlx_app_options_t *options = &self->app->options;
    mlx_error_t err = {0};
    char *blob = mlx_format("%s/blobs/sha256-%s", options->models_dir, self->blob);
    self->runner =
        mlx_runner_new(blob, options->parallel, options->context, options->metrics, &err);
    free(blob);
    if (!self->runner)
        mlx_error_report("mlx-ollama-double", &err);
    mlx_model_show(self);
}

/*  Take the first of the queue that can go on: it has a slot, or needs none. */
static mlx_gen_t *take_ready(mlx_model_t *self, int *slot)
{
    int unused = 0;
    while (unused < self->app->options.parallel && self->slots[unused])
        unused++;
    for (mlx_gen_t **at = &self->queue; *at; at = &(*at)->next) {
        mlx_gen_t *gen = *at;
        if (!gen->job.load_only && unused == self->app->options.parallel)
            continue;
        *at = gen->next;
        gen->next = NULL;
        *slot = gen->job.load_only ? -1 : unused;
        return gen;
    }
    return NULL;
}

static void serve_queue(mlx_model_t *self)
{
    int slot = -1;
    mlx_gen_t *gen;
    while ((gen = take_ready(self, &slot))) {
        if (slot >= 0)
            self->slots[slot] = gen;
        mlx_gen_begin(gen, slot);
    }
    self->view.deferred = 0;
    for (gen = self->queue; gen; gen = gen->next)
        self->view.deferred++;
}

/*  The timer's two uses: loading ends, or the keep-alive does. */
static void expire(void *arg, int64_t now)
{
    mlx_model_t *self = arg;
    (void)now;
    if (self->state == MLX_MODEL_LOADED) {
        if (!in_use(self))
            mlx_model_unload(self);
        return;
    }
    self->state = MLX_MODEL_LOADED;
    if (self->app->options.runner)
        start_runner(self);
    mlx_model_keep(self, self->keep_ns);
    serve_queue(self);
}

void mlx_model_load(mlx_model_t *self)
{
    if (self->state != MLX_MODEL_ABSENT)
        return;
    self->state = MLX_MODEL_LOADING;
    int64_t now = mlx_net_now(self->app->net);
    if (self->app->options.load_ns == 0)
        expire(self, now);
    else
        mlx_net_timer_set(self->timer, now + self->app->options.load_ns);
}

void mlx_model_join(mlx_model_t *self, mlx_gen_t *gen)
{
    mlx_gen_t **at = &self->queue;
    while (*at)
        at = &(*at)->next;
    *at = gen;
    mlx_model_load(self);
    if (self->state == MLX_MODEL_LOADED)
        serve_queue(self);
}

void mlx_model_leave(mlx_model_t *self, mlx_gen_t *gen)
{
    for (int i = 0; i < MLX_VIEW_SLOTS; i++) {
        if (self->slots[i] == gen)
            self->slots[i] = NULL;
    }
    for (mlx_gen_t **at = &self->queue; *at; at = &(*at)->next) {
        if (*at == gen) {
            *at = gen->next;
            break;
        }
    }
    if (self->state == MLX_MODEL_LOADED)
        serve_queue(self);
    mlx_model_show(self);
}
