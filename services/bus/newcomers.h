/*  newcomers.h - last values for those who subscribe, without a flood for those who are there
 *
 *  What the broker sends goes to all who subscribed to it: libzmq has no other way. So
 *  subscriptions are gathered, each value goes out once however many asked for it, in pieces that
 *  fit into every queue, and the more there is to repeat the longer the next time is put off. Who
 *  is there already sees such values again and drops them.
 *
 *      mlx_newcomers_t *newcomers = mlx_newcomers_new(loop, retained, send, self);
 *      mlx_newcomers_add(newcomers, prefix, len, true);
 *      mlx_newcomers_destroy(&newcomers);
 */
#ifndef MLX_SERVICES_BUS_NEWCOMERS_H
#define MLX_SERVICES_BUS_NEWCOMERS_H

#include "common/bus/loop.h"
#include "retained.h"

typedef struct mlx_newcomers mlx_newcomers_t;

/*  SEND passes a value on to all readers; false: not now, the queues are full. */
typedef bool (*mlx_newcomers_send_fn)(void *arg, const char *topic, mlx_span_t body);

mlx_newcomers_t *mlx_newcomers_new(mlx_loop_t *loop, const mlx_retained_t *retained,
                                   mlx_newcomers_send_fn send, void *arg);
void mlx_newcomers_destroy(mlx_newcomers_t **self);

/*  Somebody subscribed to PREFIX. SOON is false for one who does so all the time. */
void mlx_newcomers_add(mlx_newcomers_t *self, const char *prefix, size_t len, bool soon);

#endif
