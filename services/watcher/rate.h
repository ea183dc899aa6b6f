/*  rate.h - the speed of a counter that is looked at now and then
 *
 *      mlx_rate_t rate = {0};
 *      mlx_rate_add(&rate, now_us, n_decoded);      at each look
 *      double tps = mlx_rate_value(&rate);          NaN until there are two looks
 *
 *  A counter of whole tokens is off by up to one at either end, so that a fixed window is wrong for
 *  slow models: it reaches back 2 s, and up to 10 s until it holds 50 tokens (2 % at most).
 *  A counter that falls was restarted: what came before is forgotten. Of looks that follow each
 *  other faster than ten times a second the newest is kept.
 */
#ifndef MLX_WATCHER_RATE_H
#define MLX_WATCHER_RATE_H

#include "proto/base.h"

enum {
    MLX_RATE_POINTS = 48
};

typedef struct {
    struct {
        int64_t t_us;
        double n;
    } points[MLX_RATE_POINTS]; /* a ring */
    unsigned next;
    unsigned count;
} mlx_rate_t;

void mlx_rate_reset(mlx_rate_t *self);

/*  The counter was N at T_US. Times must not fall. */
void mlx_rate_add(mlx_rate_t *self, int64_t t_us, double n);

/*  Per second over the window; NaN while unknown. */
double mlx_rate_value(const mlx_rate_t *self);

/*  The same over a window that begins at SINCE_US if that is later: what is added up with others
 *  has one window with them, from the last start or end of any of them. It reaches further back
 *  while it would hold less than 5 tokens or a quarter of a second. */
double mlx_rate_since(const mlx_rate_t *self, int64_t since_us);

#endif
