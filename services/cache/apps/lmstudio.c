/*  lmstudio - LM Studio: <models>/<publisher>/<model>/<files>, real folders and files
 *
 *  The models folder is downloadsFolder of settings.json, default ~/.lmstudio/models, in old
 *  versions ~/.cache/lm-studio/models; ~/.lmstudio-home-pointer names a home that was moved.
 */
#include "services/cache/apps/adapter.h"

#include "common/base/file.h"
#include "common/base/json.h"
#include "services/cache/model/names.h"
#include "services/cache/model/weights.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POINTER "/.lmstudio-home-pointer"
#define SETTINGS "/settings.json"

enum {
    MAX_POINTER = 4096
};

static char *lm_home(const char *home)
{
    MLX_CLEANUP(mlx_free_p) char *pointer = mlx_format("%s" POINTER, home);
    MLX_CLEANUP(mlx_free_p) char *moved = mlx_file_read(pointer, MAX_POINTER, NULL, NULL);
    if (moved)
        moved[strcspn(moved, "\r\n")] = '\0';
    if (moved && moved[0] == '/')
        return mlx_strdup(moved);
    return mlx_format("%s/.lmstudio", home);
}

static char *downloads_folder(const char *lm)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s" SETTINGS, lm);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *settings = mlx_json_load(path, NULL);
    const char *folder = mlx_value_str(settings, "downloadsFolder");
    return folder && folder[0] == '/' ? mlx_strdup(folder) : mlx_format("%s/models", lm);
}

static size_t lm_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    const char *home = mlx_env_get(env, "HOME");
    if (!home || home[0] != '/')
        return 0;
    MLX_CLEANUP(mlx_free_p) char *lm = lm_home(home);
    paths[0] = downloads_folder(lm);
    paths[1] = mlx_format("%s/.cache/lm-studio/models", home);
    return 2;
}

static size_t lm_settings(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    const char *home = mlx_env_get(env, "HOME");
    if (!home || home[0] != '/')
        return 0;
    MLX_CLEANUP(mlx_free_p) char *lm = lm_home(home);
    paths[0] = mlx_format("%s" POINTER, home);
    paths[1] = mlx_format("%s" SETTINGS, lm);
    return 2;
}

static void lm_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    (void)store;
    mlx_scan_folder(scan, "lmstudio", root, 2); /* publisher, model */
}

/*  Only GGUF files: nothing that a second quantisation of the repository would need as well. */
static bool is_weights_alone(const mlx_model_t *model)
{
    for (size_t i = 0; i < model->count; i++)
        if (mlx_weights_format(model->files[i].path) != MLX_WEIGHTS_GGUF ||
            strcasestr(model->files[i].path, "mmproj"))
            return false;
    return model->count > 0;
}

/*  "org/name" is publisher and model, as where LM Studio itself downloads it; a name without a
 *  publisher gets one. */
static char *lm_folder(const mlx_expose_t *what)
{
    const mlx_model_t *model = what->model;
    bool repository = !what->as && strcmp(model->source, "huggingface") == 0;
    size_t len = strcspn(model->name, ":");
    MLX_CLEANUP(mlx_free_p)
    char *name = mlx_strdup(what->as ? what->as : model->name);
    if (repository && is_weights_alone(model))
        name[len] = '\0';
    const char *slash = strchr(name, '/');
    char *folder = slash && !strchr(slash + 1, '/') ? mlx_strdup(name)
                                                    : mlx_format("mlx-cache/%s", what->model->view);
    for (char *c = folder; *c; c++)
        if (*c == ':')
            *c = '-';
    return folder;
}

/*  LM Studio looks for GGUF files in the model's own folder only; other models keep their tree. */
static const char *lm_file(const mlx_model_t *model, size_t index)
{
    const char *path = model->files[index].path;
    const char *slash = strrchr(path, '/');
    if (!slash || mlx_weights_format(path) != MLX_WEIGHTS_GGUF)
        return path;
    for (size_t i = 0; i < model->count; i++) {
        const char *other = strrchr(model->files[i].path, '/');
        if (i != index && strcasecmp(other ? other + 1 : model->files[i].path, slash + 1) == 0)
            return path;
    }
    return slash + 1;
}

static int lm_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *folder = lm_folder(what);
    if (mlx_name_path(folder, err))
        return mlx_error_hint(err, "choose another name with --as");
    for (size_t i = 0; i < what->model->count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%s/%s", folder, lm_file(what->model, i));
        MLX_CLEANUP(mlx_free_p)
        char *parent = mlx_strndup(path, (size_t)(strrchr(path, '/') - path));
        mlx_expose_folder(what, plan, parent);
        if (mlx_expose_file(what, plan, &what->model->files[i], path, parent, err))
            return -1;
    }
    return 0;
}

const mlx_adapter_t mlx_adapter_lmstudio = {
    .name = "lmstudio",
    .title = "LM Studio",
    .stores = lm_stores,
    .settings = lm_settings,
    .scan = lm_scan,
    .expose = lm_expose,
};
