#include "request_metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/*  One family on its way out, and what it is made of. */
typedef struct {
    mlx_metrics_format_t format;
    mlx_buf_t *out;
    const char *name;
    const char *help;
    const double *bounds; /* of a histogram */
    size_t measure;       /* its index */
    bool vllm;            /* with vLLM's labels */
    bool begun;
} family_t;

/*  A counter's metadata is under its name without _total in OpenMetrics, with it in the other. */
static void begin(family_t *family, const char *type, const char *suffix)
{
    const char *shown = family->format == MLX_METRICS_OPENMETRICS ? "" : suffix;
    if (family->begun)
        return;
    family->begun = true;
    mlx_buf_printf(family->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, shown,
                   family->help, family->name, shown, type);
    if (mlx_ends_with(family->name, "_seconds"))
        mlx_buf_printf(family->out, "# UNIT %s seconds\n", family->name);
}

/* ---- labels ---- */

static void label(mlx_buf_t *out, const char *name, const char *text)
{
    mlx_openmetrics_label(out, name, strlen(name), text, strlen(text));
}

/*  "{host=…,…" without the closing brace. Caller owns it. */
static char *own_labels(const mlx_request_group_t *group)
{
    mlx_buf_t out = {0};
    mlx_buf_putc(&out, '{');
    label(&out, "host", group->host);
    label(&out, "runtime", group->runtime);
    label(&out, "endpoint", group->endpoint);
    label(&out, "model", group->model);
    label(&out, "operation", group->operation);
    label(&out, "outcome", group->outcome);
    return mlx_buf_take(&out);
}

static char *vllm_place(const char *host, const char *runtime, const char *endpoint,
                        const char *model)
{
    mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_free_p) char *engine = mlx_format("%s.%s", runtime, endpoint);
    mlx_buf_putc(&out, '{');
    label(&out, "model_name", model);
    label(&out, "engine", engine);
    label(&out, "host", host);
    return mlx_buf_take(&out);
}

/*  vLLM's own words for how a request ended. */
static const char *finished_reason(const char *outcome)
{
    if (strcmp(outcome, "ok") == 0)
        return "stop";
    return mlx_ends_with(outcome, "_abort") ? "abort" : outcome;
}

static char *vllm_labels(const mlx_request_group_t *group)
{
    MLX_CLEANUP(mlx_free_p)
    char *place = vllm_place(group->host, group->runtime, group->endpoint, group->model);
    mlx_buf_t out = {0};
    mlx_buf_puts(&out, place);
    label(&out, "operation", group->operation);
    label(&out, "outcome", group->outcome);
    return mlx_buf_take(&out);
}

/* ---- histograms ---- */

/*  The same text for a boundary in both formats and for ever: another one would be another series.
 */
static void put_bound(mlx_buf_t *out, double bound)
{
    bool whole = bound < 1e6 && floor(bound) == bound;
    if (isinf(bound))
        mlx_buf_puts(out, "+Inf");
    else
        mlx_buf_printf(out, whole ? "%.1f" : "%.15g", bound);
}

static void put_exemplar(const family_t *family, const mlx_exemplar_t *exemplar)
{
    if (exemplar && family->format == MLX_METRICS_OPENMETRICS)
        mlx_buf_printf(family->out,
                       " # {trace_id=\"%016" PRIx64 "%016" PRIx64 "\"} %.15g %" PRId64 ".%06d",
                       exemplar->trace[0], exemplar->trace[1], exemplar->value,
                       exemplar->t / 1000000, (int)(exemplar->t % 1000000));
    mlx_buf_putc(family->out, '\n');
}

static void put_bucket(const family_t *family, const char *labels, const mlx_histogram_t *histogram,
                       double below, double bound)
{
    mlx_buf_printf(family->out, "%s_bucket%s,le=\"", family->name, labels);
    put_bound(family->out, bound);
    mlx_buf_printf(family->out, "\"} %" PRIu64, mlx_histogram_upto(histogram, bound));
    put_exemplar(family, mlx_histogram_exemplar(histogram, below, bound));
}

static void put_histogram(void *arg, const mlx_request_group_t *group)
{
    family_t *family = arg;
    const mlx_histogram_t *histogram = group->of[family->measure];
    double below = -1;
    if (!histogram)
        return;
    begin(family, "histogram", "");
    MLX_CLEANUP(mlx_free_p) char *labels = family->vllm ? vllm_labels(group) : own_labels(group);
    for (const double *bound = family->bounds; *bound > 0; below = *bound++)
        put_bucket(family, labels, histogram, below, *bound);
    put_bucket(family, labels, histogram, below, INFINITY);
    mlx_buf_printf(family->out, "%s_sum%s} %.15g\n", family->name, labels,
                   mlx_histogram_sum(histogram));
    mlx_buf_printf(family->out, "%s_count%s} %" PRIu64 "\n", family->name, labels,
                   mlx_histogram_count(histogram));
}

