/*  ended_once.h - one request, told by two who saw it end
 *
 *  A log tells each request that has ended with the server's own figures, a moment after slots may
 *  have seen it end, too. What slots tell waits that moment and is left out when the log tells the
 *  same request: they name it by the server's number of it.
 *
 *      mlx_ended_once_t *once = mlx_ended_once_new(sink);
 *      mlx_ended_once_log(once, &request, now_us);
 *      mlx_ended_once_live(once, &request, log_is_read, now_us);
 *      mlx_ended_once_tick(once, now_us);                  a few times a second
 */
#ifndef MLX_WATCHER_ENDED_ONCE_H
#define MLX_WATCHER_ENDED_ONCE_H

#include "ended.h"

typedef struct mlx_ended_once mlx_ended_once_t;

/*  Caller owns it; what waits when it is destroyed is not told. */
mlx_ended_once_t *mlx_ended_once_new(mlx_ended_sink_t sink);
void mlx_ended_once_destroy(mlx_ended_once_t **self);

void mlx_ended_once_log(mlx_ended_once_t *self, const mlx_ended_t *request, int64_t now_us);

/*  WAITS: there is a log that may tell it. */
void mlx_ended_once_live(mlx_ended_once_t *self, const mlx_ended_t *request, bool waits,
                         int64_t now_us);

void mlx_ended_once_tick(mlx_ended_once_t *self, int64_t now_us);

#endif
