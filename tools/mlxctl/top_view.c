#include "top_scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"

enum {
    PLOTS_LEAST = 9,  /* rows that plots keep on a small screen */
    NARROW = 60,      /* columns below which the headline has the first row for itself */
    FRAMED_ROWS = 30, /* rows and columns from which boxes have frames */
    FRAMED_COLUMNS = 90,
    WIDE = 150,     /* columns from which models and requests stand side by side */
    TABLE_ROWS = 8, /* rows that a table takes at most of the overview */
    PROCESS_ROWS = 6,
    PLOT_ROWS = 6, /* that a plot with its frame takes at least */
};

mlx_top_t *mlx_top_new(void)
{
    mlx_top_t *self = mlx_alloc(1, sizeof *self);
    self->choice.look = (mlx_top_look_t)MLX_TOP_LOOK;
    self->models_row = -1;
    return self;
}

void mlx_top_destroy(mlx_top_t **self)
{
    for (size_t i = 0; *self && i < (*self)->series_count; i++)
        mlx_series_clear(&(*self)->series[i]);
    for (size_t i = 0; *self && i < MLX_TOP_ENDED; i++)
        mlx_value_destroy(&(*self)->ended[i]);
    mlx_free_p(self);
}

mlx_top_choice_t *mlx_top_choice(mlx_top_t *self)
{
    return &self->choice;
}

/*  What is plotted of figure ID. */
static mlx_series_t *series_of(mlx_top_t *self, const char *id)
{
    size_t at = 0;
    while (at < self->series_count && strcmp(self->ids[at], id) != 0)
        at++;
    if (at == self->series_count) {
        self->ids[self->series_count++] = id;
        mlx_series_init(&self->series[at], MLX_TOP_HISTORY);
    }
    return &self->series[at];
}

void mlx_top_tick(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us)
{
    mlx_figure_t list[MLX_FIGURES_MAX];
    size_t count = mlx_figures(overview, now_us, list);
    /* What is not heard is a gap, not a level line. */
    for (size_t i = 0; i < count; i++)
        if (list[i].plot)
            mlx_series_add(series_of(self, list[i].id),
                           list[i].late ? NAN : mlx_figure_share(&list[i]));
}

void mlx_top_history(mlx_top_t *self, const char *figure, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mlx_series_add(series_of(self, figure), values[i]);
}

void mlx_top_ended(mlx_top_t *self, const mlx_value_t *d)
{
    mlx_value_t **place = &self->ended[self->ended_count++ % MLX_TOP_ENDED];
    mlx_value_destroy(place);
    *place = mlx_value_copy(d);
}

/*  What the list holds now, and which of it is selected: COUNT where none is. */
static size_t selected_of(const mlx_top_t *self, const mlx_top_model_t *models, size_t count)
{
    size_t at = 0;
    while (at < count && strcmp(models[at].name, self->choice.selected) != 0)
        at++;
    return at;
}

static size_t list_models(const mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us,
                          mlx_top_model_t *models)
{
    return mlx_top_models(overview, now_us, self->choice.filter,
                          (mlx_top_sort_t)self->choice.look.sort, self->choice.available, models);
}

bool mlx_top_selected(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us,
                      mlx_top_model_t *out)
{
    mlx_top_model_t models[MLX_TOP_ROWS_MAX];
    size_t count = list_models(self, overview, now_us, models);
    size_t at = selected_of(self, models, count);
    if (at == count)
        return false;
    *out = models[at];
    return true;
}

void mlx_top_move(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us, int by)
{
    mlx_top_model_t models[MLX_TOP_ROWS_MAX];
    int count = (int)list_models(self, overview, now_us, models);
    int at = (int)selected_of(self, models, (size_t)count);
    if (!count)
        return;
    at = at == count ? (by > 0 ? 0 : count - 1) : at + by;
    at = at < 0 ? 0 : at >= count ? count - 1 : at;
    snprintf(self->choice.selected, sizeof self->choice.selected, "%s", models[at].name);
}

