/*  asker_socket.h - which socket of this machine is a client's, as the system numbers it
 *
 *  One file per system: asker_socket_linux.c, asker_socket_darwin.c.
 */
#ifndef MLX_WATCHER_ASKER_SOCKET_H
#define MLX_WATCHER_ASKER_SOCKET_H

#include "proto/base.h"
#include <sys/socket.h>

/*  The inode of the TCP socket bound to CLIENT and connected to SERVER, as the client sees the
 *  two; 0 when it is gone or the system has no such number. */
uint64_t mlx_asker_socket(const struct sockaddr_storage *client,
                          const struct sockaddr_storage *server);

#endif
