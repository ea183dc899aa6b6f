/*  Giving models to apps, taking them back, and undoing what was done. */
#include "services/cache/commands/internal.h"

#include "services/cache/plan/lock.h"
#include "services/cache/store/extents.h"
#include "services/cache/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  The folder a model goes to: the one asked for, else the first of the app's that exists, else its
 *  usual one, made now. */
static char *choose_store(mlx_cache_t *self, const mlx_adapter_t *adapter, const char *store,
                          mlx_error_t *err)
{
    if (store)
        return mlx_strdup(store);
    char *paths[MLX_STORES_MAX];
    size_t count = adapter->stores(&self->options.env, paths);
    char *chosen = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!chosen && mlx_roots_get(self->roots, paths[i], NULL))
            chosen = mlx_strdup(paths[i]);
    }
    if (!chosen && count)
        chosen = mlx_strdup(paths[0]);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    if (!chosen)
        mlx_error_set(err, MLX_ERR_USAGE, "%s has no folder for models here", adapter->title);
    return chosen;
}

/*  Below the folder that is there, which may be reached by links: a home often is. */
static int make_store(mlx_cache_t *self, const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *above = mlx_strdup(path);
    struct stat st;
    for (char *slash; (slash = strrchr(above, '/')) && stat(above, &st) != 0;)
        *slash = '\0';
    mlx_root_t *top = mlx_roots_get(self->roots, *above ? above : "/", err);
    const char *rest = path + strlen(above);
    return top ? mlx_fs_mkdirs(&self->options.fs, top, rest + strspn(rest, "/"), NULL, err) : -1;
}

static const mlx_root_t *open_store(mlx_cache_t *self, const char *path, bool make,
                                    mlx_error_t *err)
{
    mlx_error_t why = {0};
    const mlx_root_t *root = mlx_roots_get(self->roots, path, &why);
    if (!root && why.code == MLX_ERR_NOT_FOUND && make && path[0] == '/') {
        if (make_store(self, path, err))
            return NULL;
        return mlx_roots_get(self->roots, path, err);
    }
    if (!root && err)
        *err = why;
    return root;
}

/*  What a dry run says of a step: how it would be made. */
static mlx_method_t foresee(mlx_cache_t *self, const mlx_cache_step_t *step)
{
    const mlx_root_t *root = mlx_roots_get(self->roots, step->root, NULL);
    bool near = root && mlx_root_dev(root) == mlx_root_dev(self->home);
    if (near && (step->methods & MLX_METHOD_CLONE) && mlx_cache_can_clone(self))
        return MLX_METHOD_CLONE;
    if (near && (step->methods & MLX_METHOD_HARDLINK))
        return MLX_METHOD_HARDLINK;
    return step->methods & MLX_METHOD_COPY ? MLX_METHOD_COPY : MLX_METHOD_NONE;
}

static mlx_value_t *plan_report(mlx_cache_t *self, mlx_cache_plan_t *plan, bool dry_run)
{
    uint64_t shared = 0, copied = 0;
    for (size_t i = 0; i < plan->count; i++) {
        mlx_cache_step_t *step = &plan->steps[i];
        if (step->kind != MLX_STEP_PLACE)
            continue;
        if (dry_run && !step->method)
            step->method = foresee(self, step);
        *(step->method == MLX_METHOD_COPY ? &copied : &shared) += step->size;
    }
    mlx_value_t *report = mlx_cache_plan_value(plan);
    mlx_value_set_bool(report, "dry_run", dry_run);
    mlx_value_set_int(report, "shared", (int64_t)shared);
    mlx_value_set_int(report, "copied", (int64_t)copied);
    return report;
}

/*  What the app had already as copies is shared now too, as far as that can be; what cannot is
 *  said: it stays twice. */
