#include "energy_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "energy_log.h"

enum {
    GROUPS_MAX = 1000
};

static const double kwh = 3.6e6; /* joules */

static const char method[] =
    "power above idle, shared equally at each moment among the requests that ran; idle is the "
    "lower quartile of the latest 60 minutes without any";

/* ---- prices ---- */

int mlx_energy_check_tariffs(const mlx_value_t *tariffs, mlx_error_t *err)
{
    static const char *const keys[] = {"from", "to"};
    for (size_t i = 0; i < mlx_value_size(tariffs); i++)
        for (size_t k = 0; k < MLX_COUNT(keys); k++) {
            double hour = NAN;
            mlx_value_real(mlx_value_at(tariffs, i), keys[k], &hour);
            if (!(hour >= 0 && hour <= 24) || hour != floor(hour)) {
                mlx_error_set(err, MLX_ERR_USAGE,
                              "energy.tariffs: '%s' must be a whole hour from 0 to 24", keys[k]);
                return mlx_error_hint(err, "a night tariff: {from: 22, to: 6, price: 0.2}");
            }
        }
    return 0;
}

static bool is_in(const mlx_value_t *tariff, int hour)
{
    double from = 0, to = 24;
    mlx_value_real(tariff, "from", &from);
    mlx_value_real(tariff, "to", &to);
    return from <= to ? hour >= from && hour < to : hour >= from || hour < to;
}

double mlx_energy_price_at(const mlx_energy_prices_t *prices, int64_t t_us)
{
    time_t t = (time_t)(t_us / 1000000);
    struct tm tm = {0};
    double price = prices->price;
    localtime_r(&t, &tm);
    for (size_t i = 0; i < mlx_value_size(prices->tariffs); i++) {
        const mlx_value_t *tariff = mlx_value_at(prices->tariffs, i);
        if (is_in(tariff, tm.tm_hour) && mlx_value_real(tariff, "price", &price))
            return price;
    }
    return price;
}

/* ---- groups ---- */

typedef enum {
    BY_TOTAL,
    BY_MODEL,
    BY_CLIENT,
    BY_DAY,
    BY_HOUR,
} by_t;

static const char *const by_names[] = {"total", "model", "client", "day", "hour"};

typedef struct {
    char name[MLX_ENERGY_NAME];
    double joules, cost; /* NaN cost: part of it has no price */
    double base, other, unsplit, known_s, unknown_s;
    int64_t requests, metered, tokens;
    bool asked; /* requests have a part in it */
} group_t;

typedef struct {
    const mlx_energy_prices_t *prices;
    by_t by;
    group_t *groups;
    size_t count;
    group_t all;
} report_t;

static void name_group(const report_t *self, const mlx_energy_row_t *row, char *name, size_t size)
{
    time_t t = (time_t)(row->hour_us / 1000000);
    struct tm tm = {0};
    name[0] = '\0';
    if (self->by == BY_MODEL || self->by == BY_CLIENT)
        snprintf(name, size, "%s", self->by == BY_MODEL ? row->model : row->client);
    if (self->by != BY_DAY && self->by != BY_HOUR)
        return;
    localtime_r(&t, &tm);
    strftime(name, size, self->by == BY_DAY ? "%Y-%m-%d" : "%Y-%m-%d %H:00", &tm);
}

static group_t *group_of(report_t *self, const mlx_energy_row_t *row)
{
    char name[MLX_ENERGY_NAME];
    name_group(self, row, name, sizeof name);
    for (size_t i = self->count; i-- > 0;)
        if (strcmp(self->groups[i].name, name) == 0)
            return &self->groups[i];
    if (self->count == GROUPS_MAX)
        return NULL;
    group_t *group = &self->groups[self->count++];
    *group = (group_t){0};
    snprintf(group->name, sizeof group->name, "%s", name);
    return group;
}

static void add(group_t *group, const mlx_energy_row_t *row, double price)
{
    switch (row->kind) {
    case MLX_ENERGY_REQUESTS:
        group->joules += row->joules;
        group->cost += row->joules > 0 ? row->joules / kwh * price : 0;
        group->requests += row->requests;
        group->metered += row->metered;
        group->tokens += row->tokens;
        group->asked = true;
        return;
    case MLX_ENERGY_BASE:
        group->base += row->joules;
        group->known_s += row->seconds;
        return;
    case MLX_ENERGY_OTHER:
        group->other += row->joules;
        return;
    case MLX_ENERGY_UNSPLIT:
        group->unsplit += row->joules;
        return;
    default:
        group->unknown_s += row->seconds;
    }
}

static void on_row(void *arg, const mlx_energy_row_t *row)
{
    report_t *self = arg;
    double price = mlx_energy_price_at(self->prices, row->hour_us);
    bool names = self->by == BY_MODEL || self->by == BY_CLIENT;
    group_t *group = names && row->kind != MLX_ENERGY_REQUESTS ? NULL : group_of(self, row);
    add(&self->all, row, price);
    if (group)
        add(group, row, price);
}

