#include "bench_view.h"
#include "bench_sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/cli/table.h"
#include "csv.h"

enum {
    CELLS_MAX = 9,
    CELL = 64,
    BAR_MIN = 8,
    BAR_MAX = 40,
};

static const char *text_of(const mlx_value_t *map, const char *key)
{
    const char *text = mlx_value_str(map, key);
    return text ? text : "";
}

/* ---- each prompt ---- */

typedef struct {
    const char *key;
    const char *heading; /* for people */
    int digits;          /* -1: text */
    double factor;
} column_t;

static const column_t columns[] = {
    {"name", "Prompt", -1, 1},
    {"tokens", "Tokens", 0, 1},
    {"tokens_per_second", "tok/s", 1, 1},
    {"client_tokens_per_second", "client tok/s", 1, 1},
    {"prompt_tokens", "Prompt tokens", 0, 1},
    {"prompt_tokens_per_second", "prompt tok/s", 1, 1},
    {"ttft", "TTFT ms", 0, 1000},
    {"duration", "Total s", 2, 1},
    {"done_reason", "End", -1, 1},
};

static void put_cell(char cell[CELL], const column_t *column, const mlx_value_t *prompt)
{
    double value = mlx_value_real_or_nan(prompt, column->key);
    const char *text = text_of(prompt, column->key);
    if (column->digits < 0 && !*text && strcmp(column->key, "done_reason") == 0)
        text = text_of(prompt, "error");
    if (column->digits < 0)
        snprintf(cell, CELL, "%.60s", text);
    else if (isnan(value))
        snprintf(cell, CELL, "-");
    else
        snprintf(cell, CELL, "%.*f", column->digits, value * column->factor);
}

typedef void (*row_fn)(void *arg, const char *const *cells, size_t count);

static void each_row(const mlx_value_t *result, row_fn fn, void *arg)
{
    const mlx_value_t *prompts = mlx_value_get(result, "prompts");
    for (size_t i = 0; i < mlx_value_size(prompts); i++) {
        char text[CELLS_MAX][CELL];
        const char *cells[CELLS_MAX];
        for (size_t k = 0; k < MLX_COUNT(columns); k++) {
            put_cell(text[k], &columns[k], mlx_value_at(prompts, i));
            cells[k] = text[k];
        }
        fn(arg, cells, MLX_COUNT(columns));
    }
}

/* ---- summary ---- */

static const struct {
    const char *key;
    const char *heading;
    int digits;
    double factor;
} summaries[] = {
    {"tokens_per_second", "generation tok/s", 1, 1},
    {"client_tokens_per_second", "  by the client's clock", 1, 1},
    {"prompt_tokens_per_second", "prompt tok/s", 1, 1},
    {"ttft", "first token ms", 0, 1000},
};

static const char *const summary_headings[] = {"", "median", "mean", "95 % interval", "p10", "p90"};

/*  The cells of one summary. false: the result has none. */
static bool summary_cells(const mlx_value_t *result, size_t index, char text[CELLS_MAX][CELL])
{
    const mlx_value_t *map = mlx_value_get(result, summaries[index].key);
    int digits = summaries[index].digits;
    double factor = summaries[index].factor;
    static const char *const keys[] = {"median", "mean", NULL, "p10", "p90"};
    if (!map)
        return false;
    snprintf(text[0], CELL, "%s", summaries[index].heading);
    for (size_t k = 0; k < MLX_COUNT(keys); k++)
        if (keys[k])
            snprintf(text[k + 1], CELL, "%.*f", digits,
                     mlx_value_real_or_nan(map, keys[k]) * factor);
    double low = mlx_value_real_or_nan(map, "low"), high = mlx_value_real_or_nan(map, "high"),
           count = mlx_value_real_or_nan(map, "count");
    bool range = false;
    mlx_value_bool(map, "range", &range);
    if (isnan(low) || isnan(high))
        snprintf(text[3], CELL, "-");
    else if (range)
        snprintf(text[3], CELL, "%.*f to %.*f (range of %.0f)", digits, low * factor, digits,
                 high * factor, count);
    else
        snprintf(text[3], CELL, "%.*f to %.*f", digits, low * factor, digits, high * factor);
    return true;
}

