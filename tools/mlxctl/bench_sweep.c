#include "bench_sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli/table.h"

enum {
    CELL = 64,
    COLUMNS = 7,
    BAR_MAX = 60,
    BAR_MIN = 10,
    WIDTH_USUAL = 80,
    PLOT_WIDTH = 640, /* of the SVG */
    PLOT_HEIGHT = 260,
    PLOT_LEFT = 56,
    PLOT_BOTTOM = 40,
    PLOT_TOP = 12,
    GRID_LINES = 4,
};

/*  One figure of the summary KEY of POINT. */
static double figure_of(const mlx_value_t *point, const char *key, const char *which)
{
    return mlx_value_real_or_nan(mlx_value_get(point, key), which);
}

bool mlx_bench_is_sweep(const mlx_value_t *result)
{
    return mlx_value_get(result, "points") != NULL;
}

static bool parallel(const mlx_value_t *result)
{
    const char *kind = mlx_value_str(result, "sweep");
    return kind && strcmp(kind, "parallel") == 0;
}

/* ---- table ---- */

static const char *const headings[COLUMNS] = {
    "", "n", "tok/s", "95 % interval", "all tok/s", "prompt tok/s", "TTFT ms"};

static void put_number(char cell[CELL], double value, int digits)
{
    if (isnan(value))
        snprintf(cell, CELL, "-");
    else
        snprintf(cell, CELL, "%.*f", digits, value);
}

static void put_interval(char cell[CELL], const mlx_value_t *summary)
{
    double low = mlx_value_real_or_nan(summary, "low"),
           high = mlx_value_real_or_nan(summary, "high");
    int digits = low < 100 ? 1 : 0;
    bool range = false;
    mlx_value_bool(summary, "range", &range);
    if (isnan(low) || isnan(high))
        snprintf(cell, CELL, "-");
    else
        snprintf(cell, CELL, "%.*f to %.*f%s", digits, low, digits, high, range ? " (range)" : "");
}

/*  "2048 tokens" as the server counted them, else as was asked for; "4 clients". Of numbers only:
 *  nothing in a stored result is put on a page as it is. */
static void put_point(char cell[CELL], const mlx_value_t *result, const mlx_value_t *point)
{
    double counted = mlx_value_real_or_nan(point, "prompt_tokens"),
           clients = mlx_value_real_or_nan(point, "clients");
    const char *name = mlx_value_str(point, "name");
    if (parallel(result))
        snprintf(cell, CELL, "%.0f client%s", clients, clients > 1 ? "s" : "");
    else if (!isnan(counted))
        snprintf(cell, CELL, "%.0f tokens", counted);
    else
        snprintf(cell, CELL, "about %ld tokens", name ? strtol(name, NULL, 10) : 0);
}

static void row_of(const mlx_value_t *result, const mlx_value_t *point, char cells[COLUMNS][CELL])
{
    put_point(cells[0], result, point);
    put_number(cells[1], figure_of(point, "tokens_per_second", "count"), 0);
    put_number(cells[2], figure_of(point, "tokens_per_second", "mean"), 1);
    put_interval(cells[3], mlx_value_get(point, "tokens_per_second"));
    put_number(cells[4], figure_of(point, "total_tokens_per_second", "mean"), 1);
    put_number(cells[5], figure_of(point, "prompt_tokens_per_second", "median"), 0);
    put_number(cells[6], figure_of(point, "ttft", "median") * 1000, 0);
}

typedef void (*row_fn)(void *arg, const char *const *cells, size_t count);

/*  Rows without the column that only a sweep over clients has. */
static void each_row(const mlx_value_t *result, row_fn fn, void *arg)
{
    const mlx_value_t *points = mlx_value_get(result, "points");
    for (size_t i = 0; i <= mlx_value_size(points); i++) {
        char text[COLUMNS][CELL];
        const char *cells[COLUMNS];
        size_t count = 0;
        if (i > 0)
            row_of(result, mlx_value_at(points, i - 1), text);
        for (size_t k = 0; k < COLUMNS; k++)
            if (k != 4 || parallel(result))
                cells[count++] = i ? text[k] : headings[k];
        fn(arg, cells, count);
    }
}

typedef struct {
    mlx_table_t *table;
    bool headed;
} text_t;

static void text_row(void *arg, const char *const *cells, size_t count)
{
    text_t *text = arg;
    for (size_t i = 0; i < count && !text->headed; i++)
        mlx_table_column(text->table, cells[i], i ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT);
    if (text->headed)
        mlx_table_row(text->table, cells);
    text->headed = true;
}

