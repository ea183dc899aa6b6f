/*  libFuzzer target: services/cache/store/registry.h, report.h and what recovery makes of a journal
 *
 *  A row a line: the name of a table, then a value for each of its columns, behind tabs; n NULL,
 *  i123 a number, r1.5 another, b.. bytes, s.. text. Bytes 1 and 2 of a value stand for a line's
 *  end and NUL, "s\3" for the basis that makes a kept report stand. The tables are those of the
 *  registry without its types and constraints, so that every column may hold anything. */
#include "proto/buf.h"
#include "services/cache/commands/report.h"
#include "tests/fuzz/registry_reads.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MAX_ROWS = 32,
    MAX_TABLES = 16,
    MAX_COLUMNS = 32,
};

typedef struct {
    char *name;
    size_t columns;
    bool filled; /* by this input */
} table_t;

static table_t tables[MAX_TABLES];
static size_t table_count;
static mlx_cache_t cache;

static void loosen(mlx_db_t *db, table_t *table)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t sql = {0};
    mlx_buf_printf(&sql, "DROP TABLE %s; CREATE TABLE %s (", table->name, table->name);
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, NULL, "SELECT name FROM pragma_table_info(?) ORDER BY cid",
                                 "s", table->name);
    while (mlx_stmt_step(q, NULL) > 0)
        mlx_buf_printf(&sql, "%s%s", table->columns++ ? ", " : "", mlx_stmt_str(q, 0));
    mlx_buf_puts(&sql, ")");
    mlx_stmt_destroy(&q);
    if (mlx_db_exec(db, mlx_buf_str(&sql), NULL))
        mlx_panic("%s", mlx_buf_str(&sql));
}

static void set_up(void)
{
    /* The database lies in memory; the name that is made for it on the disk is taken away. */
    char folder[] = "/tmp/fuzz_registry.XXXXXX";
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_close_p) int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (here < 0 || !mkdtemp(folder) || chdir(folder) != 0)
        mlx_panic("no folder");
    mlx_db_t *db = mlx_registry_open(":memory:", false, &err);
    unlink(":memory:");
    if (!db || fchdir(here) != 0 || rmdir(folder) != 0)
        mlx_panic("%s", err.text);
    cache = mlx_reading_cache(db);
    mlx_db_exec(cache.db, "PRAGMA foreign_keys = OFF", NULL);
    mlx_stmt_t *q = mlx_db_query(
        cache.db, NULL,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'", "");
    while (table_count < MAX_TABLES && mlx_stmt_step(q, NULL) > 0)
        tables[table_count++].name = mlx_strdup(mlx_stmt_str(q, 0));
    mlx_stmt_destroy(&q);
    for (size_t i = 0; i < table_count; i++)
        loosen(cache.db, &tables[i]);
}

/* ---- rows ---- */

static void put_value(mlx_buf_t *sql, const char *value, size_t len)
{
    char kind = len ? value[0] : 'n';
    MLX_CLEANUP(mlx_free_p) char *rest = mlx_strndup(len ? value + 1 : "", len ? len - 1 : 0);
    if (kind == 'i') {
        mlx_buf_printf(sql, "%lld", strtoll(rest, NULL, 10));
    } else if (kind == 'r') {
        mlx_buf_printf(sql, "%f", strtod(rest, NULL));
    } else if (kind == 's' || kind == 'b') {
        MLX_CLEANUP(mlx_free_p) char *basis = NULL;
        if (strcmp(rest, "\3") == 0)
            basis = mlx_report_basis(&cache);
        size_t count = basis ? strlen(basis) : len - 1;
        const char *text = basis ? basis : rest;
        mlx_buf_puts(sql, kind == 's' ? "CAST(x'" : "x'");
        for (size_t i = 0; i < count; i++) {
            static const char digits[] = "0123456789abcdef";
            unsigned char c = text[i] == 1 ? '\n' : text[i] == 2 ? 0 : (unsigned char)text[i];
            mlx_buf_putc(sql, digits[c >> 4]);
            mlx_buf_putc(sql, digits[c & 15]);
        }
        mlx_buf_puts(sql, kind == 's' ? "' AS TEXT)" : "'");
    } else {
        mlx_buf_puts(sql, "NULL");
    }
}

static void put_row(mlx_buf_t *sql, const char *line, size_t len)
{
    size_t name = 0;
    while (name < len && line[name] != '\t')
        name++;
    for (size_t i = 0; i < table_count; i++) {
        if (strlen(tables[i].name) != name || strncmp(tables[i].name, line, name) != 0)
            continue;
        tables[i].filled = true;
        mlx_buf_printf(sql, "INSERT INTO %s VALUES (", tables[i].name);
        const char *at = line + name, *end = line + len;
        for (size_t c = 0; c < tables[i].columns; c++) {
            at += at < end;
            const char *tab = at < end ? memchr(at, '\t', (size_t)(end - at)) : NULL;
            const char *stop = tab ? tab : end;
            mlx_buf_puts(sql, c ? ", " : "");
            put_value(sql, at, (size_t)(stop - at));
            at = stop;
        }
        mlx_buf_puts(sql, ");");
    }
}

/*  Tables before this input are empty. False when it has no rows. */
static bool fill(const char *text, size_t size)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t sql = {0};
    size_t rows = 0;
    for (size_t at = 0; at < size && rows < MAX_ROWS; rows++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t len = end ? (size_t)(end - text) - at : size - at;
        put_row(&sql, text + at, len);
        at += len + 1;
    }
    return sql.len && mlx_db_exec(cache.db, mlx_buf_str(&sql), NULL) == 0;
}

static void empty(void)
{
    for (size_t i = 0; i < table_count; i++) {
        MLX_CLEANUP(mlx_free_p) char *sql = mlx_format("DELETE FROM %s", tables[i].name);
        if (tables[i].filled)
            mlx_db_exec(cache.db, sql, NULL);
        tables[i].filled = false;
    }
}

static bool has_rows(const char *name)
{
    for (size_t i = 0; i < table_count; i++)
        if (strcmp(tables[i].name, name) == 0)
            return tables[i].filled;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!cache.db)
        set_up();
    if (mlx_db_begin(cache.db, NULL))
        mlx_panic("no transaction");
    if (fill((const char *)data, size)) {
        if (has_rows("models") || has_rows("files"))
            mlx_read_models(&cache);
        if (has_rows("hashes"))
            mlx_read_hashes(&cache);
        if (has_rows("ops"))
            mlx_read_journal(&cache);
        if (has_rows("reports"))
            mlx_read_report(&cache);
    }
    empty();
    if (mlx_db_commit(cache.db, NULL))
        mlx_panic("a transaction was left open");
    return 0;
}
