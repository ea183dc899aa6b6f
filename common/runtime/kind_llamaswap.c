/*  Sources: llama-swap README: GET /running is what runs, /v1/models what is configured. Neither
 *  loads a model nor moves the time after which one is unloaded; /upstream/ and ?model= do both. */
#include "common/runtime/runtime.h"

#include <string.h>

static int parse_running(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    const mlx_value_t *running = mlx_value_get(root, "running");
    bool empty = running && mlx_value_type(running) == MLX_NULL;
    if (!empty && mlx_value_type(running) != MLX_LIST)
        return mlx_error_set(err, MLX_ERR_USAGE, "no list \"running\"");
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(running) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        const mlx_value_t *item = mlx_value_at(running, i);
        const char *name = mlx_value_str(item, "model"), *is = mlx_value_str(item, "state");
        bool starts = is && !strcmp(is, "starting");
        if (!name || !*name || !is || (!starts && strcmp(is, "ready") != 0))
            continue;
        mlx_value_t *model = mlx_value_append(list, mlx_value_map());
        mlx_runtime_set_text(model, "name", name);
        if (starts)
            mlx_value_set_bool(model, "loading", true);
    }
    mlx_runtime_set_models(state, list);
    return 0;
}

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    return mlx_runtime_take_v1_available(body, len, state, err);
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "llama-swap");
}

static const mlx_runtime_program_t programs[] = {{.name = "llama-swap*"}, {0}};

const mlx_runtime_backend_t mlx_runtime_llamaswap = {
    .kind = "llamaswap",
    .programs = programs,
    .on_demand = true,
    .probe_path = "/v1/models",
    .claims = claims,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/running",
             .max_body = 1 << 20,
             .parse = parse_running},
            {.role = MLX_QUERY_FACTS,
             .path = "/v1/models",
             .max_body = 4 << 20,
             .parse = parse_models},
        },
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
