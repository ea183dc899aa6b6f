#include "services/cache/plan/engine.h"

#include "services/cache/plan/replace.h"
#include "services/cache/store/hasher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mlx_engine_t *engine;
    mlx_cache_plan_t *plan;
    size_t seq;
    mlx_cache_step_t *step;
    mlx_root_t *root;
    mlx_error_t *err;
} work_t;

static int store_state(const work_t *w, mlx_cache_step_state_t state)
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
    mlx_cache_step_t *step = w->step;
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
    mlx_error_set(&last, MLX_ERR_FAILED, "no permitted way to share %s", w->step->path);
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
        return mlx_fs_write_file(fs, w->root, temporary, w->step->data, w->step->len, 0666, w->err);
    default:
        return mlx_fs_symlink(fs, w->step->source, w->root, temporary, w->err);
    }
}

/*  What has bytes of its own in a folder that a group shares (setgid) is the group's, as the app's
 *  own files there are. */
static int share_with_group(const work_t *w, const char *temporary)
{
    const char *slash = strrchr(w->step->path, '/');
    MLX_CLEANUP(mlx_free_p)
    char *parent = slash ? mlx_strndup(w->step->path, (size_t)(slash - w->step->path)) : NULL;
    struct stat folder, st;
    if ((w->step->method != MLX_METHOD_COPY && w->step->method != MLX_METHOD_CLONE) || !parent ||
        mlx_fs_stat(w->root, parent, &folder, NULL) <= 0 || !(folder.st_mode & S_ISGID) ||
        !(folder.st_mode & S_IWGRP))
        return 0;
    if (mlx_fs_stat(w->root, temporary, &st, w->err) <= 0)
        return -1;
    st.st_mode |= S_IRGRP | S_IWGRP;
    return mlx_fs_dress(&w->engine->fs, w->root, temporary, &st, w->err);
}

static int note_made(const work_t *w, const char *temporary)
{
    struct stat st;
    int there = mlx_fs_stat(w->root, temporary, &st, w->err);
    if (there <= 0)
        return there ? -1
                     : mlx_error_set(w->err, MLX_ERR_FAILED,
                                     "%s vanished while it was being created", temporary);
    w->step->made = mlx_identity_of(&st);
    return store_state(w, MLX_STATE_STAGED);
}

/*  Its new name moved the ctime. */
static void note_placed(const work_t *w)
{
    struct stat st;
    if (mlx_fs_stat(w->root, w->step->path, &st, NULL) <= 0)
        return;
    mlx_identity_t now = mlx_identity_of(&st);
    if (mlx_identity_same_inode(&now, &w->step->made))
        w->step->made = now;
}

static int sync_parent(const work_t *w)
{
    const char *slash = strrchr(w->step->path, '/');
    MLX_CLEANUP(mlx_free_p)
    char *parent = mlx_strndup(w->step->path, slash ? (size_t)(slash - w->step->path) : 0);
    return mlx_fs_sync_dir(&w->engine->fs, w->root, parent, w->err);
}

/* ---- hashes that stand ---- */

/*  Making and removing a name moves the ctime of its file. Who opens it before and looks again
 *  afterwards keeps what was known of it, and knows nothing of a file that was written to. */
typedef struct {
    int fd;
    mlx_identity_t before;
} witness_t;

static witness_t watch_file(const mlx_root_t *root, const char *path)
{
    witness_t witness = {.fd = root && path ? mlx_fs_open(root, path, NULL) : -1};
    struct stat st;
    if (witness.fd >= 0 && fstat(witness.fd, &st) == 0)
        witness.before = mlx_identity_of(&st);
    return witness;
}

static int keep_hash(const work_t *w, witness_t *witness)
{
    struct stat st;
    bool seen = witness->fd >= 0 && fstat(witness->fd, &st) == 0;
    mlx_close_p(&witness->fd);
    if (!seen)
        return 0;
    mlx_identity_t now = mlx_identity_of(&st);
    return mlx_registry_keep_hash(w->engine->db, &witness->before, &now, w->err);
}

