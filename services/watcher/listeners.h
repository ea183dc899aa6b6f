/*  listeners.h - the TCP sockets of this machine that listen near us, and who holds them
 *
 *  Near is loopback, any address, or an address of this machine. Linux: sock_diag(7), which shows
 *  every user's sockets in a quarter of a millisecond, or /proc/net/tcp where that is not
 *  available; the holder by /proc/<pid>/fd, of this user's processes only (root: all). macOS:
 *  libproc, which shows this user's sockets only.
 *
 *      mlx_listening_t list[MLX_LISTENERS_MAX];
 *      mlx_listeners_read("/proc", list, MLX_LISTENERS_MAX, &count, &err);
 *      mlx_listeners_owners("/proc", list, count);        for those that are new
 */
#ifndef MLX_WATCHER_LISTENERS_H
#define MLX_WATCHER_LISTENERS_H

#include <sys/types.h>

#include "proto/error.h"

enum {
    MLX_LISTENERS_MAX = 1024, /* those beyond are not looked at */
};

typedef struct {
    uint64_t id; /* the same as long as the socket lives */
    uid_t uid;
    uint16_t port;
    char host[46]; /* to connect to: "127.0.0.1", "::1", or the address it is bound to */
    pid_t pid;     /* 0: not looked for, or not shown */
} mlx_listening_t;

/*  Fill in what to connect to, for a socket bound to ADDRESS of IPv6 (SIX) or IPv4, in network
 *  order: IPv4's clients reach one that is bound to any address of IPv6, too. */
void mlx_listening_set_host(mlx_listening_t *self, bool six, const void *address);

/*  How often to read: what it costs differs. */
int64_t mlx_listeners_pace_ms(void);

/*  Up to CAP into OUT, *COUNT of them. -1 with MLX_ERR_UNAVAILABLE when there is no such table. */
int mlx_listeners_read(const char *proc_root, mlx_listening_t *out, size_t cap, size_t *count,
                       mlx_error_t *err);

/*  Fill in the pid of those of LIST that have none; of several holders the oldest. */
void mlx_listeners_owners(const char *proc_root, mlx_listening_t *list, size_t count);

#endif
