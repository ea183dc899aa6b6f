#include "common/view/figures.h"

#include <math.h>
#include <string.h>

/*  Where a figure is shown. */
enum {
    ALWAYS = 1,  /* also where there is no value: with the reason */
    PLOTTED = 2, /* top has a plot of it */
    IN_MENU = 4,
};

static double temperature_of(const mlx_headline_t *now)
{
    return now->temperature;
}

static double power_of(const mlx_headline_t *now)
{
    return now->power;
}

/*  The value is what OF makes of the headline, else FIELD of TOPIC; it is missing for FIELD's
 *  reason. */
static const struct {
    const char *id, *name;
    mlx_unit_t unit;
    const char *topic, *field;
    const char *note; /* a field of TOPIC that says more, or NULL */
    double (*of)(const mlx_headline_t *now);
    unsigned shown;
} rows[] = {
    {"temperature", "Temperature", MLX_UNIT_CELSIUS, "sensor.temperature", "cpu", "thermal_state",
     temperature_of, ALWAYS | PLOTTED | IN_MENU},
    {"power", "Power", MLX_UNIT_WATTS, "sensor.power", "package", "source", power_of,
     ALWAYS | PLOTTED},
    {"battery", "Battery rate", MLX_UNIT_WATTS, "sensor.power", "battery_power", "battery_state",
     NULL, IN_MENU},
};

_Static_assert(MLX_COUNT(rows) <= MLX_FIGURES_MAX, "room for every figure");

const char *mlx_figure_why(const mlx_value_t *d, const char *field)
{
    if (!d)
        return "the sampler does not report it";
    const mlx_value_t *missing = mlx_value_get(d, "missing");
    for (size_t i = 0; i < mlx_value_size(missing); i++) {
        const char *name = mlx_value_str(mlx_value_at(missing, i), "field");
        if (name && strcmp(name, field) == 0)
            return mlx_value_str(mlx_value_at(missing, i), "why");
    }
    return NULL;
}

static mlx_figure_t figure_of(size_t row, const mlx_overview_t *overview, const mlx_headline_t *now,
                              int64_t now_us)
{
    const mlx_value_t *d = mlx_overview_get(overview, rows[row].topic, now_us, NULL);
    bool is_runtime = strncmp(rows[row].topic, "runtime.", 8) == 0;
    mlx_figure_t figure = {
        .id = rows[row].id,
        .name = rows[row].name,
        .unit = rows[row].unit,
        .value = NAN,
        .kind = is_runtime ? "runtime" : "sensor",
        .late = is_runtime ? now->runtimes_late : now->sensors_late,
        .plotted = (rows[row].shown & PLOTTED) != 0,
        .in_menu = (rows[row].shown & IN_MENU) != 0,
    };
    if (rows[row].of)
        figure.value = rows[row].of(now);
    else
        mlx_value_real(d, rows[row].field, &figure.value);
    if (isnan(figure.value))
        figure.why = mlx_figure_why(d, rows[row].field);
    else if (rows[row].note)
        figure.note = mlx_value_str(d, rows[row].note);
    return figure;
}

size_t mlx_figures(const mlx_overview_t *overview, int64_t now_us, mlx_figure_t *out)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    size_t count = 0;
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        out[count] = figure_of(i, overview, &now, now_us);
        count += !isnan(out[count].value) || (rows[i].shown & ALWAYS) != 0;
    }
    return count;
}

mlx_value_t *mlx_figures_value(const mlx_overview_t *overview, int64_t now_us)
{
    mlx_figure_t figures[MLX_FIGURES_MAX];
    size_t count = mlx_figures(overview, now_us, figures);
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < count; i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(item, "id", figures[i].id);
        mlx_value_set_str(item, "name", figures[i].name);
        mlx_value_set_str(item, "unit", mlx_unit_name(figures[i].unit));
        mlx_value_set_str(item, "kind", figures[i].kind);
        mlx_value_set_real(item, "value", figures[i].value);
        mlx_value_set_str(item, "note", figures[i].note);
        mlx_value_set_str(item, "why", figures[i].why);
    }
    return list;
}
