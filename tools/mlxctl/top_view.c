#include "top_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/view/details.h"
#include "common/view/figures.h"
#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"

enum {
    PLOT_ROWS_MIN = 2,
    GAUGE_WIDTH = 12,
    NARROW = 60 /* columns below which the headline has the first row for itself */
};

struct mlx_top {
    mlx_series_t series[MLX_FIGURES_MAX];
    const char *ids[MLX_FIGURES_MAX]; /* of the figures that they are of */
    size_t count;
    bool details;
};

mlx_top_t *mlx_top_new(void)
{
    mlx_top_t *self = mlx_alloc(1, sizeof *self);
    return self;
}

void mlx_top_destroy(mlx_top_t **self)
{
    for (size_t i = 0; *self && i < (*self)->count; i++)
        mlx_series_clear(&(*self)->series[i]);
    mlx_free_p(self);
}

void mlx_top_toggle_details(mlx_top_t *self)
{
    self->details = !self->details;
}

/*  What is plotted of figure ID. */
static mlx_series_t *series_of(mlx_top_t *self, const char *id)
{
    size_t at = 0;
    while (at < self->count && strcmp(self->ids[at], id) != 0)
        at++;
    if (at == self->count) {
        self->ids[self->count++] = id;
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

static mlx_ink_t ink_of_share(double share)
{
    return share >= 0.9 ? MLX_INK_BAD : share >= 0.75 ? MLX_INK_WARN : MLX_INK_GOOD;
}

/*  "2 models \u00b7 192.0 tok/s", or the speed and the model. Returns the column behind it. */
static int draw_headline(const mlx_headline_t *now, const mlx_figure_t *speed, int width,
                         mlx_canvas_t *canvas)
{
    mlx_ink_t ink = now->runtimes_late ? MLX_INK_DIM : MLX_INK_TITLE;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_figure_text(speed, false);
    if (now->models_busy > 1)
        return mlx_canvas_printf(canvas, 0, 1, width, ink, "%zu models %s %s", now->models_busy,
                                 canvas->utf8 ? "\u00b7" : "-", text);
    int x = mlx_canvas_text(canvas, 0, 1, width, ink, text) + 2;
    int left = width - x < 40 ? width - x : 40;
    return mlx_canvas_text(canvas, 0, x, left, now->runtimes_late ? MLX_INK_DIM : MLX_INK_NORMAL,
                           now->model ? now->model : "no model loaded");
}

static void draw_title(const mlx_overview_t *overview, const mlx_headline_t *now,
                       const mlx_figure_t *speed, int64_t now_us, mlx_canvas_t *canvas)
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
    int x = draw_headline(now, speed, small ? canvas->columns - 2 : at - 2, canvas) + 1;
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

static void draw_gauge(mlx_canvas_t *canvas, int row, int column, int width,
                       const mlx_figure_t *figure)
{
    int end = column + width;
    double share = mlx_figure_share(figure);
    MLX_CLEANUP(mlx_free_p) char *text = isnan(share) ? NULL : mlx_figure_text(figure, false);
    column = mlx_canvas_text(canvas, row, column, 4, MLX_INK_DIM, figure->gauge) + 1;
    mlx_canvas_put(canvas, row, column++, L'[', MLX_INK_DIM);
    share = isnan(share) ? 0 : fmin(fmax(share, 0), 1);
    int filled = (int)lround(share * (double)GAUGE_WIDTH);
    for (int i = 0; i < GAUGE_WIDTH; i++)
        mlx_canvas_put(canvas, row, column++, i < filled ? (canvas->utf8 ? L'\u25a0' : L'|') : L' ',
                       figure->late ? MLX_INK_DIM : ink_of_share(share));
    mlx_canvas_put(canvas, row, column++, L']', MLX_INK_DIM);
    mlx_canvas_text(canvas, row, column + 1, end - column - 1,
                    text && !figure->late ? MLX_INK_NORMAL : MLX_INK_DIM, text ? text : "n/a");
}

/*  Two by two; one beneath the other where the window is narrow. Returns the rows used. */
static int draw_gauges(const mlx_figure_t *list, size_t count, int row, mlx_canvas_t *canvas)
{
    bool pairs = canvas->columns >= 76;
    int width = pairs ? canvas->columns / 2 - 1 : canvas->columns - 2, drawn = 0;
    for (size_t i = 0; i < count; i++) {
        if (!list[i].gauge)
            continue;
        draw_gauge(canvas, row + (pairs ? drawn / 2 : drawn),
                   pairs && drawn % 2 ? canvas->columns / 2 + 1 : 1, width, &list[i]);
        drawn++;
    }
    return pairs ? (drawn + 1) / 2 : drawn;
}

/*  The table of models: what a column takes, and from which width of the window it is there. */
enum {
    COLUMN_RUNTIME,
    COLUMN_SIZE,
    COLUMN_CONTEXT,
    COLUMN_RATE,
    COLUMN_EXPIRES,
    COLUMNS
};

static const struct {
    const char *head;
    int width;
    int from;
} table_columns[COLUMNS] = {
    [COLUMN_RUNTIME] = {"RUNTIME", 16, 70}, [COLUMN_SIZE] = {"    SIZE", 8, 44},
    [COLUMN_CONTEXT] = {"CONTEXT", 7, 60},  [COLUMN_RATE] = {"  TOK/S", 7, 0},
    [COLUMN_EXPIRES] = {"EXPIRES", 7, 52},
};

/*  Where column WHICH begins, or -1: the window is too narrow for it. COLUMNS: the width that is
 *  left for the model's name. */
static int column_at(const mlx_canvas_t *canvas, int which)
{
    int x = canvas->columns - 1, found = -1;
    for (int i = COLUMNS - 1; i >= 0; i--) {
        if (canvas->columns < table_columns[i].from)
            continue;
        x -= table_columns[i].width + 1;
        if (i == which)
            found = x + 1;
    }
    return which == COLUMNS ? x - 1 : found;
}

typedef struct {
    const mlx_overview_t *overview;
    mlx_canvas_t *canvas;
    int row;
    int last; /* first row that may not be used */
    int64_t now_us;
} table_t;

static void put_column(const table_t *table, int which, mlx_ink_t ink, const char *text)
{
    int x = column_at(table->canvas, which), width = table_columns[which].width;
    if (x < 0)
        return;
    if (which == COLUMN_RUNTIME)
        mlx_canvas_text(table->canvas, table->row, x, width, ink, text);
    else
        mlx_canvas_printf(table->canvas, table->row, x, width, ink, "%*s", width, text);
}

static void put_rate(const table_t *table, double rate, mlx_ink_t ink)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%.1f", rate);
    put_column(table, COLUMN_RATE, ink, isnan(rate) ? "working" : text);
}

/*  One line a request, beneath its model, where a model works on several. */
static void draw_requests(table_t *table, const mlx_value_t *activity, const char *name)
{
    const mlx_value_t *running = mlx_value_get(activity, "running");
    for (size_t i = 0; i < mlx_value_size(running) && table->row < table->last; i++) {
        const mlx_value_t *request = mlx_value_at(running, i);
        const char *model = mlx_value_str(request, "model"), *client;
        double rate = NAN, age = 0;
        int64_t tokens = 0;
        if (!model || !name || strcmp(model, name) != 0)
            continue;
        client = mlx_value_str(request, "client");
        mlx_value_real(request, "tokens_per_second", &rate);
        mlx_value_real(request, "age", &age);
        mlx_value_int(request, "tokens", &tokens);
        MLX_CLEANUP(mlx_free_p) char *since = mlx_format_unit(age, MLX_UNIT_SECONDS);
        MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words(request);
        MLX_CLEANUP(mlx_free_p)
        char *made = prompt ? NULL : mlx_format("%lld tokens", (long long)tokens);
        mlx_canvas_printf(table->canvas, table->row, 3, column_at(table->canvas, COLUMNS) - 3,
                          MLX_INK_DIM, "%s: %s, %s", client ? client : "request",
                          prompt ? prompt : made, since);
        put_rate(table, rate, MLX_INK_DIM);
        table->row++;
    }
}

static void draw_figures(const table_t *table, const mlx_value_t *model)
{
    double size;
    int64_t context, expires;
    if (mlx_value_real(model, "size", &size)) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(size, MLX_UNIT_BYTES);
        put_column(table, COLUMN_SIZE, MLX_INK_NORMAL, text);
    }
    if (mlx_value_int(model, "context", &context)) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%lld", (long long)context);
        put_column(table, COLUMN_CONTEXT, MLX_INK_NORMAL, text);
    }
    if (mlx_value_int(model, "expires_at", &expires)) {
        MLX_CLEANUP(mlx_free_p)
        char *left =
            mlx_format_unit(((double)expires - (double)table->now_us) / 1e6, MLX_UNIT_SECONDS);
        put_column(table, COLUMN_EXPIRES, MLX_INK_DIM, expires > table->now_us ? left : "now");
    }
}

