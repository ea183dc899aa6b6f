#include "report.h"

#include <math.h>
#include <string.h>

#include "common/base/stats.h"
#include "plan.h"

/*  Of a wait, what is not a queue: sending, reading, a busy machine's scheduler. */
static const double quiet_s = 0.15, quiet_part = 0.25;

/*  Times the usual that a first token takes when something else is in the way. */
static const double unusual = 5;

typedef double (*figure_fn)(const mlx_record_t *record);

static bool measured(const mlx_record_t *record)
{
    return !record->answer.error.code &&
           record->answer.figures.generated_tokens >= MLX_REPORT_TOKENS_MIN;
}

double mlx_report_rate(const mlx_record_t *record)
{
    return measured(record) ? record->answer.figures.generation_rate : (double)NAN;
}

double mlx_report_client_rate(const mlx_record_t *record)
{
    return measured(record) ? record->answer.figures.client_rate : (double)NAN;
}

double mlx_report_ttft(const mlx_record_t *record)
{
    return record->answer.error.code ? (double)NAN : record->answer.figures.ttft_s;
}

double mlx_report_prompt_rate(const mlx_record_t *record)
{
    const mlx_stream_figures_t *f = &record->answer.figures;
    if (record->answer.error.code)
        return (double)NAN;
    int64_t worked = f->prompt_tokens - (f->cached_tokens > 0 ? f->cached_tokens : 0);
    if (isnan(f->prompt_rate) && worked > 0 && f->ttft_s > 0)
        return (double)worked / f->ttft_s;
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

/*  The server's work before the first token. Loading is none: the model is loaded when the prompts
 *  begin, and some servers count the wait for a free place as loading. */
static double work_s(const mlx_record_t *record)
{
    return record->answer.error.code ? (double)NAN : record->answer.figures.prompt_s;
}

/*  That RECORD waited beyond USUAL_S, that a first token takes. */
static double wait_beyond(const mlx_record_t *record, double usual_s)
{
    const mlx_stream_figures_t *f = &record->answer.figures;
    double wait_s = isnan(f->ttft_s) && record->answer.cut ? record->answer.duration_s : f->ttft_s;
    double over_s = wait_s - usual_s;
    return record->answer.error.code || !(over_s > quiet_s + quiet_part * usual_s) ? 0 : over_s;
}

double mlx_report_queued(const mlx_record_t *records, size_t count)
{
    mlx_summary_t work = summary_of(records, count, work_s);
    mlx_summary_t typical = summary_of(records, count, mlx_report_ttft);
    double sum_s = 0;
    if (typical.count == 0)
        return (double)NAN;
    for (size_t i = 0; i < count; i++) {
        double worked_s = work_s(&records[i]);
        if (isnan(worked_s)) /* was cut, or has no clock */
            worked_s = work.count ? work.p90 : unusual * typical.median;
        sum_s += wait_beyond(&records[i], worked_s);
    }
    return sum_s;
}

double mlx_report_budget(const mlx_record_t *records, size_t count, size_t wanted)
{
    mlx_summary_t rate = summary_of(records, count, mlx_report_rate);
    mlx_summary_t first = summary_of(records, count, mlx_report_ttft);
    size_t enough = 0;
    for (size_t i = 0; i < count; i++)
        enough +=
            records[i].answer.figures.generated_tokens >= (int)MLX_REPORT_TOKENS_JUDGED ||
            (!records[i].answer.cut && strcmp(records[i].answer.figures.done_reason, "stop") == 0);
    if (enough == wanted || rate.count == 0)
        return (double)NAN;
    double each_s =
        (isnan(first.mean) ? 0 : first.mean) + (double)MLX_REPORT_TOKENS_JUDGED / rate.median;
    return mlx_bench_plan_budget(wanted, each_s, MLX_REPORT_TOKENS_JUDGED);
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
    mlx_value_set_real(map, "tokens_per_second", mlx_report_rate(record));
    mlx_value_set_real(map, "client_tokens_per_second", mlx_report_client_rate(record));
    set_count(map, "prompt_tokens", f->prompt_tokens);
    mlx_value_set_real(map, "prompt_tokens_per_second", mlx_report_prompt_rate(record));
    mlx_value_set_real(map, "ttft", mlx_report_ttft(record));
    if (!isnan(work_s(record)) && !isnan(mlx_report_ttft(record)))
        mlx_value_set_real(map, "queued", fmax(mlx_report_ttft(record) - work_s(record), 0));
    set_count(map, "cached_tokens", f->cached_tokens);
    set_count(map, "thinking_tokens", f->thinking_tokens);
    set_count(map, "draft_tokens", f->draft_tokens);
    set_count(map, "draft_accepted", f->draft_accepted);
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
    double budget_s = mlx_report_budget(records, count, wanted);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("replies of fewer than %d tokens are not compared with other runs: "
                            "--budget %.0f would give each prompt that many",
                            MLX_REPORT_TOKENS_JUDGED, budget_s);
    if (!isnan(budget_s))
        mlx_value_append(warnings, mlx_value_new_str(text));
}

/*  What servers tell of how they came to their tokens, each summed up over the prompts. */
static void set_details(const mlx_record_t *records, size_t count, mlx_value_t *result,
                        mlx_value_t *warnings)
{
    int64_t cached = -1, thinking = -1, draft = -1, accepted = -1, prompts = 0;
    for (size_t i = 0; i < count; i++) {
        const mlx_stream_figures_t *f = &records[i].answer.figures;
        prompts += f->prompt_tokens > 0 ? f->prompt_tokens : 0;
        if (f->cached_tokens >= 0)
            cached = f->cached_tokens + (cached > 0 ? cached : 0);
        if (f->thinking_tokens >= 0)
            thinking = f->thinking_tokens + (thinking > 0 ? thinking : 0);
        if (f->draft_tokens >= 0)
            draft = f->draft_tokens + (draft > 0 ? draft : 0);
        if (f->draft_accepted >= 0)
            accepted = f->draft_accepted + (accepted > 0 ? accepted : 0);
    }
    set_count(result, "cached_tokens", cached);
    set_count(result, "thinking_tokens", thinking);
    set_count(result, "draft_tokens", draft);
    set_count(result, "draft_accepted", accepted);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("the server had %lld prompt tokens in its cache: time to first token "
                            "is shorter for them",
                            (long long)cached);
    if (cached * 10 > prompts)
        mlx_value_append(warnings, mlx_value_new_str(text));
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
    bool silent = count > 0;
    for (size_t i = 0; i < count; i++)
        silent = silent && records[i].answer.cut && isnan(records[i].answer.figures.ttft_s);
    mlx_error_set(err, MLX_ERR_FAILED,
                  silent ? "no reply began within its time: the server is slow, or busy with others"
                         : "the model generated too few tokens to measure its speed");
    return mlx_error_hint(err, "give it more time: --budget, or bench.budget_s in the settings");
}

void mlx_report_subject(const mlx_bench_target_t *target, mlx_value_t *result)
{
    mlx_value_set_str(result, "model", target->model);
    set_text(result, "digest", target->digest);
    set_text(result, "quantization", target->quantization);
    mlx_value_set_str(result, "runtime", target->runtime->kind);
    set_text(result, "runtime_version", target->version);
    mlx_value_set_str(result, "url", target->url);
    if (target->context > 0)
        mlx_value_set_int(result, "context", target->context);
}

int mlx_report_write(const mlx_bench_target_t *target, const mlx_prompts_t *prompts,
                     const mlx_record_t *records, size_t count, mlx_value_t *result,
                     mlx_value_t *warnings, mlx_error_t *err)
{
    if (summary_of(records, count, mlx_report_rate).count == 0)
        return no_figures(records, count, err);
    mlx_report_subject(target, result);
    mlx_value_set_str(result, "prompt_set", mlx_prompts_set(prompts));
    mlx_value_set_int(result, "tokens", mlx_report_tokens(records, count));
    set_summary(result, "tokens_per_second", records, count, mlx_report_rate);
    set_summary(result, "client_tokens_per_second", records, count, mlx_report_client_rate);
    set_summary(result, "prompt_tokens_per_second", records, count, mlx_report_prompt_rate);
    set_summary(result, "ttft", records, count, mlx_report_ttft);
    mlx_value_t *list = mlx_value_set(result, "prompts", mlx_value_list());
    for (size_t i = 0; i < count; i++)
        mlx_value_append(list, prompt_value(&records[i]));
    set_details(records, count, result, warnings);
    warn(records, count, mlx_prompts_count(prompts), warnings);
    return 0;
}
