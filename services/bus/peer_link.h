/*  peer_link.h - a reader of another machine's bus that does not give up
 *
 *  libzmq connects again when a connection breaks, but for good no more when the other side turned
 *  the key away or broke the protocol: who is allowed again would stay out until a restart. A link
 *  sees that and makes its socket anew every two seconds, until it is let in.
 *
 *      mlx_peer_link_t *link = mlx_peer_link_new(&options, &err);
 *      mlx_peer_link_destroy(&link);
 */
#ifndef MLX_SERVICES_BUS_PEER_LINK_H
#define MLX_SERVICES_BUS_PEER_LINK_H

#include <czmq.h>

#include "broker.h"
#include "remote.h"

typedef struct mlx_peer_link mlx_peer_link_t;

/*  The other side turned this machine's key away: once, until it lets it in. */
typedef void (*mlx_peer_link_denied_fn)(void *arg, const mlx_peer_t *peer);

typedef struct {
    mlx_loop_t *loop;
    mlx_remote_t *remote;   /* the keys; must outlive the link */
    const mlx_peer_t *peer; /* must outlive the link */
    size_t hwm;
    zloop_reader_fn *on_message; /* a zloop handler, called with READER_ARG */
    void *reader_arg;
    mlx_peer_link_denied_fn on_denied;
    void *arg; /* of on_denied */
} mlx_peer_link_options_t;

/*  NULL with ERR: the peer is incomplete or its endpoint is none. */
mlx_peer_link_t *mlx_peer_link_new(const mlx_peer_link_options_t *options, mlx_error_t *err);
void mlx_peer_link_destroy(mlx_peer_link_t **self);

#endif
