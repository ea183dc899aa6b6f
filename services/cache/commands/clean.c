/*  Freeing space: forgetting models, removing what nothing needs. */
#include "services/cache/store/inodes.h"

#include "services/cache/store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_AGE_S = 30 * 24 * 3600,
    PARTIAL_AGE_S = 7 * 24 * 3600,
};

/*  SHA-256 of files, in order once sorted. */
typedef struct {
    char (*hex)[MLX_HEX_MAX];
    size_t count;
} digests_t;

static void free_digests(digests_t *digests)
{
    free(digests->hex);
}

static int compare_digests(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void add_digests(digests_t *digests, const mlx_model_t *model)
{
    for (size_t i = 0; i < model->count; i++) {
        digests->hex = mlx_grow(digests->hex, digests->count, sizeof *digests->hex);
        memcpy(digests->hex[digests->count++], model->files[i].sha256, MLX_HEX_MAX);
    }
    if (digests->hex)
        qsort(digests->hex, digests->count, sizeof *digests->hex, compare_digests);
}

static bool has_digest(const digests_t *digests, const char *sha256)
{
    return digests->count &&
           bsearch(sha256, digests->hex, digests->count, sizeof *digests->hex, compare_digests);
}

/*  What came later than this is left; OLDER_S as in the options of clean, DEFAULT_S for its 0. Any
 *  age is everything, whatever the clocks say. */
static int64_t time_before(const mlx_cache_t *self, int64_t older_s, int64_t default_s)
{
    return older_s < 0 ? INT64_MAX : self->options.now_s() - (older_s ? older_s : default_s);
}

typedef struct {
    mlx_cache_t *cache;
    mlx_cache_plan_t *plan;
    const mlx_value_t *forgotten; /* names of models that count no more */
    const digests_t *freed;       /* what those had: removed at once */
    int64_t before;               /* others that no model has: only what came before this time */
    mlx_error_t *err;
} sweep_t;

static bool is_forgotten(const mlx_value_t *names, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(names); i++)
        if (strcmp(mlx_value_as_str(mlx_value_at(names, i), NULL), name) == 0)
            return true;
    return false;
}

/*  Is SHA256 a file of a model that stays. */
static int is_needed(const sweep_t *s, const char *sha256, bool *needed)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(s->cache->db, s->err,
                                 "SELECT DISTINCT name FROM files JOIN models ON models.id = model"
                                 " WHERE sha256 = ?",
                                 "s", sha256);
    int row = 0;
    *needed = false;
    while (!*needed && (row = mlx_stmt_step(q, s->err)) > 0)
        *needed = !is_forgotten(s->forgotten, mlx_stmt_str(q, 0));
    return *needed || row == 0 ? 0 : -1;
}

/*  A blob that is a file of no model. The finished shards of an interrupted add are such too: they
 *  stay as long as its partial files. */
static int plan_orphan(void *arg, const char *sha256, const struct stat *st)
{
    sweep_t *s = arg;
    bool needed;
    int64_t came = (int64_t)(st->st_ctime > st->st_mtime ? st->st_ctime : st->st_mtime);
    if (came > s->before && !has_digest(s->freed, sha256))
        return 0;
    if (is_needed(s, sha256, &needed))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    if (!needed)
        mlx_cache_plan_remove(s->cache, s->plan, path, sha256);
    return 0;
}

/*  Remove the folders of a view that are empty now. */
static int remove_folders(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    for (size_t i = 0; i < model->count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("models/%s/%s", model->view, model->files[i].path);
        for (char *slash; (slash = strrchr(path, '/')) && slash > path + strlen("models");) {
            *slash = '\0';
            if (mlx_fs_rmdir(&self->options.fs, self->home, path, err))
                return -1;
        }
    }
    return 0;
}

/*  A step that had to be passed over is an error where all of them are wanted. */
static int need_all(const mlx_cache_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].state == MLX_STATE_SKIPPED)
            return mlx_error_set(err, MLX_ERR_FAILED, "%s", plan->steps[i].why);
    return 0;
}

static void plan_forget(mlx_cache_t *self, mlx_cache_plan_t *plan, const mlx_model_t *model)
{
    for (size_t i = 0; i < model->count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("models/%s/%s", model->view, model->files[i].path);
        mlx_cache_plan_remove(self, plan, path, "");
    }
}

/*  As one operation, with a record that undo brings them back from. The rows go last: until then
 *  the models can be forgotten again. */