static int share_twins(mlx_cache_t *self, mlx_cache_plan_t *twins, mlx_value_t *report,
                       bool dry_run, mlx_error_t *err)
{
    if (!twins->count)
        return 0;
    if (!dry_run &&
        (mlx_extents_forget(self->db, err) || mlx_engine_apply(&self->engine, twins, err)))
        return -1;
    uint64_t freed = 0, twice = 0;
    for (size_t i = 0; i < twins->count; i++) {
        const mlx_cache_step_t *step = &twins->steps[i];
        *(dry_run || step->state == MLX_STATE_DONE ? &freed : &twice) += step->size;
    }
    mlx_value_set(report, "twins", mlx_cache_plan_value(twins));
    mlx_value_set_int(report, dry_run ? "would_free" : "freed", (int64_t)freed);
    mlx_value_set_int(report, "twice", (int64_t)twice);
    return 0;
}

/*  An app may have removed a blob between our blob and our manifest (Ollama prunes at its start).
 */
static int check_placed(mlx_cache_t *self, const mlx_cache_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        struct stat st;
        const mlx_root_t *root = mlx_roots_get(self->roots, step->root, err);
        if (!root)
            return -1;
        if (step->state == MLX_STATE_DONE && step->kind != MLX_STEP_MKDIR &&
            mlx_fs_stat(root, step->path, &st, err) <= 0)
            return mlx_error_set(err, MLX_ERR_FAILED, "the app removed %s/%s immediately",
                                 step->root, step->path);
    }
    return 0;
}

/*  The app's own locks on what is going to be placed. FDS: one for each step, -1 for none. */
static int take_locks(mlx_cache_t *self, const mlx_adapter_t *adapter, const mlx_cache_plan_t *plan,
                      int *fds, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        MLX_CLEANUP(mlx_free_p)
        char *path = adapter->lock_path && step->kind == MLX_STEP_PLACE
                         ? adapter->lock_path(step->path)
                         : NULL;
        const mlx_root_t *root = path ? mlx_roots_get(self->roots, step->root, err) : NULL;
        if (path && (!root || (fds[i] = mlx_lock_take_in(&self->options.fs, root, path, err)) < 0))
            return -1;
    }
    return 0;
}

/*  CONFIRM: ask the running app as well. */
static int apply_plan(mlx_cache_t *self, const mlx_adapter_t *adapter, mlx_cache_plan_t *plan,
                      bool confirm, mlx_error_t *err)
{
    if (mlx_engine_apply(&self->engine, plan, err))
        return -1;
    if (check_placed(self, plan, err) == 0 &&
        (!confirm || mlx_adapter_confirm(adapter, &self->options.env, plan, err) == 0))
        return 0;
    mlx_engine_reverse(&self->engine, plan, NULL);
    return -1;
}

static int apply_link(mlx_cache_t *self, const mlx_adapter_t *adapter, mlx_cache_plan_t *plan,
                      bool confirm, mlx_error_t *err)
{
    if (plan->count == 0)
        return 0;
    MLX_CLEANUP(mlx_free_p) int *fds = mlx_alloc(plan->count, sizeof *fds);
    for (size_t i = 0; i < plan->count; i++)
        fds[i] = -1;
    int rc =
        take_locks(self, adapter, plan, fds, err) || apply_plan(self, adapter, plan, confirm, err)
            ? -1
            : 0;
    for (size_t i = 0; i < plan->count; i++)
        mlx_close_p(&fds[i]);
    return rc;
}

static bool has_file(const mlx_model_t *model, const char *sha256)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->files[i].sha256, sha256) == 0)
            return true;
    return false;
}

/*  Was the link PLAN made of an older revision of MODEL, in the folder ROOT? */
static bool is_outdated(const mlx_cache_plan_t *plan, const mlx_model_t *model,
                        const mlx_root_t *root)
{
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        if (step->kind == MLX_STEP_PLACE && step->state == MLX_STATE_DONE &&
            strcmp(step->root, mlx_root_path(root)) == 0 && !has_file(model, step->sha256))
            return true;
    }
    return false;
}

