/*  The plots of `mlxctl top`: how many fit, and each with its scale, its time axis and its figures.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "top_scene.h"

enum {
    PLOT_ROWS_MIN = 2,
    LABEL_WIDTH = 5,
    LABELS_FROM = 40, /* columns from which there is room for a scale */
};

/*  What top knows of FIGURE's past; one without values where it knows nothing. */
static const mlx_series_t *series_of(const mlx_scene_t *scene, const mlx_figure_t *figure)
{
    static const mlx_series_t none;
    for (size_t i = 0; i < scene->top->series_count; i++)
        if (strcmp(scene->top->ids[i], figure->id) == 0)
            return &scene->top->series[i];
    return &none;
}

/*  Of what is plotted: a share where the figure is part of something. When its source is gone that
 *  is not known any more, but the scale ends at 1 only for shares. */
static mlx_unit_t unit_of(const mlx_figure_t *figure)
{
    bool share = !isnan(figure->total) || figure->plot_top == 1;
    return share ? MLX_UNIT_RATIO : figure->unit;
}

/*  What has an upper end is coloured by how near it is. */
static bool is_by_load(const mlx_figure_t *figure)
{
    return figure->plot_top > 0;
}

static bool is_speed(const mlx_figure_t *figure)
{
    return figure->unit == MLX_UNIT_TOKENS_PER_SECOND;
}

/*  1, 2, 2.5 or 5 times a power of ten, at VALUE or the next above. */
static double rounded_up(double value)
{
    static const double steps[] = {1, 2, 2.5, 5, 10};
    if (!(value > 0))
        return 1;
    double power = pow(10, floor(log10(value)));
    for (size_t i = 0; i < MLX_COUNT(steps); i++)
        if (value <= steps[i] * power * (1 + 1e-9))
            return steps[i] * power;
    return 10 * power;
}

/*  A mark of the scale in at most LABEL_WIDTH columns. */
static char *scale_text(const mlx_scene_t *scene, double value, mlx_unit_t unit)
{
    if (unit == MLX_UNIT_RATIO || unit == MLX_UNIT_CELSIUS)
        return mlx_scene_figure(scene, value, unit);
    if (value >= 10000)
        return mlx_format("%.4gk", value / 1000);
    return mlx_format("%.4g", value);
}

static void draw_scale(const mlx_scene_t *scene, mlx_area_t area, double top, mlx_unit_t unit)
{
    int marks = area.rows >= 5 ? 3 : area.rows >= 2 ? 2 : 1;
    for (int i = 0; i < marks; i++) {
        int down = marks == 1 ? 0 : i * (area.rows - 1) / (marks - 1);
        /* What a row stands for: the top mark its upper edge, the bottom mark its lower one. */
        double share = marks == 1 ? 1 : 1 - (double)i / (marks - 1);
        MLX_CLEANUP(mlx_free_p) char *text = scale_text(scene, share * top, unit);
        mlx_canvas_text(scene->canvas, area.row + down,
                        area.column + LABEL_WIDTH - (int)mlx_term_width(text), LABEL_WIDTH,
                        MLX_INK_DIM, text);
    }
}

static char *ago_text(int64_t seconds)
{
    if (seconds < 120)
        return mlx_format("-%llds", (long long)seconds);
    if (seconds % 60 == 0 || seconds >= 1200)
        return mlx_format("-%lldm", (long long)(seconds + 30) / 60);
    return mlx_format("-%lldm%02llds", (long long)seconds / 60, (long long)seconds % 60);
}

static void draw_times(const mlx_scene_t *scene, mlx_area_t area, int64_t span)
{
    int marks = area.columns >= 60 ? 4 : area.columns >= 30 ? 2 : 1;
    for (int x = 0; x < area.columns; x++)
        mlx_canvas_put(scene->canvas, area.row, area.column + x,
                       scene->canvas->utf8 ? L'\u2500' : L'-', MLX_INK_FRAME);
    for (int i = 0; i < marks; i++) {
        MLX_CLEANUP(mlx_free_p) char *text = ago_text(span * (marks - i) / marks);
        mlx_canvas_text(scene->canvas, area.row, area.column + area.columns * i / marks,
                        area.columns, MLX_INK_DIM, text);
    }
    if (area.columns >= 12)
        mlx_canvas_text(scene->canvas, area.row, area.column + area.columns - 3, 3, MLX_INK_DIM,
                        "now");
}

