/*  Guards of paths, of hashes, and of files that someone else put in place. */
#include "services/cache/plan/engine.h"
#include "services/cache/plan/replace.h"
#include "services/cache/store/store.h"
#include "tests/cache/world.h"

#include <fcntl.h>
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
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX], other[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    world_ollama_model(w, "own", "1", 5, other);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, "huggingface", "org/Repo-GGUF", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *manifest = world_path(w, "home/.ollama/models/manifests/hf.co/org/Repo-GGUF/Q4_K_M");
    MLX_CLEANUP(mlx_free_p) char *kept = world_path(w, "kept");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    fixture_read(manifest, &text);
    assert_int_equal(rename(manifest, kept), 0);
    fixture_write(manifest, text.data, text.len);
    report = mlx_cache_undo(cache, 0, NULL, NULL);
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

typedef struct {
    const char *operation;
    const char *path;
    const char *bytes;
} tamper_t;

/*  Another program writes to the file right before the operation. */
static int tamper(void *arg, const char *operation, const char *path)
{
    const tamper_t *self = arg;
    static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    (void)path;
    if (strcmp(operation, self->operation) == 0) {
        fixture_write(self->path, self->bytes, strlen(self->bytes));
        utimensat(AT_FDCWD, self->path, times, 0);
    }
    return 0;
}

typedef struct {
    char *dir;
    mlx_root_t *root;
    mlx_root_t *home;
    mlx_engine_t engine;
} store_t;

static store_t open_store(void)
{
    mlx_error_t err = {0};
    store_t self = {.dir = fixture_dir()};
    MLX_CLEANUP(mlx_free_p) char *home = fixture_path(self.dir, "cache");
    MLX_CLEANUP(mlx_free_p) char *db = fixture_path(self.dir, "registry.db");
    self.home = mlx_cache_store_open(home, &err);
    OK(self.home);
    self.root = mlx_root_open(self.dir, &err);
    OK(self.root);
    self.engine.db = mlx_registry_open(db, false, &err);
    OK(self.engine.db);
    return self;
}

static void close_store(store_t *self)
{
    mlx_root_destroy(&self->root);
    mlx_root_destroy(&self->home);
    mlx_db_destroy(&self->engine.db);
    fixture_remove(&self->dir);
}

/*  A file written to between the look at it and the link is hashed again. */
static void test_linked_file_is_what_it_is_now(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    struct stat st;
    char was[MLX_HEX_MAX], is[MLX_HEX_MAX], hex[MLX_HEX_MAX];
    store_t store = open_store();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(store.dir, "notes.txt");
    fixture_write(path, "before", 6);
    mlx_sha256_hex("before", 6, was);
    mlx_sha256_hex("behind", 6, is);
    OK(mlx_fs_stat(store.root, "notes.txt", &st, &err) == 1);
    mlx_identity_t id = mlx_identity_of(&st);
    OK(mlx_registry_put_hash(store.engine.db, &id, was, &err) == 0);
    tamper_t other = {.operation = "link", .path = path, .bytes = "behind"};
    store.engine.fs = (mlx_fs_t){.gate = tamper, .arg = &other};
    OK(mlx_cache_store_adopt(&store.engine, store.home, store.root, "notes.txt", "notes.txt", "",
                             MLX_METHOD_HARDLINK, hex, &err) == 0);
    assert_string_equal(hex, is);
    close_store(&store);
}

static void test_blob_with_other_bytes_is_damaged(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    store_t store = open_store();
    OK(mlx_cache_store_put(&store.engine, store.home, "good", 4, hex, &err) == 0);
    assert_int_equal(mlx_cache_store_check(&store.engine, store.home, hex, 4, &err),
                     MLX_BLOB_SOUND);
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(hex);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(store.home, blob);
    tamper_t other = {.operation = "now", .path = path, .bytes = "evil"};
    tamper(&other, "now", path);
    assert_int_equal(mlx_cache_store_check(&store.engine, store.home, hex, 4, &err),
                     MLX_BLOB_DAMAGED);
    close_store(&store);
}

static int staged(void *arg, mlx_error_t *err)
{
    (void)arg;
    (void)err;
    return 0;
}

/*  Equal bytes are not enough: the file that the plan saw was replaced, and the new one is not
 *  touched. */
static void test_replaced_file_is_left(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    struct stat st;
    store_t store = open_store();
    MLX_CLEANUP(mlx_free_p) char *source = fixture_path(store.dir, "source");
    MLX_CLEANUP(mlx_free_p) char *target = fixture_path(store.dir, "target");
    MLX_CLEANUP(mlx_free_p) char *fresh = fixture_path(store.dir, "fresh");
    fixture_write(source, "same bytes", 10);
    fixture_write(target, "same bytes", 10);
    fixture_write(fresh, "same bytes", 10);
    mlx_cache_step_t step = {.kind = MLX_STEP_REPLACE,
                             .path = (char *)"target",
                             .source = (char *)"source",
                             .size = 10,
                             .methods = MLX_METHOD_HARDLINK};
    mlx_sha256_hex("same bytes", 10, step.sha256);
    OK(mlx_fs_stat(store.root, "target", &st, &err) == 1);
    step.old = mlx_identity_of(&st);
    assert_int_equal(rename(fresh, target), 0);
    OK(mlx_fs_stat(store.root, "target", &st, &err) == 1);
    const mlx_replace_t replace = {.fs = &store.engine.fs,
                                   .root = store.root,
                                   .from = store.root,
                                   .step = &step,
                                   .temporary = (char *)"temporary",
                                   .staged = staged};
    assert_int_equal(mlx_replace_do(&replace, &err), -1);
    assert_non_null(strstr(err.text, "has been replaced"));
    struct stat now;
    OK(mlx_fs_stat(store.root, "target", &now, &err) == 1);
    assert_true(now.st_ino == st.st_ino);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_stay_below_the_root),
        cmocka_unit_test(test_hash_stands_until_the_file_is_written_to),
        cmocka_unit_test(test_undo_leaves_the_users_file),
        cmocka_unit_test(test_linked_file_is_what_it_is_now),
        cmocka_unit_test(test_blob_with_other_bytes_is_damaged),
        cmocka_unit_test(test_replaced_file_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
