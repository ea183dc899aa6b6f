#include "common/base/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_BUSY_MS = 5000
};

struct mlx_db {
    sqlite3 *handle;
    char *path;
    int depth; /* of begins */
};

struct mlx_stmt {
    sqlite3_stmt *handle;
    mlx_db_t *db;
};

static int db_error(mlx_db_t *self, int rc, mlx_error_t *err)
{
    const char *why = self->handle ? sqlite3_errmsg(self->handle) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        mlx_error_set(err, MLX_ERR_BUSY, "%s: %s", self->path, why);
        return mlx_error_hint(err, "another process is writing to it: try again");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s: %s", self->path, why);
        return mlx_error_hint(err, "move the file aside; the next start creates a new one");
    case SQLITE_FULL:
        mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", self->path, why);
        return mlx_error_hint(err, "free some disk space");
    default:
        return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", self->path, why);
    }
}

int mlx_db_exec(mlx_db_t *self, const char *sql, mlx_error_t *err)
{
    int rc = sqlite3_exec(self->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(self, rc, err);
}

/*  SQLite would create the file with the umask's mode: what it holds is nobody else's business. */
static int create_private(const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot open %s: %s", path, strerror(errno));
    return 0;
}

static int set_page_size(mlx_db_t *self, int bytes, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *sql = mlx_format("PRAGMA page_size = %d", bytes);
    return mlx_db_exec(self, sql, err);
}

static int set_up(mlx_db_t *self, const mlx_db_options_t *options, mlx_error_t *err)
{
    sqlite3_extended_result_codes(self->handle, 1);
    sqlite3_busy_timeout(self->handle,
                         options->busy_timeout_ms ? options->busy_timeout_ms : DEFAULT_BUSY_MS);
    if (mlx_db_exec(self, "PRAGMA foreign_keys = ON", err))
        return -1;
    if (options->read_only)
        return 0;
    if (options->page_size && set_page_size(self, options->page_size, err))
        return -1;
    if (options->incremental_vacuum && mlx_db_exec(self, "PRAGMA auto_vacuum = INCREMENTAL", err))
        return -1;
    if (mlx_db_exec(self, "PRAGMA journal_mode = WAL", err))
        return -1;
    return mlx_db_exec(
        self, options->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
}

static int64_t user_version(mlx_db_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self, err, "PRAGMA user_version", "");
    return mlx_stmt_step(q, err) > 0 ? mlx_stmt_int(q, 0) : -1;
}

/*  The version is read again under the write lock: two processes may open a new file at once. */
static int migrate_one(mlx_db_t *self, const char *sql, int64_t from, mlx_error_t *err)
{
    if (mlx_db_begin(self, err))
        return -1;
    int64_t now = user_version(self, err);
    MLX_CLEANUP(mlx_free_p)
    char *mark = mlx_format("PRAGMA user_version = %lld", (long long)from + 1);
    if (now < 0 || (now == from && (mlx_db_exec(self, sql, err) || mlx_db_exec(self, mark, err)))) {
        mlx_db_rollback(self);
        return -1;
    }
    return mlx_db_commit(self, err);
}

static int migrate(mlx_db_t *self, const mlx_db_options_t *options, mlx_error_t *err)
{
    int64_t version = user_version(self, err);
    if (version < 0)
        return -1;
    if (version > (int64_t)options->count) {
        mlx_error_set(err, MLX_ERR_USAGE,
                      "%s has schema version %lld, this program supports up to %zu", self->path,
                      (long long)version, options->count);
        return mlx_error_hint(err, "upgrade the program");
    }
    if (options->read_only && version < (int64_t)options->count)
        return mlx_error_set(err, MLX_ERR_USAGE, "%s has the older schema %lld", self->path,
                             (long long)version);
    for (; version < (int64_t)options->count; version++)
        if (migrate_one(self, options->migrations[version], version, err))
            return -1;
    return 0;
}

mlx_db_t *mlx_db_open(const mlx_db_options_t *options, mlx_error_t *err)
{
    if (!options->read_only && create_private(options->path, err))
        return NULL;
    mlx_db_t *self = mlx_alloc(1, sizeof *self);
    self->path = mlx_strdup(options->path);
    int flags =
        SQLITE_OPEN_NOMUTEX | (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int rc = sqlite3_open_v2(options->path, &self->handle, flags, NULL);
    if (rc != SQLITE_OK)
        db_error(self, rc, err);
    if (rc != SQLITE_OK || set_up(self, options, err) || migrate(self, options, err))
        mlx_db_destroy(&self);
    return self;
}

void mlx_db_destroy(mlx_db_t **self)
{
    mlx_db_t *db = *self;
    *self = NULL;
    if (!db)
        return;
    if (db->handle && sqlite3_close(db->handle) != SQLITE_OK)
        mlx_panic("%s was closed with open statements", db->path);
    free(db->path);
    free(db);
}

static int bind_one(sqlite3_stmt *stmt, int index, char type, va_list *args)
{
    switch (type) {
    case 'i':
        return sqlite3_bind_int64(stmt, index, va_arg(*args, int64_t));
    case 'r':
        return sqlite3_bind_double(stmt, index, va_arg(*args, double));
    case 's':
        return sqlite3_bind_text(stmt, index, va_arg(*args, const char *), -1, SQLITE_TRANSIENT);
    case 'n':
        return sqlite3_bind_null(stmt, index);
    case 'b': {
        const void *data = va_arg(*args, const void *);
        size_t len = va_arg(*args, size_t);
        return sqlite3_bind_blob64(stmt, index, data ? data : "", len, SQLITE_TRANSIENT);
    }
    default:
        mlx_panic("bind type '%c'", type);
    }
}

static int bind_all(mlx_stmt_t *self, mlx_error_t *err, const char *types, va_list *args)
{
    sqlite3_reset(self->handle);
    int want = sqlite3_bind_parameter_count(self->handle);
    if (want != (int)strlen(types))
        mlx_panic("%zu values for %d parameters: %s", strlen(types), want,
                  sqlite3_sql(self->handle));
    for (int i = 0; i < want; i++) {
        int rc = bind_one(self->handle, i + 1, types[i], args);
        if (rc != SQLITE_OK)
            return db_error(self->db, rc, err);
    }
    return 0;
}

static mlx_stmt_t *prepare(mlx_db_t *self, mlx_error_t *err, const char *sql)
{
    sqlite3_stmt *handle = NULL;
    int rc = sqlite3_prepare_v2(self->handle, sql, -1, &handle, NULL);
    if (rc != SQLITE_OK) {
        db_error(self, rc, err);
        return NULL;
    }
    mlx_stmt_t *stmt = mlx_alloc(1, sizeof *stmt);
    *stmt = (mlx_stmt_t){.handle = handle, .db = self};
    return stmt;
}

mlx_stmt_t *mlx_db_query(mlx_db_t *self, mlx_error_t *err, const char *sql, const char *types, ...)
{
    mlx_stmt_t *stmt = prepare(self, err, sql);
    if (!stmt || !*types)
        return stmt;
    va_list args;
    va_start(args, types);
    if (bind_all(stmt, err, types, &args))
        mlx_stmt_destroy(&stmt);
    va_end(args);
    return stmt;
}

int mlx_db_run(mlx_db_t *self, mlx_error_t *err, const char *sql, const char *types, ...)
{
    MLX_CLEANUP(mlx_stmt_destroy) mlx_stmt_t *stmt = prepare(self, err, sql);
    if (!stmt)
        return -1;
    va_list args;
    va_start(args, types);
    int rc = bind_all(stmt, err, types, &args);
    va_end(args);
    while (rc == 0) {
        int row = mlx_stmt_step(stmt, err);
        if (row <= 0)
            return row;
    }
    return rc;
}

int mlx_stmt_bind(mlx_stmt_t *self, mlx_error_t *err, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    int rc = bind_all(self, err, types, &args);
    va_end(args);
    return rc;
}

void mlx_stmt_destroy(mlx_stmt_t **self)
{
    mlx_stmt_t *stmt = *self;
    *self = NULL;
    if (!stmt)
        return;
    sqlite3_finalize(stmt->handle);
    free(stmt);
}

int mlx_stmt_step(mlx_stmt_t *self, mlx_error_t *err)
{
    if (!self)
        return -1;
    int rc = sqlite3_step(self->handle);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    db_error(self->db, rc, err);
    sqlite3_reset(self->handle);
    return -1;
}

bool mlx_stmt_is_null(mlx_stmt_t *self, int column)
{
    return sqlite3_column_type(self->handle, column) == SQLITE_NULL;
}

int64_t mlx_stmt_int(mlx_stmt_t *self, int column)
{
    return sqlite3_column_int64(self->handle, column);
}

const char *mlx_stmt_str(mlx_stmt_t *self, int column)
{
    return (const char *)sqlite3_column_text(self->handle, column);
}

const void *mlx_stmt_bytes(mlx_stmt_t *self, int column, size_t *len)
{
    const void *data = sqlite3_column_blob(self->handle, column);
    *len = (size_t)sqlite3_column_bytes(self->handle, column);
    return data;
}

int mlx_db_begin(mlx_db_t *self, mlx_error_t *err)
{
    if (self->depth == 0 && mlx_db_exec(self, "BEGIN IMMEDIATE", err))
        return -1;
    self->depth++;
    return 0;
}

int mlx_db_commit(mlx_db_t *self, mlx_error_t *err)
{
    if (self->depth == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s: commit without a transaction", self->path);
    if (self->depth > 1) {
        self->depth--;
        return 0;
    }
    if (mlx_db_exec(self, "COMMIT", err)) {
        mlx_db_rollback(self);
        return -1;
    }
    self->depth = 0;
    return 0;
}

void mlx_db_rollback(mlx_db_t *self)
{
    if (self->depth > 0)
        sqlite3_exec(self->handle, "ROLLBACK", NULL, NULL, NULL);
    self->depth = 0;
}

int64_t mlx_db_last_id(mlx_db_t *self)
{
    return sqlite3_last_insert_rowid(self->handle);
}

int64_t mlx_db_changes(mlx_db_t *self)
{
    return sqlite3_changes(self->handle);
}

int mlx_db_check(mlx_db_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self, err, "PRAGMA quick_check(1)", "");
    if (mlx_stmt_step(q, err) <= 0)
        return -1;
    const char *verdict = mlx_stmt_str(q, 0);
    if (verdict && strcmp(verdict, "ok") == 0)
        return 0;
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s is damaged: %s", self->path,
                  verdict ? verdict : "integrity check failed to run");
    return mlx_error_hint(err, "move the file aside; the next start creates a new one");
}
