#include "runtime.h"

#include <math.h>
#include <string.h>

#include "common/base/json.h"

static const mlx_runtime_backend_t *const backends[] = {
    &mlx_runtime_ollama,
    &mlx_runtime_llamacpp,
    &mlx_runtime_vllm,
    &mlx_runtime_openai,
};

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

void mlx_runtime_counters_clear(mlx_runtime_counters_t *counters)
{
    *counters = (mlx_runtime_counters_t){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
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

bool mlx_runtime_owned_by(const char *body, size_t len, const char *owner)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = v1_entries(body, len, NULL);
    if (!list || !owner)
        return list != NULL;
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *by = mlx_value_str(mlx_value_at(list, i), "owned_by");
        if (!by || strcmp(by, owner) != 0)
            return false;
    }
    return mlx_value_size(list) > 0;
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
    mlx_value_destroy(&state->available);
    state->available = available;
    return 0;
}
