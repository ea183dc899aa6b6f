#include "services/cache/commands/internal.h"

#include "services/cache/model/header.h"
#include "services/cache/model/weights.h"
#include "services/cache/plan/lock.h"
#include "services/cache/store/reserve.h"
#include "services/cache/store/store.h"

#include "proto/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*  Does a symbolic link of an app lead to this path of ours? Those names are theirs as well. */
static bool is_symlink_target(mlx_cache_t *self, const char *path)
{
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, NULL);
    struct stat st;
    if (!scan || mlx_fs_stat(self->home, path, &st, NULL) <= 0)
        return true;
    mlx_identity_t id = mlx_identity_of(&st);
    if (mlx_volumes_hold(self, id.ino))
        return true;
    for (size_t i = 0; i < scan->count; i++)
        if (scan->files[i].by_symlink && mlx_identity_same_inode(&scan->files[i].id, &id))
            return true;
    return false;
}

/*  Does an app have the folder of PATH, or one above it, by a link to it? */
static bool is_linked(mlx_cache_t *self, const char *path)
{
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, NULL);
    for (size_t i = 0; scan && i < scan->store_count; i++) {
        size_t len = strlen(scan->stores[i]->path);
        if (strncmp(path, scan->stores[i]->path, len) == 0 && (path[len] == '/' || !path[len]))
            return true;
        if (strncmp(path, scan->stores[i]->path, strlen(path)) == 0)
            return true;
    }
    return !scan;
}

/*  The same of PATH, a name under models/: rarely is there any such link, so that is asked first,
 *  once for each operation. */
static bool is_linked_view(mlx_cache_t *self, const mlx_cache_plan_t *plan, const char *path)
{
    if (!plan->id || self->views_plan != plan->id) {
        MLX_CLEANUP(mlx_free_p) char *views = mlx_root_join(self->home, "models");
        self->views_linked = is_linked(self, views);
        self->views_plan = plan->id;
    }
    MLX_CLEANUP(mlx_free_p) char *full = mlx_root_join(self->home, path);
    return self->views_linked && is_linked(self, full);
}

/*  The guard of every removal: asked of the live state, right before it. */
static bool in_use(void *arg, const mlx_cache_plan_t *plan, const mlx_cache_step_t *step)
{
    mlx_cache_t *self = arg;
    if (strcmp(step->root, mlx_root_path(self->home)) == 0)
        return strncmp(step->path, "models/", 7) == 0
                   ? is_linked_view(self, plan, step->path)
                   : strncmp(step->path, "blobs/", 6) == 0 && is_symlink_target(self, step->path);
    const mlx_adapter_t *adapter = plan->app ? mlx_adapter_find(plan->app, NULL) : NULL;
    const mlx_root_t *root = mlx_roots_get(self->roots, step->root, NULL);
    if (!root)
        return true;
    return adapter && adapter->in_use && adapter->in_use(root, step->path);
}

static bool is_away(void *arg, const mlx_cache_plan_t *plan, const mlx_cache_step_t *step)
{
    return mlx_volumes_away(arg, step->root, plan->volume);
}

static int open_registry(mlx_cache_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(self->home, "registry.db");
    self->db = mlx_registry_open(path, false, err);
    return self->db ? 0 : -1;
}

static int prepare_to_write(mlx_cache_t *self, mlx_error_t *err)
{
    if (mlx_registry_at(self->db, self->home, err) || mlx_engine_recover(&self->engine, NULL, err))
        return -1;
    return mlx_cache_store_sweep(&self->options.fs, self->home, err);
}

