/*  hub.h - the Hugging Face hub's API: which commit, which files, from where
 *
 *      mlx_hub_t *hub = mlx_hub_new(&env, &err);
 *      char commit[41];
 *      mlx_hub_resolve(hub, "org/name", "main", commit, &err);
 *      mlx_tree_t *tree = mlx_hub_tree(hub, "org/name", commit, &err);
 *      mlx_hub_destroy(&hub);
 *
 *  Endpoint and token come from the environment, as in the hub's own clients: HF_ENDPOINT,
 *  HF_TOKEN, HF_TOKEN_PATH, HF_HOME/token; HF_HUB_OFFLINE makes every call fail at once. The token
 *  is sent to the endpoint only and never written anywhere.
 */
#ifndef MLX_CACHE_REMOTE_HUB_H
#define MLX_CACHE_REMOTE_HUB_H

#include "common/base/env.h"
#include "services/cache/model/tree.h"

typedef struct mlx_hub mlx_hub_t;

mlx_hub_t *mlx_hub_new(const mlx_env_t *env, mlx_error_t *err);
void mlx_hub_destroy(mlx_hub_t **self);

/*  The commit that REVISION is now. Errors tell a missing repository (not_found) from a gated one,
 *  with the page to visit in the hint. */
int mlx_hub_resolve(mlx_hub_t *self, const char *repo, const char *revision,
                    char commit[MLX_SHA1_HEX + 1], mlx_error_t *err);

/*  Every file of the repository at COMMIT. Caller owns the tree. */
mlx_tree_t *mlx_hub_tree(mlx_hub_t *self, const char *repo, const char *commit, mlx_error_t *err);

/*  Where a file is fetched from (redirects lead on), and what the Authorization header holds, NULL
 *  when there is no token. Caller owns the URL; the other is borrowed. */
char *mlx_hub_file_url(const mlx_hub_t *self, const char *repo, const char *commit,
                       const char *path);
const char *mlx_hub_auth(const mlx_hub_t *self);

/*  The error for an answer of the hub that is none of 2xx. Always returns -1. */
int mlx_hub_error(const mlx_hub_t *self, const char *repo, long status, const char *code,
                  const char *message, mlx_error_t *err);

#endif
