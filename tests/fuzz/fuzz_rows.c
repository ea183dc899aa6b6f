/*  libFuzzer target: what fuzz_registry.c reads, a hundred times as fast
 *
 *  Stands in for common/base/db.h: a query is answered with the next rows of the input whatever it
 *  asks for, so that readers see every type, NULL and length that a database could hold, and more.
 *  The first letter says what is read (m, h, j, r); a blank line ends the rows of a query, "!"
 *  makes it fail. A row a line, its values behind each other with tabs, as in fuzz_registry.c. */
#include "proto/buf.h"
#include "services/cache/commands/report.h"
#include "tests/fuzz/registry_reads.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MAX_COLUMNS = 24
};

struct mlx_db {
    char *rest; /* of the input; NULL: nothing left */
    const char *basis;
};

struct mlx_stmt {
    mlx_db_t *db;
    bool ended;
    char *values[MAX_COLUMNS]; /* kind, then the text */
};

static mlx_stmt_t *new_stmt(mlx_db_t *db)
{
    mlx_stmt_t *self = mlx_alloc(1, sizeof *self);
    self->db = db;
    return self;
}

int mlx_stmt_step(mlx_stmt_t *self, mlx_error_t *err)
{
    if (!self)
        return -1;
    char *line = self->ended ? NULL : strsep(&self->db->rest, "\n");
    memset(self->values, 0, sizeof self->values);
    self->ended = !line || !*line || *line == '!';
    if (line && *line == '!')
        return mlx_error_set(err, MLX_ERR_DATA_LOSS, "the database is damaged");
    for (size_t i = 0; !self->ended && line && i < MAX_COLUMNS; i++)
        self->values[i] = strsep(&line, "\t");
    for (size_t i = 0; i < MAX_COLUMNS && self->values[i]; i++)
        for (char *c = self->values[i]; (c = strchr(c, 1));)
            *c = '\n';
    return !self->ended;
}

/*  Text of a column behind its kind; NULL where it is NULL. */
static const char *text_of(mlx_stmt_t *self, int column)
{
    const char *value = column < MAX_COLUMNS ? self->values[column] : NULL;
    if (!value || !*value || *value == 'n')
        return NULL;
    return value[1] == 3 ? self->db->basis : value + 1;
}

bool mlx_stmt_is_null(mlx_stmt_t *self, int column)
{
    return !text_of(self, column);
}

int64_t mlx_stmt_int(mlx_stmt_t *self, int column)
{
    const char *text = text_of(self, column);
    return text ? strtoll(text, NULL, 10) : 0;
}

const char *mlx_stmt_str(mlx_stmt_t *self, int column)
{
    return text_of(self, column);
}

const void *mlx_stmt_bytes(mlx_stmt_t *self, int column, size_t *len)
{
    const char *text = text_of(self, column);
    *len = text ? strlen(text) : 0;
    return text;
}

int mlx_stmt_bind(mlx_stmt_t *self, mlx_error_t *err, const char *types, ...)
{
    (void)err;
    (void)types;
    self->ended = false;
    return 0;
}

void mlx_stmt_destroy(mlx_stmt_t **self)
{
    free(*self);
    *self = NULL;
}

mlx_stmt_t *mlx_db_query(mlx_db_t *self, mlx_error_t *err, const char *sql, const char *types, ...)
{
    (void)err;
    (void)sql;
    (void)types;
    return new_stmt(self);
}

int mlx_db_run(mlx_db_t *self, mlx_error_t *err, const char *sql, const char *types, ...)
{
    (void)self;
    (void)err;
    (void)sql;
    (void)types;
    return 0;
}

int mlx_db_exec(mlx_db_t *self, const char *sql, mlx_error_t *err)
{
    (void)self;
    (void)sql;
    (void)err;
    return 0;
}

mlx_db_t *mlx_db_open(const mlx_db_options_t *options, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_FAILED, "%s is not opened here", options->path);
    return NULL;
}

void mlx_db_destroy(mlx_db_t **self)
{
    *self = NULL;
}

int mlx_db_begin(mlx_db_t *self, mlx_error_t *err)
{
    return mlx_db_exec(self, "BEGIN", err);
}

int mlx_db_commit(mlx_db_t *self, mlx_error_t *err)
{
    return mlx_db_exec(self, "COMMIT", err);
}

void mlx_db_rollback(mlx_db_t *self)
{
    (void)self;
}

int64_t mlx_db_last_id(mlx_db_t *self)
{
    (void)self;
    return 1;
}

int mlx_db_check(mlx_db_t *self, mlx_error_t *err)
{
    (void)self;
    (void)err;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mlx_db_t db;
    static mlx_cache_t cache;
    static char *basis;
    if (!cache.roots) {
        cache = mlx_reading_cache(&db);
        basis = mlx_report_basis(&cache);
        db.basis = basis;
    }
    if (!size)
        return 0;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_strndup((const char *)data + 1, size - 1);
    db.rest = text;
    switch (data[0]) {
    case 'm':
        mlx_read_models(&cache);
        break;
    case 'h':
        mlx_read_hashes(&cache);
        break;
    case 'j':
        mlx_read_journal(&cache);
        break;
    default:
        mlx_read_report(&cache);
    }
    return 0;
}
