/*  Freeing space with the cache: dedup, undo, remove, clean, and the doctor. */
#include "tests/cache/world.h"

#include "services/cache/model/names.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const mlx_cache_clean_options_t whole = {.older_s = MLX_CACHE_ANY_AGE};
static const mlx_cache_undo_options_t dry = {.dry_run = true};

/*  A file that two apps share stays as it is, and a third copy joins it, whichever was there
 *  first. */
static void test_dedup_joins_what_is_shared(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_lmstudio_model(w, "pub/alone", 2, hex); /* the lowest inode */
    world_ollama_model(w, "qwen", "7b", 2, hex);
    world_lmstudio_model(w, "pub/shared", 2, hex);
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(w, "home/.ollama/models/blobs/sha256-%s", hex);
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(w, "home/.lmstudio/models/pub/shared/model.gguf");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(blob, path), 0);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 1);
    mlx_value_destroy(&report);
    assert_true(world_shares(w, "home/.lmstudio/models/pub/alone/model.gguf",
                             "home/.lmstudio/models/pub/shared/model.gguf"));
    world_check_sound(w);
}

/*  Without its registry the cache does not know what its blobs are: it keeps them, and says so. */
static void test_registry_lost(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_lmstudio_model(w, "pub/qwen", 2, hex);
    mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "cache/registry.db");
    mlx_cache_destroy(&cache);
    assert_int_equal(unlink(path), 0);

    cache = world_open(w, true, &err);
    OK(cache);
    report = mlx_cache_clean(cache, &whole, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 0);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "problems")), 1);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "cache/blobs/sha256/%.2s/%s", hex, hex), 0);
    mlx_cache_destroy(&cache);
}

/*  One file that two apps share is one copy avoided, whatever number of models it is. */
static void test_avoided_once(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_ollama_model(w, "qwen", "7b", 2, hex);
    world_lmstudio_model(w, "pub/qwen", 2, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 2);
    mlx_value_destroy(&report);
    report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_status(cache, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 2);
    assert_int_equal(world_number(report, "duplicates_avoided"), 1);
    mlx_value_destroy(&report);
}

