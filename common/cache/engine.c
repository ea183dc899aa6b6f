#include "common/cache/engine.h"

#include "common/cache/replace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mlx_engine_t *engine;
    mlx_plan_t *plan;
    size_t seq;
    mlx_step_t *step;
    mlx_root_t *root;
    mlx_error_t *err;
} work_t;

static int store_state(const work_t *w, mlx_step_state_t state)
{
    w->step->state = state;
    if (mlx_fs_gate(&w->engine->fs, "commit", w->step->path, w->err))
        return -1;
    return mlx_journal_step(w->engine->db, w->plan, w->seq, w->err);
}

static int skip_step(const work_t *w, const char *why)
{
    snprintf(w->step->why, sizeof w->step->why, "%.*s", (int)sizeof w->step->why - 1, why);
    return store_state(w, MLX_STATE_SKIPPED);
}

/* ---- making ---- */

static int make_by(const work_t *w, mlx_method_t method, const char *temporary, mlx_error_t *err)
{
    mlx_step_t *step = w->step;
    const mlx_fs_t *fs = &w->engine->fs;
    mlx_root_t *from = mlx_roots_get(w->engine->roots, step->source_root, err);
    if (!from)
        return -1;
    switch (method) {
    case MLX_METHOD_CLONE:
        return mlx_fs_clone(fs, from, step->source, w->root, temporary, err);
    case MLX_METHOD_HARDLINK:
        return mlx_fs_link(fs, from, step->source, w->root, temporary, err);
    case MLX_METHOD_SYMLINK: {
        MLX_CLEANUP(mlx_free_p) char *target = mlx_root_join(from, step->source);
        return mlx_fs_symlink(fs, target, w->root, temporary, err);
    }
    case MLX_METHOD_COPY:
        return mlx_fs_copy(fs, from, step->source, w->root, temporary, err);
    case MLX_METHOD_NONE:
        break;
    }
    return 1;
}

/*  Try the allowed methods in the order of their preference. */
static int make_place(const work_t *w, const char *temporary)
{
    static const mlx_method_t order[] = {MLX_METHOD_CLONE, MLX_METHOD_HARDLINK, MLX_METHOD_SYMLINK,
                                         MLX_METHOD_COPY};
    mlx_error_t last = {0};
    mlx_error_set(&last, MLX_ERR_FAILED, "no way of sharing %s is allowed", w->step->path);
    for (size_t i = 0; i < MLX_COUNT(order); i++) {
        if (!(w->step->methods & (unsigned)order[i]))
            continue;
        int rc = make_by(w, order[i], temporary, &last);
        if (rc == 0)
            w->step->method = order[i];
        if (rc <= 0) {
            if (rc && w->err)
                *w->err = last;
            return rc;
        }
    }
    if (w->err)
        *w->err = last;
    return mlx_fs_or_copy(w->err);
}

static int make_temporary(const work_t *w, const char *temporary)
{
    const mlx_fs_t *fs = &w->engine->fs;
    switch (w->step->kind) {
    case MLX_STEP_PLACE:
        return make_place(w, temporary);
    case MLX_STEP_WRITE:
        return mlx_fs_write_file(fs, w->root, temporary, w->step->data, w->step->len, 0644, w->err);
    default:
        return mlx_fs_symlink(fs, w->step->source, w->root, temporary, w->err);
    }
}

static int note_made(const work_t *w, const char *temporary)
{
    struct stat st;
    int there = mlx_fs_stat(w->root, temporary, &st, w->err);
    if (there <= 0)
        return there ? -1
                     : mlx_error_set(w->err, MLX_ERR_FAILED, "%s vanished while it was made",
                                     temporary);
    w->step->made = mlx_identity_of(&st);
    return store_state(w, MLX_STATE_STAGED);
}

static int sync_parent(const work_t *w)
{
    const char *slash = strrchr(w->step->path, '/');
    MLX_CLEANUP(mlx_free_p)
    char *parent = mlx_strndup(w->step->path, slash ? (size_t)(slash - w->step->path) : 0);
    return mlx_fs_sync_dir(&w->engine->fs, w->root, parent, w->err);
}

/*  Making and removing a hard link moves the ctime of the source. */
static int keep_source_hash(const work_t *w)
{
    struct stat st;
    if (w->step->method != MLX_METHOD_HARDLINK || !w->step->source_root)
        return 0;
    const mlx_root_t *from = mlx_roots_get(w->engine->roots, w->step->source_root, NULL);
    if (!from || mlx_fs_stat(from, w->step->source, &st, NULL) <= 0)
        return 0;
    mlx_identity_t now = mlx_identity_of(&st);
    return mlx_registry_keep_hash(w->engine->db, &now, w->err);
}

