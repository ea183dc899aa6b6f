#include "facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  A request that waited longer than that, and for more than half of its time to the first token,
 *  waited for its turn. */
static const double wait_s = 2;

mlx_facts_t *mlx_facts_new(void)
{
    mlx_facts_t *self = mlx_alloc(1, sizeof *self);
    self->swap_used = NAN;
    return self;
}

void mlx_facts_destroy(mlx_facts_t **self)
{
    free(*self);
    *self = NULL;
}

static int64_t int_of(const mlx_value_t *map, const char *key)
{
    int64_t value = 0;
    mlx_value_int(map, key, &value);
    return value;
}

static void keep(char *field, size_t size, const char *text)
{
    snprintf(field, size, "%s", text ? text : "");
}

/* ---- sensors ---- */

static mlx_fact_gpu_t *gpu_of(mlx_facts_t *self, const char *topic)
{
    for (size_t i = 0; i < self->gpu_count; i++)
        if (strcmp(self->gpus[i].topic, topic) == 0)
            return &self->gpus[i];
    if (self->gpu_count == MLX_FACT_GPUS || strlen(topic) >= sizeof self->gpus[0].topic)
        return NULL;
    mlx_fact_gpu_t *gpu = &self->gpus[self->gpu_count++];
    keep(gpu->topic, sizeof gpu->topic, topic);
    return gpu;
}

static void take_gpu(mlx_facts_t *self, const mlx_message_t *message)
{
    mlx_fact_gpu_t *gpu = gpu_of(self, message->topic);
    const mlx_value_t *list = mlx_value_get(message->d, "throttle");
    size_t len = 0;
    if (!gpu)
        return;
    gpu->t = message->t;
    keep(gpu->vendor, sizeof gpu->vendor, mlx_value_str(message->d, "vendor"));
    gpu->celsius = mlx_value_real_or_nan(message->d, "temperature");
    gpu->watts = mlx_value_real_or_nan(message->d, "power");
    gpu->watts_limit = mlx_value_real_or_nan(message->d, "power_limit");
    gpu->utilization = mlx_value_real_or_nan(message->d, "utilization");
    gpu->memory_used = mlx_value_real_or_nan(message->d, "memory_used");
    gpu->memory_total = mlx_value_real_or_nan(message->d, "memory_total");
    gpu->throttle[0] = '\0';
    for (size_t i = 0; i < mlx_value_size(list) && len < sizeof gpu->throttle; i++) {
        const char *why = mlx_value_as_str(mlx_value_at(list, i), NULL);
        if (why)
            len += (size_t)snprintf(gpu->throttle + len, sizeof gpu->throttle - len, "%s%s",
                                    len ? ", " : "", why);
    }
}

static void take_sensor(mlx_facts_t *self, const mlx_message_t *message)
{
    const char *what = message->topic + strlen("sensor.");
    if (strncmp(what, "gpu.", 4) == 0) {
        take_gpu(self, message);
    } else if (strcmp(what, "memory") == 0) {
        self->swap_used = mlx_value_real_or_nan(message->d, "swap_used");
        self->memory_t = message->t;
    } else if (strcmp(what, "temperature") == 0) {
        keep(self->thermal_state, sizeof self->thermal_state,
             mlx_value_str(message->d, "thermal_state"));
        self->heat_t = message->t;
    }
}

/* ---- runtimes ---- */

/*  PREFIX is the topic up to its last dot, LEN bytes. */
static mlx_fact_runtime_t *runtime_of(mlx_facts_t *self, const char *prefix, size_t len)
{
    for (size_t i = 0; i < self->runtime_count; i++)
        if (strncmp(self->runtimes[i].topic, prefix, len) == 0 && !self->runtimes[i].topic[len])
            return &self->runtimes[i];
    if (self->runtime_count == MLX_FACT_RUNTIMES || len >= sizeof self->runtimes[0].topic)
        return NULL;
    mlx_fact_runtime_t *runtime = &self->runtimes[self->runtime_count++];
    *runtime = (mlx_fact_runtime_t){0};
    memcpy(runtime->topic, prefix, len);
    return runtime;
}

