#include "rate.h"

#include <math.h>
#include <string.h>

enum {
    WINDOW_US = 2 * 1000 * 1000,
    WINDOW_MAX_US = 10 * 1000 * 1000,
    ENOUGH = 50,
    LEAST_US = 250 * 1000,
    LEAST = 5,
    STEP_US = 100 * 1000,
};

static unsigned index_back(const mlx_rate_t *self, unsigned back)
{
    return (self->next + MLX_RATE_POINTS - 1 - back) % MLX_RATE_POINTS;
}

void mlx_rate_reset(mlx_rate_t *self)
{
    memset(self, 0, sizeof *self);
}

/*  Whether the newest look gives way to one at T_US: it is too near to the one before it. */
static bool gives_way(const mlx_rate_t *self, int64_t t_us)
{
    if (self->count == 0)
        return false;
    unsigned last = index_back(self, 0), before = index_back(self, 1);
    return t_us == self->points[last].t_us ||
           (self->count > 1 && t_us - self->points[before].t_us < STEP_US);
}

void mlx_rate_add(mlx_rate_t *self, int64_t t_us, double n)
{
    if (!isfinite(n))
        return;
    unsigned last = index_back(self, 0);
    if (self->count && (n < self->points[last].n || t_us < self->points[last].t_us))
        mlx_rate_reset(self);
    if (gives_way(self, t_us)) {
        self->points[last].t_us = t_us;
        self->points[last].n = n;
        return;
    }
    self->points[self->next].t_us = t_us;
    self->points[self->next].n = n;
    self->next = (self->next + 1) % MLX_RATE_POINTS;
    if (self->count < MLX_RATE_POINTS)
        self->count++;
}

double mlx_rate_since(const mlx_rate_t *self, int64_t since_us)
{
    if (self->count < 2)
        return NAN;
    unsigned newest = index_back(self, 0);
    int64_t span = 0;
    double tokens = 0;
    for (unsigned back = 1; back < self->count; back++) {
        unsigned i = index_back(self, back);
        int64_t reach = self->points[newest].t_us - self->points[i].t_us;
        if (span && reach > WINDOW_MAX_US)
            break;
        span = reach;
        tokens = self->points[newest].n - self->points[i].n;
        bool whole = span >= WINDOW_US && tokens >= (double)ENOUGH;
        bool common =
            self->points[i].t_us <= since_us && span >= LEAST_US && tokens >= (double)LEAST;
        if (whole || common)
            break;
    }
    return tokens * 1e6 / (double)span;
}

double mlx_rate_value(const mlx_rate_t *self)
{
    return mlx_rate_since(self, INT64_MIN);
}
