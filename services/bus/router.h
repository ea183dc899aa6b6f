/*  router.h - commands: from a caller to a service and back (frames: common/bus/command.h)
 *
 *  The router knows which services are registered and which calls are open, and makes sure that
 *  every call ends: a service that vanishes answers "unavailable" at once, a caller that vanishes
 *  cancels.
 */
#ifndef MLX_SERVICES_BUS_ROUTER_H
#define MLX_SERVICES_BUS_ROUTER_H

#include <czmq.h>

#include "common/bus/loop.h"
#include "proto/value.h"

typedef struct mlx_router mlx_router_t;

typedef struct {
    void (*on_presence)(void *arg, const char *service, bool up);      /* a service came or went */
    void (*on_forgotten)(void *arg, const char *service);              /* one that is away */
    void (*on_refused)(void *arg, const char *kind, const char *text); /* frames made no sense */
    void *arg;
} mlx_router_events_t;

/*  The service that only this process may register as: it answers for the broker. */
#define MLX_ROUTER_OWN "bus"

/*  SOCKET is a bound ROUTER, borrowed; BOOT is the broker's own id, shown to services. */
mlx_router_t *mlx_router_new(mlx_loop_t *loop, zsock_t *socket, const char *boot,
                             const mlx_router_events_t *events);
void mlx_router_destroy(mlx_router_t **self);

/*  Append {name, connected, answers, pid} of each service to LIST. One that is connected and does
 *  not answer hangs. The pid is the kernel's word for who
 *  holds the other end of the connection; absent where the system does not tell. */
void mlx_router_services(const mlx_router_t *self, mlx_value_t *list);

#endif
