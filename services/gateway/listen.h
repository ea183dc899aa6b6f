/*  listen.h - the listening socket of "ADDRESS:PORT"
 *
 *      mlx_listener_t listener;
 *      if (mlx_listen(&listener, "127.0.0.1:11490", &err)) return -1;
 */
#ifndef MLX_GATEWAY_LISTEN_H
#define MLX_GATEWAY_LISTEN_H

#include "proto/error.h"

typedef struct {
    int fd; /* nonblocking, listening; caller owns it */
    int port;
    bool open;        /* not a loopback address */
    char address[80]; /* "127.0.0.1:11490", "[::1]:11490" */
} mlx_listener_t;

/*  TEXT: an IPv4 address, an IPv6 address in brackets or "localhost", and a port; 0: any free one.
 *  0, or -1 with ERR: usage (no such address), busy (the port is taken), failed. */
int mlx_listen(mlx_listener_t *listener, const char *text, mlx_error_t *err);

/*  Connections that there are descriptors for, at most MOST: the listener's own number tells how
 *  many are in use, and some are left to the rest of the process. */
size_t mlx_listener_room(const mlx_listener_t *listener, size_t most);

#endif