static int do_make(const work_t *w)
{
    MLX_CLEANUP(mlx_free_p) char *temporary = mlx_step_temporary(w->plan->id, w->seq, w->step);
    if (make_temporary(w, temporary) || note_made(w, temporary))
        return -1;
    if (mlx_fs_move(&w->engine->fs, w->root, temporary, w->step->path, w->err) || sync_parent(w) ||
        keep_source_hash(w))
        return -1;
    return store_state(w, MLX_STATE_DONE);
}

/*  Take back what do_make did or was about to do: the name if it has our inode, the temporary
 * always (its name is nobody else's). */
static int undo_make(const work_t *w)
{
    const mlx_fs_t *fs = &w->engine->fs;
    MLX_CLEANUP(mlx_free_p) char *temporary = mlx_step_temporary(w->plan->id, w->seq, w->step);
    if (mlx_fs_unlink(fs, w->root, temporary, NULL, w->err))
        return -1;
    if (w->step->state == MLX_STATE_PLANNED || w->step->state == MLX_STATE_SKIPPED)
        return 0;
    if (w->engine->in_use && w->engine->in_use(w->engine->arg, w->plan, w->step))
        return skip_step(w, "still used by the app");
    mlx_error_t kept = {0};
    if (mlx_fs_unlink(fs, w->root, w->step->path, &w->step->made, &kept)) {
        if (kept.code == MLX_ERR_DATA_LOSS)
            return skip_step(w, "replaced by someone else since");
        if (w->err)
            *w->err = kept;
        return -1;
    }
    return keep_source_hash(w) ? -1 : store_state(w, MLX_STATE_UNDONE);
}

/* ---- folders ---- */

static int do_mkdir(const work_t *w)
{
    bool created;
    if (mlx_fs_mkdirs(&w->engine->fs, w->root, w->step->path, &created, w->err))
        return -1;
    return store_state(w, created ? MLX_STATE_DONE : MLX_STATE_SKIPPED);
}

static int undo_mkdir(const work_t *w)
{
    if (w->step->state != MLX_STATE_DONE)
        return 0;
    if (mlx_fs_rmdir(&w->engine->fs, w->root, w->step->path, w->err))
        return -1;
    return store_state(w, MLX_STATE_UNDONE);
}

/* ---- removing ---- */

static int do_remove(const work_t *w)
{
    if (w->engine->in_use && w->engine->in_use(w->engine->arg, w->plan, w->step))
        return skip_step(w, "still used by an app");
    if (mlx_fs_unlink(&w->engine->fs, w->root, w->step->path, &w->step->old, w->err) ||
        sync_parent(w))
        return -1;
    return store_state(w, MLX_STATE_DONE);
}

/*  What is gone is gone: it can be added again. */
static int undo_remove(const work_t *w)
{
    if (w->step->state == MLX_STATE_DONE)
        snprintf(w->step->why, sizeof w->step->why, "removed for good: add the model again");
    return 0;
}

/* ---- replacing (replace.c) ---- */

static mlx_replace_t replace_of(const work_t *w, mlx_root_t **from)
{
    *from = mlx_roots_get(w->engine->roots, w->step->source_root, w->err);
    return (mlx_replace_t){.fs = &w->engine->fs,
                           .root = w->root,
                           .from = *from,
                           .step = w->step,
                           .stop = w->engine->stop,
                           .stop_arg = w->engine->arg,
                           .temporary = mlx_step_temporary(w->plan->id, w->seq, w->step)};
}

static int staged(void *arg, mlx_error_t *err)
{
    work_t *w = arg;
    (void)err;
    return store_state(w, MLX_STATE_STAGED);
}

static int do_replace(const work_t *w)
{
    mlx_root_t *from;
    mlx_replace_t r = replace_of(w, &from);
    work_t copy = *w;
    r.staged = staged;
    r.arg = &copy;
    int rc = from ? mlx_replace_do(&r, w->err) : -1;
    free(r.temporary);
    return rc || keep_source_hash(w) ? -1 : store_state(w, MLX_STATE_DONE);
}

static int undo_replace(const work_t *w)
{
    mlx_root_t *from;
    if (w->step->state != MLX_STATE_DONE)
        return 0;
    mlx_replace_t r = replace_of(w, &from);
    int rc = mlx_replace_undo(&r, w->err);
    free(r.temporary);
    return rc ? -1 : store_state(w, MLX_STATE_UNDONE);
}

static int finish_replace(const work_t *w)
{
    mlx_root_t *from;
    mlx_replace_t r = replace_of(w, &from);
    bool done = false;
    int rc = mlx_replace_recover(&r, &done, w->err);
    free(r.temporary);
    return rc ? -1 : store_state(w, done ? MLX_STATE_DONE : MLX_STATE_SKIPPED);
}

