/*  Sources: mozilla-ai/llamafile 0.9.3: one file with a llama-server of 2024 to 2025 in it: its
 *  /v1/models and /slots, no sleep, mostly no /metrics. Its second server (--v2) has no slots. */
#include "common/runtime/runtime.h"

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "llamafile");
}

static const mlx_runtime_cause_t causes[] = {
    {"/slots", 404, NULL, "it has no /slots (HTTP 404): use the tap"},
    {"/slots", 501, NULL, "its /slots is off: llamafile --slots turns it on"},
    {0},
};

static const mlx_runtime_program_t programs[] = {
    {.name = "*.llamafile"}, {.name = "llamafile*"}, {0}};

const mlx_runtime_backend_t mlx_runtime_llamafile = {
    .kind = "llamafile",
    .programs = programs,
    .probe_path = "/v1/models",
    .claims = claims,
    .causes = causes,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/v1/models",
             .max_body = 1 << 20,
             .parse = mlx_runtime_parse_gguf_models},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/slots",
             .max_body = 1 << 20,
             .busy_ms = 250,
             .idle_ms = 400,
             .parse = mlx_runtime_parse_slots},
        },
    .generate = {.path = "/v1/chat/completions", .no_cache = true},
};
