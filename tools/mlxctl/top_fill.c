#include "top_fill.h"
#include "common/base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE_MS = 1000, /* for all answers together */
    SERIES_MAX = 16,    /* asked for, of each plot */
    POINTS = 1200,      /* of each */
    HOLD_S = 10         /* that a point stands for at most: some sources speak seldom */
};

/*  How the series of a plot become one. */
typedef enum {
    JOIN_SUM,
    JOIN_MAX,
    JOIN_FIRST
} join_t;

static const struct {
    const char *begin;
    const char *ends[4]; /* the first end that has a series counts */
    const char *figure;  /* its id in common/view/figures.c */
    join_t join;
} sources[] = {
    {"runtime.", {".activity/tokens_per_second"}, "speed", JOIN_SUM},
    {"sensor.gpu.", {"/utilization"}, "gpu", JOIN_MAX},
    {"sensor.memory", {"/used"}, "memory", JOIN_FIRST},
    {"sensor.cpu", {"/utilization"}, "cpu", JOIN_FIRST},
    {"sensor.",
     {"gpu.0/temperature", "temperature/cpu", "temperature/max"},
     "temperature",
     JOIN_FIRST},
    {"sensor.", {"power/total", "power/package", "gpu.0/power"}, "power", JOIN_FIRST},
};

typedef struct {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    const char *host;
    int64_t since_us;
    int64_t until_us;
    int64_t deadline_us;
    mlx_value_t *reply;
} fill_t;

static void on_reply(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    fill_t *self = arg;
    (void)err;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    if (kind == MLX_REPLY_DONE)
        self->reply = mlx_value_copy(value);
    mlx_loop_stop(self->loop);
}

/*  NULL: no answer in the time that is left. Caller owns it. */
static mlx_value_t *ask(fill_t *self, const char *cmd, const mlx_value_t *args)
{
    int64_t left_ms = (self->deadline_us - mlx_now_us()) / 1000;
    self->reply = NULL;
    if (left_ms <= 0)
        return NULL;
    mlx_bus_call(self->bus, "recorder", cmd, args, left_ms, on_reply, self);
    mlx_loop_run(self->loop);
    return self->reply;
}

static double joined(double before, double value, join_t join)
{
    if (isnan(before))
        return value;
    return join == JOIN_SUM ? before + value : join == JOIN_MAX ? fmax(before, value) : before;
}

/*  Add to VALUES, one a second, what stood between FROM and TO: the mean of the point at FROM, for
 *  as long as it may stand. */
static void add_stretch(double *values, size_t from, size_t to, double mean, join_t join)
{
    for (size_t at = from; at < to && at < from + HOLD_S && at < MLX_TOP_HISTORY; at++)
        values[at] = joined(values[at], mean, join);
}

/*  Add the points of series NAME to VALUES, one a second. */
static void add_series(fill_t *self, const char *name, join_t join, double *values)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "series", name);
    mlx_value_set_int(args, "since", self->since_us);
    mlx_value_set_int(args, "until", self->until_us);
    mlx_value_set_int(args, "points", POINTS);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = ask(self, "history.query", args);
    const mlx_value_t *points = mlx_value_get(reply, "points");
    size_t before = 0;
    double held = NAN;
    for (size_t i = 0; i < mlx_value_size(points); i++) {
        const mlx_value_t *point = mlx_value_at(points, i);
        int64_t t = 0;
        double mean = NAN;
        if (mlx_value_size(point) < 4 || !mlx_value_as_int(mlx_value_at(point, 0), &t) ||
            !mlx_value_as_real(mlx_value_at(point, 3), &mean) || t < self->since_us ||
            t >= self->until_us)
            continue;
        size_t at = (size_t)((t - self->since_us) / 1000000);
        if (!isnan(held))
            add_stretch(values, before, at, held, join);
        before = at;
        held = mean;
    }
    if (!isnan(held))
        add_stretch(values, before, MLX_TOP_HISTORY, held, join);
}

static bool matches(const fill_t *self, const char *name, const char *begin, const char *end)
{
    size_t host = strlen(self->host), len = strlen(name), tail = strlen(end);
    return strncmp(name, self->host, host) == 0 && name[host] == '/' &&
           strncmp(name + host + 1, begin, strlen(begin)) == 0 && len >= tail &&
           strcmp(name + len - tail, end) == 0;
}

/*  All series of SOURCE that the recorder knows. Returns whether there is one. */
static bool gather(fill_t *self, const mlx_value_t *names, size_t source, double *values)
{
    size_t asked = 0;
    for (size_t e = 0; e < MLX_COUNT(sources[source].ends) && sources[source].ends[e] && !asked;
         e++)
        for (size_t i = 0; i < mlx_value_size(names) && asked < SERIES_MAX; i++) {
            const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
            if (!name || !matches(self, name, sources[source].begin, sources[source].ends[e]))
                continue;
            add_series(self, name, sources[source].join, values);
            asked++;
        }
    return asked > 0;
}

/*  The plot of memory shows its share. */
static void divide_by_total(fill_t *self, double *values, double *totals)
{
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("%s/sensor.memory/total", self->host);
    for (size_t k = 0; k < MLX_TOP_HISTORY; k++)
        totals[k] = NAN;
    add_series(self, name, JOIN_FIRST, totals);
    for (size_t k = 0; k < MLX_TOP_HISTORY; k++)
        values[k] /= totals[k];
}

/*  The requests that have ended, the oldest first. */
static void fill_requests(fill_t *self, mlx_top_t *top)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "host", self->host);
    mlx_value_set_int(args, "limit", MLX_TOP_ENDED);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = ask(self, "requests.list", args);
    const mlx_value_t *list = mlx_value_get(reply, "requests");
    for (size_t i = mlx_value_size(list); i-- > 0;)
        mlx_top_ended(top, mlx_value_at(list, i));
}

void mlx_top_fill(mlx_top_t *top, mlx_loop_t *loop, mlx_bus_t *bus, const char *host,
                  int64_t now_us)
{
    fill_t self = {.loop = loop,
                   .bus = bus,
                   .host = host,
                   .until_us = now_us,
                   .since_us = now_us - (int64_t)MLX_TOP_HISTORY * 1000000,
                   .deadline_us = mlx_now_us() + (int64_t)PATIENCE_MS * 1000};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = ask(&self, "history.series", NULL);
    const mlx_value_t *names = mlx_value_get(reply, "series");
    MLX_CLEANUP(mlx_free_p)
    double *values = mlx_alloc((size_t)MLX_TOP_HISTORY, 2 * sizeof *values);
    for (size_t i = 0; i < MLX_COUNT(sources); i++) {
        for (size_t k = 0; k < MLX_TOP_HISTORY; k++)
            values[k] = NAN;
        bool known = gather(&self, names, i, values);
        if (known && strcmp(sources[i].figure, "memory") == 0)
            divide_by_total(&self, values, values + MLX_TOP_HISTORY);
        if (known)
            mlx_top_history(top, sources[i].figure, values, MLX_TOP_HISTORY);
    }
    fill_requests(&self, top);
}
