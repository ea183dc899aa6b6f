#include "status_view.h"

#include <math.h>
#include <string.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/view/details.h"
#include "common/view/figures.h"
#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"

enum {
    LABEL_WIDTH = 13
};

typedef struct {
    mlx_buf_t *out;
    const char *host;
    size_t rows;
    bool late; /* the figures' source is silent */
} section_t;

static void label(mlx_buf_t *out, const char *text)
{
    mlx_buf_printf(out, "%-*s", LABEL_WIDTH, text);
}

static void put_unit(mlx_buf_t *out, double value, mlx_unit_t unit)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    mlx_buf_puts(out, text);
}

static void put_share(mlx_buf_t *out, double used, double total)
{
    put_unit(out, used, MLX_UNIT_BYTES);
    if (isnan(total))
        return;
    mlx_buf_puts(out, " / ");
    put_unit(out, total, MLX_UNIT_BYTES);
    if (total > 0)
        mlx_buf_printf(out, " (%.0f%%)", used / total * 100);
}

static void not_available(mlx_buf_t *out, const char *why)
{
    mlx_buf_puts(out, "not available");
    if (why) {
        mlx_buf_puts(out, " (");
        mlx_term_put(out, why);
        mlx_buf_putc(out, ')');
    }
    mlx_buf_putc(out, '\n');
}

/*  What was true once is not told as what is true. */
static void end_line(mlx_buf_t *out, bool late)
{
    mlx_buf_puts(out, late ? "  (not live)\n" : "\n");
}

static void head(const mlx_headline_t *now, const mlx_figure_t *speed, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_figure_text(speed, false);
    mlx_term_put(out, text);
    mlx_buf_puts(out, "  ");
    if (now->models_busy > 1)
        mlx_buf_printf(out, "%zu models", now->models_busy);
    else
        mlx_term_put(out, now->model ? now->model : "no model loaded");
    if (now->runtimes_late) {
        mlx_buf_puts(out, "  (not live)");
    } else if (now->busy && now->source) {
        mlx_buf_puts(out, "  (from ");
        mlx_term_put(out, now->source);
        mlx_buf_puts(out, ")");
    } else if (!isnan(now->last_tokens_per_second))
        mlx_buf_printf(out, "  (last request %.1f tok/s)", now->last_tokens_per_second);
    mlx_buf_puts(out, "\n\n");
}

/*  Alarms and what else is wrong, in words. */
static void warnings(const mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_overview_warnings(overview, now_us);
    mlx_connection_t link = mlx_overview_connection(overview, now_us);
    if (link.state == MLX_LINK_LOST) {
        mlx_buf_puts(out, "! ");
        mlx_term_put(out, link.text);
        mlx_buf_putc(out, '\n');
    }
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        mlx_buf_puts(out, "! ");
        mlx_term_put(out, mlx_value_str(mlx_value_at(list, i), "text"));
        mlx_buf_putc(out, '\n');
    }
    if (link.state == MLX_LINK_LOST || mlx_value_size(list))
        mlx_buf_putc(out, '\n');
}

static void gpu_row(void *arg, const mlx_message_t *message, int64_t age_us)
{
    section_t *section = arg;
    mlx_buf_t *out = section->out;
    double utilization = NAN, used = NAN, total = NAN, power = NAN, temperature = NAN;
    if (age_us > MLX_OVERVIEW_STALE_US || strcmp(message->host, section->host) != 0)
        return;
    label(out, "GPU");
    section->rows++;
    if (mlx_value_real(message->d, "utilization", &utilization)) {
        put_unit(out, utilization, MLX_UNIT_RATIO);
        mlx_buf_puts(out, "  ");
    }
    const char *name = mlx_value_str(message->d, "name");
    mlx_term_put(out, name ? name : message->topic);
    if (mlx_value_real(message->d, "memory_used", &used)) {
        mlx_value_real(message->d, "memory_total", &total);
        mlx_buf_puts(out, ", ");
        put_share(out, used, total);
    }
    if (mlx_value_real(message->d, "power", &power)) {
        mlx_buf_puts(out, ", ");
        put_unit(out, power, MLX_UNIT_WATTS);
    }
    if (mlx_value_real(message->d, "temperature", &temperature)) {
        mlx_buf_puts(out, ", ");
        put_unit(out, temperature, MLX_UNIT_CELSIUS);
    }
    end_line(out, section->late);
}

static void gpus(const mlx_overview_t *overview, const mlx_figure_t *figure, int64_t now_us,
                 mlx_buf_t *out)
{
    const char *host = mlx_overview_host(overview);
    section_t section = {.out = out, .host = host ? host : "", .late = figure->late};
    mlx_overview_each(overview, "sensor.gpu.", now_us, gpu_row, &section);
    if (section.rows == 0) {
        label(out, figure->name);
        not_available(out, figure->why);
    }
}