int mlx_top_hit(mlx_top_t *self, int row, int column)
{
    for (size_t i = 0; i < self->hits_count; i++)
        if (self->hits[i].row == row && column >= self->hits[i].column &&
            column < self->hits[i].end)
            return self->hits[i].key;
    if (self->models_row < 0 || row < self->models_row ||
        (size_t)(row - self->models_row) >= self->models_shown)
        return 0;
    memcpy(self->choice.selected, self->listed[row - self->models_row],
           sizeof self->choice.selected);
    return -1;
}

char *mlx_scene_figure(const mlx_scene_t *scene, double value, mlx_unit_t unit)
{
    if (unit != MLX_UNIT_CELSIUS || !scene->top->choice.look.fahrenheit || !isfinite(value))
        return mlx_format_unit(value, unit);
    return mlx_format("%.0f\u00b0F", value * 1.8 + 32);
}

mlx_area_t mlx_scene_box(const mlx_scene_t *scene, mlx_area_t area, const char *title)
{
    return scene->framed ? mlx_canvas_box(scene->canvas, area, title) : area;
}

mlx_area_t mlx_scene_rows(const mlx_scene_t *scene, int row, int rows)
{
    int margin = scene->framed ? 0 : 1;
    return (mlx_area_t){row, margin, rows, scene->canvas->columns - 2 * margin};
}

mlx_area_t mlx_area_cut(mlx_area_t *area, int rows)
{
    mlx_area_t cut = *area;
    cut.rows = rows < area->rows ? rows : area->rows;
    area->row += cut.rows;
    area->rows -= cut.rows;
    return cut;
}

/*  "2 models \u00b7 192.0 tok/s", or the speed and the model. UNKNOWN: nothing is
 *  heard that could tell. Returns the column behind it. */
static int draw_headline(const mlx_headline_t *now, bool unknown, int width, mlx_canvas_t *canvas)
{
    MLX_CLEANUP(mlx_free_p) char *rate = NULL;
    mlx_ink_t ink = now->runtimes_late ? MLX_INK_DIM : MLX_INK_TITLE;
    if (!isnan(now->tokens_per_second))
        rate = mlx_format_unit(now->tokens_per_second, MLX_UNIT_TOKENS_PER_SECOND);
    MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words_of(now->prompt, NULL);
    const char *text = rate        ? rate
                       : prompt    ? prompt
                       : now->busy ? "working"
                       : unknown   ? "no data"
                                   : "idle";
    if (now->models_busy > 1)
        return mlx_canvas_printf(canvas, 0, 1, width, ink, "%zu models %s %s", now->models_busy,
                                 canvas->utf8 ? "\u00b7" : "-", text);
    int x = mlx_canvas_text(canvas, 0, 1, width, ink, text) + 2;
    int left = width - x < 40 ? width - x : 40;
    return mlx_canvas_text(canvas, 0, x, left, now->runtimes_late ? MLX_INK_DIM : MLX_INK_NORMAL,
                           now->model ? now->model
                           : unknown  ? ""
                                      : "no model loaded");
}