/*  What somebody changed since is theirs: then nothing is taken back at all. */
static int check_untouched(mlx_cache_t *self, const mlx_cache_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        if (step->state != MLX_STATE_DONE || !mlx_engine_changed(&self->engine, plan, i))
            continue;
        mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s/%s has changed since it was linked", step->root,
                      step->path);
        return mlx_error_hint(err, "move it out of the way, then run the command again");
    }
    return 0;
}

/*  A new revision takes the place of what this cache placed itself. */
static int take_old_out(mlx_cache_t *self, const mlx_adapter_t *adapter, const mlx_model_t *model,
                        const mlx_root_t *root, mlx_error_t *err)
{
    size_t count;
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids =
        mlx_journal_find(self->db, "done", "link", adapter->name, model->name, &count, err);
    for (size_t i = 0; ids && i < count; i++) {
        MLX_CLEANUP(mlx_cache_plan_destroy)
        mlx_cache_plan_t *plan = mlx_journal_load(self->db, ids[i], NULL);
        if (plan && is_outdated(plan, model, root) &&
            (check_untouched(self, plan, err) || mlx_engine_reverse(&self->engine, plan, err)))
            return -1;
    }
    return ids ? 0 : -1;
}

mlx_value_t *mlx_cache_link(mlx_cache_t *self, const char *app, const char *name,
                            const mlx_cache_link_options_t *options, mlx_error_t *err)
{
    static const mlx_cache_link_options_t defaults;
    options = options ? options : &defaults;
    const mlx_adapter_t *adapter = mlx_adapter_find(app, err);
    if (!adapter || mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *model = mlx_registry_get_model(self->db, name, err);
    if (model && mlx_cache_need_whole(self, model, err))
        return NULL;
    for (size_t i = 0; model && i < model->count; i++)
        if (mlx_cache_need_sound(self, name, &model->files[i], err))
            return NULL;
    MLX_CLEANUP(mlx_free_p)
    char *path = model ? choose_store(self, adapter, options->store, err) : NULL;
    const mlx_root_t *root = path ? open_store(self, path, !options->dry_run, err) : NULL;
    if (!root || (!options->dry_run && take_old_out(self, adapter, model, root, err)))
        return NULL;
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *twins = mlx_cache_plan_new("dedup", model->name, adapter->name);
    const mlx_expose_t what = {.model = model,
                               .home = self->home,
                               .store = root,
                               .twins = twins,
                               .weights = mlx_cache_weight_methods(options->copy),
                               .small = mlx_cache_small_methods(),
                               .as = options->as};
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("link", model->name, adapter->name);
    plan->volume = mlx_volumes_of(path);
    if (adapter->expose(&what, plan, err) ||
        (!options->dry_run && apply_link(self, adapter, plan, !options->store, err)))
        return NULL;
    mlx_value_t *report = plan_report(self, plan, options->dry_run);
    if (share_twins(self, twins, report, options->dry_run, err))
        mlx_value_destroy(&report);
    return report;
}

mlx_value_t *mlx_cache_unlink(mlx_cache_t *self, const char *app, const char *name, bool dry_run,
                              mlx_error_t *err)
{
    const mlx_adapter_t *adapter = mlx_adapter_find(app, err);
    if (!adapter || mlx_cache_need_write(self, err))
        return NULL;
    size_t count, away = 0;
    if (!dry_run && mlx_volumes_forget(self, adapter->name, name, &away, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids = mlx_journal_find(self->db, "done", "link", adapter->name, name, &count, err);
    if (!ids)
        return NULL;
    if (count == 0 && away == 0) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s was not linked to %s by this cache", name,
                      adapter->title);
        mlx_error_hint(err, "remove it in the app itself");
        return NULL;
    }
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *plans = mlx_value_set(report, "operations", mlx_value_list());
    mlx_value_set_bool(report, "dry_run", dry_run);
    mlx_value_set_int(report, "forgotten", (int64_t)away);
    for (size_t i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_cache_plan_destroy)
        mlx_cache_plan_t *plan = mlx_journal_load(self->db, ids[i], err);
        if (!plan || (!dry_run && mlx_engine_reverse(&self->engine, plan, err))) {
            mlx_value_destroy(&report);
            return NULL;
        }
        mlx_value_append(plans, mlx_cache_plan_value(plan));
    }
    return report;
}