static witness_t watch_source(const work_t *w)
{
    const mlx_cache_step_t *step = w->step;
    return watch_file(step->source_root ? mlx_roots_get(w->engine->roots, step->source_root, NULL)
                                        : NULL,
                      step->source);
}

static int do_make(const work_t *w)
{
    MLX_CLEANUP(mlx_free_p)
    char *temporary = mlx_cache_step_temporary(w->plan->id, w->seq, w->step);
    witness_t source = watch_source(w);
    int rc =
        make_temporary(w, temporary) || share_with_group(w, temporary) || note_made(w, temporary) ||
        mlx_fs_move(&w->engine->fs, w->root, temporary, w->step->path, w->err) || sync_parent(w);
    if (keep_hash(w, &source) || rc)
        return -1;
    note_placed(w);
    return store_state(w, MLX_STATE_DONE);
}

bool mlx_engine_changed(mlx_engine_t *self, const mlx_cache_plan_t *plan, size_t seq)
{
    const mlx_cache_step_t *step = &plan->steps[seq];
    const mlx_root_t *root = mlx_roots_get(self->roots, step->root, NULL);
    char hex[MLX_HEX_MAX];
    struct stat st;
    if (!root || (step->kind != MLX_STEP_PLACE && step->kind != MLX_STEP_WRITE) ||
        mlx_fs_stat(root, step->path, &st, NULL) <= 0)
        return false;
    mlx_identity_t now = mlx_identity_of(&st);
    if (!mlx_identity_same_inode(&now, &step->made))
        return true;
    /* A journal of before the times were kept; a name of the cache's own file; nobody wrote. */
    if (!step->made.mtime_ns || step->method == MLX_METHOD_HARDLINK ||
        (now.size == step->made.size && now.mtime_ns == step->made.mtime_ns))
        return false;
    return now.size != step->size ||
           mlx_hash_file(self->db, root, step->path, self->stop, self->arg, hex, NULL) ||
           strcmp(hex, step->sha256) != 0;
}

/*  Take back what do_make did or was about to do: the name if it has our inode, the temporary
 *  always (its name is nobody else's). */
static int undo_make(const work_t *w)
{
    const mlx_fs_t *fs = &w->engine->fs;
    MLX_CLEANUP(mlx_free_p)
    char *temporary = mlx_cache_step_temporary(w->plan->id, w->seq, w->step);
    if (mlx_fs_unlink(fs, w->root, temporary, NULL, w->err))
        return -1;
    if (w->step->state == MLX_STATE_PLANNED || w->step->state == MLX_STATE_SKIPPED)
        return 0;
    struct stat st;
    if (mlx_fs_stat(w->root, w->step->path, &st, NULL) == 0)
        return store_state(w, MLX_STATE_UNDONE);
    if (w->engine->in_use && w->engine->in_use(w->engine->arg, w->plan, w->step))
        return skip_step(w, "still used by the app");
    if (mlx_engine_changed(w->engine, w->plan, w->seq))
        return skip_step(w, "changed or replaced by another program since");
    mlx_error_t kept = {0};
    witness_t placed = watch_file(w->root, w->step->path);
    int rc = mlx_fs_unlink(fs, w->root, w->step->path, &w->step->made, &kept);
    if (keep_hash(w, &placed))
        return -1;
    if (rc && kept.code == MLX_ERR_DATA_LOSS)
        return skip_step(w, "replaced by another program since");
    if (rc && w->err)
        *w->err = kept;
    return rc ? -1 : store_state(w, MLX_STATE_UNDONE);
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
    struct stat st;
    if (w->step->state != MLX_STATE_DONE)
        return 0;
    bool there = mlx_fs_stat(w->root, w->step->path, &st, NULL) != 0;
    if (there && mlx_fs_rmdir(&w->engine->fs, w->root, w->step->path, w->err))
        return -1;
    return store_state(w, MLX_STATE_UNDONE);
}

