#include "services/cache/store/registry.h"

#include "services/cache/model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const migrations[] = {
    "CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, source TEXT NOT NULL,"
    " revision TEXT, view TEXT NOT NULL UNIQUE, added_at INTEGER NOT NULL, used_at INTEGER NOT "
    "NULL);"
    "CREATE TABLE files (model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,"
    " path TEXT NOT NULL, sha256 TEXT NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY (model, path)) WITHOUT ROWID;"
    "CREATE INDEX files_sha256 ON files (sha256);"
    "CREATE INDEX files_etag ON files (etag);"
    "CREATE TABLE hashes (dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,"
    " mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,"
    " PRIMARY KEY (dev, ino)) WITHOUT ROWID;"
    "CREATE TABLE ops (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, model TEXT,"
    " app TEXT, state TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER);"
    "CREATE INDEX ops_state ON ops (state);"
    "CREATE TABLE steps (op INTEGER NOT NULL REFERENCES ops ON DELETE CASCADE, seq INTEGER NOT "
    "NULL,"
    " kind TEXT NOT NULL, root TEXT NOT NULL, path TEXT NOT NULL, stage TEXT, source_root TEXT,"
    " source TEXT, sha256 TEXT NOT NULL, size INTEGER NOT NULL, method TEXT NOT NULL,"
    " made_dev INTEGER NOT NULL, made_ino INTEGER NOT NULL, old_dev INTEGER NOT NULL,"
    " old_ino INTEGER NOT NULL, old_size INTEGER NOT NULL, old_mtime_ns INTEGER NOT NULL,"
    " old_mode INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (op, seq)) WITHOUT ROWID;"
    "CREATE TABLE reports (name TEXT PRIMARY KEY, basis TEXT NOT NULL, watched TEXT NOT NULL,"
    " json TEXT NOT NULL) WITHOUT ROWID;",
    /* 2: where a model can be obtained again, what an operation freed, and the volumes of
       stores. */
    "ALTER TABLE models ADD COLUMN origin TEXT;"
    "ALTER TABLE ops ADD COLUMN record TEXT;"
    "ALTER TABLE ops ADD COLUMN volume TEXT;"
    "CREATE TABLE stores (path TEXT PRIMARY KEY, app TEXT NOT NULL, volume TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE consumers (store TEXT NOT NULL, volume TEXT NOT NULL, model TEXT NOT NULL,"
    " name TEXT NOT NULL, ino INTEGER NOT NULL, app TEXT NOT NULL,"
    " PRIMARY KEY (store, volume, model, name)) WITHOUT ROWID;"
    "CREATE INDEX consumers_ino ON consumers (ino);",
    /* 3: what a step placed, whole; the command an operation belongs to; why one was set aside. */
    "ALTER TABLE steps ADD COLUMN made_size INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE steps ADD COLUMN made_mtime_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE steps ADD COLUMN made_ctime_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE steps ADD COLUMN why TEXT;"
    "CREATE INDEX steps_made ON steps (made_dev, made_ino);"
    "CREATE INDEX steps_sha256 ON steps (sha256);"
    "ALTER TABLE ops ADD COLUMN command INTEGER;"
    "ALTER TABLE ops ADD COLUMN reason TEXT;"
    "CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    /* 4: where the bytes of files lie, on file systems with clones (extents.h). */
    "CREATE TABLE extents (dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,"
    " mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, whole INTEGER NOT NULL,"
    " runs BLOB NOT NULL, asked_at INTEGER NOT NULL, PRIMARY KEY (dev, ino)) WITHOUT ROWID;",
    /* 5: licences and what the checks of content found (notes.h). */
    "CREATE TABLE notes (model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,"
    " key TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (model, key)) WITHOUT ROWID;",
};

mlx_db_t *mlx_registry_open(const char *path, bool read_only, mlx_error_t *err)
{
    return mlx_db_open(&(mlx_db_options_t){.path = path,
                                           .migrations = migrations,
                                           .count = MLX_COUNT(migrations),
                                           .read_only = read_only},
                       err);
}

/* ---- models ---- */

