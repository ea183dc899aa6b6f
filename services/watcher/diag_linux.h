/*  diag_linux.h - the kernel's table of TCP sockets, by sock_diag(7), which any user may ask
 *
 *  A dump walks the whole hash table of the kernel, a millisecond where it is large; a question for
 *  sockets that are known costs some microseconds each.
 *
 *      mlx_diag_dump(1 << 10, 0, false, take, self);            all that listen
 *      mlx_diag_known(list, count, take, self);                 what has become of these
 */
#ifndef MLX_WATCHER_DIAG_LINUX_H
#define MLX_WATCHER_DIAG_LINUX_H

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include "proto/base.h"

/*  Messages are at least as long as an inet_diag_msg. */
typedef void (*mlx_diag_fn)(void *arg, const struct nlmsghdr *head);

/*  Call FN for each socket, of IPv4 and IPv6, whose state is one of STATES (bits of
 *  net/tcp_states.h) and whose own port is PORT (0: any); INFO: with its tcp_info. True when the
 *  table came to its end, false when there is none. */
bool mlx_diag_dump(uint32_t states, int port, bool info, mlx_diag_fn fn, void *arg);

/*  One socket, as a message of a dump names it. */
typedef struct {
    uint8_t family;
    struct inet_diag_sockid id;
} mlx_diag_socket_t;

/*  Call FN for each of the COUNT sockets of LIST that still is, with its tcp_info. False when the
 *  kernel did not answer for all. */
bool mlx_diag_known(const mlx_diag_socket_t *list, size_t count, mlx_diag_fn fn, void *arg);

#endif