/*  Is there more to say of the only request to model NAME than its row says? */
static bool knows_more(const mlx_value_t *activity, const char *name)
{
    const mlx_value_t *running = mlx_value_get(activity, "running");
    for (size_t i = 0; i < mlx_value_size(running); i++) {
        const mlx_value_t *request = mlx_value_at(running, i);
        const char *model = mlx_value_str(request, "model");
        MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words(request);
        if (model && name && strcmp(model, name) == 0 &&
            (prompt || mlx_value_str(request, "client")))
            return true;
    }
    return false;
}

static void draw_model(table_t *table, const char *kind, const mlx_value_t *model,
                       const mlx_value_t *activity, bool late)
{
    const char *name = mlx_value_str(model, "name");
    size_t requests = 0;
    double rate = mlx_activity_model(activity, name ? name : "", &requests);
    mlx_canvas_text(table->canvas, table->row, 1, column_at(table->canvas, COLUMNS) - 1,
                    late ? MLX_INK_DIM : MLX_INK_NORMAL, name ? name : "?");
    put_column(table, COLUMN_RUNTIME, MLX_INK_DIM, kind);
    draw_figures(table, model);
    if (requests)
        put_rate(table, rate, late ? MLX_INK_DIM : MLX_INK_TITLE);
    table->row++;
    if (requests > 1 || knows_more(activity, name))
        draw_requests(table, activity, name);
}

