/*  throughput.h - speed of a transfer, smoothed, and the time left
 *
 *      mlx_throughput_t flow = {.smooth_s = 1.5};
 *      mlx_throughput_note(&flow, mlx_now_us(), done);   now and then
 *      double speed = mlx_throughput_speed(&flow);       bytes per second; NaN: not known yet
 *
 *  Bytes that were there at the first note are not part of the speed.
 */
#ifndef MLX_COMMON_BASE_THROUGHPUT_H
#define MLX_COMMON_BASE_THROUGHPUT_H

#include "common/base/clock.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double smooth_s; /* a change of speed is nine tenths visible after about three times this */
    bool begun;
    bool known;
    int64_t at_us;
    uint64_t done;
    double speed;
} mlx_throughput_t;

/*  DONE going back (a file is begun again) starts a new measurement. */
void mlx_throughput_note(mlx_throughput_t *self, int64_t now_us, uint64_t done);
double mlx_throughput_speed(const mlx_throughput_t *self);

/*  Seconds until TOTAL is there; NaN while the speed is unknown or nothing moves. */
double mlx_throughput_left(const mlx_throughput_t *self, uint64_t total);

#endif
