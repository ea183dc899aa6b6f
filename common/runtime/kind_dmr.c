/*  Sources: docker/model-runner: GET /engines/ps is what runs, GET /models what was pulled. Neither
 *  starts a runner nor moves its five minutes. /engines/requests holds prompts: never asked. */
#include "common/runtime/runtime.h"

#include <string.h>

#include "common/base/json.h"

/*  The reply when it is a list; caller owns it. */
static mlx_value_t *list_of(const char *body, size_t len, mlx_error_t *err)
{
    mlx_value_t *root = mlx_json_parse(body, len, err);
    if (root && mlx_value_type(root) != MLX_LIST && mlx_value_type(root) != MLX_NULL) {
        mlx_value_destroy(&root);
        mlx_error_set(err, MLX_ERR_USAGE, "expected a list");
    }
    return root;
}

/*  How many requests a runner works on: "in_use" is a number or a yes. */
static double uses(const mlx_value_t *entry)
{
    double n = 0;
    bool yes = false;
    if (mlx_value_bool(entry, "in_use", &yes))
        return yes ? 1 : 0;
    return mlx_value_real(entry, "in_use", &n) && n > 0 && n < 1e6 ? n : 0;
}

static int parse_ps(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = list_of(body, len, err);
    if (!root)
        return -1;
    mlx_value_t *models = mlx_value_list();
    mlx_runtime_counters_clear(&state->counters);
    state->counters.running = 0;
    state->has_counters = true;
    for (size_t i = 0; i < mlx_value_size(root) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        const mlx_value_t *entry = mlx_value_at(root, i);
        const char *name = mlx_value_str(entry, "model_name");
        bool loading = false;
        if (!name || !*name)
            continue;
        mlx_value_t *model = mlx_value_append(models, mlx_value_map());
        mlx_runtime_set_text(model, "name", name);
        if (mlx_value_bool(entry, "loading", &loading) && loading)
            mlx_value_set_bool(model, "loading", true);
        state->counters.running += uses(entry);
    }
    mlx_runtime_set_models(state, models);
    return 0;
}

/*  Names are tags; a model without one is known by its id. */
static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = list_of(body, len, err);
    if (!root)
        return -1;
    mlx_value_t *available = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(root) && i < MLX_RUNTIME_MODELS_MAX; i++) {
        const mlx_value_t *entry = mlx_value_at(root, i);
        const char *tag = mlx_value_as_str(mlx_value_at(mlx_value_get(entry, "tags"), 0), NULL);
        mlx_value_t *item = mlx_value_map();
        mlx_runtime_set_text(item, "name", tag ? tag : mlx_value_str(entry, "id"));
        if (mlx_value_str(item, "name"))
            mlx_value_append(available, item);
        else
            mlx_value_destroy(&item);
    }
    mlx_runtime_set_available(state, available);
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = list_of(answer->body, answer->len, NULL);
    for (size_t i = 0; i < mlx_value_size(root); i++)
        if (!mlx_value_str(mlx_value_at(root, i), "backend_name"))
            return false;
    return root && mlx_value_type(root) == MLX_LIST;
}

static const mlx_runtime_program_t programs[] = {
    {.name = "com.docker.backend"},
    {.name = "dmr"},
    {.name = "model-runner"},
    {.name = "docker-model-runner"},
    {0},
};

const mlx_runtime_backend_t mlx_runtime_dmr = {
    .kind = "dmr",
    .on_demand = true,
    .programs = programs,
    .ports = {12434},
    .probe_path = "/engines/ps",
    .claims = claims,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/engines/ps",
             .max_body = 1 << 20,
             .parse = parse_ps},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/engines/ps",
             .max_body = 1 << 20,
             .busy_ms = 500,
             .idle_ms = 1000,
             .parse = parse_ps},
            {.role = MLX_QUERY_FACTS,
             .path = "/models",
             .max_body = 4 << 20,
             .parse = parse_models},
        },
    .generate = {.path = "/engines/v1/chat/completions", .loads = true},
};