static void draw_title(const mlx_overview_t *overview, const mlx_headline_t *now, bool lost,
                       int64_t now_us, mlx_canvas_t *canvas)
{
    const char *host = mlx_overview_host(overview);
    char clock[32] = "";
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(clock, sizeof clock, "%H:%M:%S", &local);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_term_clean(host ? host : "", 24);
    const char *hosts[2];
    bool fleet = mlx_overview_hosts(overview, hosts, MLX_COUNT(hosts)) > 1;
    MLX_CLEANUP(mlx_free_p)
    char *right = mlx_format("%s%s %s", name, fleet ? " (h: next machine)" : "", clock);
    int at = canvas->columns - (int)mlx_term_width(right) - 1;
    bool small = canvas->columns < NARROW;
    int x =
        draw_headline(now, lost && !now->model, small ? canvas->columns - 2 : at - 2, canvas) + 1;
    if (small)
        return;
    mlx_canvas_text(canvas, 0, at, canvas->columns, MLX_INK_DIM, right);
    if (now->runtimes_late)
        mlx_canvas_text(canvas, 0, x, at - 1 - x, MLX_INK_WARN, "(not live)");
    else if (now->busy && now->source)
        mlx_canvas_printf(canvas, 0, x, at - 1 - x, MLX_INK_DIM, "(%s)", now->source);
    else if (!now->busy && !isnan(now->last_tokens_per_second))
        mlx_canvas_printf(canvas, 0, x, at - 1 - x, MLX_INK_DIM, "(last %.1f tok/s)",
                          now->last_tokens_per_second);
}

/*  Silence and what else is wrong, in words, at most ROWS lines. Returns the lines used. */
static int draw_warnings(const mlx_overview_t *overview, int64_t now_us, int row, int rows,
                         mlx_canvas_t *canvas)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_overview_warnings(overview, now_us);
    mlx_connection_t link = mlx_overview_connection(overview, now_us);
    int count = (int)mlx_value_size(list), used = 0;
    if (link.state == MLX_LINK_LOST && used < rows)
        mlx_canvas_printf(canvas, row + used++, 1, canvas->columns - 2, MLX_INK_BAD, "! %s",
                          link.text);
    for (int i = 0; i < count && used < rows; i++) {
        const char *text = mlx_value_str(mlx_value_at(list, (size_t)i), "text");
        bool alert = strcmp(mlx_value_str(mlx_value_at(list, (size_t)i), "kind"), "alert") == 0;
        MLX_CLEANUP(mlx_free_p) char *more = NULL;
        if (used == rows - 1 && i + 1 < count)
            more = mlx_format(" (and %d more)", count - i - 1);
        int room = canvas->columns - 2 - (more ? (int)strlen(more) : 0);
        int x = mlx_canvas_printf(canvas, row + used, 1, room, alert ? MLX_INK_BAD : MLX_INK_WARN,
                                  "! %s", text);
        if (more)
            mlx_canvas_text(canvas, row + used, x, canvas->columns - x, MLX_INK_DIM, more);
        used++;
    }
    return used;
}

/* ---- layouts ---- */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/*  A table of COUNT rows with its head, its frame, and one row for "none". */
static int table_rows(const mlx_scene_t *scene, size_t count, int most)
{
    int rows = count < 1 ? 1 : count > (size_t)most ? most : (int)count;
    return rows + 1 + (scene->framed ? 2 : 0);
}

/*  On a small screen: bars, models with their requests, plots; what comes first keeps its room. */
static void small_overview(const mlx_scene_t *scene, mlx_area_t area)
{
    if (area.rows >= 4)
        mlx_area_cut(&area, mlx_scene_machine(scene, area));
    mlx_area_cut(&area, 1);
    if (area.rows >= 3) {
        int rows = area.rows - PLOTS_LEAST;
        mlx_area_t models = area;
        models.rows = rows > 3 ? rows : area.rows;
        mlx_area_cut(&area, mlx_scene_models(scene, models, true) + 1);
    }
    mlx_scene_plots(scene, area, MLX_TOP_ALL, 2);
}

/*  The machine as it is, who uses its GPUs, and what there is room for of its plots. Returns those
 *  plots. */
