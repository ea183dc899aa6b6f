#include "fleet_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/view/overview_state.h"

enum {
    HOST_WIDTH = 18,
    MODEL_WIDTH = 20 /* so that a row without a note fits 80 columns */
};

/*  TEXT in WIDTH columns. */
static void put_cell(mlx_buf_t *out, const char *text, size_t width)
{
    MLX_CLEANUP(mlx_free_p) char *fit = mlx_term_clean(text, width);
    size_t used = mlx_term_width(fit);
    mlx_buf_puts(out, fit);
    mlx_buf_printf(out, "%*s", (int)(width > used ? width - used : 0) + 1, "");
}

static void put_figure(mlx_buf_t *out, double value, mlx_unit_t unit, int width)
{
    MLX_CLEANUP(mlx_free_p) char *text = isnan(value) ? NULL : mlx_format_unit(value, unit);
    size_t used = text ? mlx_term_width(text) : 1;
    mlx_buf_printf(out, "%*s%s ", width > (int)used ? width - (int)used : 0, "", text ? text : "-");
}

static void put_speed(mlx_buf_t *out, const mlx_headline_t *now)
{
    if (isnan(now->tokens_per_second))
        mlx_buf_printf(out, "%12s ", now->busy ? "working" : "idle");
    else
        put_figure(out, now->tokens_per_second, MLX_UNIT_TOKENS_PER_SECOND, 12);
}

static void put_row(const mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    mlx_connection_t link = mlx_overview_connection(overview, now_us);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_overview_warnings(overview, now_us);
    MLX_CLEANUP(mlx_free_p)
    char *model = now.models_busy > 1 ? mlx_format("%zu models", now.models_busy)
                                      : mlx_strdup(now.model ? now.model : "no model loaded");
    put_cell(out, mlx_overview_host(overview), HOST_WIDTH);
    put_speed(out, &now);
    put_cell(out, model, MODEL_WIDTH);
    put_figure(out, now.gpu_utilization, MLX_UNIT_RATIO, 5);
    put_figure(out, now.memory_used / now.memory_total, MLX_UNIT_RATIO, 5);
    put_figure(out, now.temperature, MLX_UNIT_CELSIUS, 6);
    put_figure(out, now.power, MLX_UNIT_WATTS, 6);
    const char *note = link.state == MLX_LINK_LOST ? link.text
                       : mlx_value_size(list)      ? mlx_value_str(mlx_value_at(list, 0), "text")
                                                   : "";
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(note, 0);
    mlx_buf_printf(out, " %s%s\n", *clean ? "! " : "", clean);
}

typedef struct {
    int64_t now_us;
    mlx_buf_t *out;
    mlx_value_t *list;
} visit_t;

static void add_row(mlx_overview_t *overview, void *arg)
{
    const visit_t *visit = arg;
    put_row(overview, visit->now_us, visit->out);
}

static void add_value(mlx_overview_t *overview, void *arg)
{
    const visit_t *visit = arg;
    mlx_value_t *map = mlx_value_append(visit->list, mlx_value_map());
    mlx_value_set_str(map, "host", mlx_overview_host(overview));
    mlx_value_set_int(map, "t", visit->now_us);
    mlx_value_set(map, "headline", mlx_overview_headline_value(overview, visit->now_us));
}

void mlx_fleet_text(mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out)
{
    visit_t visit = {.now_us = now_us, .out = out};
    mlx_buf_printf(out, "%-*s %12s %-*s %5s %5s %6s %6s\n", HOST_WIDTH, "MACHINE", "SPEED",
                   MODEL_WIDTH, "MODEL", "GPU", "MEM", "TEMP", "POWER");
    mlx_overview_each_host(overview, MLX_FLEET_MAX, add_row, &visit);
}

mlx_value_t *mlx_fleet_value(mlx_overview_t *overview, int64_t now_us)
{
    visit_t visit = {.now_us = now_us, .list = mlx_value_list()};
    mlx_overview_each_host(overview, MLX_FLEET_MAX, add_value, &visit);
    return visit.list;
}

int mlx_fleet_select(mlx_overview_t *overview, const char *host, mlx_error_t *err)
{
    const char *hosts[MLX_FLEET_MAX];
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t heard = {0};
    size_t count = mlx_overview_hosts(overview, hosts, MLX_FLEET_MAX);
    for (size_t i = 0; host && i < count; i++) {
        if (strcmp(hosts[i], host) == 0) {
            mlx_overview_select(overview, host);
            return 0;
        }
        mlx_buf_printf(&heard, "%s%.64s", i ? ", " : "", hosts[i]);
    }
    if (!host)
        return 0;
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "no messages from a machine \"%.64s\"", host);
    return mlx_error_hint(err, "known machines: %s", count ? mlx_buf_str(&heard) : "none");
}
