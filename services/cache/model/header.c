#include "services/cache/model/header.h"

#include "services/cache/model/gguf.h"
#include "services/cache/model/safetensors.h"
#include "services/cache/model/weights.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LFS_POINTER_MAX = 200
};

static bool ends_with(const char *s, const char *end)
{
    size_t len = strlen(s), tail = strlen(end);
    return len > tail && strcmp(s + len - tail, end) == 0;
}

mlx_file_kind_t mlx_file_kind(const char *name)
{
    if (ends_with(name, ".safetensors"))
        return MLX_FILE_SAFETENSORS;
    return ends_with(name, ".gguf") ? MLX_FILE_GGUF : MLX_FILE_OTHER;
}

bool mlx_file_is_weights(const char *name)
{
    return mlx_weights_format(name) != MLX_WEIGHTS_NONE;
}

static bool is_lfs_pointer(int fd, off_t size)
{
    static const char start[] = "version https://git-lfs.github.com/spec/v1";
    char head[sizeof start - 1];
    return size < LFS_POINTER_MAX && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head, start, sizeof head) == 0;
}

int mlx_header_check(int fd, const char *name, mlx_error_t *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot examine %s: %s", name, strerror(errno));
    if (is_lfs_pointer(fd, st.st_size))
        return mlx_error_set(err, MLX_ERR_FAILED, "%s is a Git-LFS pointer, not the file itself",
                             name);
    mlx_safetensors_t tensors;
    mlx_gguf_t gguf;
    int rc = 0;
    switch (mlx_file_kind(name)) {
    case MLX_FILE_SAFETENSORS:
        rc = mlx_safetensors_check(fd, (uint64_t)st.st_size, &tensors, err);
        break;
    case MLX_FILE_GGUF:
        rc = mlx_gguf_check(fd, (uint64_t)st.st_size, &gguf, err);
        break;
    case MLX_FILE_OTHER:
        break;
    }
    return rc ? mlx_error_prefix(err, "%s", name) : 0;
}
