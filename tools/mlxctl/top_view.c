#include "top_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/units.h"

enum {
    HISTORY = 600,
    PLOT_ROWS_MIN = 2,
    GAUGE_WIDTH = 12
};

typedef enum {
    TOKENS,
    GPU,
    MEMORY,
    TEMPERATURE,
    POWER,
    SERIES
} series_t;

struct mlx_top {
    mlx_series_t series[SERIES];
};

typedef struct {
    const char *title;
    mlx_unit_t unit;
    double scale; /* fixed top of the scale; 0: the largest value seen */
} plot_kind_t;

static const plot_kind_t plots[SERIES] = {
    [TOKENS] = {"tok/s", MLX_UNIT_TOKENS_PER_SECOND, 0},
    [GPU] = {"GPU", MLX_UNIT_RATIO, 1},
    [MEMORY] = {"memory", MLX_UNIT_RATIO, 1},
    [TEMPERATURE] = {"temperature", MLX_UNIT_CELSIUS, 100},
    [POWER] = {"power", MLX_UNIT_WATTS, 0},
};

mlx_top_t *mlx_top_new(void)
{
    mlx_top_t *self = mlx_alloc(1, sizeof *self);
    for (size_t i = 0; i < SERIES; i++)
        mlx_series_init(&self->series[i], HISTORY);
    return self;
}

void mlx_top_destroy(mlx_top_t **self)
{
    for (size_t i = 0; *self && i < SERIES; i++)
        mlx_series_clear(&(*self)->series[i]);
    mlx_free_p(self);
}

void mlx_top_tick(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    mlx_series_add(&self->series[TOKENS], now.tokens_per_second);
    mlx_series_add(&self->series[GPU], now.gpu_utilization);
    mlx_series_add(&self->series[MEMORY], now.memory_used / now.memory_total);
    mlx_series_add(&self->series[TEMPERATURE], now.temperature);
    mlx_series_add(&self->series[POWER], now.power);
}

static mlx_ink_t ink_of_share(double share)
{
    return share >= 0.9 ? MLX_INK_BAD : share >= 0.75 ? MLX_INK_WARN : MLX_INK_GOOD;
}

static void draw_title(const mlx_overview_t *overview, const mlx_headline_t *now, int64_t now_us,
                       mlx_canvas_t *canvas)
{
    MLX_CLEANUP(mlx_free_p) char *rate = NULL;
    const char *host = mlx_overview_host(overview);
    if (!isnan(now->tokens_per_second))
        rate = mlx_format_unit(now->tokens_per_second, MLX_UNIT_TOKENS_PER_SECOND);
    int x = mlx_canvas_text(canvas, 0, 1, 16, MLX_INK_TITLE,
                            rate        ? rate
                            : now->busy ? "working"
                                        : "idle");
    x = mlx_canvas_text(canvas, 0, x + 2, 40, MLX_INK_NORMAL,
                        now->model ? now->model : "no model loaded");
    if (now->busy && now->source)
        mlx_canvas_printf(canvas, 0, x + 1, 12, MLX_INK_DIM, "(%s)", now->source);
    else if (!now->busy && !isnan(now->last_tokens_per_second))
        mlx_canvas_printf(canvas, 0, x + 1, 18, MLX_INK_DIM, "(last %.1f tok/s)",
                          now->last_tokens_per_second);
    char clock[32] = "";
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(clock, sizeof clock, "%H:%M:%S", &local);
    MLX_CLEANUP(mlx_free_p) char *right = mlx_format("%.24s %s", host ? host : "", clock);
    mlx_canvas_text(canvas, 0, canvas->columns - (int)strlen(right) - 1, 40, MLX_INK_DIM, right);
}

static int draw_gauge(mlx_canvas_t *canvas, int row, int column, const char *label, double share,
                      const char *text)
{
    column = mlx_canvas_text(canvas, row, column, 6, MLX_INK_DIM, label) + 1;
    mlx_canvas_put(canvas, row, column++, L'[', MLX_INK_DIM);
    int filled = isnan(share) ? 0 : (int)lround(fmin(fmax(share, 0), 1) * (double)GAUGE_WIDTH);
    for (int i = 0; i < GAUGE_WIDTH; i++)
        mlx_canvas_put(canvas, row, column++, i < filled ? (canvas->utf8 ? L'\u25a0' : L'|') : L' ',
                       ink_of_share(share));
    mlx_canvas_put(canvas, row, column++, L']', MLX_INK_DIM);
    return mlx_canvas_text(canvas, row, column + 1, 24, text ? MLX_INK_NORMAL : MLX_INK_DIM,
                           text ? text : "n/a");
}

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

