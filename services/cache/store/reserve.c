#include "services/cache/store/reserve.h"

#include "services/cache/plan/fsys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    RESERVE = 1024 * 1024
};

static uint64_t spare(const mlx_root_t *home)
{
    struct statvfs fs;
    return statvfs(mlx_root_path(home), &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : RESERVE;
}

void mlx_reserve_use(const mlx_root_t *home)
{
    if (spare(home) >= RESERVE)
        return;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(home, "reserve");
    unlink(path);
}

/*  What an open registry needed is free again when it is closed, and taken at once: a program that
 *  only looks, again and again, uses nothing up. */
void mlx_reserve_keep(const mlx_root_t *home)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(home, "reserve");
    if (access(path, F_OK) == 0 || spare(home) < RESERVE)
        return;
    MLX_CLEANUP(mlx_close_p)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && mlx_fsys_reserve(fd, RESERVE) != 0)
        unlink(path);
}
