/*  header.h - the cheap structural check of a model file by its kind
 *
 *  Extra to the full hash, never instead of it: it says what is wrong in a model's own terms, and
 *  catches a repository whose files were damaged before they were hashed.
 */
#ifndef MLX_CACHE_MODEL_HEADER_H
#define MLX_CACHE_MODEL_HEADER_H

#include "proto/error.h"

typedef enum {
    MLX_FILE_OTHER,
    MLX_FILE_SAFETENSORS,
    MLX_FILE_GGUF,
} mlx_file_kind_t;

/*  By the ending of NAME; *.safetensors.index.json is other. */
mlx_file_kind_t mlx_file_kind(const char *name);

/*  Does it hold weights, in whatever format (weights.h). */
bool mlx_file_is_weights(const char *name);

/*  Check the file open as FD as what NAME says it is. A Git-LFS pointer saved in place of its file
 *  is refused whatever its name. 0, or -1 with code failed. */
int mlx_header_check(int fd, const char *name, mlx_error_t *err);

#endif
