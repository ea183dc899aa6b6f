/*  tap_address.h - "host:port" to socket addresses
 *
 *      mlx_tap_address_t list[MLX_TAP_ADDRESSES];
 *      int count = mlx_tap_resolve("localhost:11434", list, &err);
 *
 *  Hosts: a name, an IPv4 address, an IPv6 address in brackets.
 */
#ifndef MLX_WATCHER_TAP_ADDRESS_H
#define MLX_WATCHER_TAP_ADDRESS_H

#include "proto/error.h"

#include <sys/socket.h>

enum {
    MLX_TAP_ADDRESSES = 4
};

typedef struct {
    struct sockaddr_storage addr;
    socklen_t len;
} mlx_tap_address_t;

/*  Fill LIST with the first MLX_TAP_ADDRESSES addresses of TEXT. Asks the resolver for what is no
 *  address, and waits for it. Returns how many (at least one), or -1. */
int mlx_tap_resolve(const char *text, mlx_tap_address_t list[MLX_TAP_ADDRESSES], mlx_error_t *err);

/*  What does that; a test may stand in for the resolver. */
typedef int (*mlx_tap_resolve_fn)(const char *text, mlx_tap_address_t list[MLX_TAP_ADDRESSES],
                                  mlx_error_t *err);

/*  127.0.0.0/8 or ::1. */
bool mlx_tap_is_loopback(const mlx_tap_address_t *address);

uint16_t mlx_tap_address_port(const mlx_tap_address_t *address);

/*  The address that FD is bound to. */
mlx_tap_address_t mlx_tap_address_of(int fd);

#endif
