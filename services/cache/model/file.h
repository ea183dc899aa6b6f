/*  file.h - one file of a model, from the hub's list to the registry
 *
 *  The same record is listed (tree.h), wanted and downloaded (download.h), and registered
 *  (registry.h).
 */
#ifndef MLX_CACHE_MODEL_FILE_H
#define MLX_CACHE_MODEL_FILE_H

#include "services/cache/store/digest.h"

typedef struct {
    char *path; /* as upstream names it, inside the model */
    uint64_t size;
    char etag[MLX_HEX_MAX];   /* what the hub calls it: SHA-256, or git's SHA-1; "" unknown */
    char sha256[MLX_HEX_MAX]; /* "" until known */
} mlx_model_file_t;

/*  One whose path is a copy; free the path. */
mlx_model_file_t mlx_model_file_copy(const mlx_model_file_t *self);

/*  One that is named by its content; takes PATH. */
mlx_model_file_t mlx_model_file_of(char *path, const char sha256[MLX_HEX_MAX], uint64_t size);

#endif
