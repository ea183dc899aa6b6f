/*  Sources: LiteRT-LM serve 0.18.1: one thread, which answers nobody while it generates, and
 *  /v1/models lists what was imported. It is asked once; that it is still there is seen by its
 *  socket. Which model is loaded, and what it does, it does not tell. */
#include "common/runtime/runtime.h"

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "litert-lm");
}

static const mlx_runtime_program_t programs[] = {
    {.name = "litert-lm*", .word = "serve"}, {.name = "litert_lm*", .word = "serve"}, {0}};

const mlx_runtime_backend_t mlx_runtime_litertlm = {
    .kind = "litertlm",
    .one_at_a_time = true,
    .programs = programs,
    .ports = {9379},
    .probe_path = "/v1/models",
    .claims = claims,
    .queries = {{.role = MLX_QUERY_STATE,
                 .path = "/v1/models",
                 .max_body = 1 << 20,
                 .idle_ms = 600000,
                 .parse = mlx_runtime_take_v1_available}},
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
