/*  localai - LocalAI: GGUF files in its models folder, each with a <name>.yaml or none
 *
 *  A GGUF without a configuration is served under its file name, so a link needs no file of ours.
 */
#include "services/cache/apps/plain.h"

#include "services/cache/model/weights.h"

#include <string.h>

static size_t localai_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    size_t count = mlx_plain_add(paths, 0, mlx_env_path(env, "LOCALAI_MODELS_PATH", ""));
    count = mlx_plain_add(paths, count, mlx_plain_home(env, "/localai/models"));
    count = mlx_plain_add(paths, count, mlx_plain_home(env, "/LocalAI/models"));
    return mlx_plain_add(paths, count, mlx_strdup("/usr/share/local-ai/models"));
}

static void localai_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    (void)store;
    mlx_scan_folder(scan, "localai", root, 0);
}

/*  At the top, where it looks; with the names that the files have. */
static int localai_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    if (mlx_plain_need_gguf(what, "LocalAI", err))
        return -1;
    for (size_t i = 0; i < what->model->count; i++) {
        const mlx_model_file_t *file = &what->model->files[i];
        const char *slash = strrchr(file->path, '/');
        if (mlx_weights_format(file->path) == MLX_WEIGHTS_GGUF &&
            mlx_expose_file(what, plan, file, slash ? slash + 1 : file->path, "", err))
            return -1;
    }
    return 0;
}

const mlx_adapter_t mlx_adapter_localai = {
    .name = "localai",
    .title = "LocalAI",
    .stores = localai_stores,
    .scan = localai_scan,
    .expose = localai_expose,
};
