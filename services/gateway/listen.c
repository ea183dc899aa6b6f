#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    SPARE_FILES = 16 /* descriptors that connections leave to the rest of the process */
};

static int no_address(const char *text, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_USAGE, "gateway.listen: \"%.64s\" is not of the form ADDRESS:PORT",
                  text);
    return mlx_error_hint(err, "write it as 127.0.0.1:11490 or [::1]:11490");
}

/*  TEXT into a socket address; a name other than localhost is not looked up. */
static int resolve(const char *text, struct sockaddr_storage *to, socklen_t *len, mlx_error_t *err)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (size == 0 || size >= sizeof host)
        return no_address(text, err);
    bool bracketed = text[0] == '[' && text[size - 1] == ']' && size > 2;
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? size - 2 : size), text + bracketed);
    if (!bracketed && strchr(host, ':'))
        return no_address(text, err);
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *name = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    size_t digits = strspn(colon + 1, "0123456789");
    /* getaddrinfo(3) takes 65537 for 1. */
    if (digits == 0 || digits > 5 || colon[1 + digits] || strtol(colon + 1, NULL, 10) > 65535 ||
        getaddrinfo(name, colon + 1, &hints, &found) != 0)
        return no_address(text, err);
    memcpy(to, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/*  Fill in what the kernel made of it. */
static void describe(mlx_listener_t *listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } at = {0};
    socklen_t len = sizeof at;
    char name[INET6_ADDRSTRLEN] = "?";
    getsockname(listener->fd, &at.any, &len);
    if (at.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &at.v6.sin6_addr, name, sizeof name);
        listener->port = ntohs(at.v6.sin6_port);
        listener->open = !IN6_IS_ADDR_LOOPBACK(&at.v6.sin6_addr);
        snprintf(listener->address, sizeof listener->address, "[%s]:%d", name, listener->port);
    } else {
        inet_ntop(AF_INET, &at.v4.sin_addr, name, sizeof name);
        listener->port = ntohs(at.v4.sin_port);
        listener->open = (ntohl(at.v4.sin_addr.s_addr) >> 24) != IN_LOOPBACKNET;
        snprintf(listener->address, sizeof listener->address, "%s:%d", name, listener->port);
    }
}

static int fail(const char *text, mlx_error_t *err)
{
    bool taken = errno == EADDRINUSE;
    mlx_error_set(err, taken ? MLX_ERR_BUSY : MLX_ERR_FAILED, "cannot listen on %s: %s", text,
                  strerror(errno));
    return mlx_error_hint(err, taken
                                   ? "stop the other gateway, or set gateway.listen to a free port"
                                   : "see gateway.listen in `mlxctl config`");
}

int mlx_listen(mlx_listener_t *listener, const char *text, mlx_error_t *err)
{
    struct sockaddr_storage to = {0};
    socklen_t len = 0;
    const int on = 1;
    if (resolve(text, &to, &len, err))
        return -1;
    int fd = socket(to.ss_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fail(text, err);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&to, len) || listen(fd, BACKLOG)) {
        fail(text, err);
        close(fd);
        return -1;
    }
    *listener = (mlx_listener_t){.fd = fd};
    describe(listener);
    return 0;
}

size_t mlx_listener_room(const mlx_listener_t *listener, size_t most)
{
    struct rlimit limit;
    size_t taken = (size_t)listener->fd + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= taken + most)
        return most;
    return limit.rlim_cur > taken ? (size_t)limit.rlim_cur - taken : 1;
}