static void model_clear(mlx_model_t *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->files[i].path);
    free(model->files);
    free(model->name);
    free(model->source);
    free(model->revision);
    free(model->view);
    free(model->origin);
}

void mlx_model_destroy(mlx_model_t **self)
{
    if (*self)
        model_clear(*self);
    free(*self);
    *self = NULL;
}

void mlx_models_free(mlx_model_t **models, size_t count)
{
    for (size_t i = 0; *models && i < count; i++)
        model_clear(&(*models)[i]);
    free(*models);
    *models = NULL;
}

mlx_model_file_t *mlx_model_add_file(mlx_model_t *self, const char *path)
{
    self->files = mlx_grow(self->files, self->count, sizeof *self->files);
    mlx_model_file_t *file = &self->files[self->count++];
    *file = (mlx_model_file_t){.path = mlx_strdup(path)};
    return file;
}

uint64_t mlx_model_size(const mlx_model_t *self)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < self->count; i++)
        sum += self->files[i].size;
    return sum;
}

static int put_files(mlx_db_t *db, const mlx_model_t *model, int64_t id, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *insert = mlx_db_query(
        db, err, "INSERT INTO files (model, path, sha256, etag, size) VALUES (?, ?, ?, ?, ?)", "");
    for (size_t i = 0; insert && i < model->count; i++) {
        const mlx_model_file_t *f = &model->files[i];
        if (mlx_stmt_bind(insert, err, "isssi", id, f->path, f->sha256, f->etag,
                          (int64_t)f->size) ||
            mlx_stmt_step(insert, err) < 0)
            return -1;
    }
    return insert ? 0 : -1;
}

int mlx_registry_put_model(mlx_db_t *db, const mlx_model_t *model, mlx_error_t *err)
{
    if (mlx_db_begin(db, err))
        return -1;
    if (mlx_db_run(db, err, "DELETE FROM models WHERE name = ?", "s", model->name) ||
        mlx_db_run(db, err,
                   "INSERT INTO models (name, source, revision, view, added_at, used_at,"
                   " origin) VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "ssssiis", model->name, model->source, model->revision, model->view,
                   model->added_at, model->used_at, model->origin) ||
        put_files(db, model, mlx_db_last_id(db), err)) {
        mlx_db_rollback(db);
        return -1;
    }
    return mlx_db_commit(db, err);
}

static int damaged(const char *what, const char *name, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "the registry's %s \"%.100s\" is damaged", what,
                  name ? name : "");
    return mlx_error_hint(err, MLX_REGISTRY_MEND);
}

/*  A row is outside input: a view is one component, a file stays inside it, a digest is one. */
static int check_model(const mlx_model_t *model, mlx_error_t *err)
{
    const char *view = model->view;
    if (!model->name || !model->source || !view || !*view || strchr(view, '/') ||
        strcmp(view, ".") == 0 || strcmp(view, "..") == 0)
        return damaged("model", model->name, err);
    return 0;
}

static int check_file(const mlx_model_file_t *file, mlx_error_t *err)
{
    if (mlx_name_path(file->path, NULL) || !mlx_is_hex(file->sha256, MLX_SHA256_HEX))
        return damaged("file", file->path, err);
    return 0;
}

static const char *text_of(mlx_stmt_t *q, int column)
{
    const char *text = mlx_stmt_str(q, column);
    return text ? text : "";
}

static void read_model(mlx_stmt_t *q, mlx_model_t *model)
{
    *model = (mlx_model_t){
        .id = mlx_stmt_int(q, 0),
        .name = mlx_strdup(mlx_stmt_str(q, 1)),
        .source = mlx_strdup(mlx_stmt_str(q, 2)),
        .revision = mlx_strdup(mlx_stmt_str(q, 3)),
        .view = mlx_strdup(mlx_stmt_str(q, 4)),
        .added_at = mlx_stmt_int(q, 5),
        .used_at = mlx_stmt_int(q, 6),
        .origin = mlx_strdup(mlx_stmt_str(q, 7)),
    };
}

