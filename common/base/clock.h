/*  clock.h - the two clocks, in microseconds */
#ifndef MLX_COMMON_BASE_CLOCK_H
#define MLX_COMMON_BASE_CLOCK_H

#include <stdint.h>

int64_t mlx_now_us(void);  /* monotonic: for durations and deadlines; its zero means nothing */
int64_t mlx_wall_us(void); /* since the epoch: for people and messages; may jump */

#endif