/*  How many values a column of dots stands for, so that DOTS hold the chosen window. */
static size_t values_each(const mlx_scene_t *scene, int dots)
{
    int window = mlx_top_look_number(&scene->top->choice.look, MLX_LOOK_WINDOW);
    return window > dots ? (size_t)((window + dots - 1) / dots) : 1;
}

/*  VALUE as the heading of FIGURE's plot has it: a speed without its unit, which the title is. */
static char *heading_text(const mlx_scene_t *scene, const mlx_figure_t *figure, double value)
{
    if (is_speed(figure))
        return mlx_format("%.1f", value);
    return mlx_scene_figure(scene, value, unit_of(figure));
}

/*  "GPU 67% max 98% avg 43%" at COLUMN; returns the column behind it. */
static int draw_heading(const mlx_scene_t *scene, const mlx_figure_t *figure, size_t values,
                        int row, int column, int end)
{
    const mlx_series_t *series = series_of(scene, figure);
    double newest = mlx_series_at(series, 0), most = mlx_series_max(series, values);
    MLX_CLEANUP(mlx_free_p) char *max = heading_text(scene, figure, most);
    MLX_CLEANUP(mlx_free_p)
    char *mean = heading_text(scene, figure, mlx_series_mean(series, values));
    mlx_canvas_t *canvas = scene->canvas;
    int x = mlx_canvas_text(canvas, row, column, end - column,
                            scene->framed ? MLX_INK_LABEL : MLX_INK_DIM, figure->plot);
    mlx_canvas_put(canvas, row, x, L' ', MLX_INK_NORMAL);
    if (!isnan(newest)) {
        MLX_CLEANUP(mlx_free_p) char *text = heading_text(scene, figure, newest);
        mlx_ink_t ink =
            is_by_load(figure) ? mlx_canvas_load(newest / figure->plot_top) : MLX_INK_TITLE;
        x = mlx_canvas_text(canvas, row, x + 1, end - x - 1, ink, text);
        mlx_canvas_put(canvas, row, x, L' ', MLX_INK_NORMAL);
    }
    MLX_CLEANUP(mlx_free_p) char *both = mlx_format("max %s avg %s", max, mean);
    if (isnan(most) || x + 2 + (int)mlx_term_width(both) > end)
        return x;
    x = mlx_canvas_text(canvas, row, x + 1, end - x - 1, MLX_INK_DIM, both);
    mlx_canvas_put(canvas, row, x, L' ', MLX_INK_NORMAL);
    return x;
}

static void draw_plot(const mlx_scene_t *scene, const mlx_figure_t *figure, mlx_area_t area)
{
    const mlx_series_t *series = series_of(scene, figure);
    mlx_area_t inner = mlx_scene_box(scene, area, "");
    bool labelled = inner.columns >= LABELS_FROM && inner.rows >= 3;
    int gutter = labelled ? LABEL_WIDTH + 1 : 0;
    mlx_area_t curve = {inner.row, inner.column + gutter, inner.rows, inner.columns - gutter};
    if (!scene->framed)
        mlx_area_cut(&curve, 1);
    int dots = mlx_plot_dots(scene->canvas, curve.columns);
    size_t each = values_each(scene, dots > 0 ? dots : 1), values = each * (size_t)(dots + 1);
    int column = scene->framed ? area.column + 3 : area.column;
    int end = area.column + area.columns - (scene->framed ? 3 : 0);
    int x = draw_heading(scene, figure, values, area.row, column, end);
    int64_t span = (int64_t)each * dots;
    span = span < MLX_TOP_HISTORY ? span : MLX_TOP_HISTORY;
    if (curve.rows > PLOT_ROWS_MIN) { /* the last row for the time */
        mlx_area_t axis = {curve.row + curve.rows - 1, curve.column, 1, curve.columns};
        draw_times(scene, axis, span);
        curve.rows--;
    } else {
        MLX_CLEANUP(mlx_free_p) char *text = ago_text(span);
        if (x + 2 + (int)strlen(text) < end)
            mlx_canvas_text(scene->canvas, area.row, end - (int)strlen(text), 8, MLX_INK_DIM, text);
    }
    double max = mlx_series_max(series, values);
    double top = figure->plot_top > 0 ? figure->plot_top : rounded_up(isnan(max) ? 1 : max);
    if (labelled)
        draw_scale(scene, (mlx_area_t){curve.row, inner.column, curve.rows, LABEL_WIDTH}, top,
                   unit_of(figure));
    mlx_plot(scene->canvas, curve, series,
             &(mlx_curve_t){
                 .high = top, .each = each, .by_load = is_by_load(figure), .ink = MLX_INK_PLOT});
}