static void draw_gauges(const mlx_headline_t *now, mlx_canvas_t *canvas)
{
    int right = canvas->columns / 2 + 1;
    MLX_CLEANUP(mlx_free_p) char *cpu = share_text(now->cpu_utilization);
    MLX_CLEANUP(mlx_free_p) char *gpu = share_text(now->gpu_utilization);
    MLX_CLEANUP(mlx_free_p) char *memory = memory_text(now->memory_used, now->memory_total);
    MLX_CLEANUP(mlx_free_p)
    char *vram = memory_text(now->gpu_memory_used, now->gpu_memory_total);
    draw_gauge(canvas, 1, 1, "CPU ", now->cpu_utilization, cpu);
    draw_gauge(canvas, 2, 1, "GPU ", now->gpu_utilization, gpu);
    draw_gauge(canvas, 1, right, "MEM ", now->memory_used / now->memory_total, memory);
    draw_gauge(canvas, 2, right, "VRAM", now->gpu_memory_used / now->gpu_memory_total, vram);
}

typedef struct {
    const mlx_overview_t *overview;
    mlx_canvas_t *canvas;
    int row;
    int last; /* first row that may not be used */
    int64_t now_us;
} table_t;

/*  Columns: model, runtime, size, context, tok/s, expires. The model column takes what is left. */
static void draw_model(table_t *table, const char *endpoint, const mlx_value_t *model, double rate)
{
    mlx_canvas_t *canvas = table->canvas;
    int width = canvas->columns - 52;
    double size;
    int64_t context, expires;
    const char *name = mlx_value_str(model, "name");
    mlx_canvas_text(canvas, table->row, 1, width > 8 ? width : 8, MLX_INK_NORMAL,
                    name ? name : "?");
    int x = (width > 8 ? width : 8) + 2;
    mlx_canvas_text(canvas, table->row, x, 16, MLX_INK_DIM, endpoint);
    if (mlx_value_real(model, "size", &size)) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(size, MLX_UNIT_BYTES);
        mlx_canvas_printf(canvas, table->row, x + 17, 8, MLX_INK_NORMAL, "%8s", text);
    }
    if (mlx_value_int(model, "context", &context))
        mlx_canvas_printf(canvas, table->row, x + 26, 7, MLX_INK_NORMAL, "%7lld",
                          (long long)context);
    if (!isnan(rate))
        mlx_canvas_printf(canvas, table->row, x + 34, 7, MLX_INK_TITLE, "%7.1f", rate);
    if (mlx_value_int(model, "expires_at", &expires)) {
        MLX_CLEANUP(mlx_free_p)
        char *left = mlx_format_unit((double)(expires - table->now_us) / 1e6, MLX_UNIT_SECONDS);
        mlx_canvas_printf(canvas, table->row, x + 42, 7, MLX_INK_DIM, "%7s",
                          expires > table->now_us ? left : "now");
    }
    table->row++;
}

/*  Speed of the model NAME at its runtime, or NaN: the activity topic stands beside the models
 * topic. */
static double rate_of(const table_t *table, const char *models_topic, const char *name)
{
    double rate = NAN;
    MLX_CLEANUP(mlx_free_p)
    char *topic =
        mlx_format("%.*s.activity", (int)(strlen(models_topic) - strlen(".models")), models_topic);
    const mlx_value_t *d = mlx_overview_get(table->overview, topic, table->now_us, NULL);
    const char *model = mlx_value_str(d, "model");
    if (model && name && strcmp(model, name) == 0)
        mlx_value_real(d, "tokens_per_second", &rate);
    return rate;
}

static void draw_runtime(void *arg, const mlx_message_t *message, int64_t age_us)
{
    table_t *table = arg;
    const char *suffix = strrchr(message->topic, '.');
    bool reachable = false;
    if (!suffix || strcmp(suffix, ".models") != 0 || age_us > MLX_OVERVIEW_STALE_US)
        return;
    mlx_value_bool(message->d, "reachable", &reachable);
    const mlx_value_t *models = mlx_value_get(message->d, "models");
    const char *kind = mlx_value_str(message->d, "kind");
    for (size_t i = 0; reachable && i < mlx_value_size(models) && table->row < table->last; i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        draw_model(table, kind ? kind : "?", model,
                   rate_of(table, message->topic, mlx_value_str(model, "name")));
    }
}