/* ---- plot on a terminal ---- */

/*  The greatest speed that is drawn. */
static double most_of(const mlx_value_t *result)
{
    const mlx_value_t *points = mlx_value_get(result, "points");
    double most = 0;
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        most = fmax(most, figure_of(point, "tokens_per_second", "mean"));
        most = fmax(most, figure_of(point, "total_tokens_per_second", "mean"));
    }
    return most;
}

static void put_bar(mlx_buf_t *out, const mlx_term_t *term, double each, double all, double most,
                    int width)
{
    const char *full = term->utf8 ? "█" : "#", *light = term->utf8 ? "░" : ".";
    int dark = isnan(each) ? 0 : (int)lround(each / most * width);
    int end = isnan(all) ? dark : (int)lround(all / most * width);
    for (int i = 0; i < end || i < dark; i++)
        mlx_buf_puts(out, i < dark ? full : light);
}

static void put_plot(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out)
{
    const mlx_value_t *points = mlx_value_get(result, "points");
    double most = most_of(result);
    int width = (term->columns > 0 ? term->columns : WIDTH_USUAL) - 28;
    width = width > BAR_MAX ? BAR_MAX : width < BAR_MIN ? BAR_MIN : width;
    if (!(most > 0))
        return;
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        char name[CELL];
        double each = figure_of(point, "tokens_per_second", "mean");
        double all = figure_of(point, "total_tokens_per_second", "mean");
        put_point(name, result, point);
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(name, 14);
        mlx_buf_printf(out, "%14s %s", clean, term->utf8 ? "│" : "|");
        put_bar(out, term, each, all, most, width);
        mlx_buf_printf(out, isnan(all) ? " %.1f\n" : " %.1f, %.1f\n", each, all);
    }
    if (parallel(result))
        mlx_buf_printf(out, "tok/s: %s each client, %s all together\n", term->utf8 ? "█" : "#",
                       term->utf8 ? "░" : ".");
    else
        mlx_buf_puts(out, "tok/s of the reply, by the tokens before it\n");
}

void mlx_bench_sweep_text(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out)
{
    text_t text = {.table = mlx_table_new(NULL)};
    each_row(result, text_row, &text);
    mlx_table_write(text.table, term, out);
    mlx_table_destroy(&text.table);
    mlx_buf_puts(out, "\n");
    put_plot(result, term, out);
}

/* ---- Markdown ---- */

typedef struct {
    mlx_buf_t *out;
    bool headed;
} lines_t;

static void markdown_row(void *arg, const char *const *cells, size_t count)
{
    lines_t *lines = arg;
    for (size_t i = 0; i < count; i++)
        mlx_buf_printf(lines->out, "| %s ", cells[i]);
    mlx_buf_puts(lines->out, "|\n");
    for (size_t i = 0; i < count && !lines->headed; i++)
        mlx_buf_puts(lines->out, i ? "---:|" : "|---|");
    mlx_buf_puts(lines->out, lines->headed ? "" : "\n");
    lines->headed = true;
}

void mlx_bench_sweep_markdown(const mlx_value_t *result, mlx_buf_t *out)
{
    lines_t lines = {.out = out};
    each_row(result, markdown_row, &lines);
}

/* ---- page ---- */

static void html_row(void *arg, const char *const *cells, size_t count)
{
    lines_t *lines = arg;
    const char *tag = lines->headed ? "td" : "th";
    mlx_buf_puts(lines->out, "<tr>");
    for (size_t i = 0; i < count; i++)
        mlx_buf_printf(lines->out, "<%s>%s</%s>", tag, cells[i], tag);
    mlx_buf_puts(lines->out, "</tr>\n");
    lines->headed = true;
}

/*  Where a figure lies on the plot. */
typedef struct {
    double left, right; /* of the axis, on the logarithm */
    double top;         /* the greatest speed */
} scale_t;

static double place_of(const mlx_value_t *result, const mlx_value_t *point)
{
    double at = mlx_value_real_or_nan(point, parallel(result) ? "clients" : "prompt_tokens");
    return at > 0 ? log2(at) : (double)NAN;
}

static double x_of(const scale_t *scale, double place)
{
    double span = scale->right > scale->left ? scale->right - scale->left : 1;
    return (int)PLOT_LEFT + 12 + (place - scale->left) / span * ((int)PLOT_WIDTH - PLOT_LEFT - 40);
}

