#include "request_energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/power_meter.h"

enum {
    POINTS = 4096 /* over an hour at one a second */
};

/*  Joules that a request which ran all the time has cost up to this moment. Between two points of
 *  one stretch the energy grows evenly. */
typedef struct {
    int64_t t_us;
    double joules;
    unsigned stretch;
} point_t;

struct mlx_request_energy {
    mlx_power_meter_t *meter;
    size_t running;
    unsigned stretch;
    double joules;
    point_t points[POINTS]; /* a ring */
    size_t first, count;
};

mlx_request_energy_t *mlx_request_energy_new(void)
{
    mlx_request_energy_t *self = mlx_alloc(1, sizeof *self);
    self->meter = mlx_power_meter_new();
    return self;
}

void mlx_request_energy_destroy(mlx_request_energy_t **self)
{
    if (*self)
        mlx_power_meter_destroy(&(*self)->meter);
    mlx_free_p(self);
}

static const point_t *point_at(const mlx_request_energy_t *self, size_t index)
{
    return &self->points[(self->first + index) % POINTS];
}

/*  Bring the sum up to NOW_US with the power that was heard last. */
static void advance(mlx_request_energy_t *self, int64_t now_us)
{
    double watts = mlx_power_meter_watts(self->meter, now_us);
    if (self->count > 0) {
        int64_t passed = now_us - point_at(self, self->count - 1)->t_us;
        if (isnan(watts) || passed > MLX_POWER_SILENT_US)
            self->stretch++;
        else if (passed > 0 && self->running > 0)
            self->joules += watts * (double)passed * 1e-6 / (double)self->running;
    }
    if (isnan(watts))
        return;
    if (self->count == POINTS) {
        self->first = (self->first + 1) % POINTS;
        self->count--;
    }
    self->points[(self->first + self->count++) % POINTS] =
        (point_t){.t_us = now_us, .joules = self->joules, .stretch = self->stretch};
}

void mlx_request_energy_hear(mlx_request_energy_t *self, const char *topic, const mlx_value_t *d,
                             int64_t now_us)
{
    if (!mlx_power_meter_knows(topic))
        return;
    advance(self, now_us);
    mlx_power_meter_hear(self->meter, topic, d, now_us);
}

void mlx_request_energy_running(mlx_request_energy_t *self, size_t count, int64_t now_us)
{
    if (count == self->running)
        return;
    advance(self, now_us);
    self->running = count;
}

/*  The sum at T_US; false outside of what is known. */
static bool sum_at(const mlx_request_energy_t *self, int64_t t_us, double *joules,
                   unsigned *stretch)
{
    size_t low = 0, high = self->count;
    while (low < high) { /* the first point behind t_us */
        size_t middle = low + (high - low) / 2;
        if (point_at(self, middle)->t_us > t_us)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return false;
    const point_t *before = point_at(self, low - 1);
    *joules = before->joules;
    *stretch = before->stretch;
    if (low == self->count)
        return t_us - before->t_us <= MLX_POWER_SILENT_US;
    const point_t *after = point_at(self, low);
    double share = (double)(t_us - before->t_us) / (double)(after->t_us - before->t_us);
    *joules += (after->joules - before->joules) * share;
    return after->stretch == before->stretch || t_us == before->t_us;
}

double mlx_request_energy_of(const mlx_request_energy_t *self, int64_t start_us, int64_t end_us)
{
    double from, to;
    unsigned first, last;
    bool known = sum_at(self, start_us, &from, &first) && sum_at(self, end_us, &to, &last);
    return known && first == last ? to - from : NAN;
}
