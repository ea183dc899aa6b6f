/*  cached.h - keeps the status of the model cache fresh and carries out its commands
 *
 *  One worker thread does all that touches disks and network, one job after the other; results come
 *  back into the loop. Folders of all stores are watched, and looked at from time to time as well.
 *
 *      mlx_cached_t *cached = mlx_cached_new(&options, &err);
 *      mlx_cached_command(cached, "cache.add", args, on_end, arg);
 *      mlx_cached_destroy(&cached);
 */
#ifndef MLX_CACHE_DAEMON_CACHED_H
#define MLX_CACHE_DAEMON_CACHED_H

#include "common/base/env.h"
#include "common/bus/loop.h"
#include "proto/value.h"

typedef struct mlx_cached mlx_cached_t;

typedef struct {
    mlx_loop_t *loop;
    const char *home; /* of the cache; copied */
    mlx_env_t env;
    unsigned streams;
    bool watch;
    int64_t look_ms;   /* look at the stores this often; 0: 30 s */
    int64_t settle_ms; /* after a change, wait this long for more; 0: 500 */

    /*  In the loop. STATUS is the map of cache.status, PROGRESS that of cache.progress. */
    void (*status)(void *arg, const mlx_value_t *status);
    void (*progress)(void *arg, const mlx_value_t *progress);
    void (*problem)(void *arg, const mlx_error_t *err);
    void *arg;
} mlx_cached_options_t;

mlx_cached_t *mlx_cached_new(const mlx_cached_options_t *options, mlx_error_t *err);
void mlx_cached_destroy(mlx_cached_t **self); /* waits for the running job, which is told to end */

/*  How a command ended: REPORT is its map, or NULL with ERR. In the loop. */
typedef void (*mlx_cached_fn)(void *arg, const mlx_value_t *report, const mlx_error_t *err);

/*  Queue a command: cache.refresh, cache.add {model}, cache.link {app, model}, cache.unlink {app,
 *  model}, cache.clean {yes}: without yes it only tells what it would remove; cache.where {model},
 *  cache.fits {model, context, slots, cache}. FN is called once with ARG. -1 with ERR (usage): no
 *  such command or argument; FN is not called then. */
int mlx_cached_command(mlx_cached_t *self, const char *cmd, const mlx_value_t *args,
                       mlx_cached_fn fn, void *arg, mlx_error_t *err);

/*  End the command that was queued with ARG. */
void mlx_cached_cancel(mlx_cached_t *self, void *arg);

#endif
