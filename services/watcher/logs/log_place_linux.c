/*  Sources: proc_pid_fd(5), cgroups(7). */
#include "log_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*  What stands behind descriptor FD of PID, as the system names it; "" when it is not shown. */
static void link_of(const char *proc_root, pid_t pid, int fd, char *out, size_t cap)
{
    char path[MLX_LOG_PATH_MAX];
    snprintf(path, sizeof path, "%s/%d/fd/%d", proc_root, (int)pid, fd);
    ssize_t len = readlink(path, out, cap - 1);
    out[len > 0 ? len : 0] = '\0';
}

static const char *in_words(const char *link)
{
    if (strncmp(link, "socket:", 7) == 0)
        return "socket";
    if (strncmp(link, "pipe:", 5) == 0)
        return "another program";
    if (strncmp(link, "/dev/null", 9) == 0)
        return "/dev/null";
    return strncmp(link, "/dev/", 5) == 0 ? "a terminal" : NULL;
}

/*  The descriptor itself is the path: it is the file even after that was renamed. */
bool mlx_log_place_output(const char *proc_root, pid_t pid, char path[MLX_LOG_PATH_MAX],
                          const char **elsewhere)
{
    *elsewhere = NULL;
    for (int fd = 2; fd >= 1; fd--) {
        char link[MLX_LOG_PATH_MAX];
        struct stat st;
        link_of(proc_root, pid, fd, link, sizeof link);
        snprintf(path, MLX_LOG_PATH_MAX, "%s/%d/fd/%d", proc_root, (int)pid, fd);
        if (link[0] == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return true;
        if (!*elsewhere)
            *elsewhere = in_words(link);
    }
    path[0] = '\0';
    return false;
}

void mlx_log_place_cgroup(const char *proc_root, pid_t pid, char *text, size_t cap)
{
    char path[MLX_LOG_PATH_MAX];
    snprintf(path, sizeof path, "%s/%d/cgroup", proc_root, (int)pid);
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, cap - 1) : 0;
    text[len > 0 ? len : 0] = '\0';
}
