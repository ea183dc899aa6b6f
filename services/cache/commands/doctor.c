/*  What is wrong, and what to do about it. Looking only. */
#include "services/cache/commands/internal.h"

#include "services/cache/store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    mlx_cache_t *cache;
    mlx_value_t *checks;
} doctor_t;

/*  FAULT "" is all right. */
static void note(const doctor_t *d, const char *name, const char *fault, const char *hint)
{
    mlx_value_t *check = mlx_value_append(d->checks, mlx_value_map());
    mlx_value_set_str(check, "name", name);
    mlx_value_set_bool(check, "ok", !*fault);
    if (*fault) {
        mlx_value_set_str(check, "text", fault);
        mlx_value_set_str(check, "hint", hint);
    }
}

/*  A registry that was emptied, deleted or replaced is sound by itself, and knows nothing. */
static void check_views(const doctor_t *d, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *unknown = mlx_cache_unknown_view(d->cache);
    if (!unknown)
        return;
    mlx_error_set(err, MLX_ERR_DATA_LOSS,
                  "does not know the model in %s: it was emptied, deleted or replaced", unknown);
    mlx_error_hint(err, "restore registry.db from a backup, or for each folder there: "
                        "mlx-cache add FOLDER --as NAME");
}

static void check_registry(const doctor_t *d)
{
    mlx_error_t err = {0};
    if (mlx_db_check(d->cache->db, &err) == 0)
        check_views(d, &err);
    note(d, "registry", err.text, err.hint);
}

static size_t count_operations(const doctor_t *d, const char *state)
{
    size_t count = 0;
    free(mlx_journal_find(d->cache->db, state, NULL, NULL, NULL, &count, NULL));
    return count;
}

/*  Each problem of LIST. */
static void note_all(const doctor_t *d, const mlx_value_t *list)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *one = mlx_value_at(list, i);
        MLX_CLEANUP(mlx_free_p)
        char *name = mlx_format("%s %s", mlx_value_str(one, "app"), mlx_value_str(one, "path"));
        note(d, name, mlx_value_str(one, "text"), mlx_value_str(one, "hint"));
    }
}

static void check_journal(const doctor_t *d)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *aside = mlx_value_list();
    mlx_cache_list_aside(d->cache, aside);
    note_all(d, aside);
    size_t count = count_operations(d, "open") + count_operations(d, "undoing");
    count -= mlx_value_size(aside);
    MLX_CLEANUP(mlx_free_p)
    char *fault = count ? mlx_format("%zu operations were interrupted", count) : mlx_strdup("");
    note(d, "journal", fault,
         "any command that changes something finishes them, as does mlx-cache clean --dry-run");
}

/*  Files of MODEL that the store or its view lack. */
static void count_missing(const doctor_t *d, const mlx_model_t *model, size_t *blobs, size_t *names)
{
    for (size_t i = 0; i < model->count; i++) {
        const mlx_model_file_t *file = &model->files[i];
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("models/%s/%s", model->view, file->path);
        struct stat st;
        if (mlx_cache_store_has(d->cache->home, file->sha256, file->size, NULL) <= 0)
            (*blobs)++;
        else if (mlx_fs_stat(d->cache->home, name, &st, NULL) <= 0)
            (*names)++;
    }
}

static void check_whole(const doctor_t *d, const mlx_model_t *model)
{
    mlx_error_t why = {0};
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("model %s", model->name);
    if (mlx_cache_need_whole(d->cache, model, &why))
        note(d, name, why.text, why.hint);
}

static void check_models(const doctor_t *d)
{
    size_t count, blobs = 0, names = 0;
    mlx_model_t *models = mlx_registry_models(d->cache->db, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        count_missing(d, &models[i], &blobs, &names);
        check_whole(d, &models[i]);
    }
    mlx_models_free(&models, count);
    MLX_CLEANUP(mlx_free_p)
    char *fault =
        blobs || names
            ? mlx_format("%zu model files are missing, %zu have lost their names", blobs, names)
            : mlx_strdup("");
    note(d, "models", fault, "mlx-cache verify --repair");
}

