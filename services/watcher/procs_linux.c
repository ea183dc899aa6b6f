/*  Sources: proc(5): /proc/<pid>/{cmdline,comm,stat,status,fd}, /proc/<pid>/net/tcp{,6}. */
#include "procs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TCP_LISTEN = 0x0A,
    LINE = 512,
    INODES_MAX = 16
};

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/*  Up to CAP - 1 bytes of PROC_ROOT/PID/NAME into OUT, terminated. -1 when it cannot be read. */
static ssize_t read_file(const char *proc_root, long pid, const char *name, char *out, size_t cap)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%ld/%s", proc_root, pid, name);
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    while (fd >= 0 && len < cap - 1) {
        ssize_t n = read(fd, out + len, cap - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return fd < 0 ? -1 : (ssize_t)len;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/*  The name of process PID into NAME: argv[0]'s last part, or the kernel's. */
static void process_name(const char *proc_root, long pid, char name[MLX_PROCS_NAME_MAX])
{
    char buf[4096];
    ssize_t len = read_file(proc_root, pid, "cmdline", buf, sizeof buf);
    if (len <= 0 || !buf[0]) {
        len = read_file(proc_root, pid, "comm", buf, sizeof buf);
        if (len < 0)
            buf[0] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
    }
    snprintf(name, MLX_PROCS_NAME_MAX, "%.*s", MLX_PROCS_NAME_MAX - 1, base_name(buf));
}

/*  "PID (COMM) STATE PPID ...": COMM may hold anything, so count from the last parenthesis. */
static bool parent_of(const char *proc_root, long pid, pid_t *ppid, uint64_t *started)
{
    char buf[1024];
    if (read_file(proc_root, pid, "stat", buf, sizeof buf) <= 0)
        return false;
    const char *end = strrchr(buf, ')');
    int parent;
    if (!end || sscanf(end + 1,
                       " %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                       "%*s %" SCNu64,
                       &parent, started) < 1)
        return false;
    *ppid = parent;
    return true;
}

static bool user_of(const char *proc_root, long pid, uid_t *uid)
{
    char buf[4096];
    if (read_file(proc_root, pid, "status", buf, sizeof buf) <= 0)
        return false;
    const char *line = strstr(buf, "\nUid:");
    unsigned real;
    if (!line || sscanf(line + 5, " %u", &real) != 1)
        return false;
    *uid = real;
    return true;
}

/*  Point ARGV at the strings in AREA (LEN bytes, terminated by one more NUL). */
static size_t split_args(char *area, size_t len, const char **argv)
{
    size_t argc = 0;
    for (size_t at = 0; at < len && argc < MLX_PROCS_ARGS_MAX; at += strlen(area + at) + 1)
        argv[argc++] = area + at;
    argv[argc] = NULL;
    return argc;
}

typedef struct {
    const char *proc_root;
    const char *prefix;
    mlx_procs_fn fn;
    void *arg;
    char *area;
} search_t;

/*  False: the search is over. */
static bool visit(const search_t *search, long pid)
{
    char name[MLX_PROCS_NAME_MAX];
    if (search->prefix[0])
        process_name(search->proc_root, pid, name);
    if (search->prefix[0] && strncmp(name, search->prefix, strlen(search->prefix)) != 0)
        return true;
    mlx_proc_t proc = {.pid = (pid_t)pid};
    if (!parent_of(search->proc_root, pid, &proc.ppid, &proc.started) ||
        !user_of(search->proc_root, pid, &proc.uid))
        return true;
    const char *argv[MLX_PROCS_ARGS_MAX + 1];
    ssize_t len = read_file(search->proc_root, pid, "cmdline", search->area, MLX_PROCS_BYTES_MAX);
    proc.argc = split_args(search->area, len > 0 ? (size_t)len : 0, argv);
    proc.argv = argv;
    char parent[MLX_PROCS_NAME_MAX];
    process_name(search->proc_root, proc.ppid, parent);
    proc.parent_name = parent;
    return search->fn(search->arg, &proc);
}

int mlx_procs_find(const char *proc_root, const char *name_prefix, mlx_procs_fn fn, void *arg,
                   mlx_error_t *err)
{
    MLX_CLEANUP(close_dir) DIR *dir = opendir(proc_root);
    if (!dir)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "%s: %s", proc_root, strerror(errno));
    MLX_CLEANUP(mlx_free_p) char *area = mlx_alloc(MLX_PROCS_BYTES_MAX, 1);
    search_t search = {proc_root, name_prefix, fn, arg, area};
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (isdigit((unsigned char)entry->d_name[0]) && *end == '\0' && pid > 0 &&
            pid <= INT32_MAX && !visit(&search, pid))
            break;
    }
    return 0;
}

