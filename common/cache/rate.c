#include "common/cache/rate.h"

#include <math.h>

/*  A change of speed is nine tenths visible after about three times this. */
static const double smooth_s = 1.5;

void mlx_rate_note(mlx_rate_t *self, int64_t now_us, uint64_t done)
{
    if (!self->begun || done < self->done) {
        *self = (mlx_rate_t){.begun = true, .at_us = now_us, .done = done};
        return;
    }
    double passed = (double)(now_us - self->at_us) / 1e6;
    if (passed < 0.1)
        return;
    double speed = (double)(done - self->done) / passed;
    double weight = self->known ? 1 - exp(-passed / smooth_s) : 1;
    self->speed += weight * (speed - self->speed);
    self->known = true;
    self->at_us = now_us;
    self->done = done;
}

double mlx_rate_speed(const mlx_rate_t *self)
{
    return self->known ? self->speed : (double)NAN;
}

double mlx_rate_left(const mlx_rate_t *self, uint64_t total)
{
    if (!self->known || self->speed < 1 || total < self->done)
        return (double)NAN;
    return (double)(total - self->done) / self->speed;
}
