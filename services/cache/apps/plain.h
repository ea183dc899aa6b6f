/*  plain.h - what apps with plain folders of models have in common
 *
 *      paths[count++] = mlx_plain_home(env, "/.local/share/Jan/data");
 */
#ifndef MLX_CACHE_APPS_PLAIN_H
#define MLX_CACHE_APPS_PLAIN_H

#include "services/cache/apps/adapter.h"

/*  "$HOME<tail>" as an allocated string, or NULL without a home. */
char *mlx_plain_home(const mlx_env_t *env, const char *tail);

/*  Append PATH to PATHS unless it is NULL or there is no room: the new count. Takes PATH. */
size_t mlx_plain_add(char *paths[MLX_STORES_MAX], size_t count, char *path);

/*  Plan every file of the model below FOLDER ("": the root), with the folders they need. */
int mlx_plain_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *folder,
                     mlx_error_t *err);

/*  Is there a GGUF among its files; failed when not, since APP reads nothing else. */
int mlx_plain_need_gguf(const mlx_expose_t *what, const char *app, mlx_error_t *err);

/*  The name that a folder of this model gets: HOW it is called there, else "org/name" where it is
 *  of that form, else its view. Caller owns it. */
char *mlx_plain_folder(const mlx_expose_t *what);

/*  The JSON in the file REL of ROOT; NULL when it does not exist, and with a problem in SCAN when
 *  it is something else. */
mlx_value_t *mlx_plain_json(mlx_scan_t *scan, const char *app, const mlx_root_t *root,
                            const char *rel);

#endif
