/*  Sources: proc(5): /proc/<pid>/{cmdline,comm,fd}. */
#include "asker_process.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

enum {
    CMDLINE_MAX = 1 << 20,
    ARGS_MAX = 16, /* the script is among the first */
};

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

bool mlx_asker_holds(const char *proc_root, pid_t pid, const mlx_asker_end_t *peer)
{
    char path[512], want[64], link[64];
    if (peer->inode == 0)
        return false;
    snprintf(path, sizeof path, "%.400s/%d/fd", proc_root, (int)pid);
    snprintf(want, sizeof want, "socket:[%" PRIu64 "]", peer->inode);
    MLX_CLEANUP(close_dir) DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        link[len > 0 ? len : 0] = '\0';
        if (strcmp(link, want) == 0)
            return true;
    }
    return false;
}

static size_t split(char *text, size_t len, const char **argv)
{
    size_t argc = 0;
    for (size_t at = 0; at < len && argc < ARGS_MAX; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    return argc;
}

bool mlx_asker_name_of(const char *proc_root, pid_t pid, char out[MLX_ASKER_PROCESS])
{
    const char *argv[ARGS_MAX];
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%d/cmdline", proc_root, (int)pid);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, CMDLINE_MAX, &len, NULL);
    if (text && len > 0 && text[0]) {
        mlx_asker_program(split(text, len, argv), argv, out);
        return true;
    }
    MLX_CLEANUP(mlx_free_p) char *comm_path = mlx_format("%s/%d/comm", proc_root, (int)pid);
    MLX_CLEANUP(mlx_free_p) char *comm = mlx_file_read(comm_path, 256, &len, NULL);
    if (!comm)
        return false;
    mlx_asker_text(out, MLX_ASKER_PROCESS, comm, strcspn(comm, "\n"));
    return true;
}

static int newest_first(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;
    return (left < right) - (left > right);
}

size_t mlx_asker_processes(const char *proc_root, pid_t *out, size_t cap)
{
    size_t count = 0;
    MLX_CLEANUP(close_dir) DIR *dir = opendir(proc_root);
    for (const struct dirent *entry; dir && count < cap && (entry = readdir(dir));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (isdigit((unsigned char)entry->d_name[0]) && !*end && pid > 0 && pid <= INT32_MAX)
            out[count++] = (pid_t)pid;
    }
    qsort(out, count, sizeof *out, newest_first);
    return count;
}
