/*  What both systems' readings have in common. */
#include "listeners.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void mlx_listening_set_host(mlx_listening_t *self, bool six, const void *address)
{
    static const uint8_t any[16], mapped[12] = {[10] = 255, 255};
    const uint8_t *bytes = address;
    if (six && memcmp(bytes, mapped, 12) == 0) {
        bytes += 12;
        six = false;
    }
    if (memcmp(bytes, any, six ? 16 : 4) == 0 || (!six && bytes[0] == 127 && bytes[3] == 1))
        snprintf(self->host, sizeof self->host, "127.0.0.1");
    else
        inet_ntop(six ? AF_INET6 : AF_INET, bytes, self->host, sizeof self->host);
}
