#include "guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_MAX_LEN = 255
};

static const char *const loopback_names[] = {"localhost", "127.0.0.1", "[::1]"};

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char inner[INET6_ADDRSTRLEN];
    size_t len = strlen(name);
    if (inet_pton(AF_INET, name, bytes) == 1)
        return true;
    if (len < 3 || len - 2 >= sizeof inner || name[0] != '[' || name[len - 1] != ']')
        return false;
    memcpy(inner, name + 1, len - 2);
    inner[len - 2] = '\0';
    return inet_pton(AF_INET6, inner, bytes) == 1;
}

static bool is_our_name(const mlx_guard_t *guard, const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(loopback_names); i++)
        if (strcasecmp(name, loopback_names[i]) == 0)
            return true;
    return guard->open && (is_address(name) || (guard->name && strcasecmp(name, guard->name) == 0));
}

bool mlx_guard_host(const mlx_guard_t *guard, const char *host)
{
    char port[16], name[NAME_MAX_LEN + 1];
    int tail = snprintf(port, sizeof port, ":%d", guard->port);
    size_t len = host ? strlen(host) : 0;
    if (len <= (size_t)tail || len - (size_t)tail > NAME_MAX_LEN ||
        strcmp(host + len - (size_t)tail, port) != 0)
        return false;
    memcpy(name, host, len - (size_t)tail);
    name[len - (size_t)tail] = '\0';
    return is_our_name(guard, name);
}

bool mlx_guard_origin(const mlx_guard_t *guard, const char *origin)
{
    static const char scheme[] = "http://";
    if (!origin)
        return true;
    return strncmp(origin, scheme, sizeof scheme - 1) == 0 &&
           mlx_guard_host(guard, origin + sizeof scheme - 1);
}