static void draw_runtime(void *arg, const mlx_message_t *message, int64_t age_us)
{
    table_t *table = arg;
    const char *suffix = strrchr(message->topic, '.');
    bool reachable = false;
    if (!suffix || strcmp(suffix, ".models") != 0 || mlx_overview_stale(message->topic, age_us) ||
        strcmp(message->host, mlx_overview_host(table->overview)) != 0)
        return;
    mlx_value_bool(message->d, "reachable", &reachable);
    MLX_CLEANUP(mlx_free_p)
    char *topic = mlx_format("%.*s.activity", (int)(suffix - message->topic), message->topic);
    const mlx_value_t *activity = mlx_overview_get(table->overview, topic, table->now_us, NULL);
    const mlx_value_t *models = mlx_value_get(message->d, "models");
    const char *kind = mlx_value_str(message->d, "kind");
    bool late = mlx_overview_late(table->overview, message, table->now_us);
    for (size_t i = 0; reachable && i < mlx_value_size(models) && table->row < table->last; i++)
        draw_model(table, kind ? kind : "?", mlx_value_at(models, i), activity, late);
}

static int draw_models(const mlx_overview_t *overview, int row, int last, int64_t now_us,
                       mlx_canvas_t *canvas)
{
    table_t table = {
        .overview = overview, .canvas = canvas, .row = row, .last = last, .now_us = now_us};
    mlx_canvas_fill(canvas, row, 0, MLX_INK_BAR);
    mlx_canvas_text(canvas, row, 1, column_at(canvas, COLUMNS) - 1, MLX_INK_BAR, "MODEL");
    for (int i = 0; i < COLUMNS; i++)
        put_column(&table, i, MLX_INK_BAR, table_columns[i].head);
    table.row++;
    mlx_overview_each(overview, "runtime.", now_us, draw_runtime, &table);
    if (table.row == row + 1 && table.row < last)
        mlx_canvas_text(canvas, table.row++, 1, canvas->columns - 2, MLX_INK_DIM,
                        "no model is loaded; runtimes and why: mlxctl status");
    return table.row;
}