static void each_summary(const mlx_value_t *result, row_fn fn, void *arg)
{
    for (size_t i = 0; i < MLX_COUNT(summaries); i++) {
        char text[CELLS_MAX][CELL];
        const char *cells[CELLS_MAX];
        for (size_t k = 0; k < CELLS_MAX; k++)
            cells[k] = text[k];
        if (summary_cells(result, i, text))
            fn(arg, cells, MLX_COUNT(summary_headings));
    }
}

/* ---- conditions ---- */

static void put_unit(mlx_buf_t *out, const mlx_value_t *map, const char *key, mlx_unit_t unit,
                     const char *before, const char *after)
{
    double value = mlx_value_real_or_nan(map, key);
    if (isnan(value))
        return;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    mlx_buf_printf(out, "%s%s%s", before, text, after);
}

/*  "tiny-random:latest (F16, 7338d06a0c1c) on ollama 0.32.15 at http://127.0.0.1:11434" */
static void put_subject(const mlx_value_t *result, mlx_buf_t *out)
{
    const char *quantization = text_of(result, "quantization"), *digest = text_of(result, "digest");
    const char *hex = strchr(digest, ':') ? strchr(digest, ':') + 1 : digest;
    mlx_buf_t line = {0};
    mlx_buf_puts(&line, text_of(result, "model"));
    if (*quantization || *digest)
        mlx_buf_printf(&line, " (%s%s%.12s)", quantization, *quantization && *hex ? ", " : "", hex);
    const char *version = text_of(result, "runtime_version");
    mlx_buf_printf(&line, " on %s%s%s at %s", text_of(result, "runtime"), *version ? " " : "",
                   version, text_of(result, "url"));
    MLX_CLEANUP(mlx_free_p) char *text = mlx_buf_take(&line);
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(text, 0);
    mlx_buf_puts(out, clean);
}

static bool has_warning(const mlx_value_t *result, const char *part)
{
    const mlx_value_t *warnings = mlx_value_get(result, "warnings");
    for (size_t i = 0; i < mlx_value_size(warnings); i++) {
        const char *text = mlx_value_as_str(mlx_value_at(warnings, i), NULL);
        if (text && strstr(text, part))
            return true;
    }
    return false;
}

/*  Speculative decoding and thinking, where the server told of them. */
static void put_details(const mlx_value_t *result, mlx_buf_t *out)
{
    double draft = mlx_value_real_or_nan(result, "draft_tokens"),
           taken = mlx_value_real_or_nan(result, "draft_accepted");
    double thinking = mlx_value_real_or_nan(result, "thinking_tokens"),
           cached = mlx_value_real_or_nan(result, "cached_tokens");
    if (draft > 0 && taken >= 0)
        mlx_buf_printf(out, ", %.0f %% of %.0f drafted tokens accepted", 100 * taken / draft,
                       draft);
    if (thinking > 0)
        mlx_buf_printf(out, ", %.0f tokens of thinking", thinking);
    if (cached > 0)
        mlx_buf_printf(out, ", %.0f prompt tokens from the server's cache", cached);
}

static void put_conditions(const mlx_value_t *result, mlx_buf_t *out)
{
    put_unit(out, result, "duration", MLX_UNIT_SECONDS, "took ", "");
    put_unit(out, result, "load", MLX_UNIT_SECONDS, ", loading ", " before it");
    put_unit(out, result, "temperature", MLX_UNIT_CELSIUS, ", hottest ", "");
    put_unit(out, result, "power", MLX_UNIT_WATTS, ", ", "");
    double joules = mlx_value_real_or_nan(result, "joules_per_token");
    if (!isnan(joules))
        mlx_buf_printf(out, ", %.2f J per token (%s)", joules, text_of(result, "power_scope"));
    put_details(result, out);
    if (mlx_value_real_or_nan(result, "contention") > 0 &&
        !has_warning(result, "others used models"))
        put_unit(out, result, "contention", MLX_UNIT_RATIO, ", others busy ", " of the time");
}

