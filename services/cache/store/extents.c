#include "services/cache/store/extents.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEPT_S = 24 * 3600
};

typedef struct {
    mlx_identity_t id;
    mlx_runs_t runs;
    bool fresh; /* not in the registry yet */
} kept_t;

typedef struct {
    uint64_t dev;
    bool may_clone;
} device_t;

struct mlx_extents {
    mlx_db_t *db;
    int64_t now_s;
    kept_t *kept; /* the first SORTED of them in order of their inodes */
    size_t count, sorted;
    device_t *devices;
    size_t device_count;
};

static kept_t *push(mlx_extents_t *self, const mlx_identity_t *id)
{
    self->kept = mlx_grow(self->kept, self->count, sizeof *self->kept);
    kept_t *kept = &self->kept[self->count++];
    *kept = (kept_t){.id = *id};
    return kept;
}

/*  A row is outside input: what does not fit together is asked again. */
static bool read_runs(mlx_stmt_t *q, mlx_runs_t *out)
{
    size_t len = 0;
    const void *bytes = mlx_stmt_bytes(q, 6, &len);
    int64_t whole = mlx_stmt_int(q, 5);
    if (len % sizeof(mlx_run_t) || (len && !bytes) || whole < 0 || whole > 1)
        return false;
    *out = (mlx_runs_t){.count = len / sizeof(mlx_run_t), .whole = whole};
    out->runs = mlx_alloc(out->count + 1, sizeof *out->runs);
    if (len)
        memcpy(out->runs, bytes, len);
    for (size_t i = 0; i < out->count; i++)
        if (out->runs[i].len > INT64_MAX || out->runs[i].start > INT64_MAX) {
            mlx_runs_clear(out);
            return false;
        }
    return true;
}

mlx_extents_t *mlx_extents_new(mlx_db_t *db, int64_t now_s)
{
    mlx_extents_t *self = mlx_alloc(1, sizeof *self);
    self->db = db;
    self->now_s = now_s;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, NULL,
                                 "SELECT dev, ino, size, mtime_ns, ctime_ns, whole, runs"
                                 " FROM extents WHERE asked_at BETWEEN ? AND ? ORDER BY dev, ino",
                                 "ii", now_s - KEPT_S, now_s);
    while (mlx_stmt_step(q, NULL) > 0) {
        mlx_runs_t runs;
        if (!read_runs(q, &runs))
            continue;
        kept_t *kept = push(self, &(mlx_identity_t){.dev = (uint64_t)mlx_stmt_int(q, 0),
                                                    .ino = (uint64_t)mlx_stmt_int(q, 1),
                                                    .size = (uint64_t)mlx_stmt_int(q, 2),
                                                    .mtime_ns = mlx_stmt_int(q, 3),
                                                    .ctime_ns = mlx_stmt_int(q, 4)});
        kept->runs = runs;
    }
    self->sorted = self->count;
    return self;
}

static void store(mlx_extents_t *self)
{
    bool any = false;
    for (size_t i = self->sorted; i < self->count; i++)
        any = any || self->kept[i].fresh;
    if (!any || mlx_db_begin(self->db, NULL))
        return;
    int rc = mlx_db_run(self->db, NULL, "DELETE FROM extents WHERE asked_at NOT BETWEEN ? AND ?",
                        "ii", self->now_s - KEPT_S, self->now_s);
    for (size_t i = self->sorted; rc == 0 && i < self->count; i++) {
        const kept_t *k = &self->kept[i];
        if (k->fresh)
            rc = mlx_db_run(self->db, NULL,
                            "INSERT OR REPLACE INTO extents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                            "iiiiiibi", (int64_t)k->id.dev, (int64_t)k->id.ino, (int64_t)k->id.size,
                            k->id.mtime_ns, k->id.ctime_ns, (int64_t)k->runs.whole,
                            k->runs.count ? (const void *)k->runs.runs : "",
                            k->runs.count * sizeof *k->runs.runs, self->now_s);
    }
    if (rc || mlx_db_commit(self->db, NULL))
        mlx_db_rollback(self->db);
}

void mlx_extents_destroy(mlx_extents_t **self)
{
    mlx_extents_t *extents = *self;
    *self = NULL;
    if (!extents)
        return;
    store(extents);
    for (size_t i = 0; i < extents->count; i++)
        mlx_runs_clear(&extents->kept[i].runs);
    free(extents->kept);
    free(extents->devices);
    free(extents);
}

static int compare_kept(const void *a, const void *b)
{
    const mlx_identity_t *x = a;
    const mlx_identity_t *y = &((const kept_t *)b)->id;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return (x->ino > y->ino) - (x->ino < y->ino);
}

static bool may_clone(mlx_extents_t *self, uint64_t dev, int fd)
{
    for (size_t i = 0; i < self->device_count; i++)
        if (self->devices[i].dev == dev)
            return self->devices[i].may_clone;
    self->devices = mlx_grow(self->devices, self->device_count, sizeof *self->devices);
    self->devices[self->device_count++] =
        (device_t){.dev = dev, .may_clone = mlx_fsys_may_clone(fd)};
    return self->devices[self->device_count - 1].may_clone;
}

bool mlx_extents_wanted(const mlx_extents_t *self, uint64_t dev)
{
    for (size_t i = 0; i < self->device_count; i++)
        if (self->devices[i].dev == dev)
            return self->devices[i].may_clone;
    return true;
}

static bool ask(mlx_extents_t *self, const mlx_root_t *root, const char *path,
                const mlx_identity_t *id, mlx_runs_t *runs)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(root, path, NULL);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !may_clone(self, id->dev, fd) ||
        mlx_fsys_runs(fd, runs) != 0)
        return false;
    mlx_identity_t now = mlx_identity_of(&st);
    return mlx_identity_same(&now, id);
}

static void copy_runs(const mlx_runs_t *from, mlx_runs_t *to)
{
    *to = *from;
    to->runs = mlx_alloc(from->count + 1, sizeof *to->runs);
    if (from->count)
        memcpy(to->runs, from->runs, from->count * sizeof *to->runs);
}

bool mlx_extents_get(mlx_extents_t *self, const mlx_root_t *root, const char *path,
                     const mlx_identity_t *id, mlx_runs_t *runs)
{
    *runs = (mlx_runs_t){0};
    if (!mlx_extents_wanted(self, id->dev))
        return false;
    const kept_t *kept =
        self->sorted ? bsearch(id, self->kept, self->sorted, sizeof *self->kept, compare_kept)
                     : NULL;
    if (kept && mlx_identity_same(&kept->id, id)) {
        copy_runs(&kept->runs, runs);
        return true;
    }
    if (!ask(self, root, path, id, runs)) {
        mlx_runs_clear(runs);
        return false;
    }
    kept_t *fresh = push(self, id);
    fresh->fresh = true;
    copy_runs(runs, &fresh->runs);
    return true;
}

int mlx_extents_forget(mlx_db_t *db, mlx_error_t *err)
{
    return mlx_db_run(db, err, "DELETE FROM extents", "");
}
