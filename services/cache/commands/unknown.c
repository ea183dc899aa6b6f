/*  Models that are there and that the registry does not know: it was lost, or is not this cache's.
 */
#include <dirent.h>

#include "services/cache/commands/internal.h"

char *mlx_cache_unknown_view(const mlx_cache_t *self)
{
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_root_join(self->home, "models");
    DIR *dir = opendir(folder);
    char *unknown = NULL;
    for (struct dirent *e; dir && !unknown && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        MLX_CLEANUP(mlx_stmt_destroy)
        mlx_stmt_t *q =
            mlx_db_query(self->db, NULL, "SELECT 1 FROM models WHERE view = ?", "s", e->d_name);
        if (mlx_stmt_step(q, NULL) <= 0)
            unknown = mlx_format("%s/%s", folder, e->d_name);
    }
    if (dir)
        closedir(dir);
    return unknown;
}