static int read_files(mlx_db_t *db, mlx_model_t *model, mlx_error_t *err)
{
    if (check_model(model, err))
        return -1;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT path, sha256, etag, size FROM files WHERE model = ?"
                                 " ORDER BY path",
                                 "i", model->id);
    int row;
    while ((row = mlx_stmt_step(q, err)) > 0) {
        mlx_model_file_t *file = mlx_model_add_file(model, text_of(q, 0));
        snprintf(file->sha256, sizeof file->sha256, "%s", text_of(q, 1));
        snprintf(file->etag, sizeof file->etag, "%s", text_of(q, 2));
        file->size = (uint64_t)mlx_stmt_int(q, 3);
        if (check_file(file, err))
            return -1;
    }
    return row;
}

mlx_model_t *mlx_registry_models(mlx_db_t *db, size_t *count, mlx_error_t *err)
{
    mlx_model_t *models = NULL;
    *count = 0;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(db, err,
                     "SELECT id, name, source, revision, view, added_at, used_at, origin"
                     " FROM models ORDER BY name",
                     "");
    int row;
    while ((row = mlx_stmt_step(q, err)) > 0) {
        models = mlx_grow(models, *count, sizeof *models);
        read_model(q, &models[*count]);
        (*count)++;
        if (read_files(db, &models[*count - 1], err)) {
            row = -1;
            break;
        }
    }
    if (row < 0) {
        mlx_models_free(&models, *count);
        *count = 0;
    }
    return models;
}

static void suggest(mlx_db_t *db, const char *name, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, NULL,
                                 "SELECT name FROM models WHERE instr(lower(name), lower(?))"
                                 " ORDER BY length(name) LIMIT 1",
                                 "s", name);
    if (mlx_stmt_step(q, NULL) > 0)
        mlx_error_hint(err, "did you mean %s?", text_of(q, 0));
    else
        mlx_error_hint(err, "mlx-cache status lists the models");
}

mlx_model_t *mlx_registry_get_model(mlx_db_t *db, const char *name, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(db, err,
                     "SELECT id, name, source, revision, view, added_at, used_at, origin"
                     " FROM models WHERE name = ?",
                     "s", name);
    int row = mlx_stmt_step(q, err);
    if (row == 0) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "the cache has no model \"%.100s\"", name);
        suggest(db, name, err);
    }
    if (row <= 0)
        return NULL;
    mlx_model_t *model = mlx_alloc(1, sizeof *model);
    read_model(q, model);
    if (read_files(db, model, err))
        mlx_model_destroy(&model);
    return model;
}

int mlx_registry_delete_model(mlx_db_t *db, const char *name, mlx_error_t *err)
{
    return mlx_db_run(db, err, "DELETE FROM models WHERE name = ?", "s", name);
}

/*  A hash that is none is as good as none. */
static int read_hash(mlx_stmt_t *q, char hex[MLX_HEX_MAX], mlx_error_t *err)
{
    int row = mlx_stmt_step(q, err);
    if (row > 0 && !mlx_is_hex(text_of(q, 0), MLX_SHA256_HEX))
        return 0;
    if (row > 0)
        snprintf(hex, MLX_HEX_MAX, "%s", mlx_stmt_str(q, 0));
    return row;
}

int mlx_registry_by_etag(mlx_db_t *db, const char *etag, char hex[MLX_HEX_MAX], mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(db, err, "SELECT sha256 FROM files WHERE etag = ? LIMIT 1", "s", etag);
    return read_hash(q, hex, err);
}

/* ---- hashes ---- */

int mlx_registry_get_hash(mlx_db_t *db, const mlx_identity_t *id, char hex[MLX_HEX_MAX],
                          mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT sha256 FROM hashes WHERE dev = ? AND ino = ? AND size = ?"
                                 " AND mtime_ns = ? AND ctime_ns = ?",
                                 "iiiii", (int64_t)id->dev, (int64_t)id->ino, (int64_t)id->size,
                                 id->mtime_ns, id->ctime_ns);
    return read_hash(q, hex, err);
}

int mlx_registry_put_hash(mlx_db_t *db, const mlx_identity_t *id, const char *hex, mlx_error_t *err)
{
    return mlx_db_run(db, err, "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)", "iiiiis",
                      (int64_t)id->dev, (int64_t)id->ino, (int64_t)id->size, id->mtime_ns,
                      id->ctime_ns, hex);
}

