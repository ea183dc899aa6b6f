#include "tests/double/api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

enum {
    MAX_PREDICT = 1000000
};

size_t mlx_api_messages_len(const mlx_value_t *messages)
{
    size_t sum = 0;
    for (size_t i = 0; i < mlx_value_size(messages); i++) {
        const char *content = mlx_value_str(mlx_value_at(messages, i), "content");
        sum += content ? strlen(content) : 0;
    }
    return sum;
}

uint64_t mlx_api_hash(const mlx_value_t *prompt)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    uint64_t hash = 0xcbf29ce484222325ULL;
    mlx_json_write(&text, prompt, false);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3ULL;
    return hash;
}

/*  Go's time.ParseDuration, in nanoseconds; NaN when it is none. */
static double parse_duration(const char *text)
{
    static const struct {
        const char *unit;
        double ns;
    } UNITS[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double sign = *text == '-' ? -1 : 1;
    double sum = 0;
    text += *text == '-' || *text == '+';
    if (strcmp(text, "0") == 0)
        return 0;
    while (*text) {
        char *end = NULL;
        double number = strtod(text, &end);
        size_t len = strcspn(end, "0123456789.");
        double ns = NAN;
        for (size_t i = 0; i < MLX_COUNT(UNITS); i++) {
            if (strlen(UNITS[i].unit) == len && strncmp(end, UNITS[i].unit, len) == 0)
                ns = UNITS[i].ns;
        }
        if (end == text || isnan(ns))
            return NAN;
        sum += number * ns;
        text = end + len;
    }
    return sign * sum;
}

bool mlx_api_keep_alive(const mlx_value_t *body, int64_t *keep_ns)
{
    double ns = NAN;
    const char *text = mlx_value_str(body, "keep_alive");
    if (text)
        ns = parse_duration(text);
    else if (mlx_value_real(body, "keep_alive", &ns))
        ns *= 1e9;
    if (isnan(ns))
        return false;
    *keep_ns = ns < 0 || ns > 9e18 ? -1 : (int64_t)ns;
    return true;
}

static mlx_job_t base_job(const mlx_app_t *app, const mlx_value_t *body, size_t prompt_len)
{
    mlx_job_t job = {.predict = -1, .keep_ns = app->options.keep_ns};
    const char *name = mlx_value_str(body, "model");
    snprintf(job.name, sizeof(job.name), "%s", name ? name : "");
    job.prompt = mlx_gen_prompt_tokens(app, prompt_len);
    return job;
}

static void limit_predict(mlx_job_t *job)
{
    if (job->predict > MAX_PREDICT)
        job->predict = MAX_PREDICT;
}

mlx_job_t mlx_api_native_job(const mlx_app_t *app, const mlx_value_t *body, size_t prompt_len)
{
    mlx_job_t job = base_job(app, body, prompt_len);
    const mlx_value_t *options = mlx_value_get(body, "options");
    job.stream = true;
    mlx_value_bool(body, "stream", &job.stream);
    mlx_value_bool(body, "think", &job.think);
    mlx_value_int(options, "num_predict", &job.predict);
    mlx_value_real(options, "double_rate", &job.rate);
    mlx_api_keep_alive(body, &job.keep_ns);
    limit_predict(&job);
    return job;
}

mlx_job_t mlx_api_openai_job(const mlx_app_t *app, const mlx_value_t *body, size_t prompt_len)
{
    mlx_job_t job = base_job(app, body, prompt_len);
    mlx_value_bool(body, "stream", &job.stream);
    mlx_value_bool(mlx_value_get(body, "stream_options"), "include_usage", &job.usage);
    mlx_value_int(body, "max_tokens", &job.predict);
    mlx_value_int(body, "max_completion_tokens", &job.predict);
    mlx_value_real(body, "double_rate", &job.rate);
    limit_predict(&job);
    return job;
}
