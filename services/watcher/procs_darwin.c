/*  procs_darwin.c - processes of macOS by libproc and sysctl
 *
 *  Arguments: sysctl KERN_PROCARGS2, a buffer of an int (argc), the executable's path, NUL padding,
 *  argc strings, then the environment. The strings are the process's own memory: it can have
 *  written anything there. Sources: libproc.h, sys/proc_info.h and sys/sysctl.h of Apple's xnu.
 */
#include "procs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libproc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/proc_info.h>
#include <sys/sysctl.h>

enum {
    PIDS_MAX = 1 << 20,
    FDS_MAX = 1 << 20,
    AREA_MAX = 4 << 20, /* ARG_MAX is 1 MiB today */
    SLACK = 64,         /* what may start between asking how many and asking which */
};

/*  Everything of one search that is allocated once. */
typedef struct {
    pid_t *pids;
    size_t count;
    char *area;
    size_t area_size;
    const char *argv[MLX_PROCS_ARGS_MAX + 1];
    char parent_name[MLX_PROCS_NAME_MAX];
} search_t;

static void free_search(search_t *self)
{
    free(self->pids);
    free(self->area);
}

static int list_pids(search_t *self, mlx_error_t *err)
{
    int bytes = proc_listpids(PROC_ALL_PIDS, 0, NULL, 0);
    if (bytes <= 0 || (size_t)bytes / sizeof(pid_t) > PIDS_MAX)
        return mlx_error_set(err, MLX_ERR_FAILED, "proc_listpids: %s", strerror(errno));
    size_t room = (size_t)bytes / sizeof(pid_t) + SLACK;
    self->pids = mlx_alloc(room, sizeof(pid_t));
    bytes = proc_listpids(PROC_ALL_PIDS, 0, self->pids, (int)(room * sizeof(pid_t)));
    if (bytes <= 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "proc_listpids: %s", strerror(errno));
    self->count = (size_t)bytes / sizeof(pid_t);
    if (self->count > room)
        self->count = room;
    return 0;
}

/*  With a buffer smaller than the area the kernel gives the area's end: ask for all it can be. */
static void size_area(search_t *self)
{
    int mib[] = {CTL_KERN, KERN_ARGMAX};
    int argmax = 0;
    size_t size = sizeof argmax;
    if (sysctl(mib, MLX_COUNT(mib), &argmax, &size, NULL, 0) != 0 || argmax <= 0 ||
        argmax > AREA_MAX)
        argmax = 1 << 20;
    self->area_size = (size_t)argmax;
    self->area = mlx_alloc(self->area_size, 1);
}

/*  Cut LEN bytes of AREA into argv; each string kept ends with a NUL inside of it. */
static size_t parse_arguments(search_t *self, size_t len)
{
    int32_t argc = 0;
    if (len > MLX_PROCS_BYTES_MAX)
        len = MLX_PROCS_BYTES_MAX;
    if (len <= sizeof argc)
        return 0;
    memcpy(&argc, self->area, sizeof argc);
    const char *at = self->area + sizeof argc;
    const char *end = self->area + len;
    at += strnlen(at, (size_t)(end - at));
    while (at < end && *at == '\0')
        at++;
    size_t count = 0;
    while (at < end && count < MLX_PROCS_ARGS_MAX && (int64_t)count < argc) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (!stop)
            break;
        self->argv[count++] = at;
        at = stop + 1;
    }
    return count;
}

static size_t read_arguments(search_t *self, pid_t pid)
{
    int mib[] = {CTL_KERN, KERN_PROCARGS2, pid};
    size_t len = self->area_size;
    size_t count = 0;
    if (sysctl(mib, MLX_COUNT(mib), self->area, &len, NULL, 0) == 0 && len <= self->area_size)
        count = parse_arguments(self, len);
    self->argv[count] = NULL;
    return count;
}

/*  The short form: the long one is refused for another user's process, root's launchd included. */
static bool read_info(pid_t pid, struct proc_bsdshortinfo *info)
{
    return proc_pidinfo(pid, PROC_PIDT_SHORTBSDINFO, 0, info, sizeof *info) == (int)sizeof *info;
}

/*  The executable's name, cut by the kernel and then not terminated. */
static void system_name(const struct proc_bsdshortinfo *info, char *name, size_t size)
{
    size_t len = strnlen(info->pbsi_comm, sizeof info->pbsi_comm);
    if (len >= size)
        len = size - 1;
    memcpy(name, info->pbsi_comm, len);
    name[len] = '\0';
}

static bool begins_with(const char *path, const char *prefix)
{
    const char *slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, prefix, strlen(prefix)) == 0;
}

