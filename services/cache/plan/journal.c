#include "services/cache/store/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int insert_step(mlx_db_t *db, const mlx_cache_plan_t *plan, size_t seq, mlx_error_t *err)
{
    const mlx_cache_step_t *s = &plan->steps[seq];
    return mlx_db_run(
        db, err,
        "INSERT INTO steps (op, seq, kind, root, path, stage, source_root, source, sha256, size,"
        " method, made_dev, made_ino, old_dev, old_ino, old_size, old_mtime_ns, old_mode, state,"
        " why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iisssssssisiiiiiiiss", plan->id, (int64_t)seq, mlx_cache_step_name(s->kind), s->root,
        s->path, s->stage, s->source_root, s->source, s->sha256, (int64_t)s->size,
        mlx_method_name(s->method), (int64_t)s->made.dev, (int64_t)s->made.ino, (int64_t)s->old.dev,
        (int64_t)s->old.ino, (int64_t)s->old.size, s->old.mtime_ns, (int64_t)s->old_mode,
        mlx_state_name(s->state), s->why[0] ? s->why : NULL);
}

static int insert_all(mlx_db_t *db, mlx_cache_plan_t *plan, int64_t now_s, mlx_error_t *err)
{
    if (mlx_db_run(db, err,
                   "INSERT INTO ops (kind, model, app, volume, record, state, started_at) VALUES"
                   " (?, ?, ?, ?, ?, 'open', ?)",
                   "sssssi", plan->kind, plan->model, plan->app, plan->volume, plan->record, now_s))
        return -1;
    plan->id = mlx_db_last_id(db);
    if (!plan->command)
        plan->command = plan->id;
    if (mlx_db_run(db, err, "UPDATE ops SET command = ? WHERE id = ?", "ii", plan->command,
                   plan->id))
        return -1;
    for (size_t i = 0; i < plan->count; i++)
        if (insert_step(db, plan, i, err))
            return -1;
    return 0;
}

int mlx_journal_insert(mlx_db_t *db, mlx_cache_plan_t *plan, int64_t now_s, mlx_error_t *err)
{
    /* What is about to be done must survive a power cut; how far it got need not: recovery looks.
     */
    if (mlx_db_exec(db, "PRAGMA synchronous = FULL", err) || mlx_db_begin(db, err))
        return -1;
    int rc = insert_all(db, plan, now_s, err);
    if (rc)
        mlx_db_rollback(db);
    else
        rc = mlx_db_commit(db, err);
    if (mlx_db_exec(db, "PRAGMA synchronous = NORMAL", rc ? NULL : err))
        return -1;
    return rc;
}

int mlx_journal_step(mlx_db_t *db, const mlx_cache_plan_t *plan, size_t seq, mlx_error_t *err)
{
    const mlx_cache_step_t *s = &plan->steps[seq];
    return mlx_db_run(db, err,
                      "UPDATE steps SET method = ?, made_dev = ?, made_ino = ?, made_size = ?,"
                      " made_mtime_ns = ?, made_ctime_ns = ?, state = ?, why = ?"
                      " WHERE op = ? AND seq = ?",
                      "siiiiissii", mlx_method_name(s->method), (int64_t)s->made.dev,
                      (int64_t)s->made.ino, (int64_t)s->made.size, s->made.mtime_ns,
                      s->made.ctime_ns, mlx_state_name(s->state), s->why[0] ? s->why : NULL,
                      plan->id, (int64_t)seq);
}

int mlx_journal_close(mlx_db_t *db, const mlx_cache_plan_t *plan, const char *state, int64_t now_s,
                      mlx_error_t *err)
{
    return mlx_db_run(db, err, "UPDATE ops SET state = ?, ended_at = ?, reason = NULL WHERE id = ?",
                      "sii", state, now_s, plan->id);
}

int mlx_journal_set_aside(mlx_db_t *db, int64_t id, const char *reason, mlx_error_t *err)
{
    return mlx_db_run(db, err, "UPDATE ops SET reason = ? WHERE id = ?", "si", reason, id);
}

int64_t *mlx_journal_find(mlx_db_t *db, const char *state, const char *kind, const char *app,
                          const char *model, size_t *count, mlx_error_t *err)
{
    *count = 0;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT id FROM ops WHERE state = ?1 AND (?2 IS NULL OR kind = ?2)"
                                 " AND (?3 IS NULL OR app = ?3) AND (?4 IS NULL OR model = ?4)"
                                 " ORDER BY id DESC",
                                 "ssss", state, kind, app, model);
    int64_t *ids = mlx_alloc(1, sizeof *ids);
    int row;
    while ((row = mlx_stmt_step(q, err)) > 0) {
        ids = mlx_grow(ids, *count, sizeof *ids);
        ids[(*count)++] = mlx_stmt_int(q, 0);
    }
    if (row < 0) {
        free(ids);
        *count = 0;
        return NULL;
    }
    return ids;
}