static unsigned left_column(const mlx_scene_t *scene, mlx_area_t area)
{
    const unsigned hardware = mlx_scene_bit(scene, "cpu") | mlx_scene_bit(scene, "temperature");
    size_t processes = mlx_scene_processes_count(scene);
    int list = processes ? table_rows(scene, processes, PROCESS_ROWS) : 0;
    int machine = mlx_scene_machine_rows(scene, area.columns - 4) + 2;
    bool plots = area.rows - list - machine >= PLOT_ROWS;
    if (!plots && area.rows - list < machine)
        list = 0;
    mlx_area_t box = mlx_area_cut(&area, plots ? machine : area.rows - list);
    mlx_area_t inner = mlx_scene_box(scene, box, "machine");
    mlx_area_cut(&inner, mlx_scene_machine(scene, inner));
    mlx_area_cut(&inner, 1);
    mlx_scene_details(scene, inner);
    if (list)
        mlx_scene_processes(scene, mlx_area_cut(&area, list));
    if (plots)
        mlx_scene_plots(scene, area, hardware, 1);
    return plots ? hardware : 0;
}

/*  Machine and processes at the left of the plots, beneath them models and requests. */
static void large_overview(const mlx_scene_t *scene, mlx_area_t area)
{
    bool wide = area.columns >= WIDE;
    int models = table_rows(scene, mlx_scene_models_count(scene), TABLE_ROWS);
    int requests = table_rows(scene, mlx_scene_requests_count(scene), TABLE_ROWS);
    int below = wide ? (models > requests ? models : requests) : models + requests;
    int most = area.rows - 16;
    below = smaller(below, most > 6 ? most : 6);
    mlx_area_t upper = mlx_area_cut(&area, area.rows - below);
    mlx_area_t left = upper, right = upper;
    left.columns = upper.columns * (wide ? 36 : 42) / 100;
    right.column += left.columns;
    right.columns -= left.columns;
    mlx_scene_plots(scene, right, MLX_TOP_ALL & ~left_column(scene, left), wide ? 2 : 1);
    mlx_area_t table = area;
    if (wide) {
        table.columns = area.columns / 2;
        area.column += table.columns;
        area.columns -= table.columns;
    } else {
        table = mlx_area_cut(&area, smaller(models, area.rows));
    }
    mlx_scene_models(scene, table, area.rows < 4);
    if (area.rows >= 4)
        mlx_scene_requests(scene, area);
}

static void draw_overview(const mlx_scene_t *scene, mlx_area_t area)
{
    if (scene->framed)
        large_overview(scene, area);
    else
        small_overview(scene, area);
}

static void draw_plots(const mlx_scene_t *scene, mlx_area_t area)
{
    mlx_scene_plots(scene, area, MLX_TOP_ALL, area.columns >= NARROW ? 2 : 1);
}

static void draw_models(const mlx_scene_t *scene, mlx_area_t area)
{
    int models = table_rows(scene, mlx_scene_models_count(scene), area.rows);
    models = smaller(models, area.rows - smaller(area.rows / 2, 12));
    mlx_scene_models(scene, mlx_area_cut(&area, models), false);
    mlx_area_cut(&area, scene->framed ? 0 : 1);
    if (area.rows >= 3)
        mlx_scene_requests(scene, area);
}

static void draw_machine(const mlx_scene_t *scene, mlx_area_t area)
{
    const unsigned hardware = MLX_TOP_ALL & ~mlx_scene_bit(scene, "speed");
    mlx_area_t plots = area;
    if (scene->framed) {
        area.columns /= 2;
        plots.column += area.columns;
        plots.columns -= area.columns;
        mlx_scene_plots(scene, plots, hardware & ~left_column(scene, area), 1);
        return;
    }
    size_t processes = mlx_scene_processes_count(scene);
    int list = processes ? table_rows(scene, processes, PROCESS_ROWS) : 0;
    mlx_area_cut(&area, mlx_scene_machine(scene, area));
    mlx_area_t cores = {area.row, area.column, area.rows / 2, area.columns};
    mlx_area_cut(&area, mlx_scene_cores(scene, cores));
    mlx_area_cut(&area, 1);
    mlx_area_cut(&area, mlx_scene_details(scene, area));
    mlx_area_cut(&area, 1);
    if (list && list <= area.rows)
        mlx_scene_processes(scene, mlx_area_cut(&area, list));
    mlx_area_cut(&area, 1);
    mlx_scene_plots(scene, area, hardware, 2);
}

