/*  speed_test.h - has generation become slower? New requests against those before
 *
 *  The speed of a request depends on how many tokens its context holds and, by what else the
 *  machine does, on the hour of the day: both are fitted to the requests before, robustly, and
 *  taken out. What is left is compared window by window: how far the mean of n consecutive
 *  requests strays by itself is measured on the requests before, not assumed, so that heavy tails,
 *  and hours that differ, widen the limit; and what the requests of one hour have in common is
 *  measured apart, as all of the new ones may come in one slow hour. A loss is told when it is
 *  certain to one in fifty thousand: with several looks after each update that is less than one
 *  false alarm in a hundred years.
 *
 *      mlx_speed_loss_t loss;
 *      if (mlx_speed_lost(before, n, after, m, &loss)) ...
 */
#ifndef MLX_RECORDER_SPEED_TEST_H
#define MLX_RECORDER_SPEED_TEST_H

#include "proto/base.h"

enum {
    MLX_SPEED_BEFORE_MIN = 80,   /* requests that say what was usual */
    MLX_SPEED_BEFORE_MAX = 1600, /* the newest are used */
    MLX_SPEED_AFTER_MIN = 8,
    MLX_SPEED_AFTER_MAX = 60, /* after as many without a loss there was none */
};

/*  They must span so long: two turns of the day. */
#define MLX_SPEED_BEFORE_US (INT64_C(2) * 86400 * 1000000)

typedef struct {
    int64_t t_us;
    float log_speed; /* natural logarithm of tokens per second */
    float depth;     /* logarithm to base 2 of the tokens of its context */
} mlx_speed_t;

typedef struct {
    double ratio;     /* speed now of what it was, as a median request has it */
    double low, high; /* 95 % interval */
} mlx_speed_loss_t;

/*  Look after so many: at 8, 12, 16, 20, 30, 45 and 60 requests. */
bool mlx_speed_is_look(size_t after);

/*  True: slower, by more than two parts of a hundred, and by LOSS. By time. */
bool mlx_speed_lost(const mlx_speed_t *before, size_t n, const mlx_speed_t *after, size_t m,
                    mlx_speed_loss_t *loss);

#endif
