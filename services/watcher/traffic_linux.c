/*  Sources: sock_diag(7); /proc/net/snmp, RFC 4022 (tcpPassiveOpens); linux/inet_diag.h, struct
 *  tcp_info of linux/tcp.h. */
#include "traffic_table.h"

#include "common/base/clock.h"
#include "diag_linux.h"
#include "listeners.h"
#include "procs.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STATE_ESTABLISHED = 1, /* of net/tcp_states.h, which programs do not get */
    STATE_CLOSE_WAIT = 8,
    STATES = 1 << STATE_ESTABLISHED | 1 << STATE_CLOSE_WAIT,
    OWN_MAX = 64,
    KNOWN_MAX = 128,
    COUNTERS_BYTES = 8192,
    DUMP_US = 30 * 1000 * 1000, /* more were there than are remembered, perhaps */
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
            /*  One more than the bytes: the connection's own opening counts. */
            out->sent = info.tcpi_bytes_acked ? info.tcpi_bytes_acked - 1 : 0;
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

/* ---- connections accepted ---- */

/*  The number in the line of values that stands below NAME in the line of names. */
static bool column(const char *names, const char *values, const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    while (names && values && *names != '\n') {
        if (strncmp(names, name, len) == 0 && (names[len] == ' ' || names[len] == '\n'))
            return sscanf(values, "%" SCNu64, out) == 1;
        names += strcspn(names, " \n");
        names += *names == ' ';
        values += strcspn(values, " \n");
        values += *values == ' ';
    }
    return false;
}

int mlx_traffic_counters_open(void)
{
    return open("/proc/net/snmp", O_RDONLY | O_CLOEXEC);
}

bool mlx_traffic_counters_read(int fd, uint64_t *out)
{
    char text[COUNTERS_BYTES];
    ssize_t len = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : 0;
    text[len > 0 ? len : 0] = '\0';
    const char *names = strstr(text, "\nTcp: ");
    const char *values = names ? strstr(names + 1, "\nTcp: ") : NULL;
    return values && column(names + 6, values + 6, "PassiveOpens", out);
}

/* ---- the connections that are known ---- */

struct mlx_traffic_table {
    int port;
    mlx_opens_t *opens; /* NULL: each reading is a dump */
    bool dumped;
    uint64_t accepted; /* as it was counted before the last reading */
    uint64_t others;   /* the same without our own */
    int64_t dumped_us;
    own_t own;
    mlx_diag_socket_t known[KNOWN_MAX];
    size_t known_count;
};

mlx_traffic_table_t *mlx_traffic_table_new(int port, mlx_opens_t *opens)
{
    mlx_traffic_table_t *self = mlx_alloc(1, sizeof *self);
    self->port = port;
    self->opens = opens;
    return self;
}

void mlx_traffic_table_destroy(mlx_traffic_table_t **self)
{
    free(*self);
    *self = NULL;
}

typedef struct {
    mlx_traffic_table_t *table;
    mlx_traffic_connection_t *out;
    size_t cap;
    size_t count;
    size_t kept;
} reading_t;

static void take(void *arg, const struct nlmsghdr *head)
{
    reading_t *reading = arg;
    mlx_traffic_table_t *table = reading->table;
    const struct inet_diag_msg *msg = NLMSG_DATA(head);
    if (reading->count == reading->cap || reading->kept == KNOWN_MAX ||
        !(STATES >> msg->idiag_state & 1) || ntohs(msg->id.idiag_sport) != table->port ||
        is_own(&table->own, ntohs(msg->id.idiag_dport)))
        return;
    mlx_traffic_connection_t *next = &reading->out[reading->count];
    *next = (mlx_traffic_connection_t){.id = (uint64_t)msg->id.idiag_cookie[1] << 32 |
                                             msg->id.idiag_cookie[0],
                                       .client_port = ntohs(msg->id.idiag_dport),
                                       .six = msg->idiag_family == AF_INET6};
    memcpy(next->client, msg->id.idiag_dst, sizeof next->client);
    memcpy(next->server, msg->id.idiag_src, sizeof next->server);
    if (!read_info(head, next))
        return;
    reading->count++;
    table->known[reading->kept++] = (mlx_diag_socket_t){msg->idiag_family, msg->id};
}

/*  A dump finds the connections that are new: where none was accepted since the last one those are
 *  asked for that it found. */
bool mlx_traffic_table_read(mlx_traffic_table_t *self, mlx_traffic_connection_t *out, size_t cap,
                            size_t *count, bool *opened)
{
    uint64_t accepted = self->accepted, others = self->others;
    int64_t now_us = mlx_now_us();
    bool counted = self->opens && mlx_opens_count(self->opens, &accepted, &others);
    bool same = self->dumped && counted && accepted == self->accepted;
    reading_t reading = {.table = self, .out = out, .cap = cap};
    bool told;
    *opened = !self->dumped || !counted || (int64_t)(others - self->others) > 0;
    self->accepted = accepted;
    self->others = others;
    if (same && now_us - self->dumped_us < DUMP_US) {
        mlx_diag_socket_t known[KNOWN_MAX];
        memcpy(known, self->known, self->known_count * sizeof *known);
        told = self->known_count == 0 || mlx_diag_known(known, self->known_count, take, &reading);
    } else {
        find_own(&self->own, self->port);
        told = mlx_diag_dump(STATES, self->port, true, take, &reading);
        self->dumped_us = now_us;
    }
    self->dumped = told;
    self->known_count = reading.kept;
    *count = reading.count;
    return told;
}

/* ---- whether all of it is seen ---- */

typedef struct {
    const char *port;
    bool found;
} relay_t;

static bool on_relay(void *arg, const mlx_proc_t *proc)
{
    relay_t *relay = arg;
    for (size_t i = 1; i + 1 < proc->argc; i++)
        if (strcmp(proc->argv[i], "-host-port") == 0 && strcmp(proc->argv[i + 1], relay->port) == 0)
            relay->found = true;
    return !relay->found;
}

bool mlx_traffic_table_whole(const char *proc_root, int port)
{
    MLX_CLEANUP(mlx_free_p)
    mlx_listening_t *list = mlx_alloc(MLX_LISTENERS_MAX, sizeof *list);
    size_t count;
    char text[8];
    bool here = false;
    if (mlx_listeners_read(proc_root, list, MLX_LISTENERS_MAX, &count, NULL))
        return false;
    for (size_t i = 0; i < count && !here; i++)
        here = list[i].port == port;
    snprintf(text, sizeof text, "%d", port);
    relay_t relay = {.port = text};
    return here && mlx_procs_find(proc_root, "docker-proxy", on_relay, &relay, NULL) == 0 &&
           !relay.found;
}
