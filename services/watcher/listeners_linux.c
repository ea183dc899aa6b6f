/*  Sources: sock_diag(7); proc(5): /proc/net/tcp{,6}, /proc/<pid>/fd. */
#include "listeners.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "diag_linux.h"

enum {
    STATE_LISTEN = 10, /* of net/tcp_states.h, which programs do not get */
    LINE = 512,
};

typedef struct {
    mlx_listening_t *out;
    size_t cap;
    size_t *count;
} table_t;

int64_t mlx_listeners_pace_ms(void)
{
    return 2000;
}

static void take_diag(void *arg, const struct nlmsghdr *head)
{
    table_t *table = arg;
    const struct inet_diag_msg *msg = NLMSG_DATA(head);
    if (msg->idiag_state != STATE_LISTEN || *table->count == table->cap)
        return;
    mlx_listening_t *next = &table->out[(*table->count)++];
    *next = (mlx_listening_t){
        .id = msg->idiag_inode, .uid = msg->idiag_uid, .port = ntohs(msg->id.idiag_sport)};
    mlx_listening_set_host(next, msg->idiag_family == AF_INET6, msg->id.idiag_src);
}

/*  Addresses are printed as the 32-bit words they are in memory, network order. */
static bool take_line(table_t *table, const char *line)
{
    char hex[33];
    uint8_t bytes[16];
    unsigned port, state, uid;
    uint64_t inode;
    if (*table->count == table->cap ||
        sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %u %*u %" SCNu64, hex, &port,
               &state, &uid, &inode) != 5 ||
        state != STATE_LISTEN || port > UINT16_MAX || (strlen(hex) != 8 && strlen(hex) != 32))
        return false;
    for (size_t word = 0; word < strlen(hex) / 8; word++) {
        char text[9] = "";
        memcpy(text, hex + word * 8, 8);
        uint32_t value = (uint32_t)strtoul(text, NULL, 16);
        memcpy(bytes + word * 4, &value, 4);
    }
    mlx_listening_t *next = &table->out[(*table->count)++];
    *next = (mlx_listening_t){.id = inode, .uid = uid, .port = (uint16_t)port};
    mlx_listening_set_host(next, strlen(hex) == 32, bytes);
    return true;
}

static bool read_table(const char *proc_root, const char *name, table_t *table)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/net/%s", proc_root, name);
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "re");
    char line[LINE];
    while (file && fgets(line, sizeof line, file))
        take_line(table, line);
    return file != NULL;
}

int mlx_listeners_read(const char *proc_root, mlx_listening_t *out, size_t cap, size_t *count,
                       mlx_error_t *err)
{
    static const uint32_t listening = UINT32_C(1) << STATE_LISTEN;
    table_t table = {out, cap, count};
    *count = 0;
    bool real = !strcmp(proc_root, "/proc");
    if (real && mlx_diag_dump(listening, 0, false, take_diag, &table))
        return 0;
    *count = 0;
    bool four = read_table(proc_root, "tcp", &table), six = read_table(proc_root, "tcp6", &table);
    if (four || six)
        return 0;
    return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the table of sockets cannot be read");
}

/* ---- who holds them ---- */

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/*  A fork holds its parent's sockets, too, and has a higher number, mostly. */
static void note_holder(const char *link, pid_t pid, mlx_listening_t *list, size_t count)
{
    uint64_t inode;
    if (strncmp(link, "socket:[", 8) != 0 || sscanf(link + 8, "%" SCNu64, &inode) != 1)
        return;
    for (size_t i = 0; i < count; i++)
        if (list[i].id == inode && (list[i].pid == 0 || list[i].pid > pid))
            list[i].pid = pid;
}

static void look_through(const char *proc_root, pid_t pid, mlx_listening_t *list, size_t count)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%d/fd", proc_root, (int)pid);
    MLX_CLEANUP(close_dir) DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char link[64];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        link[len > 0 ? len : 0] = '\0';
        note_holder(link, pid, list, count);
    }
}

void mlx_listeners_owners(const char *proc_root, mlx_listening_t *list, size_t count)
{
    MLX_CLEANUP(close_dir) DIR *dir = count ? opendir(proc_root) : NULL;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (isdigit((unsigned char)entry->d_name[0]) && !*end && pid > 0 && pid <= INT32_MAX)
            look_through(proc_root, (pid_t)pid, list, count);
    }
}
