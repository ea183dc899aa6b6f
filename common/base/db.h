/*  db.h - one SQLite database: open, migrate, prepare, bind, step
 *
 *  Opened in WAL mode with a busy time-out, foreign keys on. The schema is a list of migrations:
 *  `PRAGMA user_version` says how many have run; each of the rest runs in its own transaction. A
 *  database written by a newer program is refused, never touched.
 *
 *      static const char *const schema[] = {"CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)"};
 *      mlx_db_t *db = mlx_db_open(
 *          &(mlx_db_options_t){.path = path, .migrations = schema, .count = 1}, &err);
 *      mlx_db_run(db, &err, "INSERT INTO t VALUES (?, ?)", "si", "answer", (int64_t)42);
 *      mlx_stmt_t *q = mlx_db_query(db, &err, "SELECT v FROM t WHERE k = ?", "s", "answer");
 *      while (mlx_stmt_step(q, &err) > 0)
 *          printf("%" PRId64 "\n", mlx_stmt_int(q, 0));
 *      mlx_stmt_destroy(&q);
 *      mlx_db_destroy(&db);
 *
 *  Error codes: busy when another process held it past the time-out, data_loss when the file is no
 *  database or is damaged, usage when its schema is newer, failed otherwise. One connection belongs
 *  to one thread.
 */
#ifndef MLX_COMMON_BASE_DB_H
#define MLX_COMMON_BASE_DB_H

#include "proto/error.h"

typedef struct mlx_db mlx_db_t;
typedef struct mlx_stmt mlx_stmt_t;

typedef struct {
    const char *path; /* created with mode 0600 */
    const char *const *migrations;
    size_t count;
    int busy_timeout_ms;     /* 0: 5 s */
    bool durable;            /* each commit survives a power cut, not only a crash */
    bool read_only;          /* the file must exist and have the schema already */
    bool incremental_vacuum; /* set before the first table: only for a new file */
    int page_size;           /* bytes; 0: SQLite's own; only for a new file */
} mlx_db_options_t;

mlx_db_t *mlx_db_open(const mlx_db_options_t *options, mlx_error_t *err);
void mlx_db_destroy(mlx_db_t **self);

/*  Run one or more statements without parameters. */
int mlx_db_exec(mlx_db_t *self, const char *sql, mlx_error_t *err);

/*  Prepare SQL, bind the arguments that TYPES names, one letter each, in the order of the question
 *  marks: i int64_t, r double, s const char * (NULL binds NULL), b const void * and size_t, n NULL
 *  without an argument. run steps to the end; query hands over the statement before its first row.
 *  Caller owns the statement and must destroy it before the database. */
int mlx_db_run(mlx_db_t *self, mlx_error_t *err, const char *sql, const char *types, ...);
mlx_stmt_t *mlx_db_query(mlx_db_t *self, mlx_error_t *err, const char *sql, const char *types, ...);

/*  For a statement used many times: prepare with query and "" as TYPES, then bind (which resets it
 *  first) and step. Text and bytes are copied. */
int mlx_stmt_bind(mlx_stmt_t *self, mlx_error_t *err, const char *types, ...);
void mlx_stmt_destroy(mlx_stmt_t **self);

/*  1: there is a row; 0: no more; -1: ERR. NULL is -1 without touching ERR, so that a failed query
 *  can be stepped. */
int mlx_stmt_step(mlx_stmt_t *self, mlx_error_t *err);

/*  Columns of the current row, from 0. Strings and bytes are borrowed until the next step; a NULL
 *  column is NULL or 0: ask is_null where that matters. */
bool mlx_stmt_is_null(mlx_stmt_t *self, int column);
int64_t mlx_stmt_int(mlx_stmt_t *self, int column);
const char *mlx_stmt_str(mlx_stmt_t *self, int column);
const void *mlx_stmt_bytes(mlx_stmt_t *self, int column, size_t *len);

/*  Write transactions (they take the write lock at once); begins nest, the outermost commit counts,
 *  a rollback ends all levels. */
int mlx_db_begin(mlx_db_t *self, mlx_error_t *err);
int mlx_db_commit(mlx_db_t *self, mlx_error_t *err);
void mlx_db_rollback(mlx_db_t *self);

int64_t mlx_db_last_id(mlx_db_t *self); /* rowid of the last insert */
int64_t mlx_db_changes(mlx_db_t *self); /* rows changed by the last statement */

/*  Read every page (`PRAGMA quick_check`). 0 when sound, -1 with data_loss when not. */
int mlx_db_check(mlx_db_t *self, mlx_error_t *err);

#endif
