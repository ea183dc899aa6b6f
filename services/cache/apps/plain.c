#include "services/cache/apps/plain.h"

#include "common/base/json.h"
#include "services/cache/model/names.h"
#include "services/cache/model/weights.h"

#include <stdlib.h>
#include <string.h>

char *mlx_plain_home(const mlx_env_t *env, const char *tail)
{
    const char *home = mlx_env_get(env, "HOME");
    return home && home[0] == '/' ? mlx_format("%s%s", home, tail) : NULL;
}

size_t mlx_plain_add(char *paths[MLX_STORES_MAX], size_t count, char *path)
{
    if (path && count < MLX_STORES_MAX)
        paths[count++] = path;
    else
        free(path);
    return count;
}

int mlx_plain_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *folder,
                     mlx_error_t *err)
{
    if (*folder && mlx_name_path(folder, err))
        return mlx_error_hint(err, "choose another name with --as");
    for (size_t i = 0; i < what->model->count; i++) {
        const mlx_model_file_t *file = &what->model->files[i];
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%s%s%s", folder, *folder ? "/" : "", file->path);
        const char *slash = strrchr(path, '/');
        MLX_CLEANUP(mlx_free_p)
        char *parent = mlx_strndup(path, slash ? (size_t)(slash - path) : 0);
        if (*parent)
            mlx_expose_folder(what, plan, parent);
        if (mlx_expose_file(what, plan, file, path, parent, err))
            return -1;
    }
    return 0;
}

int mlx_plain_need_gguf(const mlx_expose_t *what, const char *app, mlx_error_t *err)
{
    for (size_t i = 0; i < what->model->count; i++)
        if (mlx_weights_format(what->model->files[i].path) == MLX_WEIGHTS_GGUF)
            return 0;
    return mlx_error_set(err, MLX_ERR_FAILED, "%s reads GGUF files, and %s has none", app,
                         what->model->name);
}

char *mlx_plain_folder(const mlx_expose_t *what)
{
    const char *name = what->as ? what->as : what->model->name;
    const char *slash = strchr(name, '/');
    bool pair = slash && !strchr(slash + 1, '/');
    char *folder = mlx_strdup(pair || what->as ? name : what->model->view);
    for (char *c = folder; *c; c++)
        if (*c == ':')
            *c = '-';
    return folder;
}

mlx_value_t *mlx_plain_json(mlx_scan_t *scan, const char *app, const mlx_root_t *root,
                            const char *rel)
{
    mlx_error_t why = {0};
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(root, rel);
    mlx_value_t *json = mlx_json_load(path, &why);
    if (!json && why.code != MLX_ERR_NOT_FOUND)
        mlx_scan_problem(scan, app, path, "%.190s", why.text);
    return json;
}
