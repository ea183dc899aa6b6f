/*  actions_post.h - what else the page does over the bus: benchmarks, alerts, the cache
 *
 *  POST /api/actions says, from a page that may (page_token.h):
 *
 *      {"do": "alert.silence", "rule": "hot", "seconds": 3600}
 *      {"do": "cancel", "what": "bench.run"}
 *
 *  "do" is one of a few commands of the catalogue, with its arguments beside it; the answer is the
 *  command's result, when it is there. cancel asks every command of that name that this page's
 *  gateway sent to end: it answers at once with {"cancelled": how many}, and they end with code
 *  interrupted. Also what only reads is here when it costs something: cache.fits may ask a hub.
 *
 *      mlx_actions_post_t *actions = mlx_actions_post_new(bus);
 *      mlx_actions_post_take(actions, request, said);
 */
#ifndef MLX_GATEWAY_ACTIONS_POST_H
#define MLX_GATEWAY_ACTIONS_POST_H

#include "common/bus/bus.h"
#include "httpd.h"

#define MLX_ACTIONS_POST_PATH "/api/actions"

typedef struct mlx_actions_post mlx_actions_post_t;

/*  BUS is borrowed. */
mlx_actions_post_t *mlx_actions_post_new(mlx_bus_t *bus);

/*  Call it when the server of HTTP has ended and before the bus does. */
void mlx_actions_post_destroy(mlx_actions_post_t **self);

/*  Answer REQUEST, now or later, to what it SAID (borrowed). */
void mlx_actions_post_take(mlx_actions_post_t *self, mlx_httpd_request_t *request,
                           const mlx_value_t *said);

#endif
