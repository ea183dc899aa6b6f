#include "energy_sweep.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/power_meter.h"

#define HOUR_US (INT64_C(3600) * 1000000)

typedef struct {
    int64_t t_us;
    int starts;     /* spans that begin here, less those that end */
    double share;   /* joules of a span that has run since the beginning */
    double known_s; /* since the beginning */
} cut_t;

struct mlx_sweep {
    cut_t *cuts;
    size_t count;
    mlx_energy_hour_t *hours;
    size_t hour_count;
};

int64_t mlx_hour_begin(int64_t t_us)
{
    time_t t = (time_t)(t_us / 1000000);
    struct tm tm = {0};
    localtime_r(&t, &tm);
    return ((int64_t)t - tm.tm_min * INT64_C(60) - tm.tm_sec) * 1000000;
}

static void add_cut(mlx_sweep_t *self, const mlx_sweep_input_t *input, int64_t t_us, int starts)
{
    if (t_us < input->from_us)
        t_us = input->from_us;
    if (t_us > input->to_us)
        t_us = input->to_us;
    self->cuts[self->count++] = (cut_t){.t_us = t_us, .starts = starts};
}

static int by_time(const void *a, const void *b)
{
    const cut_t *x = a, *y = b;
    return (x->t_us > y->t_us) - (x->t_us < y->t_us);
}

/*  All moments at which something changes, each once. */
static void make_cuts(mlx_sweep_t *self, const mlx_sweep_input_t *input)
{
    size_t hours = (size_t)((input->to_us - input->from_us) / HOUR_US) + 4;
    self->cuts = mlx_alloc(input->count + 2 * input->span_count + hours, sizeof *self->cuts);
    self->hours = mlx_alloc(hours, sizeof *self->hours);
    add_cut(self, input, input->from_us, 0);
    add_cut(self, input, input->to_us, 0);
    for (size_t i = 0; i < input->count; i++)
        add_cut(self, input, input->points[i].t_us, 0);
    for (size_t i = 0; i < input->span_count; i++) {
        const mlx_sweep_span_t *span = &input->spans[i];
        if (span->end_us <= span->start_us)
            continue;
        add_cut(self, input, span->start_us, 1);
        add_cut(self, input, span->end_us, -1);
    }
    for (int64_t at = input->from_us; at < input->to_us && self->hour_count < hours;) {
        mlx_energy_hour_t *hour = &self->hours[self->hour_count++];
        int64_t begin = mlx_hour_begin(at), end = begin + HOUR_US;
        *hour = (mlx_energy_hour_t){.begin_us = begin, .from_us = at};
        hour->to_us = at = end < input->to_us && end > at ? end : input->to_us;
        add_cut(self, input, at, 0);
    }
    qsort(self->cuts, self->count, sizeof *self->cuts, by_time);
    size_t n = 0;
    for (size_t i = 1; i < self->count; i++) {
        if (self->cuts[i].t_us != self->cuts[n].t_us)
            self->cuts[++n] = self->cuts[i];
        else
            self->cuts[n].starts += self->cuts[i].starts;
    }
    self->count = n + 1;
}

/*  Watts at T_US between the points BEFORE and BEFORE + 1; NaN: not known. */
static double watts_at(const mlx_power_point_t *before, int64_t t_us)
{
    const mlx_power_point_t *after = before + 1;
    int64_t width = after->t_us - before->t_us;
    if (width > MLX_POWER_SILENT_US || width <= 0)
        return NAN;
    return before->watts +
           (after->watts - before->watts) * (double)(t_us - before->t_us) / (double)width;
}

/*  Account JOULES of SECONDS (NaN: not known) while RUNNING spans ran; returns the share of one. */
static double account(mlx_energy_hour_t *hour, double joules, double seconds, int running,
                      double idle_watts)
{
    if (isnan(joules)) {
        hour->unknown_s += seconds;
        return 0;
    }
    hour->known_s += seconds;
    if (isnan(idle_watts)) {
        hour->unsplit += joules;
        return 0;
    }
    double base = fmin(joules, idle_watts * seconds);
    hour->base += base;
    if (running == 0)
        hour->other += joules - base;
    else
        hour->shared += joules - base;
    return running ? (joules - base) / running : 0;
}

static void sweep(mlx_sweep_t *self, const mlx_sweep_input_t *input)
{
    size_t point = 0, hour = 0;
    int running = 0;
    for (size_t i = 0; i + 1 < self->count; i++) {
        cut_t *cut = &self->cuts[i], *next = cut + 1;
        double seconds = (double)(next->t_us - cut->t_us) * 1e-6, joules = NAN;
        running += cut->starts;
        while (point + 1 < input->count && input->points[point + 1].t_us <= cut->t_us)
            point++;
        while (hour + 1 < self->hour_count && self->hours[hour].to_us <= cut->t_us)
            hour++;
        if (point + 1 < input->count && input->points[point].t_us <= cut->t_us)
            joules = (watts_at(&input->points[point], cut->t_us) +
                      watts_at(&input->points[point], next->t_us)) /
                     2 * seconds;
        next->share =
            cut->share + account(&self->hours[hour], joules, seconds, running, input->idle_watts);
        next->known_s = cut->known_s + (isnan(joules) || isnan(input->idle_watts) ? 0 : seconds);
    }
}

mlx_sweep_t *mlx_sweep_new(const mlx_sweep_input_t *input)
{
    mlx_sweep_t *self = mlx_alloc(1, sizeof *self);
    if (input->to_us <= input->from_us)
        return self;
    make_cuts(self, input);
    sweep(self, input);
    return self;
}

void mlx_sweep_destroy(mlx_sweep_t **self)
{
    if (*self) {
        free((*self)->cuts);
        free((*self)->hours);
    }
    mlx_free_p(self);
}

size_t mlx_sweep_hours(const mlx_sweep_t *self, const mlx_energy_hour_t **hours)
{
    *hours = self->hours;
    return self->hour_count;
}

/*  The cut at T_US, or the nearest inside. */
static const cut_t *cut_at(const mlx_sweep_t *self, int64_t t_us)
{
    size_t low = 0, high = self->count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->cuts[middle].t_us < t_us)
            low = middle + 1;
        else
            high = middle;
    }
    return &self->cuts[low];
}

double mlx_sweep_share(const mlx_sweep_t *self, int64_t start_us, int64_t end_us, double *known_s)
{
    *known_s = 0;
    if (self->count == 0 || end_us <= start_us)
        return 0;
    const cut_t *from = cut_at(self, start_us), *to = cut_at(self, end_us);
    *known_s = to->known_s - from->known_s;
    return to->share - from->share;
}