static void test_dedup_and_undo(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char ollama[MLX_HEX_MAX], hex[MLX_HEX_MAX];
    world_ollama_model(w, "qwen", "7b", 2, ollama);
    world_lmstudio_model(w, "pub/qwen", 2, hex);
    world_lmstudio_model(w, "pub/other", 3, hex);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "home/.lmstudio/models/pub/qwen/model.gguf");
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_status(cache, &err);
    OK(report);
    assert_true(world_number(report, "lookalike_bytes") >= before.st_blocks * 512);
    assert_int_equal(world_number(report, "duplicate_bytes"), 0); /* nobody has read them yet */
    mlx_value_destroy(&report);
    report = mlx_cache_dedup(cache, false, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 1);
    assert_int_equal(world_number(report, "would_free"), before.st_blocks * 512);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf"),
                         world_inode(w, "home/.ollama/models/blobs/sha256-%s", ollama));

    report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    assert_true(world_number(report, "freed") > 0);
    mlx_value_destroy(&report);
    world_check_sound(w);
    uint64_t one = world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf");
    bool linked = one == world_inode(w, "home/.ollama/models/blobs/sha256-%s", ollama);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    OK(status);
    assert_int_equal(world_number(status, "duplicate_bytes"), 0);
    assert_int_equal(world_number(status, "lookalike_bytes"), 0);
    assert_int_equal(world_number(status, "saved"), before.st_blocks * 512);

    report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 0);
    mlx_value_destroy(&report);

    report = mlx_cache_undo(cache, 0, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    world_check_sound(w);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    if (linked) {
        /* Not with the number of before: a file system gives one that is free to the next file. */
        assert_int_not_equal(world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf"),
                             world_inode(w, "home/.ollama/models/blobs/sha256-%s", ollama));
        assert_int_equal(after.st_nlink, 1);
        assert_true(after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    }
    assert_null(mlx_cache_undo(cache, 0, NULL, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void test_dedup_skips_other_modes(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_ollama_model(w, "qwen", "7b", 2, hex);
    world_lmstudio_model(w, "pub/qwen", 2, hex);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "home/.lmstudio/models/pub/qwen/model.gguf");
    assert_int_equal(chmod(path, 0600), 0);
    uint64_t inode = world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf");
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    const mlx_value_t *step = mlx_value_at(mlx_value_get(report, "steps"), 0);
    /* Only where blocks can be shared; a link would share the mode as well, and is not promised. */
    if (!step) {
        assert_int_equal(world_number(report, "would_free"), 0);
        assert_int_equal(world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf"), inode);
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_remove_and_clean(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char used[MLX_HEX_MAX];
    world_ollama_model(w, "used", "1", 1, used);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "downloads/lonely.gguf");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 1000, 9);
    fixture_write(path, content.data, content.len);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_add_path(cache, path, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);

    const mlx_cache_clean_options_t young = {.older_s = 3600};
    report = mlx_cache_clean(cache, &young, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 0);
    mlx_value_destroy(&report);
    report = mlx_cache_clean(
        cache, &(mlx_cache_clean_options_t){.dry_run = true, .older_s = MLX_CACHE_ANY_AGE}, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 1);
    /* A name elsewhere keeps the bytes: nothing is freed. A clone elsewhere cannot be seen. */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int64_t frees = world_inode(w, "downloads/lonely.gguf") ==
                            world_inode(w, "cache/models/local--lonely/lonely.gguf")
                        ? 0
                        : (int64_t)st.st_blocks * 512;
    assert_int_equal(world_number(report, "removed_bytes"), frees);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "cache/models/local--lonely/lonely.gguf"), 0);
    report = mlx_cache_clean(cache, &whole, &err);
    OK(report);
    assert_string_equal(mlx_value_as_str(mlx_value_at(mlx_value_get(report, "models"), 0), NULL),
                        "local/lonely");
    assert_int_equal(world_number(report, "removed_bytes"), frees);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "cache/models/local--lonely"), 0);
    assert_int_not_equal(world_inode(w, "downloads/lonely.gguf"), 0);

    /* What an app uses stays in the app when the cache forgets it. */
    report = mlx_cache_remove(cache, "used:1", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", used), 0);
    world_check_sound(w);
    assert_null(mlx_cache_remove(cache, "used:1", false, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

/*  What undo says of the only model it brings back. */
static int64_t restored(const mlx_value_t *report, const char *key)
{
    const mlx_value_t *list = mlx_value_get(report, "restored");
    assert_int_equal(mlx_value_size(list), 1);
    return world_number(mlx_value_at(list, 0), key);
}

static void test_undo_of_remove_shares_again(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_ollama_model(w, "qwen", "7b", 2, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, "ollama", NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_remove(cache, "qwen:7b", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "cache/blobs/sha256/%.2s/%s", hex, hex), 0);
    report = mlx_cache_undo(cache, 0, &dry, &err);
    OK(report);
    assert_int_equal(restored(report, "missing"), 0);
    assert_true(restored(report, "size") > 0);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "cache/blobs/sha256/%.2s/%s", hex, hex), 0);
    report = mlx_cache_undo(cache, 0, NULL, &err);
    OK(report);
    assert_int_equal(restored(report, "missing"), 0);
    assert_int_equal(restored(report, "downloaded"), 0);
    /* The manifest is in the operation's own record. */
    assert_int_equal(restored(report, "adopted") + restored(report, "present"),
                     restored(report, "size"));
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_format("cache/blobs/sha256/%.2s/%s", hex, hex);
    MLX_CLEANUP(mlx_free_p) char *app = mlx_format("home/.ollama/models/blobs/sha256-%s", hex);
    assert_true(world_shares(w, blob, app));
    assert_int_not_equal(world_inode(w, "cache/models/qwen--7b/model.gguf"), 0);
    world_check_sound(w);
    assert_null(mlx_cache_undo(cache, 0, NULL, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void add_download(world_t *w, mlx_cache_t *cache, const char *name, unsigned seed)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "downloads/%s.gguf", name);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 1000, seed);
    fixture_write(path, content.data, content.len);
    mlx_value_t *report = mlx_cache_add_path(cache, path, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
}

static void test_undo_of_clean_brings_all_back(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    add_download(w, cache, "one", 1);
    add_download(w, cache, "two", 2);
    mlx_value_t *report = mlx_cache_clean(cache, &whole, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 2);
    mlx_value_destroy(&report);
    report = mlx_cache_undo(cache, 0, &dry, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "restored")), 2);
    mlx_value_destroy(&report);
    report = mlx_cache_undo(cache, 0, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "cache/models/local--one/one.gguf"), 0);
    assert_true(world_shares(w, "cache/models/local--two/two.gguf", "downloads/two.gguf"));
    world_check_sound(w);
}

