/*  Any server with OpenAI's GET /v1/models: LM Studio, mlx_lm.server, llama-cpp-python and others.
 *  The list is what can be asked for, which with LM Studio and mlx_lm.server is more than what is
 *  in memory. Nothing tells what the server is doing: that takes the tap. */
#include "common/runtime/runtime.h"

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    return mlx_runtime_take_v1_models(body, len, state, NULL, err);
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, NULL);
}

const mlx_runtime_backend_t mlx_runtime_openai = {
    .kind = "openai",
    .one_at_a_time = true,
    .probe_path = "/v1/models",
    .claims = claims,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/v1/models",
             .max_body = 4 << 20,
             .parse = parse_models},
        },
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
