/*  jan - Jan: llamacpp/models/<id>/model.yml in its data folder, with the path of a GGUF
 *
 *  The id may hold slashes. model_path is relative to the data folder, or absolute: then the file
 *  is somebody else's, and only the note lies here. Jan lists what has a model.yml, at its start.
 */
#include "services/cache/apps/plain.h"

#include "proto/buf.h"
#include "services/cache/model/weights.h"

#include <string.h>
#include <strings.h>

#define MODELS "llamacpp/models/"

static size_t jan_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    size_t count = 0;
    count = mlx_plain_add(paths, count, mlx_env_path(env, "XDG_DATA_HOME", "/Jan/data"));
    count = mlx_plain_add(paths, count, mlx_plain_home(env, "/.local/share/Jan/data"));
    return mlx_plain_add(paths, count,
                         mlx_plain_home(env, "/Library/Application Support/Jan/data"));
}

static bool jan_is_store(const mlx_root_t *root)
{
    struct stat st;
    return mlx_fs_stat(root, "llamacpp", &st, NULL) > 0 && S_ISDIR(st.st_mode);
}

/*  The folder holds more than models; what is one is named by its path below its engine. */
static void jan_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    static const char *const engines[] = {MODELS, "mlx/models/"};
    size_t from = scan->count;
    (void)store;
    mlx_scan_folder(scan, "jan", root, 0);
    size_t kept = from;
    for (size_t i = from; i < scan->count; i++) {
        mlx_seen_t *seen = &scan->files[i];
        bool ours = false;
        for (size_t e = 0; e < MLX_COUNT(engines) && !ours; e++) {
            ours = mlx_starts_with(seen->model, engines[e]);
            size_t len = strlen(engines[e]);
            if (ours)
                memmove(seen->model, seen->model + len, strlen(seen->model + len) + 1);
        }
        if (ours)
            scan->files[kept++] = *seen;
        else
            mlx_scan_drop(seen);
    }
    scan->count = kept;
}

static const mlx_model_file_t *find_gguf(const mlx_model_t *model, bool projector)
{
    for (size_t i = 0; i < model->count; i++) {
        const char *path = model->files[i].path;
        if (mlx_weights_format(path) == MLX_WEIGHTS_GGUF &&
            (strcasestr(path, "mmproj") != NULL) == projector)
            return &model->files[i];
    }
    return NULL;
}

/*  The files, and last the note that makes Jan see them. */
static int jan_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *id = mlx_plain_folder(what);
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_format(MODELS "%s", id);
    MLX_CLEANUP(mlx_free_p) char *note = mlx_format("%s/model.yml", folder);
    const mlx_model_file_t *weights = find_gguf(what->model, false);
    const mlx_model_file_t *projector = find_gguf(what->model, true);
    struct stat st;
    if (!weights)
        return mlx_plain_need_gguf(what, "Jan", err)
                   ? -1
                   : mlx_error_set(err, MLX_ERR_FAILED, "%s has only a projector",
                                   what->model->name);
    if (mlx_plain_expose(what, plan, folder, err))
        return -1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t yaml = {0};
    mlx_buf_printf(&yaml, "model_path: \"%s/%s\"\nname: \"%s\"\nsize_bytes: %llu\n", folder,
                   weights->path, id, (unsigned long long)weights->size);
    if (projector)
        mlx_buf_printf(&yaml, "mmproj_path: \"%s/%s\"\n", folder, projector->path);
    mlx_buf_puts(&yaml, "embedding: false\n");
    int there = mlx_fs_stat(what->store, note, &st, err);
    if (there == 0)
        mlx_cache_plan_write(plan, mlx_root_path(what->store), note, folder, yaml.data, yaml.len);
    return there < 0 ? -1 : 0;
}

const mlx_adapter_t mlx_adapter_jan = {
    .name = "jan",
    .title = "Jan",
    .stores = jan_stores,
    .is_store = jan_is_store,
    .scan = jan_scan,
    .expose = jan_expose,
};
