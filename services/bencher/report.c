#include "report.h"

#include <math.h>

#include "common/base/stats.h"

typedef double (*figure_fn)(const mlx_record_t *record);

static bool measured(const mlx_record_t *record)
{
    return !record->answer.error.code &&
           record->answer.figures.generated_tokens >= MLX_REPORT_TOKENS_MIN;
}

static double generation_rate(const mlx_record_t *record)
{
    return measured(record) ? record->answer.figures.generation_rate : (double)NAN;
}

static double client_rate(const mlx_record_t *record)
{
    return measured(record) ? record->answer.figures.client_rate : (double)NAN;
}

static double ttft(const mlx_record_t *record)
{
    return record->answer.error.code ? (double)NAN : record->answer.figures.ttft_s;
}

static double prompt_rate(const mlx_record_t *record)
{
    const mlx_stream_figures_t *f = &record->answer.figures;
    if (record->answer.error.code)
        return (double)NAN;
    if (isnan(f->prompt_rate) && f->prompt_tokens > 0 && f->ttft_s > 0)
        return (double)f->prompt_tokens / f->ttft_s;
    return f->prompt_rate;
}

int64_t mlx_report_tokens(const mlx_record_t *records, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        if (records[i].answer.figures.generated_tokens > 0)
            sum += records[i].answer.figures.generated_tokens;
    return sum;
}

static mlx_summary_t summary_of(const mlx_record_t *records, size_t count, figure_fn figure)
{
    MLX_CLEANUP(mlx_free_p) double *values = mlx_alloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = figure(&records[i]);
    return mlx_stats_summary(values, count);
}

static void set_summary(mlx_value_t *result, const char *key, const mlx_record_t *records,
                        size_t count, figure_fn figure)
{
    mlx_summary_t summary = summary_of(records, count, figure);
    mlx_value_t *map = mlx_stats_value(&summary);
    if (map)
        mlx_value_set(result, key, map);
}

static void set_count(mlx_value_t *map, const char *key, int64_t count)
{
    if (count >= 0)
        mlx_value_set_int(map, key, count);
}

static mlx_value_t *prompt_value(const mlx_record_t *record)
{
    const mlx_stream_figures_t *f = &record->answer.figures;
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "name", record->name);
    set_count(map, "tokens", f->generated_tokens);
    mlx_value_set_real(map, "tokens_per_second", generation_rate(record));
    mlx_value_set_real(map, "client_tokens_per_second", client_rate(record));
    set_count(map, "prompt_tokens", f->prompt_tokens);
    mlx_value_set_real(map, "prompt_tokens_per_second", prompt_rate(record));
    mlx_value_set_real(map, "ttft", ttft(record));
    mlx_value_set_real(map, "duration", record->answer.duration_s);
    if (record->answer.error.code)
        mlx_value_set_str(map, "error", record->answer.error.text);
    else if (record->answer.cut)
        mlx_value_set_str(map, "done_reason", "cut");
    else if (f->done_reason[0])
        mlx_value_set_str(map, "done_reason", f->done_reason);
    return map;
}

static void warn_count(mlx_value_t *warnings, size_t count, size_t of, const char *what)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%zu of %zu prompts %s", count, of, what);
    if (count)
        mlx_value_append(warnings, mlx_value_new_str(text));
}

static void warn(const mlx_record_t *records, size_t count, size_t wanted, mlx_value_t *warnings)
{
    size_t failed = 0, ended_early = 0;
    for (size_t i = 0; i < count; i++) {
        bool error = records[i].answer.error.code != 0;
        failed += error;
        ended_early += !error && !measured(&records[i]);
    }
    warn_count(warnings, failed, wanted, "failed");
    warn_count(warnings, ended_early, wanted, "generated too few tokens to measure the speed");
    warn_count(warnings, wanted - count, wanted, "did not finish in time");
}

static void set_text(mlx_value_t *map, const char *key, const char *text)
{
    if (*text)
        mlx_value_set_str(map, key, text);
}

static int no_figures(const mlx_record_t *records, size_t count, mlx_error_t *err)
{
    for (size_t i = 0; i < count; i++)
        if (records[i].answer.error.code) {
            *err = records[i].answer.error;
            return -1;
        }
    mlx_error_set(err, MLX_ERR_FAILED, "the model generated too few tokens to measure its speed");
    return mlx_error_hint(err, "give it more time: mlxctl config, bench.budget_s");
}

int mlx_report_write(const mlx_bench_target_t *target, const mlx_prompts_t *prompts,
                     const mlx_record_t *records, size_t count, mlx_value_t *result,
                     mlx_value_t *warnings, mlx_error_t *err)
{
    if (summary_of(records, count, generation_rate).count == 0)
        return no_figures(records, count, err);
    mlx_value_set_str(result, "model", target->model);
    set_text(result, "digest", target->digest);
    set_text(result, "quantization", target->quantization);
    mlx_value_set_str(result, "runtime", target->runtime->kind);
    set_text(result, "runtime_version", target->version);
    mlx_value_set_str(result, "url", target->url);
    mlx_value_set_str(result, "prompt_set", mlx_prompts_set(prompts));
    mlx_value_set_int(result, "tokens", mlx_report_tokens(records, count));
    set_summary(result, "tokens_per_second", records, count, generation_rate);
    set_summary(result, "client_tokens_per_second", records, count, client_rate);
    set_summary(result, "prompt_tokens_per_second", records, count, prompt_rate);
    set_summary(result, "ttft", records, count, ttft);
    mlx_value_t *list = mlx_value_set(result, "prompts", mlx_value_list());
    for (size_t i = 0; i < count; i++)
        mlx_value_append(list, prompt_value(&records[i]));
    warn(records, count, mlx_prompts_count(prompts), warnings);
    return 0;
}
