/*  Sources: text-generation-webui: /v1/internal/model/info names the loaded model, or "None", and
 *  loads none; what it does it does not tell. */
#include "common/runtime/runtime.h"

#include <string.h>

static int parse_info(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    const char *name = root ? mlx_value_str(root, "model_name") : NULL;
    if (!root)
        return -1;
    if (!name)
        return mlx_error_set(err, MLX_ERR_USAGE, "no \"model_name\" in the reply");
    mlx_value_t *models = mlx_value_list();
    if (*name && strcmp(name, "None") != 0)
        mlx_runtime_set_text(mlx_value_append(models, mlx_value_map()), "name", name);
    mlx_runtime_set_models(state, models);
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    mlx_runtime_state_t state = {.models = NULL};
    bool yes = parse_info(answer->body, answer->len, &state, NULL) == 0;
    mlx_runtime_clear(&state);
    return yes;
}

/*  Many programs are called so. */
static const mlx_runtime_program_t programs[] = {
    {.name = "server.py", .word = "api", .vague = true}, {0}};

const mlx_runtime_backend_t mlx_runtime_textgen = {
    .kind = "textgen",
    .one_at_a_time = true,
    .programs = programs,
    .probe_path = "/v1/internal/model/info",
    .claims = claims,
    .queries = {{.role = MLX_QUERY_STATE,
                 .path = "/v1/internal/model/info",
                 .max_body = 65536,
                 .parse = parse_info}},
    .generate = {.path = "/v1/chat/completions"},
};