static const struct {
    int (*apply)(const work_t *w);
    int (*undo)(const work_t *w);
} actions[] = {
    [MLX_STEP_MKDIR] = {do_mkdir, undo_mkdir},       [MLX_STEP_PLACE] = {do_make, undo_make},
    [MLX_STEP_WRITE] = {do_make, undo_make},         [MLX_STEP_SYMLINK] = {do_make, undo_make},
    [MLX_STEP_REPLACE] = {do_replace, undo_replace}, [MLX_STEP_REMOVE] = {do_remove, undo_remove},
};

/*  Operations that are worth nothing half done are taken back; the steps of the others stand alone.
 */
static bool all_or_nothing(const mlx_plan_t *plan)
{
    return strcmp(plan->kind, "link") == 0 || strcmp(plan->kind, "add") == 0;
}

static int work_on(mlx_engine_t *self, mlx_plan_t *plan, size_t seq, mlx_error_t *err, work_t *w)
{
    mlx_step_t *step = &plan->steps[seq];
    *w = (work_t){.engine = self, .plan = plan, .seq = seq, .step = step, .err = err};
    w->root = mlx_roots_get(self->roots, step->root, err);
    return w->root ? 0 : -1;
}

static int take_back(mlx_engine_t *self, mlx_plan_t *plan, const char *state, mlx_error_t *err)
{
    for (size_t i = plan->count; i-- > 0;) {
        work_t w;
        if (work_on(self, plan, i, err, &w) || actions[w.step->kind].undo(&w))
            return -1;
    }
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err))
        return -1;
    return mlx_journal_close(self->db, plan, state, self->now_s(), err);
}

static int run_steps(mlx_engine_t *self, mlx_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        work_t w;
        if (work_on(self, plan, i, err, &w) == 0 && actions[w.step->kind].apply(&w) == 0)
            continue;
        /* Interrupted, it is left open: the next command brings it to its end. */
        if (all_or_nothing(plan) || !w.root || (err && err->code == MLX_ERR_INTERRUPTED))
            return -1;
        if (skip_step(&w, err ? err->text : "failed"))
            return -1;
    }
    return 0;
}

int mlx_engine_apply(mlx_engine_t *self, mlx_plan_t *plan, mlx_error_t *err)
{
    mlx_error_t why = {0};
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err) ||
        mlx_journal_insert(self->db, plan, self->now_s(), err))
        return -1;
    if (run_steps(self, plan, &why) == 0) {
        if (mlx_fs_gate(&self->fs, "commit", plan->kind, err))
            return -1;
        return mlx_journal_close(self->db, plan, "done", self->now_s(), err);
    }
    /* The first error is the one to tell; what is left open by a second, recover takes up. */
    if (all_or_nothing(plan))
        take_back(self, plan, "failed", NULL);
    if (err)
        *err = why;
    return -1;
}

int mlx_engine_reverse(mlx_engine_t *self, mlx_plan_t *plan, mlx_error_t *err)
{
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err) ||
        mlx_journal_close(self->db, plan, "undoing", self->now_s(), err))
        return -1;
    return take_back(self, plan, "undone", err);
}

static int finish(mlx_engine_t *self, mlx_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        work_t w;
        if (plan->steps[i].kind != MLX_STEP_REPLACE || plan->steps[i].state == MLX_STATE_DONE)
            continue;
        if (work_on(self, plan, i, err, &w) || finish_replace(&w))
            return -1;
    }
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err))
        return -1;
    return mlx_journal_close(self->db, plan, "done", self->now_s(), err);
}

static int recover_state(mlx_engine_t *self, const char *state, size_t *count, mlx_error_t *err)
{
    size_t found;
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids = mlx_journal_find(self->db, state, NULL, NULL, NULL, &found, err);
    if (!ids)
        return -1;
    for (size_t i = 0; i < found; i++) {
        MLX_CLEANUP(mlx_plan_destroy) mlx_plan_t *plan = mlx_journal_load(self->db, ids[i], err);
        if (!plan)
            return -1;
        bool back = all_or_nothing(plan) || strcmp(state, "undoing") == 0;
        if (back ? take_back(self, plan, "undone", err) : finish(self, plan, err))
            return mlx_error_prefix(err, "recovering an unfinished %s", plan->kind);
        if (count)
            (*count)++;
    }
    return 0;
}

int mlx_engine_recover(mlx_engine_t *self, size_t *count, mlx_error_t *err)
{
    if (count)
        *count = 0;
    return recover_state(self, "open", count, err) || recover_state(self, "undoing", count, err)
               ? -1
               : 0;
}
