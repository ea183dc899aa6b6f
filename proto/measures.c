#include "proto/measures.h"

#include <math.h>

enum {
    US_PER_S = 1000000
};

#define MOST 1e9 /* seconds or tokens of one request: beyond, it is not a measurement */

/* vLLM's, as its releases have had them since 2024 */
#define VLLM_FIRST                                                                                 \
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,  \
        80, 160, 640, 2560
#define VLLM_TOKEN                                                                                 \
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80
#define VLLM_REQUEST                                                                               \
    0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680
#define ONE_TWO_FIVE                                                                               \
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000,     \
        500000, 1e6

static const double vllm_first[] = {VLLM_FIRST, 0};
static const double vllm_token[] = {VLLM_TOKEN, 0};
static const double vllm_request[] = {VLLM_REQUEST, 0};
static const double tokens[] = {ONE_TWO_FIVE, 0};

/* ours: a small model makes a token in a millisecond, and answers in a tenth of a second */
static const double own_token[] = {0.001, 0.0025, 0.005, VLLM_TOKEN, 0};
static const double own_request[] = {0.05, 0.1, 0.2, VLLM_REQUEST, 0};
static const double own_queue[] = {0.001, 0.01, 0.1, VLLM_REQUEST, 0};

/* those of OpenTelemetry's conventions for generative AI */
static const double otel_first[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25,
                                    0.5,   0.75,  1,    2.5,  5,    7.5,  10,   0};
static const double otel_token[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                    0.3,  0.4,   0.5,  0.75,  1,   2.5,  0};
static const double otel_request[] = {0.01, 0.02, 0.04,  0.08,  0.16,  0.32,  0.64, 1.28,
                                      2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 0};
static const double otel_usage[] = {
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 0};

static bool number(const mlx_value_t *d, const char *key, double *value)
{
    return mlx_value_real(d, key, value) && isfinite(*value) && *value >= 0 && *value <= MOST;
}

static bool read_first(const mlx_value_t *d, double *value)
{
    return number(d, "ttft", value);
}

/*  The first token is not in it: it has the prompt's time. */
static bool read_per_token(const mlx_value_t *d, double *value)
{
    double speed;
    if (!number(d, "tokens_per_second", &speed) || speed <= 1 / MOST)
        return false;
    *value = 1 / speed;
    return true;
}

static bool read_duration(const mlx_value_t *d, double *value)
{
    int64_t start, end;
    if (!mlx_value_int(d, "start", &start) || !mlx_value_int(d, "end", &end) || start < 0 ||
        end < start)
        return false;
    *value = (double)(end - start) / (double)US_PER_S;
    return *value <= MOST;
}

static bool read_queue(const mlx_value_t *d, double *value)
{
    return number(d, "queue", value);
}

static bool read_prompt(const mlx_value_t *d, double *value)
{
    return number(d, "prompt_tokens", value);
}

static bool read_generated(const mlx_value_t *d, double *value)
{
    return number(d, "tokens", value);
}

static bool weigh_by_token(const mlx_value_t *d, double *weight)
{
    double generated;
    if (!number(d, "tokens", &generated) || generated < 2)
        return false;
    *weight = generated - 1;
    return true;
}

static const mlx_measure_t measures[MLX_MEASURE_COUNT] = {
    {.metric = "mlx_request_time_to_first_token_seconds",
     .help = "time to first token, each request that succeeded",
     .unit = MLX_UNIT_SECONDS,
     .bounds = vllm_first,
     .ok_only = true,
     .read = read_first,
     .vllm = {{"vllm:time_to_first_token_seconds", vllm_first, NULL}},
     .otel = {{"gen_ai.server.time_to_first_token", otel_first, NULL},
              {"gen_ai.client.operation.time_to_first_chunk", otel_request, NULL}}},
    {.metric = "mlx_request_time_per_output_token_seconds",
     .help = "mean time of a token after the first, each request that succeeded",
     .unit = MLX_UNIT_SECONDS,
     .bounds = own_token,
     .ok_only = true,
     .read = read_per_token,
     .vllm = {{"vllm:request_time_per_output_token_seconds", vllm_token, NULL}},
     .otel = {{"gen_ai.server.time_per_output_token", otel_token, NULL}}},
    {.metric = "mlx_request_duration_seconds",
     .help = "whole request",
     .unit = MLX_UNIT_SECONDS,
     .bounds = own_request,
     .read = read_duration,
     .vllm = {{"vllm:e2e_request_latency_seconds", vllm_request, NULL}},
     .otel = {{"gen_ai.server.request.duration", otel_request, NULL},
              {"gen_ai.client.operation.duration", otel_request, NULL}}},
    {.metric = "mlx_request_queue_seconds",
     .help = "wait until work on the prompt began, loading apart",
     .unit = MLX_UNIT_SECONDS,
     .bounds = own_queue,
     .read = read_queue,
     .vllm = {{"vllm:request_queue_time_seconds", vllm_request, NULL}}},
    {.metric = "mlx_request_prompt_tokens",
     .help = "tokens of the prompt of a request, what was cached included",
     .bounds = tokens,
     .read = read_prompt,
     .vllm = {{"vllm:request_prompt_tokens", tokens, NULL}},
     .otel = {{"gen_ai.client.token.usage", otel_usage, "input"}}},
    {.metric = "mlx_request_generation_tokens",
     .help = "tokens generated for a request",
     .bounds = tokens,
     .read = read_generated,
     .vllm = {{"vllm:request_generation_tokens", tokens, NULL}},
     .otel = {{"gen_ai.client.token.usage", otel_usage, "output"}}},
    /* vLLM counts each token; of a request we know their mean, and so the right sum and count */
    {.help = "mean time of a token after the first, each token",
     .unit = MLX_UNIT_SECONDS,
     .bounds = vllm_token,
     .ok_only = true,
     .read = read_per_token,
     .weight = weigh_by_token,
     .vllm = {{"vllm:inter_token_latency_seconds", vllm_token, NULL},
              {"vllm:time_per_output_token_seconds", vllm_token, NULL}}},
};

const mlx_measure_t *mlx_measures(size_t *count)
{
    *count = MLX_MEASURE_COUNT;
    return measures;
}