mlx_cache_t *mlx_cache_open(const mlx_cache_options_t *options, mlx_error_t *err)
{
    mlx_cache_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->lock = -1;
    self->roots = mlx_roots_new();
    if (mlx_volumes_need_home(options, err) == 0)
        self->home = mlx_cache_store_open(options->home, err);
    bool sound = self->home != NULL;
    if (sound)
        mlx_reserve_use(self->home);
    if (sound && options->write) {
        self->lock = mlx_lock_take(self->home, err);
        sound = self->lock >= 0;
    }
    sound = sound && open_registry(self, err) == 0;
    self->engine = (mlx_engine_t){.fs = options->fs,
                                  .db = self->db,
                                  .roots = self->roots,
                                  .now_s = options->now_s,
                                  .in_use = in_use,
                                  .is_away = is_away,
                                  .one_command = options->one_command,
                                  .stop = mlx_cache_piece,
                                  .arg = self};
    if (sound && options->write)
        sound = prepare_to_write(self, err) == 0;
    if (sound && options->write)
        mlx_volumes_note_home(options);
    if (!sound)
        mlx_cache_destroy(&self);
    return self;
}

void mlx_cache_destroy(mlx_cache_t **self)
{
    mlx_cache_t *cache = *self;
    *self = NULL;
    if (!cache)
        return;
    mlx_db_destroy(&cache->db);
    if (cache->home)
        mlx_reserve_keep(cache->home);
    mlx_roots_destroy(&cache->roots);
    mlx_root_destroy(&cache->home);
    if (cache->lock >= 0)
        close(cache->lock);
    free(cache);
}

int mlx_cache_need_write(const mlx_cache_t *self, mlx_error_t *err)
{
    return self->lock >= 0 ? 0
                           : mlx_error_set(err, MLX_ERR_USAGE, "the cache was opened read-only");
}

unsigned mlx_cache_weight_methods(bool copy)
{
    return MLX_METHOD_CLONE | MLX_METHOD_HARDLINK | (copy ? (unsigned)MLX_METHOD_COPY : 0);
}

/*  Small files are edited in place by people and tools: each place has bytes of its own. */
unsigned mlx_cache_small_methods(void)
{
    return MLX_METHOD_CLONE | MLX_METHOD_COPY;
}

mlx_scan_t *mlx_cache_look(mlx_cache_t *self, mlx_error_t *err)
{
    mlx_scan_t *scan = mlx_scan_new();
    if (mlx_scan_all(scan, &self->options.env, self->roots, err))
        mlx_scan_destroy(&scan);
    else
        mlx_volumes_note(self, scan);
    return scan;
}

char *mlx_cache_view_name(const char *model_name)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t view = {0};
    for (const char *c = model_name; *c; c++) {
        if (*c == '/' || *c == ':')
            mlx_buf_puts(&view, "--");
        else
            mlx_buf_putc(&view, *c);
    }
    return mlx_buf_take(&view);
}

static int plan_view_file(mlx_cache_t *self, mlx_cache_plan_t *plan, const char *view,
                          const mlx_model_file_t *file, mlx_error_t *err)
{
    const mlx_model_t nothing = {0};
    const mlx_expose_t what = {.model = &nothing,
                               .home = self->home,
                               .store = self->home,
                               .weights = MLX_METHOD_CLONE | MLX_METHOD_HARDLINK,
                               .small = mlx_cache_small_methods()};
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", view, file->path);
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(path, (size_t)(strrchr(path, '/') - path));
    mlx_expose_folder(&what, plan, folder);
    return mlx_expose_file(&what, plan, file, path, "tmp", err);
}

void mlx_cache_plan_remove(mlx_cache_t *self, mlx_cache_plan_t *plan, const char *path,
                           const char *sha256)
{
    struct stat st;
    if (mlx_fs_stat(self->home, path, &st, NULL) <= 0 || S_ISDIR(st.st_mode))
        return;
    mlx_cache_step_t *step =
        mlx_cache_plan_add(plan, MLX_STEP_REMOVE, mlx_root_path(self->home), path);
    step->old = mlx_identity_of(&st);
    step->size = (uint64_t)st.st_size;
    snprintf(step->sha256, sizeof step->sha256, "%s", sha256);
}

static bool has_same_file(const mlx_model_t *model, const mlx_model_file_t *file)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->files[i].path, file->path) == 0)
            return strcmp(model->files[i].sha256, file->sha256) == 0;
    return false;
}

/*  A new revision takes the names of an old one that it does not have, or has with other content.
 */
