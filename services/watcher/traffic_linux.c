/*  Sources: sock_diag(7); linux/inet_diag.h, struct tcp_info of linux/tcp.h. */
#include "diag_linux.h"
#include "traffic_table.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STATE_ESTABLISHED = 1, /* of net/tcp_states.h, which programs do not get */
    STATE_CLOSE_WAIT = 8,
    OWN_MAX = 64,
};

/*  Ports of this process's own connections to the server. */
typedef struct {
    uint16_t ports[OWN_MAX];
    size_t count;
} own_t;

static uint16_t port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

static void note_own(own_t *own, int fd, int port)
{
    struct sockaddr_storage peer = {0}, self = {0};
    socklen_t peer_len = sizeof peer, self_len = sizeof self;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) || port_of(&peer) != port ||
        getsockname(fd, (struct sockaddr *)&self, &self_len) || own->count == OWN_MAX)
        return;
    own->ports[own->count++] = port_of(&self);
}

static void find_own(own_t *own, int port)
{
    own->count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            note_own(own, (int)strtol(entry->d_name, NULL, 10), port);
    closedir(dir);
}

static bool is_own(const own_t *own, uint16_t port)
{
    for (size_t i = 0; i < own->count; i++)
        if (own->ports[i] == port)
            return true;
    return false;
}

/*  What the attributes of a message say; false when the kernel is too old to count. */
static bool read_info(const struct nlmsghdr *head, mlx_traffic_connection_t *out)
{
    const struct inet_diag_msg *msg = NLMSG_DATA(head);
    size_t left = head->nlmsg_len - NLMSG_LENGTH(sizeof *msg);
    const char *at = (const char *)(msg + 1);
    while (left >= sizeof(struct nlattr)) {
        struct nlattr attr;
        memcpy(&attr, at, sizeof attr);
        if (attr.nla_len < sizeof attr || attr.nla_len > left)
            return false;
        struct tcp_info info = {0};
        size_t len = attr.nla_len - sizeof attr;
        if (attr.nla_type == INET_DIAG_INFO &&
            len >= offsetof(struct tcp_info, tcpi_bytes_received) + 8) {
            memcpy(&info, at + sizeof attr, len < sizeof info ? len : sizeof info);
            out->received = info.tcpi_bytes_received;
            out->received_ago = info.tcpi_last_data_recv;
            out->sent_ago = info.tcpi_last_data_sent;
            return true;
        }
        size_t step = NLMSG_ALIGN(attr.nla_len);
        at += step < left ? step : left;
        left -= step < left ? step : left;
    }
    return false;
}

typedef struct {
    const own_t *own;
    mlx_traffic_connection_t *out;
    size_t cap;
    size_t *count;
    int port;
} table_t;

static void take(void *arg, const struct nlmsghdr *head)
{
    table_t *table = arg;
    const struct inet_diag_msg *msg = NLMSG_DATA(head);
    if (*table->count == table->cap || ntohs(msg->id.idiag_sport) != table->port ||
        is_own(table->own, ntohs(msg->id.idiag_dport)))
        return;
    mlx_traffic_connection_t *next = &table->out[*table->count];
    *next = (mlx_traffic_connection_t){.id = (uint64_t)msg->id.idiag_cookie[1] << 32 |
                                             msg->id.idiag_cookie[0],
                                       .client_port = ntohs(msg->id.idiag_dport),
                                       .six = msg->idiag_family == AF_INET6};
    memcpy(next->client, msg->id.idiag_dst, sizeof next->client);
    memcpy(next->server, msg->id.idiag_src, sizeof next->server);
    if (read_info(head, next))
        ++*table->count;
}

bool mlx_traffic_table(int port, mlx_traffic_connection_t *out, size_t cap, size_t *count)
{
    static const uint32_t states = 1 << STATE_ESTABLISHED | 1 << STATE_CLOSE_WAIT;
    own_t own;
    find_own(&own, port);
    *count = 0;
    table_t table = {.own = &own, .out = out, .cap = cap, .count = count, .port = port};
    bool four = mlx_diag_dump(AF_INET, states, port, true, take, &table);
    bool six = mlx_diag_dump(AF_INET6, states, port, true, take, &table);
    return four || six;
}
