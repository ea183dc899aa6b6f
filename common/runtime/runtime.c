#include "common/runtime/runtime.h"

#include <math.h>
#include <string.h>

#include "common/base/json.h"
#include "common/runtime/prom_text.h"

static const mlx_runtime_backend_t *const backends[] = {
#define ENTRY(kind) &mlx_runtime_##kind,
    MLX_RUNTIME_KINDS(ENTRY)};

const mlx_runtime_backend_t *const *mlx_runtime_backends(size_t *count)
{
    *count = MLX_COUNT(backends);
    return backends;
}

const mlx_runtime_backend_t *mlx_runtime_backend(const char *kind)
{
    for (size_t i = 0; i < MLX_COUNT(backends); i++)
        if (!strcmp(backends[i]->kind, kind))
            return backends[i];
    return NULL;
}

/*  Whether a back end before number INDEX has the same probe path. */
static bool asked_before(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!strcmp(backends[i]->probe_path, backends[index]->probe_path))
            return true;
    return false;
}

const char *mlx_runtime_next_probe(const char *after)
{
    bool passed = after == NULL;
    for (size_t i = 0; i < MLX_COUNT(backends); i++) {
        bool same = after && !strcmp(backends[i]->probe_path, after);
        if (passed && !same && !asked_before(i))
            return backends[i]->probe_path;
        passed = passed || same;
    }
    return NULL;
}

const mlx_runtime_backend_t *mlx_runtime_claimant(const mlx_runtime_answer_t *answer)
{
    if (mlx_runtime_is_loading(answer->status, answer->body))
        return &mlx_runtime_llamacpp; /* whose words these are */
    if ((answer->status == 401 || answer->status == 403) && !strcmp(answer->server, "llama.cpp"))
        return &mlx_runtime_llamacpp;
    for (size_t i = 0; i < MLX_COUNT(backends) && answer->status == 200; i++)
        if (!strcmp(backends[i]->probe_path, answer->path) && backends[i]->claims(answer))
            return backends[i];
    return NULL;
}

void mlx_runtime_counters_clear(mlx_runtime_counters_t *counters)
{
    *counters = (mlx_runtime_counters_t){NAN, NAN, NAN, NAN, NAN, NAN, NAN,
                                         NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

void mlx_runtime_clear(mlx_runtime_state_t *state)
{
    mlx_value_destroy(&state->models);
    mlx_value_destroy(&state->available);
    *state = (mlx_runtime_state_t){.models = NULL};
    mlx_runtime_counters_clear(&state->counters);
}

void mlx_runtime_copy_text(char *out, const char *text)
{
    size_t len = strnlen(text, MLX_RUNTIME_TEXT_MAX);
    if (len == MLX_RUNTIME_TEXT_MAX) {
        len--;
        while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7F)
            out[i] = '?';
}

void mlx_runtime_set_text(mlx_value_t *map, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    char clean[MLX_RUNTIME_TEXT_MAX];
    mlx_runtime_copy_text(clean, text);
    mlx_value_set_str(map, key, clean);
}

void mlx_runtime_set_size(mlx_value_t *map, const char *key, const mlx_value_t *item,
                          const char *from)
{
    int64_t n;
    if (mlx_value_int(item, from, &n) && n >= 0)
        mlx_value_set_int(map, key, n);
}

mlx_value_t *mlx_runtime_object(const char *body, size_t len, mlx_error_t *err)
{
    mlx_value_t *root = mlx_json_parse(body, len, err);
    if (root && mlx_value_type(root) != MLX_MAP) {
        mlx_value_destroy(&root);
        mlx_error_set(err, MLX_ERR_USAGE, "expected an object");
    }
    return root;
}

/*  The entries of a /v1/models reply that have an id; caller owns the list. */
static mlx_value_t *v1_entries(const char *body, size_t len, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return NULL;
    const mlx_value_t *data = mlx_value_get(root, "data");
    if (mlx_value_type(data) != MLX_LIST) {
        mlx_error_set(err, MLX_ERR_USAGE, "no list \"data\" of models");
        return NULL;
    }
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(data) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        const char *id = mlx_value_str(mlx_value_at(data, i), "id");
        if (id && *id)
            mlx_value_append(list, mlx_value_copy(mlx_value_at(data, i)));
    }
    return list;
}

bool mlx_runtime_owned_by(const mlx_runtime_answer_t *answer, const char *owner)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *list = v1_entries(answer->body, answer->len, NULL);
    if (!list || !owner)
        return list != NULL;
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *by = mlx_value_str(mlx_value_at(list, i), "owned_by");
        if (!by || strcmp(by, owner) != 0)
            return false;
    }
    return mlx_value_size(list) > 0;
}

