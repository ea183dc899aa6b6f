/*  tap_splice.h - pass bytes from one socket to another without looking at them or copying them
 *
 *  A pipe holds the kernel's own pages meanwhile. It must be empty before more is taken in.
 *
 *      mlx_splice_t *splice = mlx_splice_new();          NULL: not on this system, or not now
 *      ssize_t got = mlx_splice_in(splice, from, most);
 *      ssize_t sent = mlx_splice_out(splice, to);        again while it holds something
 *      mlx_splice_destroy(&splice);
 *
 *  Linux only: elsewhere there is none, and bytes are copied.
 */
#ifndef MLX_WATCHER_TAP_SPLICE_H
#define MLX_WATCHER_TAP_SPLICE_H

#include <sys/types.h>

#include "proto/base.h"

typedef struct mlx_splice mlx_splice_t;

/*  What is left in it is lost with it. */
mlx_splice_t *mlx_splice_new(void);
void mlx_splice_destroy(mlx_splice_t **self);

/*  Bytes taken from the socket FROM, at most MOST; 0 at its end, -1 when the peer is gone, -2 when
 *  there is nothing now, -3 when this socket cannot be spliced. */
ssize_t mlx_splice_in(mlx_splice_t *self, int from, uint64_t most);

/*  Bytes that the socket TO took; -1 when its peer is gone. SIGPIPE must be blocked or ignored. */
ssize_t mlx_splice_out(mlx_splice_t *self, int to);

/*  Bytes taken in and not given out. */
size_t mlx_splice_held(const mlx_splice_t *self);

#endif
