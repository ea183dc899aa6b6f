/*  Sources: mlx_lm.server: GET /v1/models lists the models in the Hugging Face cache, which it
 *  walks for that; which one is loaded (that of the last request) it does not tell. It breaks off
 *  with an empty body when there is no such folder. Builds up to 0.28 do one thing at a time. */
#include "common/runtime/runtime.h"

#include <string.h>

static int parse_models(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    static const char none[] = "{\"data\":[]}";
    return len ? mlx_runtime_take_v1_available(body, len, state, err)
               : mlx_runtime_take_v1_available(none, strlen(none), state, err);
}

static int parse_health(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    (void)state;
    return root ? 0 : -1;
}

/*  It is Python's own server, and names no owner of its models. */
static bool claims(const mlx_runtime_answer_t *answer)
{
    bool python = strstr(answer->server, "BaseHTTP/") && strstr(answer->server, "Python/");
    return python && (answer->len == 0 || mlx_runtime_owned_by(answer, NULL)) &&
           !memmem(answer->body, answer->len, "\"owned_by\"", 10);
}

static const mlx_runtime_cause_t causes[] = {
    {"/health", 503, NULL, "its generation thread has died (HTTP 503): start it again"},
    {0},
};

static const mlx_runtime_program_t programs[] = {
    {.name = "mlx_lm.server"}, {.name = "mlx_lm", .word = "server"}, {0}};

const mlx_runtime_backend_t mlx_runtime_mlxlm = {
    .kind = "mlxlm",
    .programs = programs,
    .one_at_a_time = true,
    .probe_path = "/v1/models",
    .claims = claims,
    .causes = causes,
    .queries =
        {
            {.role = MLX_QUERY_STATE, .path = "/health", .max_body = 65536, .parse = parse_health},
            {.role = MLX_QUERY_FACTS,
             .path = "/v1/models",
             .max_body = 4 << 20,
             .parse = parse_models},
        },
    .generate = {.path = "/v1/chat/completions", .loads = true},
};
