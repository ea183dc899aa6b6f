/*  Sources: oMLX (jundot/omlx): GET /health is open and has the engine pool, /api/status has its
 *  totals, /v1/models/status says of each model whether it is loaded; these two want its key, where
 *  it has one. None loads a model. It writes wrong keys into its log: only the user's is sent. */
#include "common/runtime/runtime.h"

#include <stddef.h>
#include <string.h>

static int parse_health(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    (void)state;
    if (root && mlx_value_type(mlx_value_get(root, "engine_pool")) == MLX_MAP)
        return 0;
    return root ? mlx_error_set(err, MLX_ERR_USAGE, "no \"engine_pool\" in the reply") : -1;
}

static int parse_status(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    mlx_runtime_counters_t *counters = &state->counters;
    mlx_runtime_counters_clear(counters);
    state->has_counters = mlx_value_real(root, "active_requests", &counters->running);
    if (!state->has_counters)
        return mlx_error_set(err, MLX_ERR_USAGE, "no \"active_requests\" in the reply");
    mlx_value_real(root, "total_completion_tokens", &counters->tokens_total);
    mlx_value_real(root, "total_prompt_tokens", &counters->prompt_tokens_total);
    const char *version = mlx_value_str(root, "version");
    if (version)
        mlx_runtime_copy_text(state->version, version);
    return 0;
}

static void add_model(const mlx_value_t *entry, mlx_value_t *models, mlx_value_t *available)
{
    bool loaded = false, loading = false;
    const char *id = mlx_value_str(entry, "id");
    if (!id || !*id)
        return;
    mlx_value_bool(entry, "loaded", &loaded);
    mlx_value_bool(entry, "is_loading", &loading);
    mlx_value_t *item = mlx_value_append(available, mlx_value_map());
    mlx_runtime_set_text(item, "name", id);
    mlx_value_set_str(item, "state", loading ? "loading" : loaded ? "loaded" : "unloaded");
    if (!loaded && !loading)
        return;
    mlx_value_t *model = mlx_value_append(models, mlx_value_map());
    mlx_runtime_set_text(model, "name", id);
    mlx_runtime_set_size(model, "size", entry, "actual_size");
    mlx_runtime_set_size(model, "context", entry, "max_context_window");
    mlx_value_set_str(model, "format", "mlx");
    if (loading)
        mlx_value_set_bool(model, "loading", true);
}

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    const mlx_value_t *list = mlx_value_get(root, "models");
    if (!root)
        return -1;
    if (mlx_value_type(list) != MLX_LIST)
        return mlx_error_set(err, MLX_ERR_USAGE, "no list \"models\"");
    mlx_value_t *models = mlx_value_list(), *available = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(list) && i < MLX_RUNTIME_MODELS_MAX; i++)
        add_model(mlx_value_at(list, i), models, available);
    mlx_runtime_set_models(state, models);
    mlx_runtime_set_available(state, available);
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "omlx");
}

static const mlx_runtime_program_t programs[] = {{.name = "omlx*"}, {.name = "oMLX"}, {0}};

const mlx_runtime_backend_t mlx_runtime_omlx = {
    .kind = "omlx",
    .on_demand = true,
    .programs = programs,
    .ports = {8000},
    .probe_path = "/v1/models",
    .claims = claims,
    .queries =
        {
            {.role = MLX_QUERY_STATE, .path = "/health", .max_body = 65536, .parse = parse_health},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/api/status",
             .max_body = 1 << 20,
             .busy_ms = 500,
             .idle_ms = 1000,
             .parse = parse_status},
            {.role = MLX_QUERY_FACTS,
             .path = "/v1/models/status",
             .max_body = 4 << 20,
             .idle_ms = 5000,
             .parse = parse_models},
        },
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
