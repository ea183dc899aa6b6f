#include "energy_log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ints.h"

enum {
    POINTS_MAX = 65536, /* read back: more than are ever kept */
    POINTS_A_ROW = 512,
};

static const double milli = 1000; /* power is kept to a milliwatt */

int mlx_energy_log_add(mlx_db_t *db, const mlx_energy_row_t *row, mlx_error_t *err)
{
    return mlx_db_run(db, err,
                      "INSERT INTO energy"
                      " (hour, kind, model, client, joules, seconds, requests, metered, tokens)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (hour, kind, model, client) DO UPDATE SET"
                      " joules = joules + excluded.joules, seconds = seconds + excluded.seconds,"
                      " requests = requests + excluded.requests,"
                      " metered = metered + excluded.metered, tokens = tokens + excluded.tokens",
                      "iissrriii", row->hour_us / 1000000, (int64_t)row->kind, row->model,
                      row->client, row->joules, row->seconds, row->requests, row->metered,
                      row->tokens);
}

int mlx_energy_log_put_points(mlx_db_t *db, const mlx_power_point_t *points, size_t count,
                              mlx_error_t *err)
{
    for (size_t from = 0; from < count; from += POINTS_A_ROW) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t data = {0};
        int64_t t = points[from].t_us;
        for (size_t i = from; i < count && i < from + POINTS_A_ROW; i++) {
            double watts = points[i].watts;
            mlx_varint_put(&data, mlx_fold(points[i].t_us - t));
            mlx_varint_put(&data, mlx_fold(isnan(watts) ? -1 : llround(watts * milli)));
            t = points[i].t_us;
        }
        if (mlx_db_run(db, err, "INSERT OR REPLACE INTO energy_open (t, data) VALUES (?, ?)", "ib",
                       points[from].t_us, (const void *)data.data, data.len))
            return -1;
    }
    return 0;
}

static void unpack(int64_t t, const void *data, size_t len, mlx_power_point_t **points, size_t *n)
{
    uint64_t passed, watts;
    for (size_t pos = 0; pos < len && *n < POINTS_MAX;) {
        if (!mlx_varint_get(data, len, &pos, &passed) || !mlx_varint_get(data, len, &pos, &watts))
            return;
        t = (int64_t)((uint64_t)t + (uint64_t)mlx_unfold(passed));
        if (*n && t <= (*points)[*n - 1].t_us)
            continue;
        int64_t value = mlx_unfold(watts);
        *points = mlx_grow(*points, *n, sizeof **points);
        (*points)[(*n)++] = (mlx_power_point_t){
            .t_us = t, .watts = value < 0 ? (double)NAN : (double)value / milli};
    }
}

int mlx_energy_log_get_points(mlx_db_t *db, mlx_power_point_t **points, size_t *count,
                              mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err, "SELECT t, data FROM energy_open ORDER BY t", "");
    int more;
    *points = NULL;
    *count = 0;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const void *data = mlx_stmt_bytes(q, 1, &len);
        unpack(mlx_stmt_int(q, 0), data, len, points, count);
    }
    return more;
}

int mlx_energy_log_get_state(mlx_db_t *db, mlx_energy_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err, "SELECT settled, idle_mw FROM energy_state", "");
    *state = (mlx_energy_state_t){.idle_watts = NAN};
    int more = mlx_stmt_step(q, err);
    if (more <= 0)
        return more;
    state->settled_us = mlx_stmt_int(q, 0);
    if (!mlx_stmt_is_null(q, 1))
        state->idle_watts = (double)mlx_stmt_int(q, 1) / milli;
    return 0;
}

int mlx_energy_log_put_state(mlx_db_t *db, const mlx_energy_state_t *state, int64_t oldest_us,
                             mlx_error_t *err)
{
    int64_t idle = isnan(state->idle_watts) ? -1 : llround(state->idle_watts * milli);
    /* The last row of points that begins before it may reach into what is not settled. */
    return mlx_db_run(db, err,
                      "INSERT OR REPLACE INTO energy_state (id, settled, idle_mw)"
                      " VALUES (1, ?, nullif(?, -1))",
                      "ii", state->settled_us, idle) ||
                   mlx_db_run(db, err,
                              "DELETE FROM energy_open WHERE t <"
                              " (SELECT max(t) FROM energy_open WHERE t < ?)",
                              "i", state->settled_us) ||
                   mlx_db_run(db, err, "DELETE FROM energy WHERE hour < ?", "i",
                              oldest_us / 1000000)
               ? -1
               : 0;
}

int mlx_energy_log_each(mlx_db_t *db, int64_t since_us, int64_t until_us,
                        void (*fn)(void *arg, const mlx_energy_row_t *row), void *arg,
                        mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err,
        "SELECT hour, kind, model, client, CAST(round(joules * 1000) AS INTEGER),"
        " CAST(round(seconds * 1000) AS INTEGER), requests, metered, tokens FROM energy"
        " WHERE hour >= ? AND hour < ? ORDER BY hour",
        "ii", since_us / 1000000, until_us / 1000000 + (until_us % 1000000 > 0));
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        const char *model = mlx_stmt_str(q, 2), *client = mlx_stmt_str(q, 3);
        mlx_energy_row_t row = {.hour_us = mlx_stmt_int(q, 0) * 1000000,
                                .kind = (mlx_energy_kind_t)mlx_stmt_int(q, 1),
                                .joules = (double)mlx_stmt_int(q, 4) / milli,
                                .seconds = (double)mlx_stmt_int(q, 5) / milli,
                                .requests = mlx_stmt_int(q, 6),
                                .metered = mlx_stmt_int(q, 7),
                                .tokens = mlx_stmt_int(q, 8)};
        snprintf(row.model, sizeof row.model, "%s", model ? model : "");
        snprintf(row.client, sizeof row.client, "%s", client ? client : "");
        fn(arg, &row);
    }
    return more;
}
