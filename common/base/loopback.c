#include "common/base/loopback.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

bool mlx_loopback_host(const char *host, size_t len)
{
    struct in6_addr v6;
    struct in_addr v4;
    char name[INET6_ADDRSTRLEN];
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (inet_pton(AF_INET, name, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, name, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strlen(name) == len && strcasecmp(name, "localhost") == 0;
}

bool mlx_loopback_url(const char *url)
{
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return false;
    const char *host = strstr(url, "//") + 2;
    size_t authority = strcspn(host, "/?#");
    if (memchr(host, '@', authority) || memchr(host, '\\', authority))
        return false;
    size_t len = host[0] == '[' ? strcspn(host, "]/?#") + 1 : strcspn(host, ":/?#");
    return len <= authority && (len == authority || host[len] == ':') &&
           mlx_loopback_host(host, len);
}