static int drop_old_names(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *old = mlx_registry_get_model(self->db, model->name, NULL);
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("remove", model->name, NULL);
    for (size_t i = 0; old && i < old->count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("models/%s/%s", old->view, old->files[i].path);
        if (!has_same_file(model, &old->files[i]))
            mlx_cache_plan_remove(self, plan, path, "");
    }
    return plan->count ? mlx_engine_apply(&self->engine, plan, err) : 0;
}

/*  The row comes before the names: a crash between them leaves a model whose view is made again by
 *  the next add, never a name that nothing knows of and that holds its bytes for ever. */
int mlx_cache_publish(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *notes = mlx_cache_inspect(self, model, err);
    if (!notes || drop_old_names(self, model, err) ||
        mlx_fs_gate(&self->options.fs, "commit", "registry", err) ||
        mlx_registry_put_model(self->db, model, err) ||
        mlx_cache_keep_notes(self, model->name, notes, err) ||
        mlx_cache_mend_names(self, model, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *view = mlx_format("models/%s", model->view);
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("add", model->name, NULL);
    for (size_t i = 0; i < model->count; i++)
        if (plan_view_file(self, plan, view, &model->files[i], err))
            return -1;
    return plan->count ? mlx_engine_apply(&self->engine, plan, err) : 0;
}

int mlx_cache_need_weights(const char *model, const char *const *names, size_t count,
                           mlx_error_t *err)
{
    enum {
        LISTED_MAX = 8
    };
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t list = {0};
    for (size_t i = 0; i < count; i++) {
        if (mlx_weights_format(names[i]) != MLX_WEIGHTS_NONE)
            return 0;
        if (i < LISTED_MAX)
            mlx_buf_printf(&list, "%s%.60s", i ? ", " : "", names[i]);
    }
    if (count > LISTED_MAX)
        mlx_buf_printf(&list, " and %zu more", count - LISTED_MAX);
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s has no weights, only %.300s", model,
                  count ? mlx_buf_str(&list) : "no files");
    return mlx_error_hint(err, "a model cannot be added without its weights");
}

mlx_value_t *mlx_cache_model_value(const mlx_model_t *model)
{
    mlx_value_t *value = mlx_value_map();
    mlx_value_set_str(value, "model", model->name);
    mlx_value_set_str(value, "source", model->source);
    mlx_value_set_str(value, "revision", model->revision);
    mlx_value_set_str(value, "view", model->view);
    mlx_value_set_int(value, "size", (int64_t)mlx_model_size(model));
    mlx_value_t *files = mlx_value_set(value, "files", mlx_value_list());
    for (size_t i = 0; i < model->count; i++) {
        mlx_value_t *file = mlx_value_append(files, mlx_value_map());
        mlx_value_set_str(file, "path", model->files[i].path);
        mlx_value_set_str(file, "sha256", model->files[i].sha256);
        mlx_value_set_int(file, "size", (int64_t)model->files[i].size);
    }
    return value;
}

static mlx_value_t *store_value(const char *path, const mlx_root_t *root)
{
    mlx_value_t *store = mlx_value_map();
    mlx_value_set_str(store, "path", path);
    mlx_value_set_bool(store, "exists", root != NULL);
    return store;
}

mlx_value_t *mlx_cache_apps(mlx_cache_t *self, mlx_error_t *err)
{
    (void)err;
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *apps = mlx_value_set(report, "apps", mlx_value_list());
    for (size_t i = 0; mlx_adapters[i]; i++) {
        mlx_value_t *app = mlx_value_append(apps, mlx_value_map());
        mlx_value_set_str(app, "name", mlx_adapters[i]->name);
        mlx_value_set_str(app, "title", mlx_adapters[i]->title);
        mlx_value_set_bool(app, "can_link", mlx_adapters[i]->expose != NULL);
        mlx_value_t *stores = mlx_value_set(app, "stores", mlx_value_list());
        char *paths[MLX_STORES_MAX];
        size_t count = mlx_adapters[i]->stores(&self->options.env, paths);
        for (size_t p = 0; p < count; p++) {
            mlx_value_append(stores,
                             store_value(paths[p], mlx_roots_get(self->roots, paths[p], NULL)));
            free(paths[p]);
        }
    }
    return report;
}
