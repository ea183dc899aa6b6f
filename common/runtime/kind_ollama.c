/*  Sources: Ollama docs/api.md, "List Running Models" and "Version"; recorded from 0.32.15. */
#include "common/runtime/runtime.h"

#include <string.h>

#include "common/base/rfc3339.h"

/*  keep_alive -1 is a date centuries away, and a model that is still loading has Go's zero time,
 *  year 1: neither is an expiry. */
static const int64_t year_2000_us = 946684800000000, year_2200_us = 7258118400000000;

static mlx_value_t *read_model(const mlx_value_t *item)
{
    const char *name = mlx_value_str(item, "name");
    if (!name)
        name = mlx_value_str(item, "model");
    if (!name || !*name)
        return NULL;
    mlx_value_t *model = mlx_value_map();
    const mlx_value_t *details = mlx_value_get(item, "details");
    mlx_runtime_set_text(model, "name", name);
    mlx_runtime_set_text(model, "digest", mlx_value_str(item, "digest"));
    mlx_runtime_set_size(model, "size", item, "size");
    mlx_runtime_set_size(model, "vram", item, "size_vram");
    mlx_runtime_set_size(model, "context", item, "context_length");
    mlx_runtime_set_text(model, "quantization", mlx_value_str(details, "quantization_level"));
    mlx_runtime_set_text(model, "parameter_size", mlx_value_str(details, "parameter_size"));
    mlx_runtime_set_text(model, "family", mlx_value_str(details, "family"));
    mlx_runtime_set_text(model, "format", mlx_value_str(details, "format"));
    const char *expires = mlx_value_str(item, "expires_at");
    int64_t us;
    if (!expires || !mlx_rfc3339_parse(expires, &us))
        return model;
    if (us <= 0)
        mlx_value_set_bool(model, "loading", true);
    else if (us >= year_2000_us && us < year_2200_us)
        mlx_value_set_int(model, "expires_at", us);
    return model;
}

static int parse_ps(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    const mlx_value_t *models = mlx_value_get(root, "models");
    /*  Go writes an empty list as null where it was never made. */
    bool empty = models && mlx_value_type(models) == MLX_NULL;
    if (!empty && mlx_value_type(models) != MLX_LIST)
        return mlx_error_set(err, MLX_ERR_USAGE, "no list \"models\"");
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(models) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        mlx_value_t *model = read_model(mlx_value_at(models, i));
        if (model)
            mlx_value_append(list, model);
    }
    mlx_runtime_set_models(state, list);
    return 0;
}

static mlx_value_t *read_stored(const mlx_value_t *item)
{
    const char *name = mlx_value_str(item, "name");
    if (!name || !*name)
        return NULL;
    const mlx_value_t *details = mlx_value_get(item, "details");
    mlx_value_t *model = mlx_value_map();
    mlx_runtime_set_text(model, "name", name);
    mlx_runtime_set_text(model, "digest", mlx_value_str(item, "digest"));
    mlx_runtime_set_text(model, "quantization", mlx_value_str(details, "quantization_level"));
    return model;
}

static int parse_tags(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    const mlx_value_t *models = mlx_value_get(root, "models");
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(models) && i < MLX_RUNTIME_CHOICE_MAX; i++) {
        mlx_value_t *model = read_stored(mlx_value_at(models, i));
        if (model)
            mlx_value_append(list, model);
    }
    mlx_runtime_set_available(state, list);
    return 0;
}

static int parse_version(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    const char *version = root ? mlx_value_str(root, "version") : NULL;
    if (root && !version)
        mlx_error_set(err, MLX_ERR_USAGE, "no \"version\"");
    if (!version)
        return -1;
    mlx_runtime_copy_text(state->version, version);
    return 0;
}

/*  /api/version is not proof: Open WebUI, often on 8080, has it too. */
static bool claims(const mlx_runtime_answer_t *answer)
{
    mlx_runtime_state_t state = {.models = NULL};
    bool yes = parse_ps(answer->body, answer->len, &state, NULL) == 0;
    mlx_runtime_clear(&state);
    return yes;
}

/*  It has no keys: a host that it does not know is refused. */
static const mlx_runtime_cause_t causes[] = {
    {NULL, 403, NULL,
     "it refuses access (HTTP 403), as Ollama does for host names it does not know"},
    {0},
};

static const mlx_runtime_program_t programs[] = {
    {.name = "ollama", .word = "serve"}, {.name = "ollama", .word = "start"}, {0}};

const mlx_runtime_backend_t mlx_runtime_ollama = {
    .kind = "ollama",
    .programs = programs,
    .ports = {11434},
    .causes = causes,
    .on_demand = true,
    .runners = true,
    .probe_path = "/api/ps",
    .claims = claims,
    .queries =
        {
            {.role = MLX_QUERY_STATE, .path = "/api/ps", .max_body = 1 << 20, .parse = parse_ps},
            {.role = MLX_QUERY_FACTS,
             .path = "/api/version",
             .max_body = 65536,
             .parse = parse_version},
            {.role = MLX_QUERY_CHOICE,
             .path = "/api/tags",
             .max_body = 4 << 20,
             .parse = parse_tags},
        },
    .generate = {.path = "/api/generate", .keeps = true},
};