int mlx_registry_keep_hash(mlx_db_t *db, const mlx_identity_t *before, const mlx_identity_t *now,
                           mlx_error_t *err)
{
    if (!mlx_identity_same_inode(before, now) || before->size != now->size ||
        before->mtime_ns != now->mtime_ns)
        return 0;
    return mlx_db_run(db, err,
                      "UPDATE hashes SET ctime_ns = ? WHERE dev = ? AND ino = ? AND size = ?"
                      " AND mtime_ns = ? AND ctime_ns = ?",
                      "iiiiii", now->ctime_ns, (int64_t)now->dev, (int64_t)now->ino,
                      (int64_t)now->size, now->mtime_ns, before->ctime_ns);
}

int mlx_registry_placed(mlx_db_t *db, const mlx_identity_t *id, char hex[MLX_HEX_MAX],
                        mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT steps.sha256 FROM steps JOIN ops ON ops.id = op"
                                 " WHERE made_dev = ? AND made_ino = ? AND made_size = ?"
                                 " AND made_mtime_ns = ? AND made_ctime_ns = ?"
                                 " AND steps.state = 'done' AND ops.state = 'done'"
                                 " AND ops.kind = 'link' ORDER BY op DESC LIMIT 1",
                                 "iiiii", (int64_t)id->dev, (int64_t)id->ino, (int64_t)id->size,
                                 id->mtime_ns, id->ctime_ns);
    return read_hash(q, hex, err);
}

bool mlx_registry_was_placed(mlx_db_t *db, const mlx_identity_t *id)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, NULL,
        "SELECT 1 FROM steps JOIN ops ON ops.id = op WHERE made_dev = ? AND made_ino = ?"
        " AND steps.state = 'done' AND ops.state = 'done' AND ops.kind = 'link'",
        "ii", (int64_t)id->dev, (int64_t)id->ino);
    return mlx_stmt_step(q, NULL) > 0;
}

/* ---- marks ---- */

/*  Device numbers are given out again at each boot: a home that is the same folder on another
 *  device was mounted again, and what was known of its files stands. */
static int follow_device(mlx_db_t *db, const mlx_root_t *home, const char *was, mlx_error_t *err)
{
    unsigned long long dev, ino;
    struct stat st;
    if (sscanf(was, "%llu %llu", &dev, &ino) != 2 || stat(mlx_root_path(home), &st) != 0 ||
        ino != (unsigned long long)st.st_ino || dev == mlx_root_dev(home))
        return 0;
    static const char *const columns[][2] = {
        {"hashes", "dev"}, {"steps", "made_dev"}, {"steps", "old_dev"}};
    for (size_t i = 0; i < MLX_COUNT(columns); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *sql = mlx_format("UPDATE OR REPLACE %s SET %s = ? WHERE %s = ?", columns[i][0],
                               columns[i][1], columns[i][1]);
        if (mlx_db_run(db, err, sql, "ii", (int64_t)mlx_root_dev(home), (int64_t)dev))
            return -1;
    }
    return 0;
}

int mlx_registry_at(mlx_db_t *db, const mlx_root_t *home, mlx_error_t *err)
{
    struct stat st;
    if (stat(mlx_root_path(home), &st) != 0)
        return 0;
    MLX_CLEANUP(mlx_free_p)
    char *now =
        mlx_format("%llu %llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    MLX_CLEANUP(mlx_free_p) char *was = NULL;
    {
        MLX_CLEANUP(mlx_stmt_destroy)
        mlx_stmt_t *q = mlx_db_query(db, err, "SELECT value FROM marks WHERE name = 'home'", "");
        if (mlx_stmt_step(q, err) > 0)
            was = mlx_strdup(text_of(q, 0));
    }
    if (was && strcmp(was, now) == 0)
        return 0;
    if (was && follow_device(db, home, was, err))
        return -1;
    return mlx_db_run(db, err, "INSERT OR REPLACE INTO marks VALUES ('home', ?)", "s", now);
}
