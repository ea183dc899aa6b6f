/*  guard.h - who may talk to us: the Host and Origin of a request
 *
 *  A web page anywhere can make a browser send requests to loopback, and a name that is first
 *  theirs and then resolves to 127.0.0.1 (DNS rebinding) would let the page read the answer. Such a
 *  request names a foreign host; so only our own names, with our port, are answered.
 *
 *  When the gateway listens on more than loopback, addresses (not names) and the name of this
 *  machine are ours too: an address cannot be rebound.
 *
 *      mlx_guard_t guard = {.port = 11490, .open = false, .name = NULL};
 *      if (!mlx_guard_host(&guard, host) || !mlx_guard_origin(&guard, origin)) refuse
 */
#ifndef MLX_GATEWAY_GUARD_H
#define MLX_GATEWAY_GUARD_H

#include "proto/base.h"

typedef struct {
    int port;
    bool open;        /* reachable from other machines */
    const char *name; /* of this machine; used when open; may be NULL */
} mlx_guard_t;

/*  HOST: value of the Host header, "127.0.0.1:11490"; NULL, as it is when absent, is refused. */
bool mlx_guard_host(const mlx_guard_t *guard, const char *host);

/*  ORIGIN: value of the Origin header, or NULL when absent, which is fine: no page is asking. */
bool mlx_guard_origin(const mlx_guard_t *guard, const char *origin);

#endif
