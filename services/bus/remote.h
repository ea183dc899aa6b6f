/*  remote.h - the bus across machines: CURVE keys, the allow-list, peers
 *
 *  Over TCP only the outward socket is offered, only with CURVE, and only to public keys on the
 *  allow-list: other machines may read this bus, never write or command it.
 *
 *  Keys directory (made by `mlxctl keys`): server.key (public) and server.key_secret of this
 *  machine, allowed/NAME.key with the public key of each machine that may connect (zcert files).
 */
#ifndef MLX_SERVICES_BUS_REMOTE_H
#define MLX_SERVICES_BUS_REMOTE_H

#include <czmq.h>

#include "broker.h"
#include "proto/error.h"

typedef struct mlx_remote mlx_remote_t;

/*  Load the machine's certificate and start the authenticator. NULL with ERR when keys are missing
 *  or the secret one is readable by others. */
mlx_remote_t *mlx_remote_new(const char *keys_dir, mlx_error_t *err);
void mlx_remote_destroy(mlx_remote_t **self);

/*  Offer the bound-by-ipc SOCKET on ENDPOINT too, with CURVE. 0, or -1 with ERR. */
int mlx_remote_bind(mlx_remote_t *self, zsock_t *socket, const char *endpoint, mlx_error_t *err);

/*  Read the allow-list again if it has changed. True when it has. */
bool mlx_remote_reload(mlx_remote_t *self);

/*  Is the public KEY (Z85) on the allow-list? */
bool mlx_remote_allows(mlx_remote_t *self, const char *key);

/*  A SUB socket with the keys for PEER, subscribed to everything, not connected yet. Caller owns
 *  it. NULL with ERR. */
zsock_t *mlx_remote_socket(mlx_remote_t *self, const mlx_peer_t *peer, size_t hwm,
                           mlx_error_t *err);

#endif