static void (*const layouts[MLX_TOP_LAYOUTS])(const mlx_scene_t *, mlx_area_t) = {
    [MLX_TOP_OVERVIEW] = draw_overview,
    [MLX_TOP_PLOTS] = draw_plots,
    [MLX_TOP_MODELS] = draw_models,
    [MLX_TOP_MACHINE] = draw_machine,
};

/* ---- the bottom line ---- */

static const struct {
    const char *text;
    int key;
} hints[] = {{"q quit", 'q'},   {"? help", '?'},       {"b benchmark", 'b'}, {"l layout", 'l'},
             {"t theme", 't'},  {"a all models", 'a'}, {"/ filter", '/'},    {"s sort", 's'},
             {"w window", 'w'}, {"c units", 'c'},      {"p pause", 'p'}};

/*  As many keys as there is room for; returns the column behind them. */
static int draw_hints(mlx_top_t *self, int row, int end, size_t most, mlx_canvas_t *canvas)
{
    int x = 1;
    self->hits_count = 0;
    for (size_t i = 0; i < MLX_COUNT(hints) && i < most && i < MLX_TOP_HITS; i++) {
        int width = (int)strlen(hints[i].text);
        if (i > 1 && x + width > end)
            break;
        self->hits[self->hits_count++] = (mlx_hit_t){row, x, x + width, hints[i].key};
        x = mlx_canvas_text(canvas, row, x, canvas->columns, MLX_INK_BAR, hints[i].text) + 2;
    }
    return x - 2;
}

static void draw_footer(mlx_top_t *self, const mlx_headline_t *now, const char *note,
                        mlx_canvas_t *canvas)
{
    int row = canvas->rows - 1;
    MLX_CLEANUP(mlx_free_p)
    char *services =
        mlx_format("services %zu/%zu up", now->services_up, now->services_up + now->services_down);
    int end = canvas->columns - (int)strlen(services) - 1;
    mlx_canvas_fill(canvas, row, 0, MLX_INK_BAR);
    /* What there is to say goes before what can be looked up. */
    int x = draw_hints(self, row, end - 2, note ? 2 : MLX_COUNT(hints), canvas);
    bool room = x + 1 < end && !(note && canvas->columns < NARROW);
    if (note)
        mlx_canvas_printf(canvas, row, x + 2, (room ? end : canvas->columns) - x - 3, MLX_INK_BAR,
                          "%s", note);
    if (room)
        mlx_canvas_text(canvas, row, end, 24, now->services_down ? MLX_INK_BAD : MLX_INK_BAR,
                        services);
}

void mlx_top_draw(mlx_top_t *self, const mlx_overview_t *overview, const char *note, int64_t now_us,
                  mlx_canvas_t *canvas)
{
    mlx_scene_t scene = {.top = self,
                         .overview = overview,
                         .now = mlx_overview_headline(overview, now_us),
                         .now_us = now_us,
                         .canvas = canvas,
                         .framed =
                             canvas->rows >= FRAMED_ROWS && canvas->columns >= FRAMED_COLUMNS};
    mlx_link_t link = mlx_overview_connection(overview, now_us).state;
    int footer = canvas->rows - 1, row = 1;
    scene.lost = link == MLX_LINK_LOST || link == MLX_LINK_NONE;
    self->models_row = -1;
    scene.figures_count = mlx_figures(overview, now_us, scene.figures);
    for (size_t i = 0; i < scene.figures_count && scene.lost; i++)
        scene.figures[i].why = "no data";
    draw_title(overview, &scene.now, scene.lost, now_us, canvas);
    row += draw_warnings(overview, now_us, row, canvas->rows >= 12 ? 3 : 1, canvas);
    if (row < footer)
        layouts[self->choice.look.layout](&scene, mlx_scene_rows(&scene, row, footer - row));
    draw_footer(self, &scene.now, note, canvas);
}
