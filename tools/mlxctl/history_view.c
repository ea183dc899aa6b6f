#include "history_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/moment.h"
#include "common/base/units.h"
#include "common/cli/term.h"
#include "csv.h"
#include "plot.h"
#include "proto/json.h"

enum {
    PLOT_ROWS = 10,
    SCALE_COLUMNS = 12, /* left of the curve */
    COLUMNS_LEAST = 30,
    EVENTS_SHOWN = 12 /* the newest */
};

/*  Columns of a point and of an export row. */
enum {
    POINT_T,
    POINT_MIN,
    POINT_MAX,
    POINT_MEAN,
    POINT_COUNT
};

static double number_at(const mlx_value_t *list, size_t index)
{
    double value = NAN;
    mlx_value_as_real(mlx_value_at(list, index), &value);
    return value;
}

static int64_t whole_at(const mlx_value_t *list, size_t index)
{
    int64_t value = 0;
    mlx_value_as_int(mlx_value_at(list, index), &value);
    return value;
}

static int curve_columns(int columns)
{
    return (columns > COLUMNS_LEAST ? columns : COLUMNS_LEAST) - SCALE_COLUMNS - 1;
}

int mlx_history_plot_points(int columns, bool utf8)
{
    return curve_columns(columns) * (utf8 ? 2 : 1);
}

static mlx_unit_t unit_of(const mlx_value_t *reply)
{
    const char *name = mlx_value_str(reply, "unit");
    for (int unit = MLX_UNIT_NONE; name && unit <= MLX_UNIT_LAST; unit++)
        if (strcmp(mlx_unit_name((mlx_unit_t)unit), name) == 0)
            return (mlx_unit_t)unit;
    return MLX_UNIT_NONE;
}

/*  The means on a steady grid of N places, gaps as NaN. */
static void lay_out(mlx_series_t *series, const mlx_value_t *reply, int64_t since, int64_t until,
                    size_t n)
{
    const mlx_value_t *points = mlx_value_get(reply, "points");
    double *grid = mlx_alloc(n, sizeof *grid);
    for (size_t i = 0; i < n; i++)
        grid[i] = NAN;
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        double share = (double)(whole_at(point, POINT_T) - since) / (double)(until - since);
        double at = fmax(share, 0) * (double)n;
        if (at < (double)n)
            grid[(size_t)at] = number_at(point, POINT_MEAN);
    }
    for (size_t i = 0; i < n; i++)
        mlx_series_add(series, grid[i]);
    free(grid);
}

typedef struct {
    double min, max, sum, count;
} range_t;

static range_t range_of(const mlx_value_t *reply)
{
    const mlx_value_t *points = mlx_value_get(reply, "points");
    range_t range = {.min = NAN, .max = NAN};
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        double count = number_at(point, POINT_COUNT);
        range.min = fmin(range.min, number_at(point, POINT_MIN));
        range.max = fmax(range.max, number_at(point, POINT_MAX));
        range.sum += number_at(point, POINT_MEAN) * count;
        range.count += count;
    }
    return range;
}

static void draw_heading(mlx_canvas_t *canvas, const mlx_value_t *reply, const range_t *range)
{
    mlx_unit_t unit = unit_of(reply);
    MLX_CLEANUP(mlx_free_p) char *min = mlx_format_unit(range->min, unit);
    MLX_CLEANUP(mlx_free_p) char *max = mlx_format_unit(range->max, unit);
    MLX_CLEANUP(mlx_free_p) char *mean = mlx_format_unit(range->sum / range->count, unit);
    mlx_canvas_printf(canvas, 0, 0, canvas->columns, MLX_INK_TITLE, "%s",
                      mlx_value_str(reply, "series"));
    mlx_canvas_printf(canvas, 1, 0, canvas->columns, MLX_INK_DIM, "min %s  mean %s  max %s", min,
                      mean, max);
}

