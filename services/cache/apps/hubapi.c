/*  hubapi - swift-transformers' HubApi: plain copies in ~/Documents/huggingface/models/<org>/<name>
 *
 *  Apps in a container have a Documents folder of their own, which only they may enter.
 */
#include "services/cache/apps/plain.h"

static size_t hubapi_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    return mlx_plain_add(paths, 0, mlx_plain_home(env, "/Documents/huggingface/models"));
}

static void hubapi_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    (void)store;
    mlx_scan_folder(scan, "hubapi", root, 2);
}

static int hubapi_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_plain_folder(what);
    return mlx_plain_expose(what, plan, folder, err);
}

const mlx_adapter_t mlx_adapter_hubapi = {
    .name = "hubapi",
    .title = "swift-transformers",
    .stores = hubapi_stores,
    .scan = hubapi_scan,
    .expose = hubapi_expose,
};
