#include "common/base/file.h"

#include "proto/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_regular(int fd, const char *path, mlx_error_t *err)
{
    struct stat st;
    if (fd < 0)
        return mlx_error_set(err, errno == ENOENT ? MLX_ERR_NOT_FOUND : MLX_ERR_FAILED,
                             "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot examine %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return mlx_error_set(err, MLX_ERR_USAGE, "%s is not a regular file", path);
    return 0;
}

static int check_private(int fd, const char *path, mlx_error_t *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot examine %s: %s", path, strerror(errno));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return mlx_error_set(err, MLX_ERR_USAGE, "%s belongs to another user", path);
    if (st.st_mode & 077)
        return mlx_error_set(err, MLX_ERR_USAGE, "other users may read %s: chmod 600 it", path);
    return 0;
}

static char *read_all(int fd, const char *path, size_t max, size_t *len, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
    char chunk[16384];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            mlx_error_set(err, MLX_ERR_FAILED, "cannot read %s: %s", path, strerror(errno));
            return NULL;
        }
        if (got == 0)
            break;
        mlx_buf_append(&buf, chunk, (size_t)got);
        if (buf.len > max) {
            mlx_error_set(err, MLX_ERR_USAGE, "%s is larger than %zu bytes", path, max);
            return NULL;
        }
    }
    if (len)
        *len = buf.len;
    return mlx_buf_take(&buf);
}

/*  Without O_NONBLOCK the open of a pipe would wait for its writer. */
static int open_to_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

char *mlx_file_read(const char *path, size_t max, size_t *len, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int fd = open_to_read(path);
    return check_regular(fd, path, err) ? NULL : read_all(fd, path, max, len, err);
}

char *mlx_file_read_private(const char *path, size_t max, size_t *len, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int fd = open_to_read(path);
    if (check_regular(fd, path, err) || check_private(fd, path, err))
        return NULL;
    return read_all(fd, path, max, len, err);
}
