/*  alert_routes.h - alerts to where people are: a webhook, in JSON, as ntfy or as Slack wants it
 *
 *      mlx_alert_routes_t *routes = mlx_alert_routes_new(loop, config, on_problem, arg, &err);
 *      mlx_alert_routes_send(routes, "hot", "studio", d);
 *      mlx_alert_routes_destroy(&routes);
 *
 *  What cannot be delivered is tried again after 2, 4, 8, ... 256 seconds, or when the server asks
 *  for more (Retry-After, an hour at most), then given up and told.
 *  Addresses, which often hold a secret, are in no message of ours.
 */
#ifndef MLX_RECORDER_ALERT_ROUTES_H
#define MLX_RECORDER_ALERT_ROUTES_H

#include "common/bus/loop.h"
#include "proto/error.h"
#include "proto/value.h"

typedef struct mlx_alert_routes mlx_alert_routes_t;

enum {
    MLX_ALERT_TRIES = 9,
    MLX_ALERT_WAITING = 64, /* deliveries; those beyond are given up */
};

/*  CONFIG is alert.routes: maps {kind, url}; https, or http to this machine. NULL with ERR (usage).
 *  PROBLEM is told of what is given up. */
mlx_alert_routes_t *mlx_alert_routes_new(mlx_loop_t *loop, const mlx_value_t *config,
                                         void (*problem)(void *arg, const char *kind,
                                                         const char *text),
                                         void *arg, mlx_error_t *err);
void mlx_alert_routes_destroy(mlx_alert_routes_t **self);

/*  Tell all routes of alert.RULE of HOST. */
void mlx_alert_routes_send(mlx_alert_routes_t *self, const char *rule, const char *host,
                           const mlx_value_t *d);

#endif
