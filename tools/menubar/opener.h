/*  opener.h - running the desktop's little programs and learning how they ended
 *
 *      mlx_opener_t *opener = mlx_opener_new(on_failed, self);
 *      const char *argv[] = {"xdg-open", url, NULL};
 *      mlx_opener_run(opener, argv, url, &err);
 *      mlx_opener_reap(opener);                       on SIGCHLD
 */
#ifndef MLX_TOOLS_MENUBAR_OPENER_H
#define MLX_TOOLS_MENUBAR_OPENER_H

#include "proto/error.h"

typedef struct mlx_opener mlx_opener_t;

/*  WHAT is the one given to run. */
typedef void (*mlx_opener_failed_fn)(void *arg, const char *what);

mlx_opener_t *mlx_opener_new(mlx_opener_failed_fn fn, void *arg);
void mlx_opener_destroy(mlx_opener_t **self); /* what runs goes on without us */

/*  Start ARGV[0], looked up in $PATH, with nothing on its standard input and output. WHAT (copied;
 *  may be NULL) names it for FN. 0, or -1 with ERR: unavailable when there is no such program, busy
 *  when too many run. */
int mlx_opener_run(mlx_opener_t *self, const char *const *argv, const char *what, mlx_error_t *err);

/*  Collect those that ended; FN is called for each that failed. */
void mlx_opener_reap(mlx_opener_t *self);

size_t mlx_opener_running(const mlx_opener_t *self);

#endif