typedef struct {
    mlx_procs_fn fn;
    void *arg;
    bool found;
} getting_t;

static bool on_got(void *arg, const mlx_proc_t *proc)
{
    getting_t *getting = arg;
    getting->found = true;
    return getting->fn(getting->arg, proc);
}

int mlx_procs_get(const char *proc_root, pid_t pid, mlx_procs_fn fn, void *arg)
{
    getting_t getting = {fn, arg, false};
    MLX_CLEANUP(mlx_free_p) char *area = mlx_alloc(MLX_PROCS_BYTES_MAX, 1);
    search_t search = {proc_root, "", on_got, &getting, area};
    visit(&search, pid);
    return getting.found ? 0 : -1;
}

typedef struct {
    uint64_t inodes[INODES_MAX];
    size_t count;
} sockets_t;

/*  Addresses are printed as the 32-bit words they are in memory, network order. */
static bool near_address(const char *hex)
{
    uint8_t bytes[16];
    size_t digits = strlen(hex);
    if (digits != 8 && digits != 32)
        return false;
    for (size_t word = 0; word < digits / 8; word++) {
        char text[9];
        memcpy(text, hex + word * 8, 8);
        text[8] = '\0';
        uint32_t value = (uint32_t)strtoul(text, NULL, 16);
        memcpy(bytes + word * 4, &value, 4);
    }
    static const uint8_t any[16], v6_loopback[16] = {[15] = 1}, v4_in_v6[12] = {[10] = 255, 255};
    if (digits == 8)
        return bytes[0] == 127 || memcmp(bytes, any, 4) == 0;
    if (memcmp(bytes, v4_in_v6, 12) == 0)
        return bytes[12] == 127 || memcmp(bytes + 12, any, 4) == 0;
    return memcmp(bytes, any, 16) == 0 || memcmp(bytes, v6_loopback, 16) == 0;
}

/*  Inodes of the sockets in the table NAME that listen on PORT near us. False: no such table. */
static bool listening_inodes(const char *proc_root, pid_t pid, const char *name, uint16_t port,
                             sockets_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%d/net/%s", proc_root, (int)pid, name);
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "re");
    char line[LINE];
    while (file && fgets(line, sizeof line, file) && out->count < INODES_MAX) {
        char address[33];
        unsigned at, state;
        uint64_t inode;
        if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %" SCNu64, address,
                   &at, &state, &inode) == 4 &&
            state == TCP_LISTEN && at == port && near_address(address))
            out->inodes[out->count++] = inode;
    }
    return file != NULL;
}

static bool holds_one_of(const sockets_t *sockets, const char *link)
{
    uint64_t inode;
    if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
        return false;
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->inodes[i] == inode)
            return true;
    return false;
}

int mlx_procs_listens(const char *proc_root, pid_t pid, uint16_t port, bool *listens,
                      mlx_error_t *err)
{
    *listens = false;
    sockets_t sockets = {.count = 0};
    bool v4 = listening_inodes(proc_root, pid, "tcp", port, &sockets);
    bool v6 = listening_inodes(proc_root, pid, "tcp6", port, &sockets);
    if (!v4 && !v6)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "process %d no longer exists", (int)pid);

    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%d/fd", proc_root, (int)pid);
    MLX_CLEANUP(close_dir) DIR *dir = opendir(path);
    if (!dir)
        return mlx_error_set(err, errno == EACCES ? MLX_ERR_UNAVAILABLE : MLX_ERR_NOT_FOUND,
                             "process %d: its descriptors cannot be read: %s", (int)pid,
                             strerror(errno));
    for (const struct dirent *entry; !*listens && (entry = readdir(dir));) {
        char link[64];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        link[len > 0 ? len : 0] = '\0';
        *listens = holds_one_of(&sockets, link);
    }
    return 0;
}
