#include "asker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "asker_socket.h"
#include "proto/utf8.h"

/*  IPv4 in IPv6's clothes is shown as what it is. */
static void fill_address(mlx_asker_end_t *peer, const struct sockaddr_storage *at)
{
    const struct sockaddr_in *four = (const void *)at;
    const struct sockaddr_in6 *six = (const void *)at;
    if (at->ss_family == AF_INET) {
        inet_ntop(AF_INET, &four->sin_addr, peer->address, sizeof peer->address);
        peer->port = ntohs(four->sin_port);
    } else if (at->ss_family == AF_INET6) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
        inet_ntop(mapped ? AF_INET : AF_INET6,
                  mapped ? (const void *)&six->sin6_addr.s6_addr[12] : &six->sin6_addr,
                  peer->address, sizeof peer->address);
        peer->port = ntohs(six->sin6_port);
    }
}

static uint16_t port_of(const struct sockaddr_storage *at)
{
    const struct sockaddr_in *four = (const void *)at;
    const struct sockaddr_in6 *six = (const void *)at;
    if (at->ss_family == AF_INET6)
        return ntohs(six->sin6_port);
    return at->ss_family == AF_INET ? ntohs(four->sin_port) : 0;
}

/*  The addresses of both ends are the same machine's only if they are one, or loopback. */
static bool is_here(const char *client, const struct sockaddr_storage *own)
{
    mlx_asker_end_t self = {0};
    fill_address(&self, own);
    return strncmp(client, "127.", 4) == 0 || strcmp(client, "::1") == 0 ||
           strcmp(client, self.address) == 0;
}

mlx_asker_end_t mlx_asker_end_between(const struct sockaddr_storage *client,
                                      const struct sockaddr_storage *server)
{
    mlx_asker_end_t peer = {0};
    fill_address(&peer, client);
    peer.server_port = port_of(server);
    peer.here = peer.address[0] && is_here(peer.address, server);
    if (peer.here)
        peer.inode = mlx_asker_socket(client, server);
    return peer;
}

mlx_asker_end_t mlx_asker_end_of(int fd)
{
    struct sockaddr_storage client = {0}, own = {0};
    socklen_t client_len = sizeof client, own_len = sizeof own;
    if (getpeername(fd, (struct sockaddr *)&client, &client_len) ||
        getsockname(fd, (struct sockaddr *)&own, &own_len))
        return (mlx_asker_end_t){0};
    return mlx_asker_end_between(&client, &own);
}

void mlx_asker_text(char *field, size_t size, const char *text, size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strndup(text, len);
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(copy, 0);
    size_t keep = strlen(line);
    if (keep >= size) {
        keep = size - 1;
        while (keep > 0 && ((unsigned char)line[keep] & 0xc0) == 0x80)
            keep--;
    }
    memcpy(field, line, keep);
    field[keep] = '\0';
}

void mlx_asker_name(const mlx_asker_t *self, char out[MLX_ASKER_NAME])
{
    const char *name = self->peer.here ? "" : self->peer.address;
    int len = MLX_ASKER_NAME - 1;
    if (self->process[0]) {
        name = self->process;
    } else if (self->agent[0]) {
        name = self->agent;
        size_t product = strcspn(name, " ");
        len = (int)product < len ? (int)product : len;
    }
    snprintf(out, MLX_ASKER_NAME, "%.*s", len, name);
}