/* ---- removing ---- */

static int do_remove(const work_t *w)
{
    if (w->engine->in_use && w->engine->in_use(w->engine->arg, w->plan, w->step))
        return skip_step(w, "still used by an app");
    witness_t removed = watch_file(w->root, w->step->path);
    int rc = mlx_fs_unlink(&w->engine->fs, w->root, w->step->path, &w->step->old, w->err) ||
             sync_parent(w);
    if (keep_hash(w, &removed) || rc)
        return -1;
    return store_state(w, MLX_STATE_DONE);
}

/*  What is gone is gone: it can be added again. */
static int undo_remove(const work_t *w)
{
    if (w->step->state == MLX_STATE_DONE)
        snprintf(w->step->why, sizeof w->step->why, "removed permanently: add the model again");
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
                           .mends = strcmp(w->plan->kind, "repair") == 0,
                           .temporary = mlx_cache_step_temporary(w->plan->id, w->seq, w->step)};
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
    witness_t source = watch_source(w);
    int rc = from ? mlx_replace_do(&r, w->err) : -1;
    free(r.temporary);
    if (keep_hash(w, &source) || rc)
        return -1;
    if (!mlx_identity_same_inode(&w->step->made, &w->step->old))
        note_placed(w);
    return store_state(w, MLX_STATE_DONE);
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
static bool all_or_nothing(const mlx_cache_plan_t *plan)
{
    return strcmp(plan->kind, "link") == 0 || strcmp(plan->kind, "add") == 0;
}

static int work_on(mlx_engine_t *self, mlx_cache_plan_t *plan, size_t seq, mlx_error_t *err,
                   work_t *w)
{
    mlx_cache_step_t *step = &plan->steps[seq];
    *w = (work_t){.engine = self, .plan = plan, .seq = seq, .step = step, .err = err};
    w->root = mlx_roots_get(self->roots, step->root, err);
    return w->root ? 0 : -1;
}

/*  May the rest of an operation go on after this? */
static bool is_final(const mlx_error_t *why)
{
    return why->code == MLX_ERR_INTERRUPTED || why->code == MLX_ERR_BUSY;
}

/*  Does a symbolic link stand in the place of a folder of the step? */
static bool is_behind_link(const work_t *w)
{
    MLX_CLEANUP(mlx_free_p)
    char *temporary = mlx_cache_step_temporary(w->plan->id, w->seq, w->step);
    return mlx_fs_is_behind_link(w->root, w->step->path) ||
           mlx_fs_is_behind_link(w->root, temporary);
}

static bool is_away(const mlx_engine_t *self, const mlx_cache_plan_t *plan, size_t seq,
                    mlx_error_t *err)
{
    const mlx_cache_step_t *step = &plan->steps[seq];
    if (!self->is_away || !self->is_away(self->arg, plan, step))
        return false;
    mlx_error_set(err, MLX_ERR_FAILED, "the volume of %s is not mounted", step->root);
    mlx_error_hint(err, "mount it again; if it is gone for good: mlx-cache unlink %s %s",
                   plan->app ? plan->app : "APP", step->root);
    return true;
}

/*  What is missing with its folder is taken back already; what lies behind a link that somebody put
 *  in the place of a folder is not ours to touch. */
static int take_step_back(mlx_engine_t *self, mlx_cache_plan_t *plan, size_t seq, mlx_error_t *err)
{
    work_t w;
    int rc = work_on(self, plan, seq, err, &w);
    if (is_away(self, plan, seq, err))
        return -1;
    if (rc && err->code == MLX_ERR_NOT_FOUND)
        return store_state(&w, MLX_STATE_UNDONE);
    if (!rc && is_behind_link(&w))
        return skip_step(&w, "its folder has been replaced by a symbolic link");
    return rc ? -1 : actions[w.step->kind].undo(&w);
}