static mlx_fact_model_t *model_of(mlx_fact_runtime_t *runtime, const char *name)
{
    mlx_fact_model_t *unused = NULL;
    for (size_t i = 0; i < runtime->count; i++) {
        if (strcmp(runtime->models[i].name, name) == 0)
            return &runtime->models[i];
        if (!runtime->models[i].loaded)
            unused = &runtime->models[i];
    }
    if (strlen(name) >= sizeof runtime->models[0].name)
        return NULL;
    if (runtime->count < MLX_FACT_MODELS)
        unused = &runtime->models[runtime->count++];
    if (!unused)
        return NULL;
    *unused = (mlx_fact_model_t){.swap_at_load = NAN};
    keep(unused->name, sizeof unused->name, name);
    return unused;
}

static void note_load(const mlx_facts_t *self, mlx_fact_model_t *model, int64_t context, int64_t t)
{
    size_t at = model->load_count++ % MLX_FACT_LOADS;
    model->loads[at] = t;
    model->contexts[at] = context;
    model->askers[at][0] = '\0';
    model->load_s = 0;
    model->loaded_at = model->used_at = t;
    model->swap_at_load = t - self->memory_t < MLX_FACT_STALE_US ? self->swap_used : NAN;
}

/*  FIRST: the first list of its runtime, which says what is loaded, not that it has been now. */
static void take_model(const mlx_facts_t *self, mlx_fact_runtime_t *runtime, const mlx_value_t *map,
                       bool first, int64_t t)
{
    const char *name = mlx_value_str(map, "name");
    mlx_fact_model_t *model = name ? model_of(runtime, name) : NULL;
    int64_t context = int_of(map, "context");
    if (!model)
        return;
    bool again = model->loaded && context && model->context && context != model->context;
    if (!first && (!model->loaded || again))
        note_load(self, model, context, t);
    if (first) {
        model->used_at = t;
        model->swap_at_load = NAN;
    }
    model->loaded = true;
    model->context = context ? context : model->context;
    model->size = int_of(map, "size");
    model->has_vram = mlx_value_int(map, "vram", &model->vram);
    model->expires_at = int_of(map, "expires_at");
    keep(model->digest, sizeof model->digest, mlx_value_str(map, "digest"));
    keep(model->quantization, sizeof model->quantization, mlx_value_str(map, "quantization"));
    keep(model->family, sizeof model->family, mlx_value_str(map, "family"));
    keep(model->parameters, sizeof model->parameters, mlx_value_str(map, "parameter_size"));
}

static bool in_list(const mlx_value_t *list, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *each = mlx_value_str(mlx_value_at(list, i), "name");
        if (each && strcmp(each, name) == 0)
            return true;
    }
    return false;
}

static void take_models(mlx_facts_t *self, mlx_fact_runtime_t *runtime,
                        const mlx_message_t *message)
{
    const mlx_value_t *list = mlx_value_get(message->d, "models");
    const char *kind = mlx_value_str(message->d, "kind"), *url = mlx_value_str(message->d, "url");
    bool reachable = false, first = runtime->t == 0;
    mlx_value_bool(message->d, "reachable", &reachable);
    keep(runtime->kind, sizeof runtime->kind, kind);
    keep(runtime->version, sizeof runtime->version, mlx_value_str(message->d, "version"));
    snprintf(runtime->label, sizeof runtime->label, "%s%s%s", kind ? kind : "the server",
             url ? " at " : "", url ? url : "");
    if (!reachable) /* what is loaded is not known: nothing was unloaded by that */
        return;
    for (size_t i = 0; i < runtime->count; i++)
        if (!in_list(list, runtime->models[i].name))
            runtime->models[i].loaded = false;
    for (size_t i = 0; i < mlx_value_size(list); i++)
        take_model(self, runtime, mlx_value_at(list, i), first, message->t);
    runtime->t = message->t;
}

