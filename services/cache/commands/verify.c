/*  Checking every byte of the cache. */
#include "services/cache/commands/internal.h"

#include "services/cache/store/hasher.h"
#include "services/cache/store/store.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    mlx_cache_t *cache;
    mlx_hash_job_t *jobs;
    char **sha256s;
    size_t count;
    uint64_t total; /* bytes to be read, as far as that is sure */
    bool full;
} verify_t;

static void collect(verify_t *v, char *path, const char *sha256, uint64_t size)
{
    v->jobs = mlx_grow(v->jobs, v->count, sizeof *v->jobs);
    v->sha256s = mlx_grow(v->sha256s, v->count, sizeof *v->sha256s);
    v->sha256s[v->count] = mlx_strdup(sha256);
    v->jobs[v->count++] = (mlx_hash_job_t){.root = v->cache->home, .path = path, .again = v->full};
    v->total += v->full ? size : 0;
}

static int collect_blob(void *arg, const char *sha256, const struct stat *st)
{
    collect(arg, mlx_blob_path(sha256), sha256, (uint64_t)st->st_size);
    return 0;
}

/*  The files of a model and, where it has bytes of its own, its view. WHOLE: the blobs too. */
static void collect_model(verify_t *v, const mlx_model_t *model, bool whole)
{
    for (size_t i = 0; i < model->count; i++) {
        const mlx_model_file_t *file = &model->files[i];
        struct stat blob = {0}, view;
        char *path = mlx_blob_path(file->sha256);
        bool there = mlx_fs_stat(v->cache->home, path, &blob, NULL) > 0;
        if (whole || !there)
            collect(v, path, file->sha256, file->size);
        else
            free(path);
        path = mlx_format("models/%s/%s", model->view, file->path);
        if (mlx_fs_stat(v->cache->home, path, &view, NULL) > 0 &&
            (view.st_dev != blob.st_dev || view.st_ino != blob.st_ino))
            collect(v, path, file->sha256, file->size);
        else
            free(path);
    }
}

static int collect_all(verify_t *v, mlx_error_t *err)
{
    size_t count;
    mlx_error_t why = {0};
    mlx_cache_store_each(v->cache->home, collect_blob, v);
    mlx_model_t *models = mlx_registry_models(v->cache->db, &count, &why);
    for (size_t i = 0; i < count; i++)
        collect_model(v, &models[i], false);
    mlx_models_free(&models, count);
    if (why.code && err)
        *err = why;
    return why.code ? -1 : 0;
}

static bool is_bad(const verify_t *v, size_t i)
{
    return strcmp(v->jobs[i].hex, v->sha256s[i]) != 0;
}

/*  An entry for the file at PATH; MODEL and FILE are NULL where no model has it. */
static void add_bad(const verify_t *v, size_t i, const char *model, const char *file,
                    mlx_value_t *bad)
{
    mlx_value_t *one = mlx_value_append(bad, mlx_value_map());
    MLX_CLEANUP(mlx_free_p) char *full = mlx_root_join(v->cache->home, v->jobs[i].path);
    MLX_CLEANUP(mlx_free_p)
    char *hint = mlx_format("mlx-cache verify --repair%s%s", model ? " " : "", model ? model : "");
    mlx_value_set_str(one, "sha256", v->sha256s[i]);
    mlx_value_set_str(one, "model", model);
    mlx_value_set_str(one, "file", file);
    mlx_value_set_str(one, "path", full);
    mlx_value_set_str(one, "text",
                      v->jobs[i].hex[0] ? "damaged: its SHA-256 does not match"
                                        : v->jobs[i].error.text);
    mlx_value_set_str(one, "hint", hint);
}

/*  Every model that has the file, or the only one that was asked for. */
static void name_bad(const verify_t *v, size_t i, const char *only, mlx_value_t *bad)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(v->cache->db, NULL,
                                 "SELECT name, path FROM files JOIN models ON models.id = model"
                                 " WHERE sha256 = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY name",
                                 "ss", v->sha256s[i], only);
    bool named = false;
    while (mlx_stmt_step(q, NULL) > 0) {
        named = true;
        add_bad(v, i, mlx_stmt_str(q, 0), mlx_stmt_str(q, 1), bad);
    }
    if (!named)
        add_bad(v, i, NULL, NULL, bad);
}

static mlx_value_t *make_report(const verify_t *v, const char *name)
{
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *bad = mlx_value_set(report, "bad", mlx_value_list());
    uint64_t bytes = 0;
    for (size_t i = 0; i < v->count; i++) {
        bytes += v->jobs[i].id.size;
        if (is_bad(v, i))
            name_bad(v, i, name, bad);
    }
    mlx_value_set_int(report, "checked", (int64_t)v->count);
    mlx_value_set_int(report, "bytes", (int64_t)bytes);
    /* A kept status says nothing of damage that was found now. */
    if (mlx_value_size(bad))
        mlx_db_run(v->cache->db, NULL, "DELETE FROM reports", "");
    return report;
}

/*  As the model calls it, or its digest. Caller owns the string. */
static char *file_name(const verify_t *v, size_t i)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        v->cache->db, NULL, "SELECT path FROM files WHERE sha256 = ? LIMIT 1", "s", v->sha256s[i]);
    return mlx_strdup(mlx_stmt_step(q, NULL) > 0 ? mlx_stmt_str(q, 0) : v->sha256s[i]);
}

static void tell_read(const verify_t *v, const char *name)
{
    for (size_t i = 0; v->full && i < v->count; i++) {
        if (is_bad(v, i) || strncmp(v->jobs[i].path, "blobs/", 6) != 0)
            continue;
        MLX_CLEANUP(mlx_free_p) char *file = file_name(v, i);
        mlx_cache_tell_file(v->cache, name ? name : "", file, v->jobs[i].id.size, "read", NULL);
    }
}

mlx_value_t *mlx_cache_verify(mlx_cache_t *self, const char *name, bool full, mlx_error_t *err)
{
    verify_t v = {.cache = self, .full = full};
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *model = NULL;
    if (name && !(model = mlx_registry_get_model(self->db, name, err)))
        return NULL;
    int rc = 0;
    if (model)
        collect_model(&v, model, true);
    else
        rc = collect_all(&v, err);
    mlx_cache_tell_begin(self, "verify", "verify", name, v.total, MLX_DIGEST_PIECE);
    rc = rc || mlx_hash_files(self->db, v.jobs, v.count, 0, mlx_cache_piece, self, err);
    if (!rc) {
        mlx_cache_tell_done(self, v.total);
        tell_read(&v, name);
    }
    mlx_value_t *report = rc ? NULL : make_report(&v, name);
    for (size_t i = 0; i < v.count; i++) {
        free((char *)v.jobs[i].path);
        free(v.sha256s[i]);
    }
    free(v.jobs);
    free(v.sha256s);
    return report;
}
