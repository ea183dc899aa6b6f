#include "common/base/throughput.h"

#include <math.h>

void mlx_throughput_note(mlx_throughput_t *self, int64_t now_us, uint64_t done)
{
    if (!self->begun || done < self->done) {
        *self = (mlx_throughput_t){
            .smooth_s = self->smooth_s, .begun = true, .at_us = now_us, .done = done};
        return;
    }
    double passed = (double)(now_us - self->at_us) / 1e6;
    if (passed < 0.1)
        return;
    double speed = (double)(done - self->done) / passed;
    double weight = self->known ? 1 - exp(-passed / self->smooth_s) : 1;
    self->speed += weight * (speed - self->speed);
    self->known = true;
    self->at_us = now_us;
    self->done = done;
}

double mlx_throughput_speed(const mlx_throughput_t *self)
{
    return self->known ? self->speed : (double)NAN;
}

double mlx_throughput_left(const mlx_throughput_t *self, uint64_t total)
{
    if (!self->known || self->speed < 1 || total < self->done)
        return (double)NAN;
    return (double)(total - self->done) / self->speed;
}
