/*  Sources: SGLang docs "Production Metrics" (/metrics with --enable-metrics, prefix "sglang:") and
 *  its HTTP server (/v1/models, /server_info). Its /health generates a token: never asked. */
#include "common/runtime/runtime.h"

#include <stddef.h>

static int parse_metrics(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    static const mlx_runtime_metric_t metrics[] = {
        {"sglang:generation_tokens_total", offsetof(mlx_runtime_counters_t, tokens_total)},
        {"sglang:num_running_reqs", offsetof(mlx_runtime_counters_t, running)},
        {"sglang:prompt_tokens_total", offsetof(mlx_runtime_counters_t, prompt_tokens_total)},
        {"sglang:num_requests_total", offsetof(mlx_runtime_counters_t, requests_total)},
        {"sglang:num_aborted_requests_total", offsetof(mlx_runtime_counters_t, errors_total)},
        {"sglang:time_to_first_token_seconds_sum", offsetof(mlx_runtime_counters_t, ttft_sum)},
        {"sglang:time_to_first_token_seconds_count", offsetof(mlx_runtime_counters_t, ttft_count)},
        {"sglang:generation_tokens_histogram_sum", offsetof(mlx_runtime_counters_t, ended_tokens)},
        {"sglang:prompt_tokens_histogram_sum",
         offsetof(mlx_runtime_counters_t, ended_prompt_tokens)},
        {"sglang:e2e_request_latency_seconds_sum", offsetof(mlx_runtime_counters_t, ended_seconds)},
        {"sglang:queue_time_seconds_sum", offsetof(mlx_runtime_counters_t, queue_sum)},
        {0},
    };
    return mlx_runtime_take_metrics(body, len, metrics, state, err);
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "sglang");
}

static const mlx_runtime_cause_t causes[] = {
    {"/metrics", 404, NULL, "its /metrics is off: --enable-metrics turns it on"},
    {"/metrics", 200, NULL, "its /metrics counts nothing that is known here"},
    {0},
};

static const mlx_runtime_program_t programs[] = {
    {.name = "sglang", .word = "serve"}, {.name = "sglang.launch_server"}, {0}};

const mlx_runtime_backend_t mlx_runtime_sglang = {
    .kind = "sglang",
    .programs = programs,
    .ports = {30000},
    .probe_path = "/v1/models",
    .claims = claims,
    .causes = causes,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/v1/models",
             .max_body = 1 << 20,
             .parse = mlx_runtime_parse_engine_models},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/metrics",
             .max_body = 4 << 20,
             .busy_ms = 500,
             .idle_ms = 400,
             .parse = parse_metrics},
            {.role = MLX_QUERY_FACTS,
             .path = "/server_info",
             .max_body = 1 << 20,
             .parse = mlx_runtime_parse_engine_version},
        },
    .generate = {.path = "/v1/chat/completions", .forced = true},
};