typedef struct {
    const mlx_runtime_metric_t *metrics;
    mlx_runtime_counters_t *counters;
} taking_t;

static void on_sample(void *arg, const mlx_prom_sample_t *sample)
{
    const taking_t *taking = arg;
    for (const mlx_runtime_metric_t *m = taking->metrics; m->name; m++) {
        if (strcmp(m->name, sample->name) != 0)
            continue;
        double *sum = (double *)(void *)((char *)taking->counters + m->field);
        *sum = isnan(*sum) ? sample->value : *sum + sample->value;
    }
}

int mlx_runtime_take_metrics(const char *body, size_t len, const mlx_runtime_metric_t *metrics,
                             mlx_runtime_state_t *state, mlx_error_t *err)
{
    mlx_runtime_counters_clear(&state->counters);
    taking_t taking = {metrics, &state->counters};
    mlx_prom_parse(body, len, on_sample, &taking, NULL);
    double first = *(const double *)(const void *)((char *)&state->counters + metrics[0].field);
    state->has_counters = !isnan(first);
    if (!state->has_counters)
        return mlx_error_set(err, MLX_ERR_USAGE, "no %s in the reply", metrics[0].name);
    return 0;
}

void mlx_runtime_set_models(mlx_runtime_state_t *state, mlx_value_t *list)
{
    mlx_value_destroy(&state->models);
    state->models = list;
}

static void add_available(mlx_value_t **list, const mlx_value_t *entry, const char *value)
{
    if (!*list)
        *list = mlx_value_list();
    bool failed = false;
    mlx_value_bool(mlx_value_get(entry, "status"), "failed", &failed);
    mlx_value_t *item = mlx_value_append(*list, mlx_value_map());
    mlx_runtime_set_text(item, "name", mlx_value_str(entry, "id"));
    mlx_runtime_set_text(item, "state", failed ? "failed" : value);
}

void mlx_runtime_set_available(mlx_runtime_state_t *state, mlx_value_t *list)
{
    mlx_value_destroy(&state->available);
    state->available = list;
}

int mlx_runtime_take_v1_available(const char *body, size_t len, mlx_runtime_state_t *state,
                                  mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *entries = v1_entries(body, len, err);
    if (!entries)
        return -1;
    mlx_value_t *available = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(entries); i++) {
        const mlx_value_t *entry = mlx_value_at(entries, i);
        add_available(&available, entry, mlx_value_str(mlx_value_get(entry, "status"), "value"));
    }
    mlx_runtime_set_available(state, available);
    return 0;
}

int mlx_runtime_take_v1_models(const char *body, size_t len, mlx_runtime_state_t *state,
                               void (*fill)(mlx_value_t *model, const mlx_value_t *entry),
                               mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *entries = v1_entries(body, len, err);
    if (!entries)
        return -1;
    mlx_value_t *list = mlx_value_list();
    mlx_value_t *available = NULL;
    for (size_t i = 0; i < mlx_value_size(entries); i++) {
        const mlx_value_t *entry = mlx_value_at(entries, i);
        const char *value = mlx_value_str(mlx_value_get(entry, "status"), "value");
        if (value)
            add_available(&available, entry, value);
        if (value && strcmp(value, "loaded") != 0)
            continue;
        mlx_value_t *model = mlx_value_append(list, mlx_value_map());
        mlx_runtime_set_text(model, "name", mlx_value_str(entry, "id"));
        if (fill)
            fill(model, entry);
    }
    mlx_runtime_set_models(state, list);
    mlx_runtime_set_available(state, available);
    return 0;
}

static void fill_engine_model(mlx_value_t *model, const mlx_value_t *entry)
{
    mlx_runtime_set_size(model, "context", entry, "max_model_len");
}

int mlx_runtime_parse_engine_models(const char *body, size_t len, mlx_runtime_state_t *state,
                                    mlx_error_t *err)
{
    return mlx_runtime_take_v1_models(body, len, state, fill_engine_model, err);
}

int mlx_runtime_parse_engine_version(const char *body, size_t len, mlx_runtime_state_t *state,
                                     mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    const char *version = mlx_value_str(root, "version");
    if (version)
        mlx_runtime_copy_text(state->version, version);
    return 0;
}