static bool can_undo(const mlx_cache_plan_t *plan)
{
    return plan->record || strcmp(plan->kind, "link") == 0 || strcmp(plan->kind, "dedup") == 0;
}

static mlx_value_t *forget(mlx_cache_t *self, int64_t id, mlx_error_t *err)
{
    if (mlx_cache_let_go(self, id, err))
        return NULL;
    mlx_value_t *report = mlx_value_map();
    mlx_value_set_int(report, "forgotten", id);
    return report;
}

static bool has_changed_something(const mlx_cache_plan_t *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].state == MLX_STATE_DONE)
            return true;
    return plan->record != NULL;
}

/*  The command to take back: that of operation ID, or the newest that can be. 0 with ERR. */
static int64_t choose_command(mlx_cache_t *self, const int64_t *ids, size_t count, int64_t id,
                              mlx_error_t *err)
{
    for (size_t i = 0; i < count; i++) {
        if (id && ids[i] != id)
            continue;
        MLX_CLEANUP(mlx_cache_plan_destroy)
        mlx_cache_plan_t *plan = mlx_journal_load(self->db, ids[i], err);
        if (!plan)
            return 0;
        if (can_undo(plan) && (id || has_changed_something(plan)))
            return plan->command;
        if (!id)
            continue;
        mlx_error_set(err, MLX_ERR_USAGE, "operation %lld is a %s: it cannot be undone",
                      (long long)id, plan->kind);
        return 0;
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "there is nothing to undo");
    return 0;
}

static mlx_value_t *undo_one(mlx_cache_t *self, mlx_cache_plan_t *plan,
                             const mlx_cache_undo_options_t *options, mlx_error_t *err)
{
    if (plan->record)
        return mlx_cache_bring_back(self, plan, options->dry_run, &options->transfer, err);
    if (!options->dry_run && mlx_engine_reverse(&self->engine, plan, err))
        return NULL;
    return plan_report(self, plan, options->dry_run);
}

/*  Newest first. One that cannot be taken back does not keep the others; its error is the
 *  command's. */
static mlx_value_t *undo_command(mlx_cache_t *self, const int64_t *ids, size_t count,
                                 int64_t command, const mlx_cache_undo_options_t *options,
                                 mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_value_list();
    mlx_error_t first = {0};
    for (size_t i = 0; i < count && first.code != MLX_ERR_INTERRUPTED; i++) {
        mlx_error_t why = {0};
        MLX_CLEANUP(mlx_cache_plan_destroy)
        mlx_cache_plan_t *plan = mlx_journal_load(self->db, ids[i], NULL);
        if (!plan || plan->command != command || !can_undo(plan))
            continue;
        mlx_value_t *one = undo_one(self, plan, options, &why);
        if (one)
            mlx_value_append(all, one);
        else if (!first.code || why.code == MLX_ERR_INTERRUPTED)
            first = why;
    }
    if (first.code) {
        if (err)
            *err = first;
        return NULL;
    }
    if (mlx_value_size(all) == 1)
        return mlx_value_copy(mlx_value_at(all, 0));
    mlx_value_t *report = mlx_value_map();
    mlx_value_set_bool(report, "dry_run", options->dry_run);
    mlx_value_set(report, "operations", mlx_value_copy(all));
    return report;
}

mlx_value_t *mlx_cache_undo(mlx_cache_t *self, int64_t id, const mlx_cache_undo_options_t *options,
                            mlx_error_t *err)
{
    static const mlx_cache_undo_options_t defaults;
    options = options ? options : &defaults;
    if (mlx_cache_need_write(self, err))
        return NULL;
    if (options->forget)
        return forget(self, id, err);
    size_t count;
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids = mlx_journal_find(self->db, "done", NULL, NULL, NULL, &count, err);
    int64_t command = ids ? choose_command(self, ids, count, id, err) : 0;
    return command ? undo_command(self, ids, count, command, options, err) : NULL;
}
