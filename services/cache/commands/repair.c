/*  Damage: what is refused because of it, and giving sound bytes to the names that this cache made.
 */
#include "services/cache/commands/internal.h"

#include "services/cache/model/header.h"
#include "services/cache/store/hasher.h"
#include "services/cache/store/store.h"

#include <stdlib.h>
#include <string.h>

int mlx_cache_need_sound(mlx_cache_t *self, const char *model, const mlx_model_file_t *file,
                         mlx_error_t *err)
{
    switch (mlx_cache_store_check(&self->engine, self->home, file->sha256, file->size, err)) {
    case MLX_BLOB_SOUND:
        return 0;
    case MLX_BLOB_NONE:
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s of %s is missing from the cache", file->path,
                      model);
        break;
    case MLX_BLOB_DAMAGED:
        mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s of %s is damaged: its SHA-256 does not match",
                      file->path, model);
        break;
    default:
        return -1;
    }
    return mlx_error_hint(err, "mlx-cache verify --repair %s", model);
}

/* ---- names with bad bytes ---- */

/*  Where in the journal the name was made, step for step of the plan that mends it. */
typedef struct {
    int64_t op;
    size_t seq;
} origin_t;

typedef struct {
    mlx_cache_t *cache;
    const mlx_model_t *model;
    mlx_cache_plan_t *plan;
    origin_t *origins;
} mend_t;

static const mlx_model_file_t *file_of(const mlx_model_t *model, const char *sha256)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->files[i].sha256, sha256) == 0)
            return &model->files[i];
    return NULL;
}

static bool has_inode(const mlx_root_t *root, const char *path, const struct stat *st)
{
    struct stat other;
    return mlx_fs_stat(root, path, &other, NULL) > 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

/*  Its bytes are kept there, whatever becomes of the name. */
static bool is_in_quarantine(const mlx_cache_t *self, const char *sha256, const struct stat *st)
{
    struct stat there;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("quarantine/%s", sha256);
    for (unsigned i = 1; mlx_fs_stat(self->home, path, &there, NULL) > 0; i++) {
        if (has_inode(self->home, path, st))
            return true;
        free(path);
        path = mlx_format("quarantine/%s.%u", sha256, i);
    }
    return false;
}

/*  1: the name has other bytes than it was given, and nobody wrote them. */
static int is_bad(const mlx_cache_t *self, const mlx_cache_step_t *step, const mlx_root_t *root,
                  struct stat *st, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(step->sha256);
    mlx_error_t why = {0};
    char hex[MLX_HEX_MAX];
    if (mlx_fs_stat(root, step->path, st, NULL) <= 0 || !S_ISREG(st->st_mode) ||
        has_inode(self->home, blob, st))
        return 0;
    mlx_identity_t now = mlx_identity_of(st);
    bool ours = strcmp(step->root, mlx_root_path(self->home)) == 0 &&
                is_in_quarantine(self, step->sha256, st);
    if (!ours && (now.mtime_ns != step->made.mtime_ns || now.size != step->size))
        return 0;
    if (mlx_hash_file(self->db, root, step->path, self->engine.stop, self->engine.arg, hex, &why)) {
        if (why.code == MLX_ERR_INTERRUPTED && err)
            *err = why;
        return why.code == MLX_ERR_INTERRUPTED ? -1 : 0;
    }
    return strcmp(hex, step->sha256) != 0;
}

static void plan_mend(mend_t *m, const mlx_cache_step_t *bad, const struct stat *st, int64_t op,
                      size_t seq)
{
    m->origins = mlx_grow(m->origins, m->plan->count, sizeof *m->origins);
    m->origins[m->plan->count] = (origin_t){.op = op, .seq = seq};
    mlx_cache_step_t *step = mlx_cache_plan_add(m->plan, MLX_STEP_REPLACE, bad->root, bad->path);
    step->stage = mlx_strdup(bad->stage);
    step->source_root = mlx_strdup(mlx_root_path(m->cache->home));
    step->source = mlx_blob_path(bad->sha256);
    memcpy(step->sha256, bad->sha256, sizeof step->sha256);
    step->size = bad->size;
    const mlx_model_file_t *file = file_of(m->model, bad->sha256);
    step->methods = bad->method == MLX_METHOD_COPY || !mlx_file_is_weights(file->path)
                        ? mlx_cache_small_methods()
                        : mlx_cache_weight_methods(false);
    step->old = mlx_identity_of(st);
    step->old_mode = st->st_mode & 07777;
}

static int look_at_operation(mend_t *m, int64_t op, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_journal_load(m->cache->db, op, NULL);
    for (size_t i = 0; plan && i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        struct stat st;
        const mlx_root_t *root = step->kind == MLX_STEP_PLACE && step->state == MLX_STATE_DONE &&
                                         file_of(m->model, step->sha256)
                                     ? mlx_roots_get(m->cache->roots, step->root, NULL)
                                     : NULL;
        int bad = root ? is_bad(m->cache, step, root, &st, err) : 0;
        if (bad < 0)
            return -1;
        if (bad)
            plan_mend(m, step, &st, op, i);
    }
    return 0;
}

/*  The name of step I has another inode now: the operation that made it must know it, to take it
 *  back. */
static int note_one(const mend_t *m, size_t i, mlx_error_t *err)
{
    const mlx_cache_step_t *repaired = &m->plan->steps[i];
    size_t seq = m->origins[i].seq;
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *made = mlx_journal_load(m->cache->db, m->origins[i].op, err);
    if (repaired->state != MLX_STATE_DONE || !made || seq >= made->count)
        return 0;
    made->steps[seq].made = repaired->made;
    made->steps[seq].method = repaired->method;
    return mlx_journal_step(m->cache->db, made, seq, err);
}

static int note_mended(const mend_t *m, mlx_error_t *err)
{
    for (size_t i = 0; m->origins && i < m->plan->count; i++) /* each step has its origin */
        if (note_one(m, i, err))
            return -1;
    return 0;
}

static int64_t *operations_of(mlx_cache_t *self, const mlx_model_t *model, size_t *count,
                              mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(self->db, err,
                     "SELECT DISTINCT op FROM files JOIN models ON models.id = files.model"
                     " JOIN steps ON steps.sha256 = files.sha256"
                     " JOIN ops ON ops.id = op WHERE models.name = ?"
                     " AND steps.kind = 'place' AND steps.state = 'done'"
                     " AND ops.state = 'done' AND ops.kind IN ('link', 'add')",
                     "s", model->name);
    int64_t *ops = mlx_alloc(1, sizeof *ops);
    int row;
    *count = 0;
    while ((row = mlx_stmt_step(q, err)) > 0) {
        ops = mlx_grow(ops, *count, sizeof *ops);
        ops[(*count)++] = mlx_stmt_int(q, 0);
    }
    if (row == 0)
        return ops;
    free(ops);
    return NULL;
}

int mlx_cache_mend_names(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    size_t count;
    MLX_CLEANUP(mlx_free_p) int64_t *ops = operations_of(self, model, &count, err);
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("repair", model->name, NULL);
    mend_t m = {.cache = self, .model = model, .plan = plan};
    int rc = ops ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = look_at_operation(&m, ops[i], err);
    if (rc == 0 && plan->count)
        rc = mlx_engine_apply(&self->engine, plan, err) || note_mended(&m, err) ? -1 : 0;
    free(m.origins);
    return rc;
}
