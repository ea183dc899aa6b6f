#include "tests/cache/fixture.h"

#include "common/base/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const schema[] = {
    "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER, r REAL, b BLOB)",
    "ALTER TABLE t ADD COLUMN extra TEXT",
};

static mlx_db_t *open_at(const char *path, size_t versions, mlx_error_t *err)
{
    return mlx_db_open(
        &(mlx_db_options_t){
            .path = path, .migrations = schema, .count = versions, .busy_timeout_ms = 20},
        err);
}

static void test_round_trip(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "a.db");
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_db_destroy) mlx_db_t *db = open_at(path, 1, &err);
    assert_non_null(db);
    assert_int_equal(mlx_db_run(db, &err, "INSERT INTO t VALUES (?, ?, ?, ?)", "sirb", "key",
                                INT64_MAX, 0.5, "\0\1", (size_t)2),
                     0);
    assert_int_equal(
        mlx_db_run(db, &err, "INSERT INTO t (k, v) VALUES (?, ?)", "sn", (char *)"null"), 0);
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(db, &err, "SELECT k, v, r = 0.5, b FROM t WHERE k = ?", "s", "key");
    assert_int_equal(mlx_stmt_step(q, &err), 1);
    assert_string_equal(mlx_stmt_str(q, 0), "key");
    assert_true(mlx_stmt_int(q, 1) == INT64_MAX);
    assert_int_equal(mlx_stmt_int(q, 2), 1);
    size_t len;
    assert_memory_equal(mlx_stmt_bytes(q, 3, &len), "\0\1", 2);
    assert_int_equal(len, 2);
    assert_int_equal(mlx_stmt_step(q, &err), 0);
    assert_int_equal(mlx_stmt_bind(q, &err, "s", "null"), 0);
    assert_int_equal(mlx_stmt_step(q, &err), 1);
    assert_true(mlx_stmt_is_null(q, 1));
    assert_int_equal(mlx_db_check(db, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_migration_keeps_rows_and_newer_is_refused(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "a.db");
    mlx_error_t err = {0};
    mlx_db_t *db = open_at(path, 1, &err);
    assert_int_equal(mlx_db_exec(db, "INSERT INTO t (k) VALUES ('old')", &err), 0);
    mlx_db_destroy(&db);
    db = open_at(path, 2, &err);
    assert_non_null(db);
    mlx_stmt_t *q = mlx_db_query(db, &err, "SELECT k, extra FROM t", "");
    assert_int_equal(mlx_stmt_step(q, &err), 1);
    assert_true(mlx_stmt_is_null(q, 1));
    mlx_stmt_destroy(&q);
    mlx_db_destroy(&db);
    assert_null(open_at(path, 1, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_non_null(strstr(err.text, "schema version 2"));
}

static void test_failed_migration_leaves_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"CREATE TABLE a (x); CREATE TABLE a (x)"};
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "a.db");
    mlx_error_t err = {0};
    assert_null(
        mlx_db_open(&(mlx_db_options_t){.path = path, .migrations = bad, .count = 1}, &err));
    assert_int_equal(err.code, MLX_ERR_FAILED);
    MLX_CLEANUP(mlx_db_destroy) mlx_db_t *db = open_at(path, 0, &err);
    assert_non_null(db);
    assert_int_not_equal(mlx_db_exec(db, "SELECT * FROM a", &err), 0);
}

static void test_transactions(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "a.db");
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_db_destroy) mlx_db_t *db = open_at(path, 1, &err);
    assert_int_equal(mlx_db_begin(db, &err), 0);
    assert_int_equal(mlx_db_begin(db, &err), 0);
    assert_int_equal(mlx_db_exec(db, "INSERT INTO t (k) VALUES ('a')", &err), 0);
    assert_int_equal(mlx_db_commit(db, &err), 0);

    /* Still inside the outer one: another writer has to wait, and gives up with busy. */
    MLX_CLEANUP(mlx_db_destroy) mlx_db_t *other = open_at(path, 1, &err);
    assert_non_null(other);
    assert_int_equal(mlx_db_begin(other, &err), -1);
    assert_int_equal(err.code, MLX_ERR_BUSY);

    mlx_db_rollback(db);
    assert_int_equal(mlx_db_begin(other, &err), 0);
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(other, &err, "SELECT count(*) FROM t", "");
    assert_int_equal(mlx_stmt_step(q, &err), 1);
    assert_int_equal(mlx_stmt_int(q, 0), 0);
    mlx_db_rollback(other);
}

static void test_no_database_is_data_loss(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "a.db");
    char junk[8192];
    memset(junk, 'x', sizeof junk);
    fixture_write(path, junk, sizeof junk);
    mlx_error_t err = {0};
    assert_null(open_at(path, 1, &err));
    assert_int_equal(err.code, MLX_ERR_DATA_LOSS);
    assert_true(err.hint[0]);
}

static void test_read_only_needs_a_file(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "a.db");
    mlx_error_t err = {0};
    mlx_db_options_t options = {.path = path, .migrations = schema, .count = 1, .read_only = true};
    assert_null(mlx_db_open(&options, &err));
    assert_int_not_equal(access(path, F_OK), 0);
    mlx_db_t *db = open_at(path, 1, &err);
    mlx_db_destroy(&db);
    db = mlx_db_open(&options, &err);
    assert_non_null(db);
    assert_int_equal(mlx_db_exec(db, "INSERT INTO t (k) VALUES ('a')", &err), -1);
    mlx_db_destroy(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_migration_keeps_rows_and_newer_is_refused),
        cmocka_unit_test(test_failed_migration_leaves_nothing),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_no_database_is_data_loss),
        cmocka_unit_test(test_read_only_needs_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
