/*  koboldcpp - KoboldCpp has no store: people put GGUF files into a folder "models" beside it */
#include "services/cache/apps/plain.h"

static size_t kobold_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    static const char *const folders[] = {"/koboldcpp/models", "/KoboldCpp/models",
                                          "/koboldai/models", "/Applications/koboldcpp/models"};
    size_t count = 0;
    for (size_t i = 0; i < MLX_COUNT(folders); i++)
        count = mlx_plain_add(paths, count, mlx_plain_home(env, folders[i]));
    return count;
}

static void kobold_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    (void)store;
    mlx_scan_folder(scan, "koboldcpp", root, 0);
}

static int kobold_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_plain_folder(what);
    return mlx_plain_need_gguf(what, "KoboldCpp", err) ? -1
                                                       : mlx_plain_expose(what, plan, folder, err);
}

const mlx_adapter_t mlx_adapter_koboldcpp = {
    .name = "koboldcpp",
    .title = "KoboldCpp",
    .stores = kobold_stores,
    .scan = kobold_scan,
    .expose = kobold_expose,
};
