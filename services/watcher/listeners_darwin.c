/*  Sources: libproc.h and sys/proc_info.h of Apple's xnu. */
#include "listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libproc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/proc_info.h>

enum {
    PIDS_MAX = 1 << 20,
    FDS_MAX = 1 << 20,
    SLACK = 64, /* what may start between asking how many and asking which */
};

int64_t mlx_listeners_pace_ms(void)
{
    return 4000; /* each descriptor of each process is asked about */
}

static bool read_socket(pid_t pid, uid_t uid, int fd, mlx_listening_t *out)
{
    struct socket_fdinfo info;
    if (proc_pidfdinfo(pid, fd, PROC_PIDFDSOCKETINFO, &info, sizeof info) != (int)sizeof info)
        return false;
    const struct tcp_sockinfo *tcp = &info.psi.soi_proto.pri_tcp;
    if (info.psi.soi_kind != SOCKINFO_TCP || tcp->tcpsi_state != TSI_S_LISTEN)
        return false;
    *out = (mlx_listening_t){.id = tcp->tcpsi_ini.insi_gencnt,
                             .uid = uid,
                             .pid = pid,
                             .port = ntohs((uint16_t)tcp->tcpsi_ini.insi_lport)};
    const struct in_sockinfo *in = &tcp->tcpsi_ini;
    bool six = (in->insi_vflag & INI_IPV6) != 0;
    mlx_listening_set_host(out, six,
                           six ? (const void *)&in->insi_laddr.ina_6
                               : (const void *)&in->insi_laddr.ina_46.i46a_addr4);
    return true;
}

/*  A fork holds its parent's sockets, too. */
static bool is_known(const mlx_listening_t *list, size_t count, const mlx_listening_t *next)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].port == next->port && list[i].id == next->id)
            return true;
    return false;
}

/*  Another user's descriptors are not shown: it has none, then. */
static void read_process(pid_t pid, mlx_listening_t *out, size_t cap, size_t *count)
{
    struct proc_bsdshortinfo process;
    int bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, NULL, 0);
    if (bytes <= 0 || (size_t)bytes / sizeof(struct proc_fdinfo) > FDS_MAX ||
        proc_pidinfo(pid, PROC_PIDT_SHORTBSDINFO, 0, &process, sizeof process) !=
            (int)sizeof process)
        return;
    size_t room = (size_t)bytes / sizeof(struct proc_fdinfo) + SLACK;
    MLX_CLEANUP(mlx_free_p) struct proc_fdinfo *list = mlx_alloc(room, sizeof *list);
    bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, list, (int)(room * sizeof *list));
    size_t found = bytes > 0 ? (size_t)bytes / sizeof *list : 0;
    for (size_t i = 0; i < found && i < room && *count < cap; i++)
        if (list[i].proc_fdtype == PROX_FDTYPE_SOCKET &&
            read_socket(pid, process.pbsi_ruid, list[i].proc_fd, &out[*count]) &&
            !is_known(out, *count, &out[*count]))
            ++*count;
}

int mlx_listeners_read(const char *proc_root, mlx_listening_t *out, size_t cap, size_t *count,
                       mlx_error_t *err)
{
    (void)proc_root;
    *count = 0;
    int bytes = proc_listpids(PROC_ALL_PIDS, 0, NULL, 0);
    if (bytes <= 0 || (size_t)bytes / sizeof(pid_t) > PIDS_MAX)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "proc_listpids: %s", strerror(errno));
    size_t room = (size_t)bytes / sizeof(pid_t) + SLACK;
    MLX_CLEANUP(mlx_free_p) pid_t *pids = mlx_alloc(room, sizeof *pids);
    bytes = proc_listpids(PROC_ALL_PIDS, 0, pids, (int)(room * sizeof *pids));
    size_t found = bytes > 0 ? (size_t)bytes / sizeof *pids : 0;
    for (size_t i = 0; i < found && i < room; i++)
        if (pids[i] > 0)
            read_process(pids[i], out, cap, count);
    return 0;
}

/*  They are known from the start. */
void mlx_listeners_owners(const char *proc_root, mlx_listening_t *list, size_t count)
{
    (void)proc_root, (void)list, (void)count;
}
