/*  rate.h - speed of a transfer, smoothed, and the time left
 *
 *      mlx_rate_t rate = {0};
 *      mlx_rate_note(&rate, mlx_now_us(), done);        now and then
 *      double speed = mlx_rate_speed(&rate);             bytes per second; NaN: not known yet
 *
 *  Bytes that were there at the first note are no part of the speed.
 */
#ifndef MLX_COMMON_CACHE_RATE_H
#define MLX_COMMON_CACHE_RATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool begun;
    bool known;
    int64_t at_us;
    uint64_t done;
    double speed;
} mlx_rate_t;

/*  DONE going back (a file is begun again) starts a new measurement. */
void mlx_rate_note(mlx_rate_t *self, int64_t now_us, uint64_t done);
double mlx_rate_speed(const mlx_rate_t *self);

/*  Seconds until TOTAL is there; NaN while the speed is unknown or nothing moves. */
double mlx_rate_left(const mlx_rate_t *self, uint64_t total);

#endif
