/*  Sources: janhq/jan: its API server wants a key unless that was turned off, and lists at
 *  /v1/models the sessions that run. /openapi.json is open. Its work is done by children of its
 *  own; what they do it does not tell. */
#include "common/runtime/runtime.h"

#include <string.h>

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    return mlx_runtime_take_v1_models(body, len, state, NULL, err);
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *root = mlx_runtime_object(answer->body, answer->len, NULL);
    const char *title = root ? mlx_value_str(mlx_value_get(root, "info"), "title") : NULL;
    return title && strncmp(title, "Jan", 3) == 0 && (!title[3] || title[3] == ' ');
}

static const mlx_runtime_program_t programs[] = {{.name = "Jan"}, {.name = "jan"}, {0}};

const mlx_runtime_backend_t mlx_runtime_jan = {
    .kind = "jan",
    .on_demand = true,
    .programs = programs,
    .ports = {1337},
    .probe_path = "/openapi.json",
    .claims = claims,
    .queries = {{.role = MLX_QUERY_STATE,
                 .path = "/v1/models",
                 .max_body = 4 << 20,
                 .parse = parse_models}},
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
