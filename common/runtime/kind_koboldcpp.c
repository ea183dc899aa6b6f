/*  Sources: LostRuins/koboldcpp: /api/extra/version, /api/v1/model, /api/extra/perf and
 *  /api/extra/true_max_context_length are open and cost nothing. It has one model, and also answers
 *  Ollama's /api/ps. Its figures are those of the last request; how many there were moves with the
 *  end of each. /api/extra/generate/check has the text itself: never asked. */
#include "common/runtime/runtime.h"

#include <stddef.h>
#include <string.h>

static int parse_model(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    static const char prefix[] = "koboldcpp/";
    const char *name = root ? mlx_value_str(root, "result") : NULL;
    if (!root)
        return -1;
    if (!name)
        return mlx_error_set(err, MLX_ERR_USAGE, "no \"result\" in the reply");
    if (!strncmp(name, prefix, sizeof prefix - 1))
        name += sizeof prefix - 1;
    mlx_value_t *before = mlx_value_at(state->models, 0);
    if (before && mlx_value_str(before, "name") && !strcmp(mlx_value_str(before, "name"), name))
        return 0; /* what else is known of it stays */
    mlx_value_t *models = mlx_value_list();
    if (*name && strcmp(name, "inactive") != 0)
        mlx_runtime_set_text(mlx_value_append(models, mlx_value_map()), "name", name);
    mlx_runtime_set_models(state, models);
    return 0;
}

static int parse_perf(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    double idle;
    if (!root)
        return -1;
    if (!mlx_value_real(root, "idle", &idle))
        return mlx_error_set(err, MLX_ERR_USAGE, "no \"idle\" in the reply");
    mlx_runtime_counters_clear(&state->counters);
    state->counters.running = idle > 0 ? 0 : 1; /* one at a time; the others wait */
    mlx_value_real(root, "total_gens", &state->counters.requests_total);
    state->has_counters = true;
    return 0;
}

static int parse_context(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    if (mlx_value_size(state->models) == 1)
        mlx_runtime_set_size(mlx_value_at(state->models, 0), "context", root, "value");
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *root = mlx_runtime_object(answer->body, answer->len, NULL);
    const char *result = root ? mlx_value_str(root, "result") : NULL;
    return result && !strcmp(result, "KoboldCpp");
}

static const mlx_runtime_cause_t causes[] = {
    {NULL, 503, NULL, "it is busy with another request (HTTP 503)"},
    {0},
};

static const mlx_runtime_program_t programs[] = {{.name = "koboldcpp*"}, {0}};

const mlx_runtime_backend_t mlx_runtime_koboldcpp = {
    .kind = "koboldcpp",
    .programs = programs,
    .ports = {5001},
    .probe_path = "/api/extra/version",
    .claims = claims,
    .causes = causes,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/api/v1/model",
             .max_body = 65536,
             .parse = parse_model},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/api/extra/perf",
             .max_body = 65536,
             .busy_ms = 1000,
             .idle_ms = 2000,
             .parse = parse_perf},
            {.role = MLX_QUERY_FACTS,
             .path = "/api/extra/version",
             .max_body = 65536,
             .parse = mlx_runtime_parse_engine_version},
            {.role = MLX_QUERY_FACTS,
             .path = "/api/extra/true_max_context_length",
             .max_body = 65536,
             .parse = parse_context},
        },
    .generate = {.path = "/v1/chat/completions"},
};