static int forget_models(mlx_cache_t *self, const char *kind, mlx_model_t *const *models,
                         size_t count, mlx_error_t *err)
{
    if (count == 0)
        return 0;
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new(kind, count == 1 ? models[0]->name : NULL, NULL);
    for (size_t i = 0; i < count; i++)
        plan_forget(self, plan, models[i]);
    mlx_cache_record(self, plan, models, count);
    if (mlx_engine_apply(&self->engine, plan, err) || need_all(plan, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (remove_folders(self, models[i], err) ||
            mlx_fs_gate(&self->options.fs, "commit", "registry", err) ||
            mlx_registry_delete_model(self->db, models[i]->name, err))
            return -1;
    return 0;
}

static void add_unknown_view(const char *path, mlx_value_t *problems)
{
    if (!path)
        return;
    mlx_value_t *problem = mlx_value_append(problems, mlx_value_map());
    mlx_value_set_str(problem, "path", path);
    mlx_value_set_str(problem, "text",
                      "the registry does not list this model, so no blob is removed");
    mlx_value_set_str(problem, "hint", "run mlx-cache add with this path, or delete the folder");
}

/*  FORGOTTEN: the models that a dry run leaves in the registry, with the files FREED. UNKNOWN: of
 *  mlx_cache_unknown_view. */
static int sweep_orphans(mlx_cache_t *self, mlx_cache_plan_t *plan, const mlx_value_t *forgotten,
                         const digests_t *freed, const char *unknown,
                         const mlx_cache_clean_options_t *options, mlx_error_t *err)
{
    if (unknown)
        return 0;
    sweep_t s = {.cache = self,
                 .plan = plan,
                 .forgotten = forgotten,
                 .freed = freed,
                 .before = time_before(self, options->older_s, PARTIAL_AGE_S),
                 .err = err};
    if (mlx_cache_store_each(self->home, plan_orphan, &s))
        return -1;
    return !options->dry_run && plan->count ? mlx_engine_apply(&self->engine, plan, err) : 0;
}

/*  Abandoned downloads, or damaged files that nobody wanted back. */
static void plan_old(mlx_cache_t *self, int64_t older_s, const char *where, mlx_cache_plan_t *plan)
{
    int64_t before = time_before(self, older_s, PARTIAL_AGE_S);
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_root_join(self->home, where);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", where, e->d_name);
        struct stat st;
        if (mlx_fs_stat(self->home, path, &st, NULL) <= 0 || !S_ISREG(st.st_mode))
            continue;
        /* A file in quarantine keeps its time; it came there when its name was moved. */
        bool moved = strcmp(where, "quarantine") == 0;
        int64_t since = (int64_t)(moved ? st.st_ctime : st.st_mtime);
        if (since <= before)
            mlx_cache_plan_remove(self, plan, path, "");
    }
    if (dir)
        closedir(dir);
}

static int sweep_partials(mlx_cache_t *self, const mlx_cache_clean_options_t *options,
                          mlx_cache_plan_t *plan, mlx_error_t *err)
{
    plan_old(self, options->older_s, "partial", plan);
    plan_old(self, options->older_s, "quarantine", plan);
    return !options->dry_run && plan->count ? mlx_engine_apply(&self->engine, plan, err) : 0;
}

static mlx_value_t *clean_report(mlx_cache_t *self, const mlx_cache_plan_t *plan,
                                 mlx_value_t *models, const char *unknown, uint64_t bytes,
                                 bool dry_run)
{
    mlx_value_t *report = mlx_cache_plan_value(plan);
    mlx_value_set(report, "models", models);
    mlx_value_set_bool(report, "dry_run", dry_run);
    mlx_value_set_int(report, "removed_bytes", (int64_t)bytes);
    mlx_value_t *problems = mlx_value_set(report, "problems", mlx_value_list());
    mlx_volumes_list(self, problems);
    add_unknown_view(unknown, problems);
    return report;
}

/*  What goes, or went, with PLAN and the models: HELD before it. */
static int count_freed(mlx_cache_t *self, const mlx_cache_plan_t *plan, mlx_model_t *const *models,
                       size_t count, bool dry_run, uint64_t held, uint64_t *freed, mlx_error_t *err)
{
    if (dry_run)
        return mlx_cache_would_free(self, plan, models, count, freed, err);
    uint64_t after;
    if (mlx_cache_held(self, &after, err))
        return -1;
    *freed = held > after ? held - after : 0;
    return 0;
}

mlx_value_t *mlx_cache_remove(mlx_cache_t *self, const char *name, bool dry_run, mlx_error_t *err)
{
    if (mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *model = mlx_registry_get_model(self->db, name, err);
    uint64_t held = 0, freed;
    if (!model || (!dry_run && (mlx_cache_held(self, &held, err) ||
                                forget_models(self, "remove", &model, 1, err))))
        return NULL;
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("remove", NULL, NULL);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *names = mlx_value_list();
    mlx_value_append(names, mlx_value_new_str(name));
    MLX_CLEANUP(mlx_free_p) char *unknown = mlx_cache_unknown_view(self);
    MLX_CLEANUP(free_digests) digests_t digests = {0};
    add_digests(&digests, model);
    const mlx_cache_clean_options_t options = {.dry_run = dry_run};
    if (sweep_orphans(self, plan, names, &digests, unknown, &options, err) ||
        count_freed(self, plan, &model, 1, dry_run, held, &freed, err))
        return NULL;
    mlx_value_t *models = names;
    names = NULL;
    return clean_report(self, plan, models, unknown, freed, dry_run);
}

/*  Used by no app, and added or used long enough ago. A problem in a store that may hold it keeps
 *  it. */
static bool is_unused(const mlx_value_t *row, int64_t before)
{
    bool cached = false;
    int64_t added;
    mlx_value_bool(row, "cached", &cached);
    return cached && mlx_value_int(row, "added_at", &added) && added <= before &&
           mlx_value_size(mlx_value_get(row, "used_by")) == 0;
}

/*  The models that nothing uses since BEFORE. Caller owns the array of COUNT and its models. */
static mlx_model_t **find_unused(mlx_cache_t *self, const mlx_value_t *status, int64_t before,
                                 size_t *count)
{
    const mlx_value_t *rows = mlx_value_get(status, "models");
    mlx_model_t **models = mlx_alloc(mlx_value_size(rows) + 1, sizeof *models);
    *count = 0;
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const mlx_value_t *row = mlx_value_at(rows, i);
        mlx_model_t *model =
            is_unused(row, before)
                ? mlx_registry_get_model(self->db, mlx_value_str(row, "name"), NULL)
                : NULL;
        if (model)
            models[(*count)++] = model;
    }
    return models;
}

static void free_models(mlx_model_t **models, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mlx_model_destroy(&models[i]);
    free(models);
}

/*  Forget COUNT models, sweep what nothing needs then, and count what that frees. */
static int clean_unused(mlx_cache_t *self, mlx_model_t *const *models, size_t count,
                        const mlx_value_t *names, const char *unknown,
                        const mlx_cache_clean_options_t *options, mlx_cache_plan_t *plan,
                        uint64_t *freed, mlx_error_t *err)
{
    uint64_t held = 0;
    MLX_CLEANUP(free_digests) digests_t digests = {0};
    for (size_t i = 0; i < count; i++)
        add_digests(&digests, models[i]);
    if (!options->dry_run &&
        (mlx_cache_held(self, &held, err) || forget_models(self, "clean", models, count, err)))
        return -1;
    return sweep_orphans(self, plan, names, &digests, unknown, options, err) ||
                   count_freed(self, plan, models, count, options->dry_run, held, freed, err)
               ? -1
               : 0;
}

mlx_value_t *mlx_cache_clean(mlx_cache_t *self, const mlx_cache_clean_options_t *options,
                             mlx_error_t *err)
{
    static const mlx_cache_clean_options_t defaults;
    options = options ? options : &defaults;
    if (mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_refresh(self, err);
    if (!status)
        return NULL;
    size_t count;
    int64_t before = time_before(self, options->older_s, DEFAULT_AGE_S);
    mlx_model_t **models = find_unused(self, status, before, &count);
    mlx_value_t *names = mlx_value_list();
    for (size_t i = 0; i < count; i++)
        mlx_value_append(names, mlx_value_new_str(models[i]->name));
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("clean", NULL, NULL);
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *partials = mlx_cache_plan_new("clean", NULL, NULL);
    MLX_CLEANUP(mlx_free_p) char *unknown = mlx_cache_unknown_view(self);
    uint64_t freed;
    int rc = clean_unused(self, models, count, names, unknown, options, plan, &freed, err) ||
             sweep_partials(self, options, partials, err);
    free_models(models, count);
    if (rc) {
        mlx_value_destroy(&names);
        return NULL;
    }
    mlx_value_t *report = clean_report(self, plan, names, unknown, freed, options->dry_run);
    mlx_value_set(report, "partials", mlx_cache_plan_value(partials));
    mlx_value_set(report, "others", mlx_cache_old_others(status, before));
    return report;
}
