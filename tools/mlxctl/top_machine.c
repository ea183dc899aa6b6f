/*  What `mlxctl top` shows of the machine itself: bars, cores, figures, details. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/view/details.h"
#include "common/view/figures.h"
#include "top_scene.h"

enum {
    GAUGES = 4,
    GAUGE_WIDTH = 12, /* of a bar where two stand side by side */
    PAIRS_FROM = 74,  /* columns from which they do */
    TEXT_WIDTH = 20,  /* "999.9 GB / 999.9 GB" */
    CORE_WIDTH = 18,  /* "P12 [bar] 100%" and a gap */
    CORE_ROWS = 8,    /* of bars, before each core is a character */
    CORES_MAX = 1024,
    NAME_WIDTH = 13,
};

typedef struct {
    const char *label;
    double share;
    char *text;        /* NULL: not available */
    const char *topic; /* whose "missing" says why */
    const char *field;
} gauge_t;

static char *share_text(double share)
{
    return isnan(share) ? NULL : mlx_format_unit(share, MLX_UNIT_RATIO);
}

static char *memory_text(double used, double total)
{
    if (isnan(used) || isnan(total))
        return NULL;
    MLX_CLEANUP(mlx_free_p) char *a = mlx_format_unit(used, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *b = mlx_format_unit(total, MLX_UNIT_BYTES);
    return mlx_format("%s / %s", a, b);
}

static char *absent_text(const mlx_scene_t *scene, const gauge_t *gauge)
{
    const mlx_value_t *d = mlx_overview_get(scene->overview, gauge->topic, scene->now_us, NULL);
    const char *why = scene->lost ? "no data" : mlx_figure_why(d, gauge->field);
    return why ? mlx_format("n/a (%s)", why) : mlx_strdup("n/a");
}

static void draw_gauge(const mlx_scene_t *scene, mlx_area_t area, int bar, const gauge_t *gauge)
{
    mlx_canvas_t *canvas = scene->canvas;
    int end = area.column + area.columns, x = area.column;
    bool late = scene->now.sensors_late;
    x = mlx_canvas_text(canvas, area.row, x, 4, MLX_INK_DIM, gauge->label);
    x = area.column + 5;
    MLX_CLEANUP(mlx_free_p) char *why = gauge->text ? NULL : absent_text(scene, gauge);
    if (!gauge->text) {
        mlx_canvas_text(canvas, area.row, x, end - x, MLX_INK_DIM, why);
        return;
    }
    mlx_canvas_put(canvas, area.row, x++, L'[', MLX_INK_DIM);
    mlx_canvas_meter(canvas, area.row, x, bar, gauge->share, late);
    x += bar;
    mlx_canvas_put(canvas, area.row, x++, L']', MLX_INK_DIM);
    mlx_canvas_text(canvas, area.row, x + 1, end - x - 1, late ? MLX_INK_DIM : MLX_INK_NORMAL,
                    gauge->text);
}

/*  Two by two; one beneath the other where the area is narrow or tall. Returns the rows used. */
static int draw_gauges(const mlx_scene_t *scene, mlx_area_t area)
{
    const mlx_headline_t *now = &scene->now;
    gauge_t gauges[GAUGES] = {
        {"CPU", now->cpu_utilization, share_text(now->cpu_utilization), "sensor.cpu",
         "utilization"},
        {"MEM", now->memory_used / now->memory_total,
         memory_text(now->memory_used, now->memory_total), "sensor.memory", "used"},
        {"GPU", now->gpu_utilization, share_text(now->gpu_utilization), "sensor.gpu.0",
         "utilization"},
        {"VRAM", now->gpu_memory_used / now->gpu_memory_total,
         memory_text(now->gpu_memory_used, now->gpu_memory_total), "sensor.gpu.0", "memory_used"},
    };
    bool pairs = area.columns >= PAIRS_FROM;
    int half = (area.columns + 1) / 2, bar = area.columns - TEXT_WIDTH - 8;
    bar = pairs || !scene->framed || bar < GAUGE_WIDTH ? GAUGE_WIDTH : bar;
    if (pairs && scene->framed)
        bar = half - TEXT_WIDTH - 10;
    for (int i = 0; i < GAUGES; i++) {
        int down = pairs ? i / 2 : i;
        if (down < area.rows)
            draw_gauge(scene,
                       (mlx_area_t){area.row + down, area.column + (pairs && i % 2 ? half : 0), 1,
                                    pairs ? half - 1 : area.columns},
                       bar, &gauges[i]);
        free(gauges[i].text);
    }
    return pairs ? GAUGES / 2 : GAUGES;
}

/*  The figures that have no plot, in one line. Returns the rows used. */
static int draw_others(const mlx_scene_t *scene, mlx_area_t area)
{
    mlx_figure_t list[MLX_FIGURES_MAX];
    size_t count = mlx_figures(scene->overview, scene->now_us, list);
    int x = area.column, end = area.column + area.columns;
    for (size_t i = 0; i < count; i++) {
        if (list[i].plotted || isnan(list[i].value))
            continue;
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_scene_figure(scene, list[i].value, list[i].unit);
        int width = (int)(strlen(list[i].name) + 1 + mlx_term_width(text));
        if (x + width > end)
            break;
        x = mlx_canvas_text(scene->canvas, area.row, x, end - x, MLX_INK_DIM, list[i].name) + 1;
        x = mlx_canvas_text(scene->canvas, area.row, x, end - x,
                            list[i].late ? MLX_INK_DIM : MLX_INK_NORMAL, text) +
            3;
    }
    return x > area.column;
}

/* ---- cores ---- */

static const mlx_value_t *cores_of(const mlx_scene_t *scene)
{
    const mlx_value_t *cpu = mlx_overview_get(scene->overview, "sensor.cpu", scene->now_us, NULL);
    return mlx_value_get(cpu, "core");
}

static double use_of(const mlx_value_t *core)
{
    double use = NAN;
    mlx_value_real(core, "utilization", &use);
    return use;
}

/*  Each core a character, as many as fit. Returns the rows used. */
static int draw_core_line(const mlx_scene_t *scene, mlx_area_t area)
{
    static const wchar_t heights[] = L"\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588";
    const mlx_value_t *cores = cores_of(scene);
    int count = (int)mlx_value_size(cores), x = area.column + 5;
    if (count < 2 || area.rows < 1)
        return 0;
    mlx_canvas_text(scene->canvas, area.row, area.column, 5, MLX_INK_DIM, "CORE");
    mlx_canvas_put(scene->canvas, area.row, x++, L'[', MLX_INK_DIM);
    const char *cluster = NULL;
    for (int i = 0; i < count && x < area.column + area.columns - 2; i++) {
        const mlx_value_t *core = mlx_value_at(cores, (size_t)i);
        const char *name = mlx_value_str(core, "cluster");
        if (cluster && name && strcmp(cluster, name) != 0)
            x++; /* a gap between the kinds of cores */
        cluster = name;
        double use = fmin(fmax(use_of(core), 0), 1);
        wchar_t ch = isnan(use_of(core))   ? L'?'
                     : scene->canvas->utf8 ? heights[(int)lround(use * 7)]
                                           : (wchar_t)(L'0' + (int)(use * 9.99));
        mlx_canvas_put(scene->canvas, area.row, x++, ch,
                       scene->now.sensors_late ? MLX_INK_DIM : mlx_canvas_load(use));
    }
    mlx_canvas_put(scene->canvas, area.row, x, L']', MLX_INK_DIM);
    return 1;
}

int mlx_scene_cores(const mlx_scene_t *scene, mlx_area_t area)
{
    const mlx_value_t *cores = cores_of(scene);
    int count = (int)mlx_value_size(cores), across = area.columns / CORE_WIDTH;
    if (count < 1 || across < 1)
        return 0;
    int rows = (count + across - 1) / across;
    if (rows > area.rows) /* they do not fit as bars */
        return draw_core_line(scene, area);
    across = (count + rows - 1) / rows;
    int width = area.columns / across;
    for (int i = 0; i < count && i < CORES_MAX; i++) {
        const mlx_value_t *core = mlx_value_at(cores, (size_t)i);
        const char *cluster = mlx_value_str(core, "cluster");
        int64_t id = i;
        mlx_value_int(core, "id", &id);
        int row = area.row + i % rows, x = area.column + i / rows * width;
        mlx_canvas_printf(scene->canvas, row, x, 5, MLX_INK_DIM, "%.1s%lld", cluster ? cluster : "",
                          (long long)id);
        mlx_canvas_meter(scene->canvas, row, x + 5, width - 12, use_of(core),
                         scene->now.sensors_late);
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(use_of(core), MLX_UNIT_RATIO);
        mlx_canvas_printf(scene->canvas, row, x + width - 6, 4, MLX_INK_NORMAL, "%4s", text);
    }
    return rows;
}

int mlx_scene_machine_rows(const mlx_scene_t *scene, int columns)
{
    mlx_figure_t list[MLX_FIGURES_MAX];
    size_t count = mlx_figures(scene->overview, scene->now_us, list);
    int rows = columns >= PAIRS_FROM ? GAUGES / 2 : GAUGES, others = 0;
    for (size_t i = 0; i < count; i++)
        others |= !list[i].plotted && !isnan(list[i].value);
    int cores = (int)mlx_value_size(cores_of(scene)), across = columns / CORE_WIDTH;
    int bars = across > 0 ? (cores + across - 1) / across : 0;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *details = mlx_details(scene->overview, scene->now_us);
    int lines = (int)mlx_value_size(details);
    return rows + others + (bars > CORE_ROWS ? 1 : bars) + (lines ? lines + 1 : 0);
}

int mlx_scene_machine(const mlx_scene_t *scene, mlx_area_t area)
{
    int first = area.row, last = area.row + area.rows;
    mlx_area_t left = area;
    mlx_area_cut(&left, draw_gauges(scene, left));
    if (left.rows > 0)
        mlx_area_cut(&left, draw_others(scene, left));
    int spare = scene->framed ? CORE_ROWS : 1;
    left.rows = left.rows < spare ? left.rows : spare;
    if (left.rows > 0)
        mlx_area_cut(&left,
                     scene->framed ? mlx_scene_cores(scene, left) : draw_core_line(scene, left));
    return (left.row < last ? left.row : last) - first;
}

int mlx_scene_details(const mlx_scene_t *scene, mlx_area_t area)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *list = mlx_details(scene->overview, scene->now_us);
    int row = area.row, last = area.row + area.rows;
    if (mlx_value_size(list) == 0 && row < last)
        mlx_canvas_text(scene->canvas, row++, area.column, area.columns, MLX_INK_DIM,
                        "no more is known of this machine: mlxctl watch sensor. says why");
    for (size_t i = 0; i < mlx_value_size(list) && row < last; i++, row++) {
        const mlx_value_t *item = mlx_value_at(list, i);
        mlx_canvas_text(scene->canvas, row, area.column, NAME_WIDTH, MLX_INK_DIM,
                        mlx_value_str(item, "name"));
        mlx_canvas_text(scene->canvas, row, area.column + NAME_WIDTH, area.columns - NAME_WIDTH,
                        MLX_INK_NORMAL, mlx_value_str(item, "text"));
    }
    return row - area.row;
}
