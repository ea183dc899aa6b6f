#include "top_lists.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/view/overview_state.h"

bool mlx_top_holds(const char *text, const char *filter)
{
    size_t len = filter ? strlen(filter) : 0;
    if (!len)
        return true;
    for (; text && *text; text++)
        if (strncasecmp(text, filter, len) == 0)
            return true;
    return false;
}

typedef struct {
    const mlx_overview_t *overview;
    int64_t now_us;
    const char *filter;
    bool available;
    mlx_top_model_t *models;
    const mlx_value_t **running;
    mlx_top_process_t *processes;
    size_t count, max;
} gather_t;

static bool is_ours(const gather_t *self, const mlx_message_t *message, int64_t age_us,
                    const char *suffix)
{
    const char *end = strrchr(message->topic, '.'), *host = mlx_overview_host(self->overview);
    return end && host && (!suffix || strcmp(end, suffix) == 0) &&
           !mlx_overview_stale(message->topic, age_us) && strcmp(message->host, host) == 0;
}

static void add_model(gather_t *self, const mlx_message_t *message, const mlx_value_t *model,
                      const mlx_value_t *activity, const char *state)
{
    const char *name = mlx_value_str(model, "name");
    if (!name || self->count == self->max || !mlx_top_holds(name, self->filter))
        return;
    mlx_top_model_t *row = &self->models[self->count++];
    *row = (mlx_top_model_t){.name = name,
                             .kind = mlx_value_str(message->d, "kind"),
                             .url = mlx_value_str(message->d, "url"),
                             .state = state,
                             .can = mlx_value_get(message->d, "can"),
                             .size = NAN,
                             .vram = NAN,
                             .rate = NAN,
                             .loaded = strcmp(state, "loaded") == 0,
                             .late = mlx_overview_late(self->overview, message, self->now_us)};
    mlx_value_real(model, "size", &row->size);
    mlx_value_real(model, "vram", &row->vram);
    mlx_value_int(model, "context", &row->context);
    mlx_value_int(model, "expires_at", &row->expires_us);
    if (row->loaded) {
        row->rate = mlx_activity_model(activity, name, &row->requests);
        row->running = mlx_value_get(activity, "running");
    }
}

static bool is_listed(const mlx_value_t *models, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const char *one = mlx_value_str(mlx_value_at(models, i), "name");
        if (one && name && strcmp(one, name) == 0)
            return true;
    }
    return false;
}

static void see_models(void *arg, const mlx_message_t *message, int64_t age_us)
{
    gather_t *self = arg;
    bool reachable = false;
    if (!is_ours(self, message, age_us, ".models"))
        return;
    mlx_value_bool(message->d, "reachable", &reachable);
    size_t stem = (size_t)(strrchr(message->topic, '.') - message->topic);
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("%.*s.activity", (int)stem, message->topic);
    const mlx_value_t *activity = mlx_overview_get(self->overview, topic, self->now_us, NULL);
    const mlx_value_t *models = mlx_value_get(message->d, "models");
    const mlx_value_t *others = mlx_value_get(message->d, "available");
    for (size_t i = 0; reachable && i < mlx_value_size(models); i++)
        add_model(self, message, mlx_value_at(models, i), activity, "loaded");
    for (size_t i = 0; reachable && self->available && i < mlx_value_size(others); i++) {
        const mlx_value_t *model = mlx_value_at(others, i);
        const char *state = mlx_value_str(model, "state");
        if (!is_listed(models, mlx_value_str(model, "name")))
            add_model(self, message, model, NULL,
                      !state || strcmp(state, "loaded") == 0 ? "available" : state);
    }
}

static bool has_word(const mlx_value_t *words, const char *word)
{
    for (size_t i = 0; i < mlx_value_size(words); i++) {
        const char *one = mlx_value_as_str(mlx_value_at(words, i), NULL);
        if (one && strcmp(one, word) == 0)
            return true;
    }
    return false;
}

char *mlx_top_cannot(const mlx_top_model_t *model, const char *what)
{
    static const char *const words[][2] = {
        {"load", "loaded"}, {"unload", "unloaded"}, {"pin", "kept loaded"}};
    size_t i = 0;
    while (i + 1 < MLX_COUNT(words) && strcmp(words[i][0], what) != 0)
        i++;
    if (!has_word(model->can, what))
        return mlx_format("%s lets no model be %s from here", model->kind ? model->kind : "it",
                          words[i][1]);
    if (strcmp(what, "load") == 0 && model->loaded)
        return mlx_strdup("it is loaded");
    if (strcmp(what, "unload") == 0 && !model->loaded)
        return mlx_format("it is not loaded: %s", model->state);
    return NULL;
}

