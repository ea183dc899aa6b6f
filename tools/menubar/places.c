#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/config.h"
#include "common/base/paths.h"

char *mlx_history_url(const char *listen)
{
    static const struct {
        const char *any;
        const char *loopback;
    } table[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}, {"*:", "127.0.0.1:"}};
    for (size_t i = 0; i < MLX_COUNT(table); i++) {
        size_t len = strlen(table[i].any);
        if (strncmp(listen, table[i].any, len) == 0)
            return mlx_format("http://%s%s/#history", table[i].loopback, listen + len);
    }
    return mlx_format("http://%s/#history", listen);
}

/*  The directory may be the user's own choice with looser permissions: made if missing, not
 *  judged. */
static int make_parents(const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *part = mlx_strdup(path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0700) && errno != EEXIST)
            return mlx_error_set(err, MLX_ERR_FAILED, "cannot create %s: %s", part,
                                 strerror(errno));
        *slash = '/';
    }
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int mlx_write_new(const char *path, const char *text, int flag, mlx_error_t *err)
{
    if (make_parents(path, err))
        return -1;
    MLX_CLEANUP(mlx_close_p)
    int fd = open(path, O_WRONLY | O_CREAT | flag | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot create %s: %s", path, strerror(errno));
    if (write_all(fd, text, strlen(text)))
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static int write_example(const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_config_write_example(&text);
    return mlx_write_new(path, mlx_buf_str(&text), O_EXCL, err);
}

char *mlx_preferences_file(const mlx_env_t *env, const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *file = path ? mlx_strdup(path) : mlx_paths_config_file(env, err);
    if (!file || write_example(file, err))
        return NULL;
    char *absolute = realpath(file, NULL); /* openers take no relative ones */
    if (!absolute)
        mlx_error_set(err, MLX_ERR_FAILED, "cannot find %s: %s", file, strerror(errno));
    return absolute;
}