static void each_warning(const mlx_value_t *result, const char *before, const char *after,
                         mlx_buf_t *out)
{
    const mlx_value_t *warnings = mlx_value_get(result, "warnings");
    for (size_t i = 0; i < mlx_value_size(warnings); i++) {
        const char *text = mlx_value_as_str(mlx_value_at(warnings, i), NULL);
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(text ? text : "", 0);
        mlx_buf_printf(out, "%s%s%s\n", before, clean, after);
    }
}

/* ---- for people ---- */

static void table_row(void *arg, const char *const *cells, size_t count)
{
    (void)count;
    mlx_table_row(arg, cells);
}

static mlx_align_t align_of(size_t column)
{
    return column ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT;
}

static void put_prompts(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out)
{
    mlx_table_t *prompts = mlx_table_new(NULL), *summary = mlx_table_new(NULL);
    for (size_t i = 0; i < MLX_COUNT(columns); i++)
        mlx_table_column(prompts, columns[i].heading,
                         columns[i].digits < 0 ? MLX_ALIGN_LEFT : MLX_ALIGN_RIGHT);
    each_row(result, table_row, prompts);
    mlx_table_write(prompts, term, out);
    mlx_buf_puts(out, "\n");
    for (size_t i = 0; i < MLX_COUNT(summary_headings); i++)
        mlx_table_column(summary, summary_headings[i], align_of(i));
    each_summary(result, table_row, summary);
    mlx_table_write(summary, term, out);
    mlx_table_destroy(&prompts);
    mlx_table_destroy(&summary);
}

void mlx_bench_text(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out)
{
    put_subject(result, out);
    mlx_buf_puts(out, "\n");
    if (mlx_bench_is_sweep(result))
        mlx_bench_sweep_text(result, term, out);
    else
        put_prompts(result, term, out);
    put_conditions(result, out);
    mlx_buf_puts(out, "\n");
    if (*text_of(result, "hardware"))
        mlx_buf_printf(out, "%s\n", text_of(result, "hardware"));
    MLX_CLEANUP(mlx_free_p)
    char *before = mlx_format("%swarning: ", mlx_term_style(term, MLX_STYLE_WARN));
    each_warning(result, before, mlx_term_style(term, MLX_STYLE_PLAIN), out);
}

/* ---- CSV ---- */

static void put_csv_value(mlx_buf_t *out, const mlx_value_t *map, const char *key)
{
    double value = mlx_value_real_or_nan(map, key);
    if (mlx_value_str(map, key))
        mlx_csv_text(out, mlx_value_str(map, key));
    else if (!isnan(value))
        mlx_buf_printf(out, "%.9g", value);
}

void mlx_bench_csv(const mlx_value_t *result, mlx_buf_t *out)
{
    static const char *const of_run[] = {"id", "model", "digest", "runtime", "runtime_version"};
    const mlx_value_t *prompts = mlx_value_get(result, "prompts");
    for (size_t k = 0; k < MLX_COUNT(of_run); k++)
        mlx_buf_printf(out, "%s,", of_run[k]);
    for (size_t k = 0; k < MLX_COUNT(columns); k++)
        mlx_buf_printf(out, "%s,", columns[k].key);
    mlx_buf_puts(out, "error\r\n");
    for (size_t i = 0; i < mlx_value_size(prompts); i++) {
        const mlx_value_t *prompt = mlx_value_at(prompts, i);
        for (size_t k = 0; k < MLX_COUNT(of_run); k++) {
            put_csv_value(out, result, of_run[k]);
            mlx_buf_putc(out, ',');
        }
        for (size_t k = 0; k < MLX_COUNT(columns); k++) {
            put_csv_value(out, prompt, columns[k].key);
            mlx_buf_putc(out, ',');
        }
        put_csv_value(out, prompt, "error");
        mlx_buf_puts(out, "\r\n");
    }
}

/* ---- Markdown ---- */