static void draw_scale(mlx_canvas_t *canvas, double low, double high, mlx_unit_t unit)
{
    MLX_CLEANUP(mlx_free_p) char *top = mlx_format_unit(high, unit);
    MLX_CLEANUP(mlx_free_p) char *bottom = mlx_format_unit(low, unit);
    mlx_canvas_printf(canvas, 2, 0, SCALE_COLUMNS, MLX_INK_DIM, "%*s", SCALE_COLUMNS, top);
    mlx_canvas_printf(canvas, PLOT_ROWS + 1, 0, SCALE_COLUMNS, MLX_INK_DIM, "%*s", SCALE_COLUMNS,
                      bottom);
}

static void draw_times(mlx_canvas_t *canvas, int64_t since_us, int64_t until_us)
{
    char begin[32] = "", end[32] = "";
    (void)mlx_format_minute(since_us, begin, sizeof begin);
    (void)mlx_format_minute(until_us, end, sizeof end);
    int row = PLOT_ROWS + 2, right = canvas->columns - (int)strlen(end);
    mlx_canvas_text(canvas, row, SCALE_COLUMNS + 1, 20, MLX_INK_DIM, begin);
    if (right > SCALE_COLUMNS + 18)
        mlx_canvas_text(canvas, row, right, 20, MLX_INK_DIM, end);
}

/*  A letter below the curve for each event, and below that what they are; those for which there is
 *  no letter are counted. */
static void put_events(mlx_buf_t *out, const mlx_value_t *events, int64_t since_us,
                       int64_t until_us, int columns)
{
    int width = curve_columns(columns);
    size_t n = mlx_value_size(events), first = n > EVENTS_SHOWN ? n - EVENTS_SHOWN : 0;
    MLX_CLEANUP(mlx_free_p) char *marks = mlx_alloc((size_t)width + 1, 1);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t legend = {0};
    memset(marks, ' ', (size_t)width);
    for (size_t i = first; i < n; i++) {
        const mlx_value_t *event = mlx_value_at(events, i);
        const char *kind = mlx_value_str(event, "kind"), *text = mlx_value_str(event, "text");
        int64_t t = 0;
        char letter = (char)('a' + (i - first)), time[32] = "";
        if (!mlx_value_int(event, "t", &t) || t < since_us || t >= until_us || !kind || !text)
            continue;
        marks[(int)((double)(t - since_us) / (double)(until_us - since_us) * width)] = letter;
        (void)mlx_format_minute(t, time, sizeof time);
        MLX_CLEANUP(mlx_free_p) char *line = mlx_format("%c %s %s: %s", letter, time, kind, text);
        MLX_CLEANUP(mlx_free_p)
        char *clean =
            mlx_term_clean(line, columns > COLUMNS_LEAST ? (size_t)columns : COLUMNS_LEAST);
        mlx_buf_printf(&legend, "%s\n", clean);
    }
    if (legend.len == 0)
        return;
    while (width > 0 && marks[width - 1] == ' ')
        marks[--width] = '\0';
    mlx_buf_printf(out, "%*s %s\n%s", SCALE_COLUMNS, "", marks, mlx_buf_str(&legend));
    if (first > 0)
        mlx_buf_printf(out, "and %zu before them\n", first);
}