/*  Ends at the first step that cannot be taken back, and the operation is set aside: an earlier
 *  step may be kept only as long as a later one stands (a blob, by its manifest). */
static int take_back(mlx_engine_t *self, mlx_cache_plan_t *plan, const char *state,
                     mlx_error_t *err)
{
    mlx_error_t why = {0};
    int rc = 0;
    for (size_t i = plan->count; !rc && i-- > 0;)
        rc = take_step_back(self, plan, i, &why);
    if (!rc && mlx_fs_gate(&self->fs, "commit", plan->kind, &why) == 0)
        return mlx_journal_close(self->db, plan, state, self->now_s(), err);
    if (!is_final(&why))
        mlx_journal_set_aside(self->db, plan->id, why.text, NULL);
    if (err)
        *err = why;
    return -1;
}

static int run_steps(mlx_engine_t *self, mlx_cache_plan_t *plan, mlx_error_t *err)
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

int mlx_engine_apply(mlx_engine_t *self, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    mlx_error_t why = {0};
    plan->command = self->command;
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err) ||
        mlx_journal_insert(self->db, plan, self->now_s(), err))
        return -1;
    if (self->one_command)
        self->command = plan->command;
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

int mlx_engine_reverse(mlx_engine_t *self, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++)
        if (is_away(self, plan, i, err))
            return -1;
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err) ||
        mlx_journal_close(self->db, plan, "undoing", self->now_s(), err))
        return -1;
    mlx_error_t why = {0};
    if (take_back(self, plan, "undone", &why) == 0)
        return 0;
    if (!is_final(&why))
        mlx_error_prefix(&why, "set aside");
    if (err)
        *err = why;
    return -1;
}

/*  An exchange that cannot be finished, because its folder is gone, is nothing any more. */
static int finish_step(mlx_engine_t *self, mlx_cache_plan_t *plan, size_t seq, mlx_error_t *err)
{
    work_t w;
    int rc = work_on(self, plan, seq, err, &w);
    if (is_away(self, plan, seq, err))
        return -1;
    if (rc && err->code == MLX_ERR_NOT_FOUND)
        return skip_step(&w, "its folder is gone");
    if (!rc && is_behind_link(&w))
        return skip_step(&w, "its folder has been replaced by a symbolic link");
    return rc ? -1 : finish_replace(&w);
}

static int finish(mlx_engine_t *self, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == MLX_STEP_REPLACE && plan->steps[i].state != MLX_STATE_DONE &&
            finish_step(self, plan, i, err))
            return -1;
    if (mlx_fs_gate(&self->fs, "commit", plan->kind, err))
        return -1;
    return mlx_journal_close(self->db, plan, "done", self->now_s(), err);
}

/*  Whatever keeps it from its end is written down with it: 0, or -1 when that cannot be. */
static int recover_one(mlx_engine_t *self, int64_t id, bool undoing, size_t *count,
                       mlx_error_t *err)
{
    mlx_error_t why = {0};
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_journal_load(self->db, id, &why);
    bool back = plan && (all_or_nothing(plan) || undoing);
    int rc = !plan ? -1 : back ? take_back(self, plan, "undone", &why) : finish(self, plan, &why);
    if (rc == 0 && count)
        (*count)++;
    if (rc == 0)
        return 0;
    if (is_final(&why)) {
        if (err)
            *err = why;
        return -1;
    }
    return mlx_journal_set_aside(self->db, id, why.text, err);
}

static int recover_state(mlx_engine_t *self, const char *state, size_t *count, mlx_error_t *err)
{
    size_t found;
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids = mlx_journal_find(self->db, state, NULL, NULL, NULL, &found, err);
    if (!ids)
        return -1;
    for (size_t i = 0; i < found; i++)
        if (recover_one(self, ids[i], strcmp(state, "undoing") == 0, count, err))
            return -1;
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