static double y_of(const scale_t *scale, double speed)
{
    int room = (int)PLOT_HEIGHT - PLOT_BOTTOM - PLOT_TOP;
    return (int)PLOT_HEIGHT - PLOT_BOTTOM - speed / scale->top * room;
}

/*  1, 2 or 5 times a power of ten: the step of GRID_LINES lines up to MOST. */
static double grid_step(double most)
{
    double power = pow(10, floor(log10(most / (int)GRID_LINES)));
    double part = most / (int)GRID_LINES / power;
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static scale_t scale_of(const mlx_value_t *result)
{
    const mlx_value_t *points = mlx_value_get(result, "points");
    scale_t scale = {(double)NAN, (double)NAN, 0};
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        scale.left = fmin(scale.left, place_of(result, point));
        scale.right = fmax(scale.right, place_of(result, point));
        scale.top = fmax(scale.top, figure_of(point, "tokens_per_second", "high"));
        scale.top = fmax(scale.top, figure_of(point, "total_tokens_per_second", "high"));
    }
    scale.top = fmax(scale.top, most_of(result));
    double step = scale.top > 0 ? grid_step(scale.top) : 1;
    scale.top = step * ceil(scale.top / step);
    return scale;
}

static void put_grid(mlx_buf_t *out, const mlx_value_t *result, const scale_t *scale)
{
    const mlx_value_t *points = mlx_value_get(result, "points");
    double step = grid_step(scale->top);
    for (int i = 0; i * step <= scale->top + step / 2; i++)
        mlx_buf_printf(out,
                       "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                       "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                       PLOT_LEFT, PLOT_WIDTH - 10, y_of(scale, i * step), y_of(scale, i * step),
                       PLOT_LEFT - 6, y_of(scale, i * step) + 4, i * step);
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        double place = place_of(result, mlx_value_at(points, i));
        if (!isnan(place))
            mlx_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n",
                           x_of(scale, place), PLOT_HEIGHT - PLOT_BOTTOM + 18, exp2(place));
    }
    mlx_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                   (PLOT_LEFT + PLOT_WIDTH) / 2, PLOT_HEIGHT - 6,
                   parallel(result) ? "clients at once" : "tokens before the reply");
}

/*  The line of KEY, a dot a point, and from the low to the high end of each a bar. */
static void put_line(mlx_buf_t *out, const mlx_value_t *result, const scale_t *scale,
                     const char *key, const char *class)
{
    const mlx_value_t *points = mlx_value_get(result, "points");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0}, marks = {0};
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        double place = place_of(result, point), mean = figure_of(point, key, "mean");
        double low = figure_of(point, key, "low"), high = figure_of(point, key, "high");
        if (isnan(place) || isnan(mean))
            continue;
        double x = x_of(scale, place);
        mlx_buf_printf(&line, "%.1f,%.1f ", x, y_of(scale, mean));
        mlx_buf_printf(&marks, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", class, x,
                       y_of(scale, mean));
        if (!isnan(low) && !isnan(high))
            mlx_buf_printf(&marks,
                           "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" "
                           "y2=\"%.1f\"/>\n",
                           class, x, x, y_of(scale, low), y_of(scale, high));
    }
    mlx_buf_printf(out, "<polyline class=\"%s\" points=\"%s\"/>\n%s", class, mlx_buf_str(&line),
                   mlx_buf_str(&marks));
}

void mlx_bench_sweep_html(const mlx_value_t *result, mlx_buf_t *out)
{
    scale_t scale = scale_of(result);
    lines_t lines = {.out = out};
    mlx_buf_printf(out, "<h3>Tokens per second, by %s</h3>\n",
                   parallel(result) ? "clients at once" : "tokens before the reply");
    if (scale.top > 0 && !isnan(scale.left)) {
        mlx_buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", PLOT_WIDTH, PLOT_HEIGHT);
        put_grid(out, result, &scale);
        put_line(out, result, &scale, "tokens_per_second", "a");
        if (parallel(result))
            put_line(out, result, &scale, "total_tokens_per_second", "b");
        mlx_buf_puts(out, "</svg>\n");
    }
    if (parallel(result))
        mlx_buf_puts(out, "<p><span class=\"ka\">━</span> each client &nbsp; "
                          "<span class=\"kb\">━</span> all together</p>\n");
    mlx_buf_puts(out, "<table>\n");
    each_row(result, html_row, &lines);
    mlx_buf_puts(out, "</table>\n<p>Of fewer than ten rounds the range is told, not an interval. "
                      "Of clients at once a round's value is their mean.</p>\n");
}
