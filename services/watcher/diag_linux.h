/*  diag_linux.h - the kernel's table of TCP sockets, by sock_diag(7), which any user may ask
 *
 *      mlx_diag_dump(AF_INET, 1 << 10, 0, take, self);          all that listen
 */
#ifndef MLX_WATCHER_DIAG_LINUX_H
#define MLX_WATCHER_DIAG_LINUX_H

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include "proto/base.h"

/*  Call FN for each socket of FAMILY whose state is one of STATES (bits of net/tcp_states.h) and
 *  whose own port is PORT (0: any); INFO: with its tcp_info. True when the table came to its end,
 *  false when there is none. Messages are at least as long as an inet_diag_msg. */
typedef void (*mlx_diag_fn)(void *arg, const struct nlmsghdr *head);
bool mlx_diag_dump(int family, uint32_t states, int port, bool info, mlx_diag_fn fn, void *arg);

#endif