static bool means(const char *name, const char *wanted)
{
    static const char latest[] = ":latest";
    size_t len = strlen(wanted);
    return strncmp(name, wanted, len) == 0 && (!name[len] || strcmp(name + len, latest) == 0);
}

const mlx_fact_model_t *mlx_fact_model(const mlx_fact_runtime_t *runtime, const char *name)
{
    for (size_t i = 0; i < runtime->count; i++)
        if (runtime->models[i].loaded && means(runtime->models[i].name, name))
            return &runtime->models[i];
    return NULL;
}

/*  What it waited for its first token, less what the server needed for the prompt. */
static double waited_s(const mlx_value_t *last)
{
    double rate = mlx_value_real_or_nan(last, "prompt_tokens_per_second");
    return rate > 0 ? mlx_value_real_or_nan(last, "ttft") -
                          mlx_value_real_or_nan(last, "prompt_tokens") / rate
                    : (double)NAN;
}

static void take_last(mlx_fact_runtime_t *runtime, const mlx_value_t *last)
{
    int64_t at = int_of(last, "t");
    const char *name = mlx_value_str(last, "model");
    if (at <= runtime->last.at)
        return;
    runtime->last =
        (mlx_fact_request_t){.at = at,
                             .tokens = mlx_value_real_or_nan(last, "tokens"),
                             .prompt_tokens = mlx_value_real_or_nan(last, "prompt_tokens"),
                             .waited_s = waited_s(last)};
    keep(runtime->last.model, sizeof runtime->last.model, name);
    const mlx_fact_model_t *model = name ? mlx_fact_model(runtime, name) : NULL;
    bool cold = model && model->loaded_at && at - model->loaded_at < 120 * INT64_C(1000000);
    if (cold || !(runtime->last.waited_s > fmax(wait_s, mlx_value_real_or_nan(last, "ttft") / 2)))
        return;
    runtime->waits[runtime->wait_count++ % MLX_FACT_WAITS] = runtime->last;
}

static void take_cut(mlx_fact_runtime_t *runtime, const mlx_value_t *cut)
{
    double asked = mlx_value_real_or_nan(cut, "asked"), kept = mlx_value_real_or_nan(cut, "kept");
    if (kept > 0 && asked > kept)
        runtime->cut = (mlx_fact_cut_t){int_of(cut, "t"), asked, kept};
}

static void take_activity(mlx_fact_runtime_t *runtime, const mlx_message_t *message)
{
    const char *name = mlx_value_str(message->d, "model");
    runtime->busy = false;
    mlx_value_bool(message->d, "busy", &runtime->busy);
    for (size_t i = 0; runtime->busy && i < runtime->count; i++)
        if (!name || means(runtime->models[i].name, name))
            runtime->models[i].used_at = message->t;
    take_last(runtime, mlx_value_get(message->d, "last"));
    take_cut(runtime, mlx_value_get(message->d, "cut"));
}

void mlx_facts_message(mlx_facts_t *self, const mlx_message_t *message)
{
    const char *end = strrchr(message->topic, '.');
    if (strncmp(message->topic, "sensor.", 7) == 0)
        take_sensor(self, message);
    if (strncmp(message->topic, "runtime.", 8) != 0 || !end)
        return;
    mlx_fact_runtime_t *runtime =
        runtime_of(self, message->topic, (size_t)(end - message->topic) + 1);
    if (runtime && strcmp(end, ".models") == 0)
        take_models(self, runtime, message);
    else if (runtime && strcmp(end, ".activity") == 0)
        take_activity(runtime, message);
    else if (runtime && strcmp(end, ".request") == 0)
        mlx_facts_request(self, runtime, message->d);
}