/*  The series of figure ID; NULL: none was added yet. */
static const mlx_series_t *plotted(const mlx_top_t *self, const char *id)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->ids[i], id) == 0)
            return &self->series[i];
    return NULL;
}

static void draw_plot(const mlx_top_t *self, const mlx_figure_t *figure, int row, int column,
                      int rows, int columns, mlx_canvas_t *canvas)
{
    const mlx_series_t *series = plotted(self, figure->id);
    mlx_unit_t unit = isnan(figure->total) ? figure->unit : MLX_UNIT_RATIO;
    double newest = series ? mlx_series_at(series, 0) : NAN;
    double max = series ? mlx_series_max(series) : NAN;
    double scale = figure->plot_top > 0 ? figure->plot_top : max;
    int x = mlx_canvas_text(canvas, row, column, columns, MLX_INK_DIM, figure->plot) + 1;
    if (isnan(max)) {
        mlx_canvas_text(canvas, row, x, columns, MLX_INK_DIM, "n/a");
        return;
    }
    if (!isnan(newest)) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(newest, unit);
        x = mlx_canvas_text(canvas, row, x, columns, MLX_INK_NORMAL, text) + 1;
    }
    MLX_CLEANUP(mlx_free_p) char *top = mlx_format_unit(max, unit);
    MLX_CLEANUP(mlx_free_p)
    char *mean = mlx_format_unit(mlx_series_mean(series), unit);
    x = mlx_canvas_printf(canvas, row, x, columns, MLX_INK_DIM, "max %s avg %s", top, mean);
    /* How far back the left edge is: one value a second in each column of dots. */
    int seconds = columns * (canvas->utf8 ? 2 : 1);
    seconds = seconds < MLX_TOP_HISTORY ? seconds : MLX_TOP_HISTORY;
    MLX_CLEANUP(mlx_free_p) char *span = mlx_format_unit(seconds, MLX_UNIT_SECONDS);
    int at = column + columns - (int)strlen(span) - 1;
    if (x + 2 < at)
        mlx_canvas_text(canvas, row, at, columns, MLX_INK_DIM, span);
    mlx_plot(canvas, row + 1, column, rows - 1, columns, series, 0, scale > 0 ? scale : 1,
             MLX_INK_PLOT);
}

/*  The figures that have neither plot nor gauge, in one line. Returns the rows used. */
static int draw_others(const mlx_figure_t *list, size_t count, int row, mlx_canvas_t *canvas)
{
    int x = 1;
    for (size_t i = 0; i < count; i++) {
        if (list[i].plot || list[i].gauge || isnan(list[i].value))
            continue;
        MLX_CLEANUP(mlx_free_p) char *text = mlx_figure_text(&list[i], true);
        int width = (int)(strlen(list[i].name) + 1 + mlx_term_width(text));
        if (x + width > canvas->columns - 1)
            break;
        x = mlx_canvas_text(canvas, row, x, canvas->columns - x, MLX_INK_DIM, list[i].name) + 1;
        x = mlx_canvas_text(canvas, row, x, canvas->columns - x,
                            list[i].late ? MLX_INK_DIM : MLX_INK_NORMAL, text) +
            3;
    }
    return x > 1;
}