static void markdown_row(void *arg, const char *const *cells, size_t count)
{
    mlx_buf_puts(arg, "|");
    for (size_t i = 0; i < count; i++) {
        mlx_buf_putc(arg, ' ');
        for (const char *c = cells[i]; *c; c++)
            mlx_buf_printf(arg, *c == '|' ? "\\%c" : "%c", *c);
        mlx_buf_puts(arg, " |");
    }
    mlx_buf_puts(arg, "\n");
}

static void markdown_rule(mlx_buf_t *out, size_t count)
{
    mlx_buf_puts(out, "|---|");
    for (size_t i = 1; i < count; i++)
        mlx_buf_puts(out, "---:|");
    mlx_buf_puts(out, "\n");
}

void mlx_bench_markdown(const mlx_value_t *result, mlx_buf_t *out)
{
    const char *headings[CELLS_MAX];
    for (size_t i = 0; i < MLX_COUNT(columns); i++)
        headings[i] = columns[i].heading;
    mlx_buf_puts(out, "**");
    put_subject(result, out);
    mlx_buf_puts(out, "**\n\n");
    if (mlx_bench_is_sweep(result)) {
        mlx_bench_sweep_markdown(result, out);
    } else {
        markdown_row(out, summary_headings, MLX_COUNT(summary_headings));
        markdown_rule(out, MLX_COUNT(summary_headings));
        each_summary(result, markdown_row, out);
    }
    mlx_buf_puts(out, "\n");
    markdown_row(out, headings, MLX_COUNT(columns));
    markdown_rule(out, MLX_COUNT(columns));
    each_row(result, markdown_row, out);
    mlx_buf_puts(out, "\n");
    put_conditions(result, out);
    mlx_buf_puts(out, "\n");
    each_warning(result, "- warning: ", "", out);
}

/* ---- progress ---- */

static void put_bar(mlx_buf_t *out, double part, int width)
{
    int full = (int)(part * width);
    mlx_buf_putc(out, '[');
    for (int i = 0; i < width; i++)
        mlx_buf_putc(out, i < full ? '=' : i == full ? '>' : ' ');
    mlx_buf_putc(out, ']');
}

static void put_phase(const mlx_value_t *progress, mlx_buf_t *out)
{
    int64_t prompt, prompts;
    const char *phase = text_of(progress, "phase"), *point = text_of(progress, "point");
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(point, 16);
    if (*clean && mlx_value_int(progress, "round", &prompt))
        mlx_buf_printf(out, "%s, round %lld", clean, (long long)prompt);
    else if (mlx_value_int(progress, "prompt", &prompt) &&
             mlx_value_int(progress, "prompts", &prompts))
        mlx_buf_printf(out, "prompt %lld of %lld", (long long)prompt, (long long)prompts);
    else
        mlx_buf_puts(out, strcmp(phase, "load") == 0 ? "loading" : phase);
}

void mlx_bench_progress_line(const mlx_value_t *progress, int columns_wide, mlx_buf_t *out)
{
    double elapsed = mlx_value_real_or_nan(progress, "elapsed"),
           remaining = mlx_value_real_or_nan(progress, "remaining");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t left = {0}, right = {0};
    MLX_CLEANUP(mlx_free_p) char *model = mlx_term_clean(text_of(progress, "model"), 24);
    mlx_buf_printf(&left, "%s%s", model, *model ? "  " : "");
    put_phase(progress, &left);
    put_unit(&right, progress, "tokens_per_second", MLX_UNIT_TOKENS_PER_SECOND, "  ", "");
    if (!isnan(remaining))
        mlx_buf_printf(&right, "  %.0fs left", ceil(remaining));
    mlx_buf_puts(out, mlx_buf_str(&left));
    /* The last column stays free: some terminals wrap when it is written. */
    int room = columns_wide - (int)mlx_term_width(mlx_buf_str(&left)) - (int)right.len - 5;
    if (room >= BAR_MIN && elapsed + remaining > 0) {
        mlx_buf_puts(out, "  ");
        put_bar(out, elapsed / (elapsed + remaining), room < BAR_MAX ? room : BAR_MAX);
    }
    mlx_buf_puts(out, mlx_buf_str(&right));
}
