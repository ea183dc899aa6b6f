/*  dedup.h - which files of the apps can share their bytes with others, and what that frees
 *
 *      uint64_t bytes = mlx_dedup_plan(cache, inodes, plan);
 */
#ifndef MLX_CACHE_COMMANDS_DEDUP_H
#define MLX_CACHE_COMMANDS_DEDUP_H

#include "services/cache/store/inodes.h"

/*  Add the steps to PLAN (may be NULL: count only). Returns the bytes that they free. */
uint64_t mlx_dedup_plan(mlx_cache_t *self, const mlx_inodes_t *inodes, mlx_cache_plan_t *plan);

#endif
