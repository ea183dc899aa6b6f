/*  Sources: vLLM docs "Production Metrics" (/metrics, prefix "vllm:") and the OpenAI-compatible
 *  server (/v1/models, /version). One sample per engine and model: they are added up. The token
 *  counters move with every step of the engine, so their rise is the live speed. */
#include "common/runtime/runtime.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/runtime/prom_text.h"

/*  Requests that the engine gave up are counted among the successes, by their reason. */
static void on_ended(void *arg, const mlx_prom_sample_t *sample)
{
    double *errors = arg;
    char reason[16];
    if (strcmp(sample->name, "vllm:request_success_total") != 0 ||
        !mlx_prom_label(sample, "finished_reason", reason, sizeof reason))
        return;
    *errors = (isnan(*errors) ? 0 : *errors) + (strcmp(reason, "error") ? 0 : sample->value);
}

static int parse_metrics(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    static const mlx_runtime_metric_t metrics[] = {
        {"vllm:generation_tokens_total", offsetof(mlx_runtime_counters_t, tokens_total)},
        {"vllm:num_requests_running", offsetof(mlx_runtime_counters_t, running)},
        {"vllm:prompt_tokens_total", offsetof(mlx_runtime_counters_t, prompt_tokens_total)},
        {"vllm:request_success_total", offsetof(mlx_runtime_counters_t, requests_total)},
        {"vllm:time_to_first_token_seconds_sum", offsetof(mlx_runtime_counters_t, ttft_sum)},
        {"vllm:time_to_first_token_seconds_count", offsetof(mlx_runtime_counters_t, ttft_count)},
        {"vllm:request_generation_tokens_sum", offsetof(mlx_runtime_counters_t, ended_tokens)},
        {"vllm:request_prompt_tokens_sum", offsetof(mlx_runtime_counters_t, ended_prompt_tokens)},
        {"vllm:e2e_request_latency_seconds_sum", offsetof(mlx_runtime_counters_t, ended_seconds)},
        {"vllm:request_queue_time_seconds_sum", offsetof(mlx_runtime_counters_t, queue_sum)},
        {"vllm:request_decode_time_seconds_sum",
         offsetof(mlx_runtime_counters_t, ended_decode_seconds)},
        {0},
    };
    if (mlx_runtime_take_metrics(body, len, metrics, state, err))
        return -1;
    mlx_prom_parse(body, len, on_ended, &state->counters.errors_total, NULL);
    return 0;
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "vllm");
}

static const mlx_runtime_cause_t causes[] = {
    {"/metrics", 404, NULL, "it has no /metrics (HTTP 404)"},
    {"/metrics", 200, NULL, "its /metrics counts nothing, as with vllm serve --disable-log-stats"},
    {NULL, 503, "ngine", "its engine has stopped (HTTP 503)"},
    {0},
};

static const mlx_runtime_program_t programs[] = {
    {.name = "vllm", .word = "serve"}, {.name = "vllm.entrypoints.*"}, {0}};

const mlx_runtime_backend_t mlx_runtime_vllm = {
    .kind = "vllm",
    .programs = programs,
    .ports = {8000},
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
             .path = "/version",
             .max_body = 65536,
             .parse = mlx_runtime_parse_engine_version},
        },
    .generate = {.path = "/v1/chat/completions", .forced = true},
};
