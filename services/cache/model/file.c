#include "services/cache/model/file.h"

#include <string.h>

mlx_model_file_t mlx_model_file_copy(const mlx_model_file_t *self)
{
    mlx_model_file_t copy = *self;
    copy.path = mlx_strdup(self->path);
    return copy;
}

mlx_model_file_t mlx_model_file_of(char *path, const char sha256[MLX_HEX_MAX], uint64_t size)
{
    mlx_model_file_t file = {.path = path, .size = size};
    memcpy(file.etag, sha256, sizeof file.etag);
    memcpy(file.sha256, sha256, sizeof file.sha256);
    return file;
}
