/*  watch.h - is told when something comes or goes in folders
 *
 *  Linux: inotify. macOS: kqueue. Either is a descriptor for the loop. Where the system gives none,
 *  who uses it looks from time to time instead.
 *
 *      mlx_watch_dirs_t *watch = mlx_watch_dirs_new();
 *      mlx_watch_dirs_set(watch, paths, count);
 *      ... mlx_watch_dirs_fd(watch) is readable: mlx_watch_dirs_drain(watch);
 */
#ifndef MLX_CACHE_DAEMON_WATCH_H
#define MLX_CACHE_DAEMON_WATCH_H

#include "proto/base.h"

typedef struct mlx_watch_dirs mlx_watch_dirs_t;

mlx_watch_dirs_t *mlx_watch_dirs_new(void); /* NULL: this system has none to give */
void mlx_watch_dirs_destroy(mlx_watch_dirs_t **self);

/*  Watch these folders and no others. False when not all of them could be (too many for the
 *  system's limit): then looking from time to time is needed as well. */
bool mlx_watch_dirs_set(mlx_watch_dirs_t *self, char *const *paths, size_t count);

int mlx_watch_dirs_fd(const mlx_watch_dirs_t *self);

/*  Read the events away; true when there was one. */
bool mlx_watch_dirs_drain(mlx_watch_dirs_t *self);

#endif