void mlx_request_metrics_write(const mlx_request_stats_t *stats, mlx_metrics_format_t format,
                               mlx_buf_t *out)
{
    size_t count;
    const mlx_measure_t *measures = mlx_measures(&count);
    for (size_t i = 0; i < count; i++) {
        family_t family = {.format = format,
                           .out = out,
                           .name = measures[i].metric,
                           .help = measures[i].help,
                           .bounds = measures[i].bounds,
                           .measure = i};
        if (family.name)
            mlx_request_stats_each(stats, put_histogram, &family);
    }
}

/* ---- vLLM's totals ---- */

static void put_ended(void *arg, const mlx_request_group_t *group)
{
    static const char *const reasons[] = {"stop", "error", "abort", "lost"};
    family_t *family = arg;
    const char *reason = finished_reason(group->outcome);
    begin(family, "counter", "_total");
    MLX_CLEANUP(mlx_free_p) char *labels = vllm_labels(group);
    for (size_t i = 0; i < MLX_COUNT(reasons); i++)
        if (strcmp(reasons[i], reason) == 0)
            mlx_buf_printf(family->out, "%s_total%s,finished_reason=\"%s\"} %" PRIu64 "\n",
                           family->name, labels, reason,
                           mlx_histogram_count(group->of[family->measure]));
}

static void put_sum(void *arg, const mlx_request_group_t *group)
{
    family_t *family = arg;
    begin(family, "counter", "_total");
    MLX_CLEANUP(mlx_free_p) char *labels = vllm_labels(group);
    mlx_buf_printf(family->out, "%s_total%s} %.15g\n", family->name, labels,
                   mlx_histogram_sum(group->of[family->measure]));
}

static void put_running(void *arg, const mlx_message_t *message, int64_t age_us)
{
    family_t *family = arg;
    int64_t running;
    const char *model = mlx_value_str(message->d, "model");
    if (!mlx_ends_with(message->topic, ".activity") || mlx_overview_stale(message->topic, age_us) ||
        !mlx_value_int(message->d, "requests", &running) || running < 0)
        return;
    const char *runtime = message->topic + strlen("runtime.");
    const char *endpoint = runtime + strcspn(runtime, ".") + 1;
    MLX_CLEANUP(mlx_free_p) char *kind = mlx_strndup(runtime, strcspn(runtime, "."));
    MLX_CLEANUP(mlx_free_p) char *place = mlx_strndup(endpoint, strcspn(endpoint, "."));
    begin(family, "gauge", "");
    MLX_CLEANUP(mlx_free_p)
    char *labels = vllm_place(message->host, kind, place, model ? model : "");
    mlx_buf_printf(family->out, "%s%s} %" PRId64 "\n", family->name, labels, running);
}

/*  Index of the measure that vLLM calls NAME. */
static size_t measure_of(const char *name)
{
    size_t count, i = 0;
    const mlx_measure_t *measures = mlx_measures(&count);
    while (i + 1 < count &&
           (!measures[i].vllm[0].name || strcmp(measures[i].vllm[0].name, name) != 0))
        i++;
    return i;
}

static void write_totals(const mlx_request_stats_t *stats, family_t family)
{
    static const struct {
        const char *name;
        const char *of;
        mlx_request_group_fn put;
        const char *help;
    } totals[] = {
        {"vllm:request_success", "vllm:e2e_request_latency_seconds", put_ended, "requests ended"},
        {"vllm:prompt_tokens", "vllm:request_prompt_tokens", put_sum, "prompt tokens"},
        {"vllm:generation_tokens", "vllm:request_generation_tokens", put_sum, "tokens generated"},
    };
    for (size_t i = 0; i < MLX_COUNT(totals); i++) {
        family.name = totals[i].name;
        family.help = totals[i].help;
        family.measure = measure_of(totals[i].of);
        family.begun = false;
        mlx_request_stats_each(stats, totals[i].put, &family);
    }
}

void mlx_request_metrics_vllm(const mlx_request_stats_t *stats, const mlx_overview_t *overview,
                              int64_t now_us, mlx_metrics_format_t format, mlx_buf_t *out)
{
    size_t count;
    const mlx_measure_t *measures = mlx_measures(&count);
    for (size_t i = 0; i < count * MLX_MEASURE_NAMES; i++) {
        const mlx_measure_t *measure = &measures[i / MLX_MEASURE_NAMES];
        const mlx_measure_name_t *name = &measure->vllm[i % MLX_MEASURE_NAMES];
        family_t family = {.format = format,
                           .out = out,
                           .name = name->name,
                           .help = measure->help,
                           .bounds = name->bounds,
                           .measure = i / MLX_MEASURE_NAMES,
                           .vllm = true};
        if (family.name)
            mlx_request_stats_each(stats, put_histogram, &family);
    }
    write_totals(stats, (family_t){.format = format, .out = out, .vllm = true});
    family_t running = {.format = format,
                        .out = out,
                        .name = "vllm:num_requests_running",
                        .help = "requests running now"};
    mlx_overview_each(overview, "runtime.", now_us, put_running, &running);
}
