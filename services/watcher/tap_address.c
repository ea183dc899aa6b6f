#include "tap_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*  Split "host:port" or "[v6]:port" into HOST (of SIZE bytes) and *PORT (borrowed from TEXT). */
static bool split(const char *text, char *host, size_t size, const char **port)
{
    bool bracket = text[0] == '[';
    const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
    const char *colon = end && bracket ? end + 1 : end;
    const char *start = text + bracket;
    if (!colon || *colon != ':' || end == start || (size_t)(end - start) >= size)
        return false;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    *port = colon + 1;
    return bracket || !strchr(host, ':');
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= UINT16_MAX;
}

/*  "localhost" is this machine (RFC 6761), also where no hosts file says so. */
static int this_machine(const char *port, mlx_tap_address_t list[MLX_TAP_ADDRESSES])
{
    const uint16_t number = htons((uint16_t)atoi(port));
    const struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = number, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = number, .sin6_addr = in6addr_loopback};
    memcpy(&list[0].addr, &v4, sizeof v4);
    list[0].len = sizeof v4;
    memcpy(&list[1].addr, &v6, sizeof v6);
    list[1].len = sizeof v6;
    return 2;
}

int mlx_tap_resolve(const char *text, mlx_tap_address_t list[MLX_TAP_ADDRESSES], mlx_error_t *err)
{
    char host[256];
    const char *port = NULL;
    if (!split(text, host, sizeof(host), &port) || !is_port(port)) {
        mlx_error_set(err, MLX_ERR_USAGE, "\"%s\" is not an address", text);
        return mlx_error_hint(err, "write host:port, as in 127.0.0.1:11493 or [::1]:11493");
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0 && strcasecmp(host, "localhost") == 0)
        return this_machine(port, list);
    if (rc != 0)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "%s: %s", text, gai_strerror(rc));
    int count = 0;
    for (const struct addrinfo *at = found; at && count < MLX_TAP_ADDRESSES; at = at->ai_next) {
        memcpy(&list[count].addr, at->ai_addr, at->ai_addrlen);
        list[count++].len = at->ai_addrlen;
    }
    freeaddrinfo(found);
    return count;
}

bool mlx_tap_is_loopback(const mlx_tap_address_t *address)
{
    if (address->addr.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->addr;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->addr;
    return address->addr.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

uint16_t mlx_tap_address_port(const mlx_tap_address_t *address)
{
    if (address->addr.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->addr)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&address->addr)->sin6_port);
}

mlx_tap_address_t mlx_tap_address_of(int fd)
{
    mlx_tap_address_t address = {.len = sizeof(address.addr)};
    if (getsockname(fd, (struct sockaddr *)&address.addr, &address.len))
        mlx_panic("a bound socket has no name");
    return address;
}
