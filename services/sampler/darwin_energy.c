#include "darwin_energy.h"

#include <math.h>
#include <string.h>

#define WINDOW_US 1900000 /* a batch, less what timers wobble */
#define STANDS_US 10000000

void mlx_energy_start(mlx_energy_t *self, int64_t now_us)
{
    *self = (mlx_energy_t){.count = 1, .watts = NAN};
    self->points[0].t_us = now_us;
}

void mlx_energy_move(mlx_energy_t *self, double joules, int64_t now_us)
{
    if (!(joules > 0))
        return;
    if (self->count == MLX_ENERGY_POINTS) {
        self->count--;
        memmove(&self->points[0], &self->points[1], self->count * sizeof self->points[0]);
    }
    double sum = self->points[self->count - 1].joules + joules;
    size_t last = self->count++;
    self->points[last].t_us = now_us;
    self->points[last].joules = sum;
    /* Back to the latest movement that lies a batch before. The start is not a movement, but a
       counter
     * that first moves a whole batch after it had moved just before it. */
    size_t from = last;
    while (from > 0 && now_us - self->points[from].t_us < WINDOW_US)
        from--;
    int64_t span_us = now_us - self->points[from].t_us;
    if (span_us >= WINDOW_US)
        self->watts = (sum - self->points[from].joules) / ((double)span_us * 1e-6);
}

bool mlx_energy_moved(const mlx_energy_t *self)
{
    return self->points[self->count - 1].joules > 0;
}

bool mlx_energy_stands(const mlx_energy_t *self, int64_t now_us)
{
    return now_us - self->points[self->count - 1].t_us >= STANDS_US;
}

double mlx_energy_watts(const mlx_energy_t *self, int64_t now_us)
{
    return mlx_energy_stands(self, now_us) ? (double)NAN : self->watts;
}