/*  What is known to be damaged, and what changed since it was hashed: that is read again, now. */
static void check_bytes(const doctor_t *d)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *report = mlx_cache_verify(d->cache, NULL, false, &err);
    const mlx_value_t *bad = mlx_value_get(report, "bad");
    for (size_t i = 0; i < mlx_value_size(bad); i++) {
        const mlx_value_t *one = mlx_value_at(bad, i);
        const char *model = mlx_value_str(one, "model"), *file = mlx_value_str(one, "file");
        MLX_CLEANUP(mlx_free_p)
        char *name =
            model ? mlx_format("%s %s", model, file) : mlx_strdup(mlx_value_str(one, "path"));
        note(d, name, mlx_value_str(one, "text"), mlx_value_str(one, "hint"));
    }
    if (!mlx_value_size(bad))
        note(d, "bytes", err.text, err.hint);
}

/*  Can bytes be shared between the cache and this store at all. */
static void check_store(const doctor_t *d, const mlx_cache_store_t *store)
{
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("%s %s", store->app, store->path);
    if (store->dev != mlx_root_dev(d->cache->home))
        note(d, name, "is on a different file system than the cache: nothing can be shared with it",
             "set MLX_CACHE_DIR to a folder on that file system");
    else if (access(store->path, W_OK) != 0)
        note(d, name, "is not writable: models can be adopted from it but not linked to it",
             "run mlx-cache link as its owner (sudo), or join its group");
    else
        note(d, name, "", "");
}

static void check_apps(const doctor_t *d)
{
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(d->cache, NULL);
    if (scan)
        mlx_cache_find_gaps(d->cache, scan);
    for (size_t i = 0; scan && i < scan->store_count; i++)
        check_store(d, scan->stores[i]);
    for (size_t i = 0; scan && i < scan->problem_count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *name = mlx_format("%s %s", scan->problems[i].app, scan->problems[i].path);
        note(d, name, scan->problems[i].text,
             "the app itself can repair it: remove or pull it again");
    }
}

/*  A link of ours that the app has removed or replaced since. */
static size_t gone_names(const doctor_t *d, const mlx_cache_plan_t *plan)
{
    size_t gone = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        struct stat st;
        const mlx_root_t *root = mlx_roots_get(d->cache->roots, step->root, NULL);
        if (step->kind == MLX_STEP_MKDIR || step->state != MLX_STATE_DONE)
            continue;
        /* A disk that is not mounted says nothing about its names. */
        if (mlx_volumes_away(d->cache, step->root, plan->volume))
            return 0;
        if (!root || mlx_fs_stat(root, step->path, &st, NULL) == 0)
            gone++;
    }
    return gone;
}

/*  What lies on a volume that is not mounted now. */
static void check_volumes(const doctor_t *d)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *away = mlx_value_list();
    mlx_volumes_list(d->cache, away);
    note_all(d, away);
    if (!mlx_value_size(away))
        note(d, "volumes", "", "");
}

/*  One line for each, so that the command in it can be run as it stands; also of what was linked
 *  more than once. */
static void check_links(const doctor_t *d)
{
    size_t count, gone = 0;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *noted = mlx_value_map();
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids = mlx_journal_find(d->cache->db, "done", "link", NULL, NULL, &count, NULL);
    for (size_t i = 0; ids && i < count; i++) {
        MLX_CLEANUP(mlx_cache_plan_destroy)
        mlx_cache_plan_t *plan = mlx_journal_load(d->cache->db, ids[i], NULL);
        if (!plan || !plan->model || !plan->app || !gone_names(d, plan))
            continue;
        gone++;
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("link %s %s", plan->app, plan->model);
        if (mlx_value_get(noted, name))
            continue;
        mlx_value_set_bool(noted, name, true);
        MLX_CLEANUP(mlx_free_p)
        char *hint = mlx_format("to forget it: mlx-cache unlink %s %s (mlx-cache link %s %s brings "
                                "it back)",
                                plan->app, plan->model, plan->app, plan->model);
        note(d, name, "the app removed what was linked", hint);
    }
    if (!gone)
        note(d, "links", "", "");
}

mlx_value_t *mlx_cache_doctor(mlx_cache_t *self, mlx_error_t *err)
{
    (void)err;
    mlx_value_t *report = mlx_value_map();
    const doctor_t d = {.cache = self, .checks = mlx_value_set(report, "checks", mlx_value_list())};
    check_registry(&d);
    check_journal(&d);
    check_models(&d);
    check_bytes(&d);
    check_links(&d);
    check_volumes(&d);
    check_apps(&d);
    return report;
}