/*  False when FN wants no more. */
static bool visit(search_t *self, pid_t pid, const char *prefix, mlx_procs_fn fn, void *arg)
{
    struct proc_bsdshortinfo info;
    struct proc_bsdshortinfo parent;
    char name[MLX_PROCS_NAME_MAX];
    if (!read_info(pid, &info))
        return true;
    size_t argc = read_arguments(self, pid);
    system_name(&info, name, sizeof name);
    if (!begins_with(argc ? self->argv[0] : name, prefix))
        return true;
    self->parent_name[0] = '\0';
    if (read_info((pid_t)info.pbsi_ppid, &parent))
        system_name(&parent, self->parent_name, sizeof self->parent_name);
    struct proc_bsdinfo full = {0};
    int got = proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, &full, sizeof full); /* of our own only */
    const mlx_proc_t proc = {
        .pid = pid,
        .started =
            got == (int)sizeof full ? full.pbi_start_tvsec * 1000000 + full.pbi_start_tvusec : 0,
        .ppid = (pid_t)info.pbsi_ppid,
        .uid = info.pbsi_ruid,
        .parent_name = self->parent_name,
        .argc = argc,
        .argv = self->argv,
    };
    return fn(arg, &proc);
}

int mlx_procs_find(const char *proc_root, const char *name_prefix, mlx_procs_fn fn, void *arg,
                   mlx_error_t *err)
{
    (void)proc_root;
    if (!name_prefix || !*name_prefix)
        return mlx_error_set(err, MLX_ERR_USAGE, "a search for processes needs a name");
    MLX_CLEANUP(free_search) search_t search = {0};
    if (list_pids(&search, err))
        return -1;
    size_area(&search);
    for (size_t i = 0; i < search.count; i++)
        if (search.pids[i] > 0 && !visit(&search, search.pids[i], name_prefix, fn, arg))
            break;
    return 0;
}

int mlx_procs_get(const char *proc_root, pid_t pid, mlx_procs_fn fn, void *arg)
{
    (void)proc_root;
    MLX_CLEANUP(free_search) search_t search = {0};
    struct proc_bsdshortinfo info;
    if (!read_info(pid, &info))
        return -1;
    size_area(&search);
    visit(&search, pid, "", fn, arg);
    return 0;
}

/*  What the last libproc call said about PID. */
static int process_error(pid_t pid, mlx_error_t *err)
{
    switch (errno) {
    case ESRCH:
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "process %d no longer exists", (int)pid);
    case EPERM:
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE,
                             "process %d belongs to another user: its sockets are not shown",
                             (int)pid);
    default:
        return mlx_error_set(err, MLX_ERR_FAILED, "proc_pidinfo of %d: %s", (int)pid,
                             strerror(errno));
    }
}

/*  Descriptors of PID; *COUNT is set. Caller owns the list and must free it. */
static struct proc_fdinfo *list_descriptors(pid_t pid, size_t *count, mlx_error_t *err)
{
    errno = 0;
    int bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, NULL, 0);
    if (bytes <= 0 || (size_t)bytes / sizeof(struct proc_fdinfo) > FDS_MAX) {
        process_error(pid, err);
        return NULL;
    }
    size_t room = (size_t)bytes / sizeof(struct proc_fdinfo) + SLACK;
    struct proc_fdinfo *list = mlx_alloc(room, sizeof *list);
    bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, list, (int)(room * sizeof *list));
    if (bytes <= 0) {
        process_error(pid, err);
        free(list);
        return NULL;
    }
    *count = (size_t)bytes / sizeof *list;
    if (*count > room)
        *count = room;
    return list;
}

static bool is_near(const struct in_sockinfo *in)
{
    const struct in_addr v4 = in->insi_laddr.ina_46.i46a_addr4;
    const struct in6_addr *v6 = &in->insi_laddr.ina_6;
    if (in->insi_vflag & INI_IPV4 && !(in->insi_vflag & INI_IPV6))
        return v4.s_addr == htonl(INADDR_ANY) || ntohl(v4.s_addr) >> 24 == 127;
    if (IN6_IS_ADDR_V4MAPPED(v6))
        return v6->s6_addr[12] == 127;
    return IN6_IS_ADDR_UNSPECIFIED(v6) || IN6_IS_ADDR_LOOPBACK(v6);
}

static bool socket_listens(pid_t pid, int fd, uint16_t port)
{
    struct socket_fdinfo info;
    if (proc_pidfdinfo(pid, fd, PROC_PIDFDSOCKETINFO, &info, sizeof info) != (int)sizeof info)
        return false;
    const struct tcp_sockinfo *tcp = &info.psi.soi_proto.pri_tcp;
    return info.psi.soi_kind == SOCKINFO_TCP && tcp->tcpsi_state == TSI_S_LISTEN &&
           ntohs((uint16_t)tcp->tcpsi_ini.insi_lport) == port && is_near(&tcp->tcpsi_ini);
}

int mlx_procs_listens(const char *proc_root, pid_t pid, uint16_t port, bool *listens,
                      mlx_error_t *err)
{
    (void)proc_root;
    size_t count = 0;
    MLX_CLEANUP(mlx_free_p) struct proc_fdinfo *list = list_descriptors(pid, &count, err);
    if (!list)
        return -1;
    *listens = false;
    for (size_t i = 0; i < count && !*listens; i++)
        if (list[i].proc_fdtype == PROX_FDTYPE_SOCKET)
            *listens = socket_listens(pid, list[i].proc_fd, port);
    return 0;
}