static int draw_models(const mlx_overview_t *overview, int row, int last, int64_t now_us,
                       mlx_canvas_t *canvas)
{
    int width = canvas->columns - 52;
    if (width < 8)
        width = 8;
    mlx_canvas_fill(canvas, row, 0, MLX_INK_BAR);
    mlx_canvas_text(canvas, row, 1, width, MLX_INK_BAR, "MODEL");
    mlx_canvas_text(canvas, row, width + 2, 60, MLX_INK_BAR,
                    "RUNTIME              SIZE CONTEXT   TOK/S EXPIRES");
    table_t table = {
        .overview = overview, .canvas = canvas, .row = row + 1, .last = last, .now_us = now_us};
    mlx_overview_each(overview, "runtime.", now_us, draw_runtime, &table);
    if (table.row == row + 1 && table.row < last)
        mlx_canvas_text(canvas, table.row++, 1, canvas->columns, MLX_INK_DIM,
                        "no model is loaded; runtimes and why: mlxctl status");
    return table.row;
}

static void draw_plot(const mlx_top_t *self, int which, int row, int column, int rows, int columns,
                      mlx_canvas_t *canvas)
{
    const mlx_series_t *series = &self->series[which];
    double newest = mlx_series_at(series, 0), max = mlx_series_max(series);
    double scale = plots[which].scale > 0 ? plots[which].scale : max;
    int x = mlx_canvas_text(canvas, row, column, columns, MLX_INK_DIM, plots[which].title) + 1;
    if (isnan(max)) {
        mlx_canvas_text(canvas, row, x, columns, MLX_INK_DIM, "n/a");
        return;
    }
    if (!isnan(newest)) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(newest, plots[which].unit);
        x = mlx_canvas_text(canvas, row, x, columns, MLX_INK_NORMAL, text) + 1;
    }
    MLX_CLEANUP(mlx_free_p) char *top = mlx_format_unit(max, plots[which].unit);
    mlx_canvas_printf(canvas, row, x, columns, MLX_INK_DIM, "max %s", top);
    mlx_plot(canvas, row + 1, column, rows - 1, columns, series, 0, scale > 0 ? scale : 1,
             MLX_INK_PLOT);
}

/*  tok/s over the whole width, the others two by two beneath it. */
static void draw_plots(const mlx_top_t *self, int row, int rows, mlx_canvas_t *canvas)
{
    int bands = rows / (PLOT_ROWS_MIN + 1);
    if (bands > 3)
        bands = 3;
    if (bands < 1)
        return;
    int band = rows / bands, half = (canvas->columns - 3) / 2;
    draw_plot(self, TOKENS, row, 1, band, canvas->columns - 2, canvas);
    for (int i = 0; i < 4 && 1 + i / 2 < bands; i++)
        draw_plot(self, GPU + i, row + band * (1 + i / 2), 1 + (i % 2) * (half + 1), band, half,
                  canvas);
}

static void draw_footer(const mlx_headline_t *now, const char *note, mlx_canvas_t *canvas)
{
    int row = canvas->rows - 1;
    mlx_canvas_fill(canvas, row, 0, MLX_INK_BAR);
    int x = mlx_canvas_text(canvas, row, 1, canvas->columns, MLX_INK_BAR, "q quit  b benchmark");
    if (note)
        mlx_canvas_printf(canvas, row, x + 2, canvas->columns - x - 24, MLX_INK_BAR, "%s", note);
    MLX_CLEANUP(mlx_free_p)
    char *services =
        mlx_format("services %zu/%zu up", now->services_up, now->services_up + now->services_down);
    mlx_canvas_text(canvas, row, canvas->columns - (int)strlen(services) - 1, 24,
                    now->services_down ? MLX_INK_BAD : MLX_INK_BAR, services);
}

void mlx_top_draw(const mlx_top_t *self, const mlx_overview_t *overview, const char *note,
                  int64_t now_us, mlx_canvas_t *canvas)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    int footer = canvas->rows - 1;
    draw_title(overview, &now, now_us, canvas);
    if (canvas->rows >= 5)
        draw_gauges(&now, canvas);
    int row = 4;
    if (canvas->rows >= 8) {
        int most = footer - 3 * (PLOT_ROWS_MIN + 1);
        row = draw_models(overview, row, most > row + 3 ? most : footer, now_us, canvas) + 1;
    }
    if (footer - row > PLOT_ROWS_MIN)
        draw_plots(self, row, footer - row, canvas);
    draw_footer(&now, note, canvas);
}
