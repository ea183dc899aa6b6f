#include "watch.h"

mlx_watch_dirs_t *mlx_watch_dirs_new(void)
{
    return NULL;
}

void mlx_watch_dirs_destroy(mlx_watch_dirs_t **self)
{
    *self = NULL;
}

bool mlx_watch_dirs_set(mlx_watch_dirs_t *self, char *const *paths, size_t count)
{
    (void)self;
    (void)paths;
    return count == 0;
}

int mlx_watch_dirs_fd(const mlx_watch_dirs_t *self)
{
    (void)self;
    return -1;
}

bool mlx_watch_dirs_drain(mlx_watch_dirs_t *self)
{
    (void)self;
    return false;
}
