/*  readers.h - the connections of those who read, as their subscriptions tell of them
 *
 *  libzmq names no connection, but each subscription says which descriptor it came through and
 *  whose key was shown there. That is enough to end a connection: one whose key is no longer
 *  allowed, one whose reader fetches nothing while messages pile up for it, one that subscribes
 *  without end. A client of ZeroMQ connects again by itself, and is then looked at again.
 *
 *      mlx_readers_t *readers = mlx_readers_new(is_allowed, self);
 *      if (mlx_readers_subscribed(readers, &frame, now_us)) ... give it the last values soon
 *      mlx_readers_destroy(&readers);
 */
#ifndef MLX_SERVICES_BUS_READERS_H
#define MLX_SERVICES_BUS_READERS_H

#include <zmq.h>

#include "proto/base.h"

typedef struct mlx_readers mlx_readers_t;

/*  ALLOWED tells whether a key may read; NULL: every key may. */
typedef bool (*mlx_readers_allowed_fn)(void *arg, const char *key);
mlx_readers_t *mlx_readers_new(mlx_readers_allowed_fn allowed, void *arg);
void mlx_readers_destroy(mlx_readers_t **self);

/*  FRAME, a subscription, came. False: its connection has subscribed so often of late that it can
 *  wait, or so much that it has been ended, or with a key that may not read. */
bool mlx_readers_subscribed(mlx_readers_t *self, zmq_msg_t *frame, int64_t now_us);

/*  See how much waits for whom, and forget who has left. Meant to be called every 100 ms or so. */
void mlx_readers_look(mlx_readers_t *self, int64_t now_us);

/*  End the connections through which nothing has gone for a while though something waits. Returns
 *  their number. */
size_t mlx_readers_end_stuck(mlx_readers_t *self, int64_t now_us);

/*  End the connections made with a key that may not read any more. Returns their number. */
size_t mlx_readers_end_denied(mlx_readers_t *self);

/*  Connections ended for too many subscriptions, since the start. */
int64_t mlx_readers_excessive(const mlx_readers_t *self);

#endif
