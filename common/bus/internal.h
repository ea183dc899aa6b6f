/*  internal.h - what the bus modules share with each other and with no one else */
#ifndef MLX_COMMON_BUS_INTERNAL_H
#define MLX_COMMON_BUS_INTERNAL_H

#include <czmq.h>

#include "common/bus/loop.h"

/*  The zloop under a loop, for adding sockets. Borrowed. */
zloop_t *mlx_loop_zloop(mlx_loop_t *self);

/*  What a zloop handler returns: -1 once mlx_loop_stop was called. */
int mlx_loop_verdict(const mlx_loop_t *self);

#endif
