/*  macOS finds the holder of a socket by its ports (asker_process_darwin.c). */
#include "asker_socket.h"

uint64_t mlx_asker_socket(const struct sockaddr_storage *client,
                          const struct sockaddr_storage *server)
{
    (void)client;
    (void)server;
    return 0;
}
