#include "energy_idle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double minute_s = 60;

void mlx_idle_power_add(mlx_idle_power_t *self, double joules, double seconds)
{
    self->joules += joules;
    self->seconds += seconds;
    if (self->seconds < minute_s)
        return;
    self->minutes[self->next] = self->joules / self->seconds;
    self->next = (self->next + 1) % MLX_IDLE_MINUTES;
    self->count += self->count < MLX_IDLE_MINUTES;
    self->joules = self->seconds = 0;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double mlx_idle_power(const mlx_idle_power_t *self)
{
    double sorted[MLX_IDLE_MINUTES];
    if (self->count == 0)
        return NAN;
    memcpy(sorted, self->minutes, self->count * sizeof *sorted);
    qsort(sorted, self->count, sizeof *sorted, by_value);
    return sorted[(self->count - 1) / 4];
}