static void test_undo_says_what_cannot_come_back(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    add_download(w, cache, "one", 1);
    mlx_value_t *report = mlx_cache_remove(cache, "local/one", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "downloads/one.gguf");
    assert_int_equal(unlink(path), 0);
    assert_null(mlx_cache_undo(cache, 0, NULL, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "downloads/one.gguf"));
    assert_null(mlx_cache_undo(cache, 0, &dry, &err));
    /* LM Studio names no hash: a file of the same size is looked at. */
    char hex[MLX_HEX_MAX];
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    MLX_CLEANUP(mlx_free_p) char *there = world_path(w, "home/.lmstudio/models/a/b/other.gguf");
    fixture_gguf(&content, 1000, 1);
    mlx_sha256_hex(content.data, content.len, hex);
    fixture_write(there, content.data, content.len);
    report = mlx_cache_undo(cache, 0, NULL, &err);
    OK(report);
    assert_int_equal(restored(report, "adopted"), (int64_t)content.len);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_format("cache/blobs/sha256/%.2s/%s", hex, hex);
    assert_true(world_shares(w, blob, "home/.lmstudio/models/a/b/other.gguf"));
    /* Another model has taken the name since. */
    report = mlx_cache_remove(cache, "local/one", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    add_download(w, cache, "one", 5);
    assert_null(mlx_cache_undo(cache, 0, NULL, &err));
    assert_int_equal(err.code, MLX_ERR_DATA_LOSS);
}

static bool is_well(const mlx_value_t *report, const char *name)
{
    const mlx_value_t *checks = mlx_value_get(report, "checks");
    bool ok = false;
    for (size_t i = 0; i < mlx_value_size(checks); i++)
        if (strcmp(mlx_value_str(mlx_value_at(checks, i), "name"), name) == 0)
            mlx_value_bool(mlx_value_at(checks, i), "ok", &ok);
    return ok;
}

static void test_doctor(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *before = mlx_cache_doctor(cache, &err);
    static const char *const all[] = {"registry", "journal", "models", "links"};
    for (size_t i = 0; i < MLX_COUNT(all); i++)
        assert_true(is_well(before, all[i]));

    MLX_CLEANUP(mlx_free_p)
    char *manifest = world_path(w, "home/.ollama/models/manifests/hf.co/org/Repo-GGUF/Q4_K_M");
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(w, "cache/blobs/sha256/%.2s/%s", hex, hex);
    assert_int_equal(unlink(manifest), 0);
    assert_int_equal(unlink(blob), 0);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *after = mlx_cache_doctor(cache, &err);
    assert_true(is_well(after, "registry"));
    assert_false(is_well(after, "models"));
    assert_false(is_well(after, "links"));
}

static void test_clean_removes_old_partials(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    w->late = true;
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    MLX_CLEANUP(mlx_free_p) char *part = world_path(w, "cache/partial/x.part");
    fixture_write(part, "abc", 3);
    mlx_value_t *report = mlx_cache_clean(cache, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(part, F_OK), 0);
    report = mlx_cache_clean(cache, &whole, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(part, F_OK), -1);
}

/*  A blob of no model may be a shard of an add that goes on: it stays while it is young. */
static void test_clean_removes_old_orphans(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    w->late = true;
    world_lmstudio_model(w, "pub/qwen", 2, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    mlx_sha256_hex("shard", 5, hex);
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(w, "cache/blobs/sha256/%.2s/%s", hex, hex);
    fixture_write(blob, "shard", 5);
    report = mlx_cache_clean(cache, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(blob, F_OK), 0);
    report = mlx_cache_clean(cache, &whole, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(blob, F_OK), -1);
}

static void test_symlinked_blob_is_never_removed(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "downloads/m.gguf");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 1000, 9);
    fixture_write(path, content.data, content.len);
    mlx_sha256_hex(content.data, content.len, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_add_path(cache, path, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *keep = world_path(w, "home/.lmstudio/models/a/b/.keep");
    MLX_CLEANUP(mlx_free_p) char *name = world_path(w, "home/.lmstudio/models/a/b/m.gguf");
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(w, "cache/blobs/sha256/%.2s/%s", hex, hex);
    fixture_write(keep, "", 0);
    assert_int_equal(symlink(blob, name), 0);
    report = mlx_cache_remove(cache, "local/m", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(blob, F_OK), 0);
    world_check_sound(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dedup_joins_what_is_shared),
        cmocka_unit_test(test_registry_lost),
        cmocka_unit_test(test_avoided_once),
        cmocka_unit_test(test_dedup_and_undo),
        cmocka_unit_test(test_dedup_skips_other_modes),
        cmocka_unit_test(test_remove_and_clean),
        cmocka_unit_test(test_undo_of_remove_shares_again),
        cmocka_unit_test(test_undo_of_clean_brings_all_back),
        cmocka_unit_test(test_undo_says_what_cannot_come_back),
        cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_clean_removes_old_partials),
        cmocka_unit_test(test_clean_removes_old_orphans),
        cmocka_unit_test(test_symlinked_blob_is_never_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
