/*  Sources: LM Studio docs, REST API v0: GET /api/v0/models (0.3.6 and later) tells what is loaded
 *  from what it could load. Paths that it does not know it answers with status 200 and an error
 *  text. What it is doing it does not tell: that takes the tap. */
#include "common/runtime/runtime.h"

#include <string.h>

static bool is_loaded(const mlx_value_t *entry)
{
    const char *state = mlx_value_str(entry, "state");
    return state && !strcmp(state, "loaded");
}

static void add_loaded(mlx_value_t *list, const mlx_value_t *entry)
{
    mlx_value_t *model = mlx_value_append(list, mlx_value_map());
    mlx_runtime_set_text(model, "name", mlx_value_str(entry, "id"));
    mlx_runtime_set_size(model, "context", entry, "loaded_context_length");
    mlx_runtime_set_text(model, "quantization", mlx_value_str(entry, "quantization"));
    mlx_runtime_set_text(model, "family", mlx_value_str(entry, "arch"));
    mlx_runtime_set_text(model, "format", mlx_value_str(entry, "compatibility_type"));
}

static void add_available(mlx_value_t *list, const mlx_value_t *entry)
{
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_runtime_set_text(item, "name", mlx_value_str(entry, "id"));
    mlx_value_set_str(item, "state", is_loaded(entry) ? "loaded" : "unloaded");
}

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    const mlx_value_t *data = mlx_value_get(root, "data");
    if (mlx_value_type(data) != MLX_LIST)
        return mlx_error_set(err, MLX_ERR_USAGE, "no list \"data\" of models");
    mlx_value_t *loaded = mlx_value_list(), *available = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(data) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        const mlx_value_t *entry = mlx_value_at(data, i);
        const char *id = mlx_value_str(entry, "id");
        if (!id || !*id)
            continue;
        add_available(available, entry);
        if (is_loaded(entry))
            add_loaded(loaded, entry);
    }
    mlx_runtime_set_models(state, loaded);
    mlx_runtime_set_available(state, available);
    return 0;
}

/*  Each entry has a state; an empty list could be anybody's. */
static bool claims(const mlx_runtime_answer_t *answer)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *root = mlx_runtime_object(answer->body, answer->len, NULL);
    const mlx_value_t *data = mlx_value_get(root, "data");
    for (size_t i = 0; i < mlx_value_size(data); i++)
        if (!mlx_value_str(mlx_value_at(data, i), "state"))
            return false;
    return mlx_value_size(data) > 0;
}

static const mlx_runtime_cause_t causes[] = {
    {"/api/v0/models", 200, "nexpected endpoint",
     "this LM Studio does not know /api/v0/models, which came with 0.3.6"},
    {0},
};

static const mlx_runtime_program_t programs[] = {{.name = "LM Studio*"},
                                                 {.name = "LM-Studio*"},
                                                 {.name = "lm-studio*"},
                                                 {.name = "llmster*"},
                                                 {0}};

const mlx_runtime_backend_t mlx_runtime_lmstudio = {
    .kind = "lmstudio",
    .programs = programs,
    .ports = {1234},
    .on_demand = true,
    .probe_path = "/api/v0/models",
    .claims = claims,
    .causes = causes,
    .queries = {{.role = MLX_QUERY_STATE,
                 .path = "/api/v0/models",
                 .max_body = 4 << 20,
                 .parse = parse_models}},
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
