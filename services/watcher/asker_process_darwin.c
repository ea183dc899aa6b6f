/*  Sources: libproc.h, sys/proc_info.h of Apple's xnu. The holder is found by its ports: macOS
 *  shows no number of a socket that both sides could name. */
#include "asker_process.h"

#include <arpa/inet.h>
#include <libproc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/proc_info.h>

enum {
    FDS_MAX = 65536
};

static bool is_end(pid_t pid, int fd, const mlx_asker_end_t *peer)
{
    struct socket_fdinfo info;
    if (proc_pidfdinfo(pid, fd, PROC_PIDFDSOCKETINFO, &info, sizeof info) != (int)sizeof info)
        return false;
    const struct in_sockinfo *in = &info.psi.soi_proto.pri_tcp.tcpsi_ini;
    return info.psi.soi_kind == SOCKINFO_TCP && ntohs((uint16_t)in->insi_lport) == peer->port &&
           ntohs((uint16_t)in->insi_fport) == peer->server_port;
}

bool mlx_asker_holds(const char *proc_root, pid_t pid, const mlx_asker_end_t *peer)
{
    (void)proc_root;
    int bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, NULL, 0);
    size_t room = bytes > 0 ? (size_t)bytes / sizeof(struct proc_fdinfo) : 0;
    if (room == 0 || room > FDS_MAX)
        return false;
    MLX_CLEANUP(mlx_free_p) struct proc_fdinfo *list = mlx_alloc(room, sizeof *list);
    bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, list, (int)(room * sizeof *list));
    size_t count = bytes > 0 ? (size_t)bytes / sizeof *list : 0;
    for (size_t i = 0; i < count && i < room; i++)
        if (list[i].proc_fdtype == PROX_FDTYPE_SOCKET && is_end(pid, list[i].proc_fd, peer))
            return true;
    return false;
}

bool mlx_asker_name_of(const char *proc_root, pid_t pid, char out[MLX_ASKER_PROCESS])
{
    (void)proc_root;
    struct proc_bsdshortinfo info;
    if (proc_pidinfo(pid, PROC_PIDT_SHORTBSDINFO, 0, &info, sizeof info) != (int)sizeof info)
        return false;
    mlx_asker_text(out, MLX_ASKER_PROCESS, info.pbsi_comm,
                   strnlen(info.pbsi_comm, sizeof info.pbsi_comm));
    return true;
}

static int newest_first(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;
    return (left < right) - (left > right);
}

size_t mlx_asker_processes(const char *proc_root, pid_t *out, size_t cap)
{
    (void)proc_root;
    int bytes = proc_listpids(PROC_ALL_PIDS, 0, out, (int)(cap * sizeof *out));
    size_t count = bytes > 0 ? (size_t)bytes / sizeof *out : 0;
    qsort(out, count, sizeof *out, newest_first);
    return count;
}