/*  A path that can only lead to something inside its root. */
static bool is_inside(const char *path)
{
    for (const char *at = path; at;) {
        size_t len = strcspn(at, "/");
        if (!len || (len <= 2 && strncmp(at, "..", len) == 0))
            return false;
        at = at[len] ? at + len + 1 : NULL;
    }
    return path != NULL;
}

static bool is_root(const char *path)
{
    return path && path[0] == '/';
}

/*  Has the step what carrying it out or taking it back relies on? Rows are outside input: whoever
 *  can write to the file, or a disk that went bad, may have put anything there. */
static bool is_sound(const mlx_cache_step_t *s)
{
    if (!is_root(s->root) || !is_inside(s->path) || (s->stage && *s->stage && !is_inside(s->stage)))
        return false;
    if (s->sha256[0] && !mlx_is_hex(s->sha256, MLX_SHA256_HEX))
        return false;
    if (s->kind == MLX_STEP_SYMLINK)
        return s->source && !s->source_root;
    if (s->kind == MLX_STEP_PLACE || s->kind == MLX_STEP_REPLACE)
        return is_root(s->source_root) && is_inside(s->source);
    return !s->source_root && !s->source;
}

static int damaged(const mlx_cache_plan_t *plan, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_DATA_LOSS,
                  "operation %lld in the journal is damaged and was not carried out",
                  (long long)plan->id);
    return mlx_error_hint(err, MLX_REGISTRY_MEND);
}

static int read_step(mlx_stmt_t *q, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    int kind = mlx_cache_step_kind(mlx_stmt_str(q, 0)), state = mlx_state(mlx_stmt_str(q, 16));
    if (kind < 0 || state < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "the journal has an unknown kind of step");
    mlx_cache_step_t *s = mlx_cache_plan_add(plan, (mlx_cache_step_kind_t)kind, mlx_stmt_str(q, 1),
                                             mlx_stmt_str(q, 2));
    s->state = (mlx_cache_step_state_t)state;
    s->stage = mlx_strdup(mlx_stmt_str(q, 3));
    s->source_root = mlx_strdup(mlx_stmt_str(q, 4));
    s->source = mlx_strdup(mlx_stmt_str(q, 5));
    const char *sha256 = mlx_stmt_str(q, 6);
    snprintf(s->sha256, sizeof s->sha256, "%s", sha256 ? sha256 : "");
    s->size = (uint64_t)mlx_stmt_int(q, 7);
    s->method = mlx_method(mlx_stmt_str(q, 8));
    s->made.dev = (uint64_t)mlx_stmt_int(q, 9);
    s->made.ino = (uint64_t)mlx_stmt_int(q, 10);
    s->old.dev = (uint64_t)mlx_stmt_int(q, 11);
    s->old.ino = (uint64_t)mlx_stmt_int(q, 12);
    s->old.size = (uint64_t)mlx_stmt_int(q, 13);
    s->old.mtime_ns = mlx_stmt_int(q, 14);
    s->old_mode = (unsigned)mlx_stmt_int(q, 15);
    s->made.size = (uint64_t)mlx_stmt_int(q, 17);
    s->made.mtime_ns = mlx_stmt_int(q, 18);
    s->made.ctime_ns = mlx_stmt_int(q, 19);
    const char *why = mlx_stmt_str(q, 20);
    snprintf(s->why, sizeof s->why, "%s", why ? why : "");
    return is_sound(s) ? 0 : damaged(plan, err);
}

static int read_steps(mlx_db_t *db, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(db, err,
                     "SELECT kind, root, path, stage, source_root, source, sha256, size,"
                     " method, made_dev, made_ino, old_dev, old_ino, old_size,"
                     " old_mtime_ns, old_mode, state, made_size, made_mtime_ns, made_ctime_ns,"
                     " why FROM steps WHERE op = ? ORDER BY seq",
                     "i", plan->id);
    int row;
    while ((row = mlx_stmt_step(q, err)) > 0)
        if (read_step(q, plan, err))
            return -1;
    return row;
}

mlx_cache_plan_t *mlx_journal_load(mlx_db_t *db, int64_t id, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err, "SELECT kind, model, app, volume, record, command, reason FROM ops WHERE id = ?",
        "i", id);
    int row = mlx_stmt_step(q, err);
    if (row == 0)
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "the journal has no operation %lld", (long long)id);
    if (row <= 0)
        return NULL;
    mlx_cache_plan_t *plan =
        mlx_cache_plan_new(mlx_stmt_str(q, 0), mlx_stmt_str(q, 1), mlx_stmt_str(q, 2));
    plan->id = id;
    plan->volume = mlx_strdup(mlx_stmt_str(q, 3));
    plan->record = mlx_strdup(mlx_stmt_str(q, 4));
    plan->command = mlx_stmt_int(q, 5) ? mlx_stmt_int(q, 5) : id;
    plan->reason = mlx_strdup(mlx_stmt_str(q, 6));
    if (plan->kind ? read_steps(db, plan, err) : damaged(plan, err))
        mlx_cache_plan_destroy(&plan);
    return plan;
}
