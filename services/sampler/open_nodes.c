#include "open_nodes.h"

#include "sysfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PROCESSES 65536
#define WALK_US 60000000          /* between walks over a process that shows no change */
#define COUNTED_WALK_US 240000000 /* the same where the number of its descriptors is told */

/*  A process, and what its folder of descriptors looked like when it was walked over. */
typedef struct {
    int pid;
    int64_t size; /* the number of descriptors; 0: not told; -1: walk over it */
    struct timespec changed;
    int64_t walked_us;
} process_t;

struct mlx_open_nodes {
    const char *proc_root;
    char prefix[32];      /* "/dev/dri/" */
    process_t *processes; /* in order of pid */
    size_t count;
};

mlx_open_nodes_t *mlx_open_nodes_new(const char *proc_root, const char *kind)
{
    mlx_open_nodes_t *self = mlx_alloc(1, sizeof *self);
    self->proc_root = proc_root;
    (void)snprintf(self->prefix, sizeof self->prefix, "/dev/%s/", kind);
    return self;
}

void mlx_open_nodes_destroy(mlx_open_nodes_t **self)
{
    if (!*self)
        return;
    free((*self)->processes);
    mlx_free_p(self);
}

typedef struct {
    int proc; /* descriptor of the folder of processes */
    mlx_open_nodes_fn found;
    void *arg;
} look_t;

static void walk(const mlx_open_nodes_t *self, const look_t *look, int pid)
{
    char path[32];
    size_t prefix = strlen(self->prefix);
    (void)snprintf(path, sizeof path, "%d/fd", pid);
    int folder = openat(look->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = folder < 0 ? NULL : fdopendir(folder);
    if (!dir) {
        mlx_close_p(&folder);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char target[64];
        ssize_t len = readlinkat(folder, entry->d_name, target, sizeof target - 1);
        const char *p = entry->d_name;
        int64_t fd;
        if (len <= 0)
            continue;
        target[len] = '\0';
        if (strncmp(target, self->prefix, prefix) == 0 && mlx_sysfile_parse_int(&p, &fd) &&
            fd >= 0 && fd <= INT32_MAX)
            look->found(look->arg, pid, (unsigned)fd, target + prefix);
    }
    closedir(dir);
}

/*  What process PID looks like now. */
static process_t see(int proc, int pid, int64_t now_us)
{
    char path[32];
    struct stat entry;
    (void)snprintf(path, sizeof path, "%d/fd", pid);
    if (fstatat(proc, path, &entry, 0))
        return (process_t){.pid = pid, .walked_us = now_us};
    return (process_t){pid, entry.st_size, entry.st_mtim, now_us};
}

/*  BEFORE has, as it seems, the descriptors that NOW has, and was walked over not long ago. */
static bool is_same(const process_t *before, const process_t *now)
{
    return before->size == now->size && before->changed.tv_sec == now->changed.tv_sec &&
           before->changed.tv_nsec == now->changed.tv_nsec &&
           now->walked_us - before->walked_us < (now->size > 0 ? COUNTED_WALK_US : WALK_US);
}

void mlx_open_nodes_find(mlx_open_nodes_t *self, int64_t now_us, mlx_open_nodes_fn found, void *arg)
{
    MLX_CLEANUP(mlx_free_p) unsigned *pids = mlx_alloc(MAX_PROCESSES, sizeof *pids);
    size_t count = mlx_sysfile_numbers(pids, MAX_PROCESSES, "", "", "%s", self->proc_root);
    MLX_CLEANUP(mlx_close_p) int proc = mlx_sysfile_open("%s", self->proc_root);
    const look_t look = {proc, found, arg};
    process_t *processes = mlx_alloc(count, sizeof *processes);
    size_t before = 0;
    for (size_t i = 0; i < count; i++) {
        processes[i] = see(proc, (int)pids[i], now_us);
        while (before < self->count && self->processes[before].pid < processes[i].pid)
            before++;
        if (before < self->count && self->processes[before].pid == processes[i].pid &&
            is_same(&self->processes[before], &processes[i]))
            processes[i] = self->processes[before];
        else
            walk(self, &look, (int)pids[i]);
    }
    free(self->processes);
    self->processes = processes;
    self->count = count;
}

void mlx_open_nodes_forget(mlx_open_nodes_t *self, int pid)
{
    for (size_t i = 0; i < self->count; i++)
        if (pid == MLX_OPEN_NODES_ALL || self->processes[i].pid == pid)
            self->processes[i].size = -1;
}