static const char *why_absent(const mlx_scene_t *scene, const mlx_figure_t *figure)
{
    if (is_speed(figure) && !scene->lost)
        return scene->now.runtimes_up ? "no request was seen" : "no model server";
    return figure->why ? figure->why : "no value yet";
}

/*  "GPU, power n/a (why)": what is absent for one reason together. */
static void draw_absent(const mlx_scene_t *scene, const mlx_figure_t *const *absent, int count,
                        mlx_area_t area)
{
    const char *why[MLX_FIGURES_MAX];
    int reasons = 0, x = area.column, end = area.column + area.columns;
    for (int i = 0; i < count; i++) {
        why[i] = why_absent(scene, absent[i]);
        bool told = false;
        for (int k = 0; k < i; k++)
            told |= strcmp(why[k], why[i]) == 0;
        reasons += !told;
    }
    for (int i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t names = {0};
        bool told = false;
        for (int k = 0; k < count; k++) {
            bool same = strcmp(why[k], why[i]) == 0;
            told |= same && k < i;
            if (same)
                mlx_buf_printf(&names, "%s%s", names.len ? ", " : "", absent[k]->plot);
        }
        if (told)
            continue;
        int share = (end - x) / reasons-- - 2; /* the reasons share the line */
        x = 2 + mlx_canvas_printf(scene->canvas, area.row, x, share, MLX_INK_DIM, "%s n/a (%s)",
                                  mlx_buf_str(&names), why[i]);
    }
}

unsigned mlx_scene_bit(const mlx_scene_t *scene, const char *id)
{
    for (size_t i = 0; i < scene->figures_count; i++)
        if (strcmp(scene->figures[i].id, id) == 0)
            return 1u << i;
    return 0;
}

/*  Those of the figures WANTED whose plots have something to show into PRESENT, the others into
 *  ABSENT. */
static int sort_out(const mlx_scene_t *scene, unsigned wanted, const mlx_figure_t **present,
                    const mlx_figure_t **absent, int *without)
{
    int count = 0;
    *without = 0;
    for (size_t i = 0; i < scene->figures_count; i++) {
        const mlx_figure_t *figure = &scene->figures[i];
        if (!(wanted & 1u << i) || !figure->plot)
            continue;
        const mlx_series_t *series = series_of(scene, figure);
        if (isnan(mlx_series_max(series, series->count)))
            absent[(*without)++] = figure;
        else
            present[count++] = figure;
    }
    return count;
}

void mlx_scene_plots(const mlx_scene_t *scene, mlx_area_t area, unsigned wanted, int across)
{
    const mlx_figure_t *present[MLX_FIGURES_MAX], *absent[MLX_FIGURES_MAX];
    int without, count = sort_out(scene, wanted, present, absent, &without);
    int least = PLOT_ROWS_MIN + (scene->framed ? 3 : 1);
    if (without && area.rows > 0) {
        area.rows--;
        draw_absent(scene, absent, without,
                    (mlx_area_t){area.row + area.rows, area.column, 1, area.columns});
    }
    bool speed = count > 0 && is_speed(present[0]);
    int first = speed ? 1 : 0, bands = area.rows / least;
    int most = first + (count - first + across - 1) / across;
    bands = bands < most ? bands : most;
    for (int band = 0, done = 0; band < bands && done < count; band++) {
        mlx_area_t row = mlx_area_cut(&area, area.rows / (bands - band));
        int here = band == 0 && speed ? 1 : across;
        here = here < count - done ? here : count - done;
        int gap = scene->framed ? 0 : 1;
        for (int i = 0; i < here; i++) {
            int left = (row.columns + gap) * i / here, right = (row.columns + gap) * (i + 1) / here;
            draw_plot(scene, present[done++],
                      (mlx_area_t){row.row, row.column + left, row.rows, right - left - gap});
        }
    }
}
