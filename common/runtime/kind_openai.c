/*  Any other server with OpenAI's GET /v1/models: llama-cpp-python and many more. The only model of
 *  a list is taken for loaded; several are what can be asked for. Nothing tells what the server is
 *  doing: that takes the tap. */
#include "common/runtime/runtime.h"

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    if (mlx_runtime_take_v1_available(body, len, state, err))
        return -1;
    mlx_runtime_set_models(state, NULL);
    const mlx_value_t *only = mlx_value_at(state->available, 0);
    if (mlx_value_size(state->available) == 1 && !mlx_value_str(only, "state")) {
        mlx_runtime_set_models(state, state->available);
        state->available = NULL;
    }
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, NULL);
}

static const mlx_runtime_program_t programs[] = {{.name = "llama_cpp.server"},
                                                 {.name = "llama_cpp", .word = "server"},
                                                 {.name = "mistralrs*"},
                                                 {0}};

const mlx_runtime_backend_t mlx_runtime_openai = {
    .kind = "openai",
    .programs = programs,
    .lists_all = true,
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