/*  The first over the whole width, the others two by two beneath it. */
static void draw_plots(const mlx_top_t *self, const mlx_figure_t *list, size_t count, int row,
                       int rows, mlx_canvas_t *canvas)
{
    int bands = rows / (PLOT_ROWS_MIN + 1), wanted = 0, drawn = 0;
    for (size_t i = 0; i < count; i++)
        wanted += list[i].plot != NULL;
    if (bands > 1 + wanted / 2)
        bands = 1 + wanted / 2;
    if (bands < 1)
        return;
    int band = rows / bands, half = (canvas->columns - 3) / 2;
    for (size_t i = 0; i < count && (drawn + 1) / 2 < bands; i++) {
        if (!list[i].plot)
            continue;
        bool first = drawn == 0, right = !first && drawn % 2 == 0;
        draw_plot(self, &list[i], row + band * ((drawn + 1) / 2), right ? half + 2 : 1, band,
                  first ? canvas->columns - 2 : half, canvas);
        drawn++;
    }
}

static void draw_details(const mlx_overview_t *overview, int64_t now_us, int row, int last,
                         mlx_canvas_t *canvas)
{
    enum {
        NAME_WIDTH = 13
    };
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_details(overview, now_us);
    if (mlx_value_size(list) == 0)
        mlx_canvas_text(canvas, row, 1, canvas->columns - 2, MLX_INK_DIM,
                        "nothing more is known about this machine; why: mlxctl watch sensor.");
    for (size_t i = 0; i < mlx_value_size(list) && row < last; i++, row++) {
        const mlx_value_t *item = mlx_value_at(list, i);
        mlx_canvas_text(canvas, row, 1, NAME_WIDTH, MLX_INK_DIM, mlx_value_str(item, "name"));
        mlx_canvas_text(canvas, row, 1 + NAME_WIDTH, canvas->columns - 2 - NAME_WIDTH,
                        MLX_INK_NORMAL, mlx_value_str(item, "text"));
    }
}

static void draw_footer(const mlx_headline_t *now, const char *note, mlx_canvas_t *canvas)
{
    int row = canvas->rows - 1;
    MLX_CLEANUP(mlx_free_p)
    char *services =
        mlx_format("services %zu/%zu up", now->services_up, now->services_up + now->services_down);
    int end = canvas->columns - (int)strlen(services) - 1;
    mlx_canvas_fill(canvas, row, 0, MLX_INK_BAR);
    /* What there is to say goes before what can be looked up. */
    int x = mlx_canvas_text(canvas, row, 1, canvas->columns, MLX_INK_BAR,
                            note ? "q quit  ? help" : "q quit  b benchmark  d details  ? help");
    bool room = x + 1 < end && !(note && canvas->columns < NARROW);
    if (note)
        mlx_canvas_printf(canvas, row, x + 2, (room ? end : canvas->columns) - x - 3, MLX_INK_BAR,
                          "%s", note);
    if (room)
        mlx_canvas_text(canvas, row, end, 24, now->services_down ? MLX_INK_BAD : MLX_INK_BAR,
                        services);
}

void mlx_top_draw(const mlx_top_t *self, const mlx_overview_t *overview, const char *note,
                  int64_t now_us, mlx_canvas_t *canvas)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    mlx_figure_t list[MLX_FIGURES_MAX];
    size_t count = mlx_figures(overview, now_us, list);
    int footer = canvas->rows - 1, row = 1;
    draw_title(overview, &now, mlx_figure_find(list, count, "speed"), now_us, canvas);
    row += draw_warnings(overview, now_us, row, canvas->rows >= 12 ? 3 : 1, canvas);
    if (row + 4 <= footer)
        row += draw_gauges(list, count, row, canvas);
    if (row + 4 <= footer)
        row += draw_others(list, count, row, canvas);
    row++;
    if (row + 3 <= footer) {
        int most = footer - 3 * (PLOT_ROWS_MIN + 1);
        row = draw_models(overview, row, most > row + 3 ? most : footer, now_us, canvas) + 1;
    }
    if (self->details)
        draw_details(overview, now_us, row, footer, canvas);
    else if (footer - row > PLOT_ROWS_MIN)
        draw_plots(self, list, count, row, footer - row, canvas);
    draw_footer(&now, note, canvas);
}