static void figure_line(const mlx_figure_t *figure, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_figure_text(figure, true);
    bool noted = figure->noted && *figure->note;
    label(out, figure->name);
    if (!text && (figure->why || !noted)) {
        not_available(out, figure->why);
        return;
    }
    mlx_buf_puts(out, text ? text : "");
    if (noted) {
        mlx_buf_puts(out, !text ? "" : isnan(figure->total) ? "  " : ", ");
        mlx_term_put(out, figure->note);
    }
    end_line(out, figure->late);
}

/*  A line of each figure, but of GPUs one for each. */
static void figures(const mlx_overview_t *overview, const mlx_figure_t *list, size_t count,
                    int64_t now_us, mlx_buf_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].id, "gpu") == 0)
            gpus(overview, &list[i], now_us, out);
        else if (list[i].listed)
            figure_line(&list[i], out);
    }
}

static void details(const mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_details(overview, now_us);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        label(out, mlx_value_str(mlx_value_at(list, i), "name"));
        mlx_term_put(out, mlx_value_str(mlx_value_at(list, i), "text"));
        mlx_buf_putc(out, '\n');
    }
}

static void cache(const mlx_headline_t *now, mlx_buf_t *out)
{
    if (isnan(now->cache_bytes))
        return;
    label(out, "Cache");
    put_unit(out, now->cache_bytes, MLX_UNIT_BYTES);
    if (!isnan(now->cache_models))
        mlx_buf_printf(out, ", %.0f model%s", now->cache_models, now->cache_models == 1 ? "" : "s");
    if (!isnan(now->cache_saved)) {
        mlx_buf_puts(out, ", ");
        put_unit(out, now->cache_saved, MLX_UNIT_BYTES);
        mlx_buf_puts(out, " saved");
    }
    mlx_buf_putc(out, '\n');
}

static void request_row(const mlx_value_t *request, mlx_buf_t *out)
{
    const char *client = mlx_value_str(request, "client");
    MLX_CLEANUP(mlx_free_p) char *words = mlx_request_words(request);
    mlx_buf_puts(out, "      request");
    if (client) {
        mlx_buf_puts(out, " of ");
        mlx_term_put(out, client);
    }
    mlx_buf_puts(out, ":  ");
    mlx_term_put(out, words);
    mlx_buf_putc(out, '\n');
}

static bool is_worth_rows(const mlx_value_t *running)
{
    return mlx_value_size(running) > 1 || mlx_value_str(mlx_value_at(running, 0), "client");
}

/*  The requests that a model works on, one by one where there are several, or it is known who
 *  asks. */
static void request_rows(const mlx_value_t *activity, const char *name, mlx_buf_t *out)
{
    const mlx_value_t *running = mlx_value_get(activity, "running");
    for (size_t i = 0; is_worth_rows(running) && i < mlx_value_size(running); i++) {
        const char *model = mlx_value_str(mlx_value_at(running, i), "model");
        if (model && name && strcmp(model, name) == 0)
            request_row(mlx_value_at(running, i), out);
    }
}

static void model_row(const mlx_value_t *model, const mlx_value_t *activity, mlx_buf_t *out)
{
    size_t requests = 0;
    double size = NAN, vram = NAN;
    int64_t context = 0;
    const char *name = mlx_value_str(model, "name");
    const char *quantization = mlx_value_str(model, "quantization");
    mlx_buf_puts(out, "    ");
    mlx_term_put(out, name ? name : "?");
    if (quantization) {
        mlx_buf_puts(out, "  ");
        mlx_term_put(out, quantization);
    }
    if (mlx_value_real(model, "size", &size)) {
        mlx_buf_puts(out, "  ");
        put_unit(out, size, MLX_UNIT_BYTES);
        if (mlx_value_real(model, "vram", &vram) && size > 0)
            mlx_buf_printf(out, " (%.0f%% on GPU)", vram / size * 100);
    }
    if (mlx_value_int(model, "context", &context))
        mlx_buf_printf(out, "  context %lld", (long long)context);
    double rate = mlx_activity_model(activity, name ? name : "", &requests);
    if (requests) {
        mlx_buf_puts(out, "  ");
        if (isnan(rate))
            mlx_buf_puts(out, "working");
        else
            put_unit(out, rate, MLX_UNIT_TOKENS_PER_SECOND);
        if (requests > 1)
            mlx_buf_printf(out, " (%zu requests)", requests);
    }
    mlx_buf_putc(out, '\n');
    request_rows(activity, name, out);
}

