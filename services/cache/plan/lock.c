#include "services/cache/plan/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int busy(int fd, mlx_error_t *err)
{
    char holder[32] = "";
    ssize_t len = pread(fd, holder, sizeof holder - 1, 0);
    holder[len > 0 ? len : 0] = '\0';
    long pid = strtol(holder, NULL, 10);
    if (pid > 0)
        mlx_error_set(err, MLX_ERR_BUSY, "the cache is in use by process %ld", pid);
    else
        mlx_error_set(err, MLX_ERR_BUSY, "the cache is in use by another process");
    return mlx_error_hint(err, "try again when it has finished");
}

static int take(int fd, const char *path, mlx_error_t *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? busy(fd, err) : mlx_fs_error(err, errno, "lock", path);
    char text[32];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return mlx_fs_error(err, errno, "write", path);
    return 0;
}

int mlx_lock_take(const mlx_root_t *home, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(home, ".lock");
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return mlx_fs_error(err, errno, "open", path);
    if (take(fd, path, err))
        mlx_close_p(&fd);
    return fd;
}

static int take_theirs(int fd, const char *path, mlx_error_t *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return 0; /* a file system without locks: theirs are best effort, too */
    mlx_error_set(err, MLX_ERR_BUSY, "another program is writing the file locked by %s", path);
    return mlx_error_hint(err, "try again when its download has finished");
}

int mlx_lock_take_in(const mlx_fs_t *fs, const mlx_root_t *store, const char *path,
                     mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(path, (size_t)(strrchr(path, '/') - path));
    if (mlx_fs_mkdirs(fs, store, folder, NULL, err))
        return -1;
    int fd = mlx_fs_append(fs, store, path, err);
    if (fd >= 0 && take_theirs(fd, path, err))
        mlx_close_p(&fd);
    return fd;
}
