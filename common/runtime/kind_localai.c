/*  Sources: mudler/LocalAI: /readyz is open and stands in no log, /system has the loaded models,
 *  /v1/models what is configured. What its back ends do it does not tell, and it answers Ollama's
 *  questions, too. */
#include "common/runtime/runtime.h"

#include <string.h>
#include <strings.h>

static int parse_ready(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    (void)body, (void)len, (void)state, (void)err;
    return 0; /* its status says it all */
}

static int parse_system(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    const mlx_value_t *loaded = mlx_value_get(root, "loaded_models");
    if (!root)
        return -1;
    if (loaded && mlx_value_type(loaded) != MLX_LIST && mlx_value_type(loaded) != MLX_NULL)
        return mlx_error_set(err, MLX_ERR_USAGE, "no list \"loaded_models\"");
    mlx_value_t *models = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(loaded) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        const char *id = mlx_value_str(mlx_value_at(loaded, i), "id");
        if (id && *id)
            mlx_runtime_set_text(mlx_value_append(models, mlx_value_map()), "name", id);
    }
    mlx_runtime_set_models(state, models);
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *root = mlx_runtime_object(answer->body, answer->len, NULL);
    return root && !mlx_value_get(root, "error") &&
           (memmem(answer->body, answer->len, "ocalAI", 6) ||
            memmem(answer->body, answer->len, "localai", 7));
}

static const mlx_runtime_cause_t causes[] = {
    {"/readyz", 503, NULL, "it is starting"},
    {"/system", 403, NULL, "its list of loaded models is for administrators (HTTP 403)"},
    {0},
};

static const mlx_runtime_program_t programs[] = {
    {.name = "local-ai*"}, {.name = "localai"}, {.name = "LocalAI"}, {0}};

const mlx_runtime_backend_t mlx_runtime_localai = {
    .kind = "localai",
    .on_demand = true,
    .programs = programs,
    .probe_path = "/.well-known/localai.json",
    .claims = claims,
    .causes = causes,
    .queries =
        {
            {.role = MLX_QUERY_STATE, .path = "/readyz", .max_body = 65536, .parse = parse_ready},
            {.role = MLX_QUERY_FACTS,
             .path = "/system",
             .max_body = 1 << 20,
             .idle_ms = 10000,
             .parse = parse_system},
            {.role = MLX_QUERY_FACTS,
             .path = "/v1/models",
             .max_body = 4 << 20,
             .parse = mlx_runtime_take_v1_available},
        },
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