/* ---- the result ---- */

static void set_real(mlx_value_t *map, const char *key, double value)
{
    if (!isnan(value))
        mlx_value_set_real(map, key, value);
}

/*  What requests took: not told where no power was known for any of it. */
static void put_figures(mlx_value_t *map, const group_t *group, const mlx_energy_prices_t *prices)
{
    bool known = group->metered > 0 || group->joules > 0;
    bool whole = group->requests > 0 && group->metered == group->requests;
    mlx_value_set_int(map, "requests", group->requests);
    mlx_value_set_int(map, "metered", group->metered);
    mlx_value_set_int(map, "tokens", group->tokens);
    if (!known)
        return;
    mlx_value_set_real(map, "joules", group->joules);
    set_real(map, "cost", group->cost);
    set_real(map, "co2", group->joules / kwh * prices->co2);
    if (whole)
        mlx_value_set_real(map, "joules_per_request", group->joules / (double)group->requests);
    if (whole && group->tokens > 0)
        mlx_value_set_real(map, "joules_per_token", group->joules / (double)group->tokens);
}

static void put_machine(mlx_value_t *map, const group_t *group)
{
    if (group->known_s > 0 || group->unsplit > 0) {
        mlx_value_set_real(map, "measured",
                           group->joules + group->base + group->other + group->unsplit);
        mlx_value_set_real(map, "base", group->base);
        mlx_value_set_real(map, "other", group->other);
        mlx_value_set_real(map, "unsplit", group->unsplit);
    }
    mlx_value_set_real(map, "known", group->known_s);
    mlx_value_set_real(map, "unknown", group->unknown_s);
}

static int by_joules(const void *a, const void *b)
{
    const group_t *x = a, *y = b;
    return (x->joules < y->joules) - (x->joules > y->joules);
}

static mlx_value_t *result_of(report_t *self, double idle_watts)
{
    mlx_value_t *result = mlx_value_map();
    mlx_value_t *rows = mlx_value_set(result, "rows", mlx_value_list());
    mlx_value_set_str(result, "by", by_names[self->by]);
    if (self->by == BY_MODEL || self->by == BY_CLIENT)
        qsort(self->groups, self->count, sizeof *self->groups, by_joules);
    for (size_t i = 0; i < self->count && self->by != BY_TOTAL; i++) {
        mlx_value_t *row = mlx_value_append(rows, mlx_value_map());
        if (self->groups[i].name[0])
            mlx_value_set_str(row, by_names[self->by], self->groups[i].name);
        put_figures(row, &self->groups[i], self->prices);
        if (self->by == BY_DAY || self->by == BY_HOUR)
            put_machine(row, &self->groups[i]);
    }
    mlx_value_t *total = mlx_value_set(result, "total", mlx_value_map());
    put_figures(total, &self->all, self->prices);
    put_machine(total, &self->all);
    mlx_value_set_str(result, "method", method);
    mlx_value_set_str(result, "currency", self->prices->currency);
    set_real(result, "idle_power", idle_watts);
    if (self->all.known_s <= 0 && self->all.unsplit <= 0)
        mlx_value_set_str(result, "reason",
                          "no power was recorded in this time: it takes a minute, and `mlxctl "
                          "status` says why a reading is missing");
    return result;
}

static int read_by(const mlx_value_t *args, by_t *by, mlx_error_t *err)
{
    const char *name = mlx_value_str(args, "by");
    *by = BY_MODEL;
    for (size_t i = 0; name && i < MLX_COUNT(by_names); i++)
        if (strcmp(by_names[i], name) == 0) {
            *by = (by_t)i;
            return 0;
        }
    return name ? mlx_error_set(err, MLX_ERR_USAGE, "by must be total, model, client, day or hour")
                : 0;
}

mlx_value_t *mlx_energy_list(mlx_db_t *db, const mlx_energy_prices_t *prices,
                             const mlx_value_t *args, int64_t now_us, mlx_error_t *err)
{
    report_t report = {.prices = prices};
    mlx_energy_state_t state;
    int64_t since = 0, until = now_us;
    mlx_value_int(args, "since", &since);
    mlx_value_int(args, "until", &until);
    if (read_by(args, &report.by, err) || mlx_energy_log_get_state(db, &state, err))
        return NULL;
    if (since < 0 || until <= since) {
        mlx_error_set(err, MLX_ERR_USAGE, "'since' must be before 'until'");
        return NULL;
    }
    report.groups = mlx_alloc(GROUPS_MAX, sizeof *report.groups);
    int rc =
        mlx_energy_log_each(db, since ? mlx_hour_begin(since) : 0, until, on_row, &report, err);
    mlx_value_t *result = rc ? NULL : result_of(&report, state.idle_watts);
    if (result && state.settled_us)
        mlx_value_set_int(result, "settled", state.settled_us);
    free(report.groups);
    return result;
}
