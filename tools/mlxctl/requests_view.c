#include "requests_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/moment.h"
#include "common/cli/table.h"
#include "csv.h"
#include "history_view.h"
#include "proto/catalogue.h"

enum {
    CELLS = 9
};

static const char *const headings[CELLS] = {"Ended", "Client", "Model", "Prompt", "Tokens",
                                            "tok/s", "TTFT",   "Took",  "Outcome"};

/*  In local time; the day only when it is another one than today. */
static char *when(int64_t end_us)
{
    time_t t = (time_t)(end_us / 1000000), now = time(NULL);
    struct tm tm = {0}, today = {0};
    char text[32];
    localtime_r(&t, &tm);
    localtime_r(&now, &today);
    bool same = tm.tm_yday == today.tm_yday && tm.tm_year == today.tm_year;
    strftime(text, sizeof text, same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
    return mlx_strdup(text);
}

static char *count_text(const mlx_value_t *d, const char *key)
{
    int64_t n;
    return mlx_value_int(d, key, &n) ? mlx_format("%" PRId64, n) : mlx_strdup("");
}

static char *real_text(const mlx_value_t *d, const char *key, const char *unit)
{
    double value;
    return mlx_value_real(d, key, &value) ? mlx_format("%.*f%s", value < 10 ? 2 : 1, value, unit)
                                          : mlx_strdup("");
}

static char *prompt_text(const mlx_value_t *d)
{
    int64_t all, cached;
    if (!mlx_value_int(d, "prompt_tokens", &all))
        return mlx_strdup("");
    return mlx_value_int(d, "cached_tokens", &cached) && cached > 0
               ? mlx_format("%" PRId64 " (%" PRId64 " cached)", all, cached)
               : mlx_format("%" PRId64, all);
}

static char *took_text(const mlx_value_t *d)
{
    int64_t start, end;
    if (!mlx_value_int(d, "start", &start) || !mlx_value_int(d, "end", &end))
        return mlx_strdup("");
    return mlx_format("%.2f s", (double)(end - start) / 1e6);
}

static char *text_of(const mlx_value_t *d, const char *key)
{
    const char *text = mlx_value_str(d, key);
    return mlx_strdup(text ? text : "");
}

static void fill(char *cells[CELLS], const mlx_value_t *d)
{
    int64_t end = 0, several;
    mlx_value_int(d, "end", &end);
    cells[0] = when(end);
    cells[1] = text_of(d, "client");
    cells[2] = text_of(d, "model");
    cells[3] = prompt_text(d);
    cells[4] = count_text(d, "tokens");
    cells[5] = real_text(d, "tokens_per_second", "");
    cells[6] = real_text(d, "ttft", " s");
    cells[7] = took_text(d);
    cells[8] = mlx_value_int(d, "requests", &several)
                   ? mlx_format("at least %" PRId64 " requests", several)
                   : text_of(d, "outcome");
}

static void clear(char *cells[CELLS])
{
    for (size_t i = 0; i < CELLS; i++)
        free(cells[i]);
}

static int64_t sum_of(const mlx_value_t *requests, const char *key)
{
    int64_t sum = 0, n;
    for (size_t i = 0; i < mlx_value_size(requests); i++)
        if (mlx_value_int(mlx_value_at(requests, i), key, &n))
            sum += n;
    return sum;
}

void mlx_requests_table(mlx_buf_t *out, const mlx_value_t *requests, bool all,
                        const mlx_term_t *term)
{
    mlx_table_t *table = mlx_table_new(NULL);
    if (all)
        mlx_table_column(table, "Machine", MLX_ALIGN_LEFT);
    for (size_t i = 0; i < CELLS; i++)
        mlx_table_column(table, headings[i], i >= 3 && i < 8 ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT);
    for (size_t i = mlx_value_size(requests); i-- > 0;) {
        char *cells[1 + CELLS] = {text_of(mlx_value_at(requests, i), "host")};
        fill(cells + 1, mlx_value_at(requests, i));
        mlx_table_row(table, (const char *const *)cells + !all);
        free(cells[0]);
        clear(cells + 1);
    }
    MLX_CLEANUP(mlx_free_p)
    char *footer = mlx_format("%zu requests, %" PRId64 " prompt tokens, %" PRId64 " generated",
                              mlx_value_size(requests), sum_of(requests, "prompt_tokens"),
                              sum_of(requests, "tokens"));
    mlx_table_footer(table, footer);
    mlx_table_write(table, term, out);
    mlx_table_destroy(&table);
}

void mlx_requests_line(mlx_buf_t *out, const mlx_value_t *request)
{
    static const int widths[CELLS] = {8, 20, 28, 12, 6, 7, 7, 9, 0};
    char *cells[CELLS];
    fill(cells, request);
    for (size_t i = 0; i < CELLS; i++) {
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(cells[i], 0);
        bool right = i >= 3 && i < 8;
        mlx_buf_printf(out, "%s%*s", i ? "  " : "", right ? widths[i] : -widths[i], clean);
    }
    mlx_buf_putc(out, '\n');
    clear(cells);
}

/* ---- CSV ---- */

static const char *const places[] = {"host", "runtime", "endpoint"};

static const mlx_field_t *fields(void)
{
    const mlx_topic_t *topic = mlx_catalogue_find("runtime.x.y.request");
    return topic->fields;
}

void mlx_requests_csv_heading(mlx_buf_t *out)
{
    for (size_t i = 0; i < MLX_COUNT(places); i++)
        mlx_buf_printf(out, "%s,", places[i]);
    for (const mlx_field_t *field = fields(); field->key; field++)
        mlx_buf_printf(out, "%s%s", field->key, field[1].key ? "," : "\n");
}

static void csv_value(mlx_buf_t *out, const mlx_value_t *value, const mlx_field_t *field)
{
    double real = 0;
    int64_t whole = 0;
    bool truth = false;
    if (mlx_value_type(value) == MLX_STR)
        mlx_csv_foreign_text(out, mlx_value_as_str(value, NULL));
    else if (mlx_value_as_bool(value, &truth))
        mlx_buf_puts(out, truth ? "true" : "false");
    else if (mlx_value_as_int(value, &whole) && field->unit == MLX_UNIT_MICROSECONDS_EPOCH)
        mlx_moment_write(out, whole);
    else if (mlx_value_as_int(value, &whole))
        mlx_buf_printf(out, "%" PRId64, whole);
    else if (mlx_value_as_real(value, &real))
        mlx_buf_printf(out, "%.10g", real);
}

void mlx_requests_csv(mlx_buf_t *out, const mlx_value_t *request)
{
    for (size_t i = 0; i < MLX_COUNT(places); i++) {
        const char *text = mlx_value_str(request, places[i]);
        mlx_csv_foreign_text(out, text ? text : "");
        mlx_buf_putc(out, ',');
    }
    for (const mlx_field_t *field = fields(); field->key; field++) {
        csv_value(out, mlx_value_get(request, field->key), field);
        mlx_buf_putc(out, field[1].key ? ',' : '\n');
    }
}
