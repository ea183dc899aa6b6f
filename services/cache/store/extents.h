/*  extents.h - where on the disk the bytes of files lie, asked of the file system once per content
 *
 *  Clones have inodes of their own, so only their extents say that they share bytes. Kept in the
 *  registry under the file's identity; asked again when that changed, after a day (a
 *  defragmentation or another program's dedup moves extents and changes no identity), and after
 *  what this cache shared in place.
 *
 *      mlx_extents_t *extents = mlx_extents_new(db, now_s);
 *      mlx_runs_t runs;
 *      if (mlx_extents_get(extents, root, "a/b.gguf", &id, &runs)) ...
 *      mlx_extents_destroy(&extents);
 */
#ifndef MLX_CACHE_STORE_EXTENTS_H
#define MLX_CACHE_STORE_EXTENTS_H

#include "services/cache/plan/fsys.h"
#include "services/cache/store/registry.h"

typedef struct mlx_extents mlx_extents_t;

mlx_extents_t *mlx_extents_new(mlx_db_t *db, int64_t now_s);

/*  Store what was learned, as far as the registry takes it, and free. */
void mlx_extents_destroy(mlx_extents_t **self);

/*  Can files of that device share blocks: true until the first file of it was asked. */
bool mlx_extents_wanted(const mlx_extents_t *self, uint64_t dev);

/*  The runs of the file PATH of ROOT, whose identity is ID. False when nobody can say, or on a file
 *  system that has no clones. Caller clears RUNS. */
bool mlx_extents_get(mlx_extents_t *self, const mlx_root_t *root, const char *path,
                     const mlx_identity_t *id, mlx_runs_t *runs);

/*  Forget all, right before files are made to share blocks where they are: after a crash in between
 *  nothing false is left. */
int mlx_extents_forget(mlx_db_t *db, mlx_error_t *err);

#endif