void mlx_history_plot(mlx_buf_t *out, const mlx_value_t *reply, int64_t since_us, int64_t until_us,
                      int columns, bool utf8)
{
    range_t range = range_of(reply);
    int width = columns > COLUMNS_LEAST ? columns : COLUMNS_LEAST;
    MLX_CLEANUP(mlx_canvas_destroy)
    mlx_canvas_t *canvas = mlx_canvas_new(PLOT_ROWS + 3, width, utf8);
    MLX_CLEANUP(mlx_series_clear) mlx_series_t series;
    size_t n = (size_t)mlx_history_plot_points(columns, utf8);
    mlx_series_init(&series, n);
    lay_out(&series, reply, since_us, until_us, n);
    if (range.count > 0) {
        /* From zero, unless all that happens is far above it. */
        double low = range.min > range.max / 2 ? range.min : fmin(range.min, 0);
        double high = range.max > low ? range.max : low + 1;
        draw_heading(canvas, reply, &range);
        draw_scale(canvas, low, high, unit_of(reply));
        mlx_plot(canvas, (mlx_area_t){2, SCALE_COLUMNS + 1, PLOT_ROWS, curve_columns(columns)},
                 &series, &(mlx_curve_t){.low = low, .high = high, .each = 1, .ink = MLX_INK_PLOT});
    } else {
        mlx_canvas_printf(canvas, 0, 0, width, MLX_INK_TITLE, "%s: nothing was recorded then",
                          mlx_value_str(reply, "series"));
    }
    draw_times(canvas, since_us, until_us);
    mlx_canvas_dump(canvas, out);
    put_events(out, mlx_value_get(reply, "events"), since_us, until_us, columns);
}

/*  Numbers behind the time of LIST, with commas before them. */
static void csv_numbers(mlx_buf_t *out, const mlx_value_t *list)
{
    for (size_t i = 1; i < mlx_value_size(list); i++) {
        mlx_buf_putc(out, ',');
        mlx_json_write(out, mlx_value_at(list, i), false);
    }
    mlx_buf_putc(out, '\n');
}

void mlx_history_csv_heading(mlx_buf_t *out)
{
    mlx_buf_puts(out, "time,min,max,mean,count\n");
}

static void csv_point(mlx_buf_t *out, const mlx_value_t *point)
{
    mlx_moment_write(out, whole_at(point, POINT_T));
    csv_numbers(out, point);
}

void mlx_history_csv(mlx_buf_t *out, const mlx_value_t *reply)
{
    const mlx_value_t *points = mlx_value_get(reply, "points");
    mlx_history_csv_heading(out);
    for (size_t i = 0; i < mlx_value_size(points); i++)
        csv_point(out, mlx_value_at(points, i));
}

static const char *const raw_columns[] = {"t", "value", NULL};
static const char *const point_columns[] = {"t", "min", "max", "mean", "count", NULL};
static const char *const rollup_columns[] = {"t", "min", "max", "mean", "last", "count", NULL};

static void json_row(mlx_buf_t *out, const char *series, const mlx_value_t *row,
                     const char *const *columns)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "series", series);
    for (size_t i = 0; columns[i]; i++)
        mlx_value_set(map, columns[i], mlx_value_copy(mlx_value_at(row, i)));
    mlx_json_write(out, map, false);
    mlx_buf_putc(out, '\n');
}

int64_t mlx_history_points(mlx_buf_t *out, const mlx_value_t *reply, int64_t since_us,
                           int64_t whole_us, bool json)
{
    const mlx_value_t *points = mlx_value_get(reply, "points");
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        int64_t t = whole_at(point, POINT_T);
        if (t < since_us || t > whole_us)
            continue;
        if (json)
            json_row(out, mlx_value_str(reply, "series"), point, point_columns);
        else
            csv_point(out, point);
        since_us = t + 1;
    }
    return since_us;
}

void mlx_history_rows(mlx_buf_t *out, const mlx_value_t *reply, bool json)
{
    const mlx_value_t *rows = mlx_value_get(reply, "rows");
    const char *series = mlx_value_str(reply, "series");
    for (size_t i = 0; series && i < mlx_value_size(rows); i++) {
        const mlx_value_t *row = mlx_value_at(rows, i);
        if (json) {
            json_row(out, series, row, mlx_value_size(row) == 2 ? raw_columns : rollup_columns);
            continue;
        }
        mlx_csv_quoted(out, series);
        mlx_buf_putc(out, ',');
        mlx_moment_write(out, whole_at(row, 0));
        csv_numbers(out, row);
    }
}

void mlx_history_rows_heading(mlx_buf_t *out, bool raw)
{
    mlx_buf_puts(out, raw ? "series,time,value\n" : "series,time,min,max,mean,last,count\n");
}
