/*  dir - any folder of models: MLX_CACHE_DIRS names them, separated by ':' */
#include "services/cache/apps/adapter.h"

#include "services/cache/model/names.h"

#include <string.h>

static size_t dir_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    const char *at = mlx_env_get(env, "MLX_CACHE_DIRS");
    size_t count = 0;
    while (at && *at && count < MLX_STORES_MAX) {
        size_t len = strcspn(at, ":");
        if (*at == '/')
            paths[count++] = mlx_strndup(at, len);
        at += len;
        if (*at == ':')
            at++;
    }
    return count;
}

static void dir_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    (void)store;
    mlx_scan_folder(scan, "dir", root, 0);
}

static int dir_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    const mlx_model_t *model = what->model;
    const char *name = what->as ? what->as : model->view;
    if (mlx_name_path(name, err))
        return mlx_error_hint(err, "choose another name with --as");
    for (size_t i = 0; i < model->count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%s/%s", name, model->files[i].path);
        MLX_CLEANUP(mlx_free_p)
        char *folder = mlx_strndup(path, (size_t)(strrchr(path, '/') - path));
        mlx_expose_folder(what, plan, folder);
        if (mlx_expose_file(what, plan, &model->files[i], path, folder, err))
            return -1;
    }
    return 0;
}

const mlx_adapter_t mlx_adapter_dir = {
    .name = "dir",
    .title = "folder",
    .stores = dir_stores,
    .scan = dir_scan,
    .expose = dir_expose,
};
