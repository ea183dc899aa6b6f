/*  Guards of paths, of hashes, and of files that someone else put in place. */
#include "services/cache/plan/fsops.h"
#include "services/cache/store/registry.h"
#include "tests/cache/world.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_paths_stay_below_the_root(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *file = fixture_path(dir, "outside/file");
    MLX_CLEANUP(mlx_free_p) char *below = fixture_path(dir, "root/sub/file");
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "root");
    MLX_CLEANUP(mlx_free_p) char *link = fixture_path(dir, "root/link");
    fixture_write(file, "x", 1);
    fixture_write(below, "x", 1);
    assert_int_equal(symlink("../outside", link), 0);
    mlx_root_t *root = mlx_root_open(path, &err);
    OK(root);
    struct stat st;
    assert_int_equal(mlx_fs_stat(root, "sub/file", &st, &err), 1);
    assert_int_equal(mlx_fs_stat(root, "../outside/file", &st, NULL), -1);
    assert_int_equal(mlx_fs_stat(root, "sub/../../outside/file", &st, NULL), -1);
    assert_int_not_equal(mlx_fs_stat(root, "link/file", &st, NULL), 1);
    assert_true(mlx_fs_is_behind_link(root, "link/file"));
    mlx_root_destroy(&root);
    fixture_remove(&dir);
}

/*  The user moved ours away and put a file of the same name in its place: undo leaves it. */
static void test_undo_leaves_the_users_file(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    const mlx_cache_how_t plainly = {.older_s = 0};
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX], other[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    world_ollama_model(w, "own", "1", 5, other);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, "huggingface", "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *manifest = world_path(w, "home/.ollama/models/manifests/hf.co/org/Repo-GGUF/Q4_K_M");
    MLX_CLEANUP(mlx_free_p) char *kept = world_path(w, "kept");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    fixture_read(manifest, &text);
    assert_int_equal(rename(manifest, kept), 0);
    fixture_write(manifest, text.data, text.len);
    report = mlx_cache_undo(cache, 0, &plainly, NULL);
    mlx_value_destroy(&report);
    assert_int_equal(access(manifest, F_OK), 0);
}

/*  A file that was written to lost its hash; one that only got another name keeps it. */
static void test_hash_stands_until_the_file_is_written_to(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    char *dir = fixture_dir(), hex[MLX_HEX_MAX];
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "registry.db");
    MLX_CLEANUP(mlx_db_destroy) mlx_db_t *db = mlx_registry_open(path, false, &err);
    OK(db);
    char sum[MLX_SHA256_HEX + 1];
    memset(sum, 'a', MLX_SHA256_HEX);
    sum[MLX_SHA256_HEX] = '\0';
    const mlx_identity_t first = {.dev = 1, .ino = 2, .size = 3, .mtime_ns = 4, .ctime_ns = 5};
    mlx_identity_t named = first, written = first;
    named.ctime_ns = 6;
    written.ctime_ns = written.mtime_ns = 7;
    OK(mlx_registry_put_hash(db, &first, sum, &err) == 0);
    OK(mlx_registry_keep_hash(db, &first, &written, &err) == 0);
    assert_int_equal(mlx_registry_get_hash(db, &first, hex, &err), 1);
    OK(mlx_registry_keep_hash(db, &first, &named, &err) == 0);
    assert_int_equal(mlx_registry_get_hash(db, &named, hex, &err), 1);
    assert_int_equal(mlx_registry_get_hash(db, &first, hex, &err), 0);
    fixture_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_stay_below_the_root),
        cmocka_unit_test(test_hash_stands_until_the_file_is_written_to),
        cmocka_unit_test(test_undo_leaves_the_users_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
