/*  roots.h - the folders that an operation works in, each opened once
 *
 *      mlx_roots_t *roots = mlx_roots_new();
 *      mlx_root_t *store = mlx_roots_get(roots, "/home/a/.ollama/models", &err);
 *      mlx_roots_destroy(&roots);
 */
#ifndef MLX_CACHE_STORE_ROOTS_H
#define MLX_CACHE_STORE_ROOTS_H

#include "services/cache/plan/fsops.h"

typedef struct mlx_roots mlx_roots_t;

mlx_roots_t *mlx_roots_new(void);
void mlx_roots_destroy(mlx_roots_t **self);

/*  Borrowed until the set is destroyed. NULL with ERR when it cannot be opened. */
mlx_root_t *mlx_roots_get(mlx_roots_t *self, const char *path, mlx_error_t *err);

#endif
