/*  macOS has no splice(2) between sockets: there is never one to use. */
#include "tap_splice.h"

mlx_splice_t *mlx_splice_new(void)
{
    return NULL;
}

void mlx_splice_destroy(mlx_splice_t **self)
{
    *self = NULL;
}

ssize_t mlx_splice_in(mlx_splice_t *self, int from, uint64_t most)
{
    (void)self, (void)from, (void)most;
    return -3;
}

ssize_t mlx_splice_out(mlx_splice_t *self, int to)
{
    (void)self, (void)to;
    return -1;
}

size_t mlx_splice_held(const mlx_splice_t *self)
{
    (void)self;
    return 0;
}