static void runtime_models(section_t *section, const mlx_value_t *d, const mlx_value_t *activity)
{
    mlx_buf_t *out = section->out;
    bool reachable = false;
    const char *kind = mlx_value_str(d, "kind"), *url = mlx_value_str(d, "url");
    const char *version = mlx_value_str(d, "version"), *reason = mlx_value_str(d, "reason");
    const mlx_value_t *models = mlx_value_get(d, "models");
    mlx_value_bool(d, "reachable", &reachable);
    if (section->rows++ == 0)
        mlx_buf_puts(out, "\nRuntimes\n");
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_term_clean(kind ? kind : "?", 0);
    mlx_buf_printf(out, "  %-9s ", shown);
    mlx_term_put(out, url ? url : "");
    if (version) {
        mlx_buf_puts(out, "  ");
        mlx_term_put(out, version);
    }
    mlx_buf_puts(out, section->late ? "  (not live)" : "");
    mlx_buf_puts(out, reachable ? "" : "  not reachable");
    if (!reachable && reason) {
        mlx_buf_puts(out, " (");
        mlx_term_put(out, reason);
        mlx_buf_putc(out, ')');
    }
    if (reachable && mlx_value_size(models) == 0)
        mlx_buf_puts(out, "  no model loaded");
    mlx_buf_putc(out, '\n');
    for (size_t i = 0; reachable && i < mlx_value_size(models); i++)
        model_row(mlx_value_at(models, i), activity, out);
}

/*  Where the speed comes from, and why no better way is used. */
static void runtime_source(const section_t *section, const mlx_value_t *d)
{
    const char *source = mlx_value_str(d, "source"), *reason = mlx_value_str(d, "source_reason");
    double rate = NAN;
    if (!source && !reason)
        return;
    mlx_buf_puts(section->out, "    ");
    if (mlx_value_real(d, "tokens_per_second", &rate)) {
        put_unit(section->out, rate, MLX_UNIT_TOKENS_PER_SECOND);
        mlx_buf_puts(section->out, ", ");
    }
    mlx_buf_puts(section->out, "tok/s from: ");
    mlx_term_put(section->out, source ? source : "nothing yet");
    if (reason) {
        mlx_buf_puts(section->out, " (");
        mlx_term_put(section->out, reason);
        mlx_buf_putc(section->out, ')');
    }
    mlx_buf_putc(section->out, '\n');
}

typedef struct {
    section_t section;
    const mlx_overview_t *overview;
    int64_t now_us;
} runtimes_t;

static void runtime_row(void *arg, const mlx_message_t *message, int64_t age_us)
{
    runtimes_t *runtimes = arg;
    const char *suffix = strrchr(message->topic, '.');
    if (age_us > MLX_OVERVIEW_STALE_US || strcmp(suffix, ".models") != 0 ||
        strcmp(message->host, runtimes->section.host) != 0)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *activity = mlx_format("%.*s.activity", (int)(suffix - message->topic), message->topic);
    const mlx_value_t *d = mlx_overview_get(runtimes->overview, activity, runtimes->now_us, NULL);
    runtimes->section.late = mlx_overview_late(runtimes->overview, message, runtimes->now_us);
    runtime_models(&runtimes->section, message->d, d);
    if (d)
        runtime_source(&runtimes->section, d);
}

static void service_row(void *arg, const mlx_message_t *message, int64_t age_us)
{
    section_t *section = arg;
    const char *state = mlx_value_str(message->d, "state");
    const char *reason = mlx_value_str(message->d, "reason");
    if (strcmp(message->host, section->host) != 0)
        return;
    if (section->rows++ == 0)
        mlx_buf_puts(section->out, "\nServices     ");
    else
        mlx_buf_puts(section->out, ", ");
    MLX_CLEANUP(mlx_free_p)
    char *name = mlx_format("%.*s", (int)strcspn(message->topic + strlen("service."), "."),
                            message->topic + strlen("service."));
    mlx_buf_printf(section->out, "%s ", name);
    mlx_term_put(section->out,
                 age_us > MLX_OVERVIEW_STALE_US ? "silent" : (state ? state : "unknown"));
    if (reason) {
        mlx_buf_puts(section->out, " (");
        mlx_term_put(section->out, reason);
        mlx_buf_putc(section->out, ')');
    }
}

void mlx_status_text(const mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    const char *host = mlx_overview_host(overview);
    mlx_figure_t list[MLX_FIGURES_MAX];
    size_t count = mlx_figures(overview, now_us, list);
    head(&now, mlx_figure_find(list, count, "speed"), out);
    warnings(overview, now_us, out);
    figures(overview, list, count, now_us, out);
    details(overview, now_us, out);
    cache(&now, out);
    section_t section = {.out = out, .host = host ? host : ""};
    runtimes_t runtimes = {.section = section, .overview = overview, .now_us = now_us};
    mlx_overview_each(overview, "runtime.", now_us, runtime_row, &runtimes);
    if (runtimes.section.rows == 0)
        mlx_buf_puts(out, "\nRuntimes\n  none found (set one with watcher.runtimes in "
                          "`mlxctl config`, or start Ollama)\n");
    section_t services = section;
    mlx_overview_each(overview, "service.", now_us, service_row, &services);
    if (services.rows)
        mlx_buf_putc(out, '\n');
}

bool mlx_status_live(const mlx_overview_t *overview, int64_t now_us)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    return !isnan(now.memory_used) && !isnan(now.cpu_utilization) && now.services_up > 1 &&
           now.services_down == 0;
}