/*  NaN is less than everything. */
static int by_real(double a, double b)
{
    double x = isnan(a) ? -1 : a, y = isnan(b) ? -1 : b;
    return (x < y) - (x > y);
}

static int by_name(const void *a, const void *b)
{
    const mlx_top_model_t *x = a, *y = b;
    return strcasecmp(x->name, y->name);
}

static int by_size(const void *a, const void *b)
{
    const mlx_top_model_t *x = a, *y = b;
    int order = by_real(x->size, y->size);
    return order ? order : by_name(a, b);
}

static int by_speed(const void *a, const void *b)
{
    const mlx_top_model_t *x = a, *y = b;
    int order = by_real(x->rate, y->rate);
    return order ? order : by_name(a, b);
}

size_t mlx_top_models(const mlx_overview_t *overview, int64_t now_us, const char *filter,
                      mlx_top_sort_t sort, bool available, mlx_top_model_t *out)
{
    static int (*const orders[MLX_TOP_SORTS])(const void *, const void *) = {
        [MLX_TOP_BY_NAME] = by_name, [MLX_TOP_BY_SIZE] = by_size, [MLX_TOP_BY_SPEED] = by_speed};
    gather_t self = {.overview = overview,
                     .now_us = now_us,
                     .filter = filter,
                     .available = available,
                     .models = out,
                     .max = MLX_TOP_ROWS_MAX};
    mlx_overview_each(overview, "runtime.", now_us, see_models, &self);
    if (orders[sort])
        qsort(out, self.count, sizeof *out, orders[sort]);
    return self.count;
}

static void see_activity(void *arg, const mlx_message_t *message, int64_t age_us)
{
    gather_t *self = arg;
    const mlx_value_t *running = mlx_value_get(message->d, "running");
    if (!is_ours(self, message, age_us, ".activity"))
        return;
    for (size_t i = 0; i < mlx_value_size(running) && self->count < self->max; i++) {
        const mlx_value_t *one = mlx_value_at(running, i);
        if (mlx_top_holds(mlx_value_str(one, "model"), self->filter) ||
            mlx_top_holds(mlx_value_str(one, "client"), self->filter))
            self->running[self->count++] = one;
    }
}

size_t mlx_top_running(const mlx_overview_t *overview, int64_t now_us, const char *filter,
                       const mlx_value_t **out, size_t max)
{
    gather_t self = {
        .overview = overview, .now_us = now_us, .filter = filter, .running = out, .max = max};
    mlx_overview_each(overview, "runtime.", now_us, see_activity, &self);
    return self.count;
}

static void see_gpu(void *arg, const mlx_message_t *message, int64_t age_us)
{
    gather_t *self = arg;
    const mlx_value_t *list = mlx_value_get(message->d, "processes");
    if (!is_ours(self, message, age_us, NULL))
        return;
    for (size_t i = 0; i < mlx_value_size(list) && self->count < self->max; i++) {
        const mlx_value_t *one = mlx_value_at(list, i);
        mlx_top_process_t *row = &self->processes[self->count++];
        *row = (mlx_top_process_t){.program = mlx_value_str(one, "program"),
                                   .topic = message->topic,
                                   .memory = NAN,
                                   .share = NAN};
        mlx_value_int(one, "pid", &row->pid);
        mlx_value_real(one, "memory", &row->memory);
        mlx_value_real(one, "utilization", &row->share);
    }
}

static int by_use(const void *a, const void *b)
{
    const mlx_top_process_t *x = a, *y = b;
    int order = by_real(x->share, y->share);
    return order ? order : by_real(x->memory, y->memory);
}

size_t mlx_top_processes(const mlx_overview_t *overview, int64_t now_us, mlx_top_process_t *out,
                         size_t max)
{
    gather_t self = {.overview = overview, .now_us = now_us, .processes = out, .max = max};
    mlx_overview_each(overview, "sensor.gpu.", now_us, see_gpu, &self);
    qsort(out, self.count, sizeof *out, by_use);
    return self.count;
}
