/*  The commands of the cache over stores of real apps' layouts, on real files. */
#include "tests/cache/world.h"

#include "common/cache/names.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const mlx_cache_how_t plainly = {.older_s = 0};
static const mlx_cache_how_t dry = {.dry_run = true};

#define OK(value)                                                                                  \
    do {                                                                                           \
        if (!(value))                                                                              \
            fail_msg("%s; %s", err.text, err.mend);                                                \
    } while (0)

static const mlx_value_t *row_of(const mlx_value_t *status, const char *name)
{
    const mlx_value_t *rows = mlx_value_get(status, "models");
    for (size_t i = 0; i < mlx_value_size(rows); i++)
        if (strcmp(mlx_value_str(mlx_value_at(rows, i), "name"), name) == 0)
            return mlx_value_at(rows, i);
    return NULL;
}

static bool is_used_by(const mlx_value_t *row, const char *app)
{
    const mlx_value_t *uses = mlx_value_get(row, "used_by");
    for (size_t i = 0; i < mlx_value_size(uses); i++)
        if (strcmp(mlx_value_str(mlx_value_at(uses, i), "app"), app) == 0)
            return true;
    return false;
}

static int64_t number(const mlx_value_t *map, const char *key)
{
    int64_t value = -1;
    mlx_value_int(map, key, &value);
    return value;
}

static void test_status_of_untouched_stores(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hub[MLX_HEX_MAX], ollama[MLX_HEX_MAX], studio[MLX_HEX_MAX];
    world_hub_model(w, "org/mlx-model", 1, hub);
    world_ollama_model(w, "qwen", "7b", 2, ollama);
    world_lmstudio_model(w, "pub/same-as-qwen", 2, studio);
    assert_string_equal(ollama, studio);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, false, &err);
    OK(cache);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    OK(status);
    assert_int_equal(mlx_value_size(mlx_value_get(status, "models")), 3);
    assert_true(is_used_by(row_of(status, "org/mlx-model"), "huggingface"));
    assert_true(is_used_by(row_of(status, "qwen:7b"), "ollama"));
    assert_true(is_used_by(row_of(status, "pub/same-as-qwen"), "lmstudio"));
    assert_int_equal(number(status, "saved"), 0);
    assert_int_equal(mlx_value_size(mlx_value_get(status, "problems")), 0);

    /* Nothing was hashed for this, and nothing can be changed by it. */
    assert_null(mlx_cache_adopt(cache, NULL, NULL, &plainly, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
}

/*  A status that stands is not made again: seen by a change that no folder shows. What a folder
 * shows, and what the registry knows, makes a new one. */
static void test_status_is_kept_while_nothing_changes(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    w->late = true;
    world_lmstudio_model(w, "pub/one", 1, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *first = mlx_cache_status(cache, &err);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "home/.lmstudio/models/pub/one/model.gguf");
    assert_int_equal(truncate(path, 10), 0);
    mlx_value_t *kept = mlx_cache_status(cache, &err);
    mlx_value_t *fresh = mlx_cache_refresh(cache, &err);
    assert_true(mlx_value_equal(first, kept));
    assert_false(mlx_value_equal(first, fresh));
    mlx_value_destroy(&first);
    mlx_value_destroy(&kept);
    mlx_value_destroy(&fresh);

    world_lmstudio_model(w, "pub/two", 2, hex);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *two = mlx_cache_status(cache, &err);
    assert_non_null(row_of(two, "pub/two"));
    mlx_value_t *report = mlx_cache_adopt(cache, "lmstudio", "pub/two", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *adopted = mlx_cache_status(cache, &err);
    bool cached = false;
    mlx_value_bool(row_of(adopted, "pub/two"), "cached", &cached);
    assert_true(cached);
    world_ollama_model(w, "new", "1", 3, hex);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *store = mlx_cache_status(cache, &err);
    assert_non_null(row_of(store, "new:1"));
}

static void test_add_path_and_view(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "downloads/tiny.gguf");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 1000, 7);
    fixture_write(path, content.data, content.len);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_add_path(cache, path, &dry, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "cache/models/local--tiny/tiny.gguf"), 0);
    report = mlx_cache_add_path(cache, path, &plainly, &err);
    OK(report);
    assert_string_equal(mlx_value_str(report, "model"), "local/tiny");
    mlx_value_destroy(&report);
    /* Adding it again changes nothing. */
    report = mlx_cache_add_path(cache, path, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_true(world_shares(w, "cache/models/local--tiny/tiny.gguf", "downloads/tiny.gguf"));
    world_check_sound(w);
    assert_null(mlx_cache_add_path(cache, "/no/such/file", &plainly, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void test_damaged_files_stay_out(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_ollama_model(w, "bad", "1", 3, hex);
    MLX_CLEANUP(mlx_free_p)
    char *blob = world_path(w, "home/.ollama/models/blobs/sha256-%s", hex);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_read(blob, &content);
    content.data[content.len - 1] ^= 1;
    fixture_write(blob, content.data, content.len);
    MLX_CLEANUP(mlx_free_p) char *cut = world_path(w, "downloads/cut.gguf");
    fixture_write(cut, content.data, content.len - 5);

    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *report = mlx_cache_adopt(cache, "ollama", NULL, &plainly, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 0);
    const mlx_value_t *problem = mlx_value_at(mlx_value_get(report, "problems"), 0);
    assert_non_null(strstr(mlx_value_str(problem, "text"), "SHA-256"));
    assert_null(mlx_cache_add_path(cache, cut, &plainly, &err));
    assert_non_null(strstr(err.text, "truncated"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *checked = mlx_cache_verify(cache, NULL, true, &err);
    OK(checked);
    assert_int_equal(mlx_value_size(mlx_value_get(checked, "bad")), 0);
}

static void test_hub_gguf_reaches_ollama_without_a_copy(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX], other[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    world_ollama_model(w, "own", "1", 5, other);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, "huggingface", "org/Repo-GGUF", &plainly, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 1);
    mlx_value_destroy(&report);

    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &dry, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);

    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err);
    OK(report);
    assert_int_equal(number(report, "copied"), 0);
    mlx_value_destroy(&report);
    world_check_sound(w);
    MLX_CLEANUP(mlx_free_p) char *there = mlx_format("home/.ollama/models/blobs/sha256-%s", hex);
    MLX_CLEANUP(mlx_free_p)
    char *here = mlx_format("home/.cache/huggingface/hub/models--org--Repo-GGUF/blobs/%s", hex);
    assert_true(world_shares(w, there, here));
    assert_int_not_equal(world_inode(w, "home/.ollama/models/manifests/hf.co/org/Repo-GGUF/Q4_K_M"),
                         0);

    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    OK(status);
    const mlx_value_t *row = row_of(status, "org/Repo-GGUF");
    assert_true(is_used_by(row, "ollama"));
    assert_true(is_used_by(row, "huggingface"));
    assert_int_equal(number(status, "duplicates_avoided"), 1);
    assert_int_equal(number(row, "frees"), 0);
    assert_true(number(status, "saved") >= number(row, "size"));
    assert_null(row_of(status, "hf.co/org/Repo-GGUF:Q4_K_M"));

    /* A second link is a step of nothing; unlinking leaves Ollama as it was. */
    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 1); /* mkdir blobs */
    mlx_value_destroy(&report);
    report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);
    assert_int_equal(world_inode(w, "home/.ollama/models/manifests/hf.co"), 0);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", other), 0);
    world_check_sound(w);
}

static void test_blob_that_another_manifest_needs_is_kept(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);

    /* `ollama cp`: a second manifest over the same blobs. */
    MLX_CLEANUP(mlx_free_p)
    char *from = world_path(w, "home/.ollama/models/manifests/hf.co/org/Repo-GGUF/Q4_K_M");
    MLX_CLEANUP(mlx_free_p)
    char *to =
        world_path(w, "home/.ollama/models/manifests/registry.ollama.ai/library/copy/latest");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    fixture_read(from, &json);
    fixture_write(to, json.data, json.len);

    report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(from, F_OK), -1);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);
    world_check_sound(w);
}

static void test_one_unreadable_manifest_keeps_every_blob(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *junk = world_path(w, "home/.ollama/models/manifests/registry.ollama.ai/library/x/latest");
    fixture_write(junk, "{", 1);
    report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    OK(status);
    assert_int_equal(mlx_value_size(mlx_value_get(status, "problems")), 1);
}

static void test_safetensors_cannot_be_linked_to_ollama(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_model(w, "org/mlx", 1, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_null(mlx_cache_link(cache, "ollama", NULL, "org/mlx", &plainly, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_non_null(strstr(err.mend, "one blob per tensor"));
    assert_null(mlx_cache_link(cache, "nosuch", NULL, "org/mlx", &plainly, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_null(mlx_cache_link(cache, "ollama", NULL, "mlx", &plainly, &err));
    assert_non_null(strstr(err.mend, "org/mlx"));
}

static void test_hub_entry_is_rebuilt_as_it_was(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_model(w, "org/mlx", 1, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *hub = world_path(w, "home/.cache/huggingface");
    MLX_CLEANUP(mlx_free_p) char *aside = world_path(w, "aside");
    assert_int_equal(rename(hub, aside), 0);
    report = mlx_cache_link(cache, "huggingface", NULL, "org/mlx", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    world_check_sound(w);
    /* The same tree as the hub's own client made: names, links and the ref without a newline. */
    MLX_CLEANUP(mlx_free_p)
    char *command = mlx_format("diff -r --no-dereference %s %s", aside, hub);
    assert_int_equal(system(command), 0);
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
    mlx_value_t *report = mlx_cache_dedup(cache, false, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 1);
    assert_int_equal(number(report, "would_free"), before.st_blocks * 512);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf"),
                         world_inode(w, "home/.ollama/models/blobs/sha256-%s", ollama));

    report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    assert_true(number(report, "freed") > 0);
    mlx_value_destroy(&report);
    world_check_sound(w);
    uint64_t one = world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf");
    bool linked = one == world_inode(w, "home/.ollama/models/blobs/sha256-%s", ollama);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    OK(status);
    assert_int_equal(number(status, "duplicate_bytes"), 0);
    assert_int_equal(number(status, "saved"), before.st_blocks * 512);

    report = mlx_cache_dedup(cache, true, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 0);
    mlx_value_destroy(&report);

    report = mlx_cache_undo(cache, 0, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    world_check_sound(w);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    if (linked) {
        assert_int_not_equal(after.st_ino, one);
        assert_int_equal(after.st_nlink, 1);
        assert_true(after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    }
    assert_null(mlx_cache_undo(cache, 0, &plainly, &err));
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
    if (strcmp(mlx_value_str(step, "state"), "skipped") == 0) {
        assert_non_null(strstr(mlx_value_str(step, "why"), "owner or mode"));
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_add_path(cache, path, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);

    const mlx_cache_how_t young = {.older_s = 3600};
    report = mlx_cache_clean(cache, &young, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 0);
    mlx_value_destroy(&report);
    report = mlx_cache_clean(cache, &dry, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 1);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "cache/models/local--lonely/lonely.gguf"), 0);
    report = mlx_cache_clean(cache, &plainly, &err);
    OK(report);
    assert_string_equal(mlx_value_as_str(mlx_value_at(mlx_value_get(report, "models"), 0), NULL),
                        "local/lonely");
    assert_int_equal(number(report, "removed_bytes"), (int64_t)content.len);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "cache/models/local--lonely"), 0);
    assert_int_not_equal(world_inode(w, "downloads/lonely.gguf"), 0);

    /* What an app uses stays in the app when the cache forgets it. */
    report = mlx_cache_remove(cache, "used:1", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", used), 0);
    world_check_sound(w);
    assert_null(mlx_cache_remove(cache, "used:1", &plainly, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err);
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
    const mlx_cache_how_t usual = {.older_s = -1};
    mlx_value_t *report = mlx_cache_clean(cache, &usual, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(part, F_OK), 0);
    report = mlx_cache_clean(cache, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(part, F_OK), -1);
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
    mlx_value_t *report = mlx_cache_add_path(cache, path, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *keep = world_path(w, "home/.lmstudio/models/a/b/.keep");
    MLX_CLEANUP(mlx_free_p) char *name = world_path(w, "home/.lmstudio/models/a/b/m.gguf");
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(w, "cache/blobs/sha256/%.2s/%s", hex, hex);
    fixture_write(keep, "", 0);
    assert_int_equal(symlink(blob, name), 0);
    report = mlx_cache_remove(cache, "local/m", &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(access(blob, F_OK), 0);
    world_check_sound(w);
}

static void test_second_writer_is_told_busy(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *first = world_open(w, true, &err);
    OK(first);
    assert_null(world_open(w, true, &err));
    assert_int_equal(err.code, MLX_ERR_BUSY);
    MLX_CLEANUP(mlx_free_p) char *pid = mlx_format("process %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *reader = world_open(w, false, &err);
    OK(reader);
}

static void test_unsafe_home_is_refused(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    assert_int_equal(mkdir(w->home, 0777), 0);
    assert_int_equal(chmod(w->home, 0777), 0);
    assert_null(world_open(w, true, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_non_null(strstr(err.mend, "chmod"));
}

static void test_planted_links_lead_nowhere(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    MLX_CLEANUP(mlx_free_p) char *outside = world_path(w, "outside/x");
    MLX_CLEANUP(mlx_free_p) char *store = world_path(w, "home/.ollama/models/manifests/y");
    MLX_CLEANUP(mlx_free_p) char *planted = world_path(w, "home/.ollama/models/manifests/hf.co");
    fixture_write(outside, "", 0);
    fixture_write(store, "", 0);
    *strrchr(outside, '/') = '\0';
    assert_int_equal(symlink(outside, planted), 0);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, &plainly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_null(mlx_cache_link(cache, "ollama", NULL, "org/Repo-GGUF", &plainly, &err));
    assert_non_null(strstr(err.mend, "symbolic link"));
    assert_int_equal(world_inode(w, "outside/org"), 0);
    assert_int_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_of_untouched_stores),
        cmocka_unit_test(test_status_is_kept_while_nothing_changes),
        cmocka_unit_test(test_add_path_and_view),
        cmocka_unit_test(test_damaged_files_stay_out),
        cmocka_unit_test(test_hub_gguf_reaches_ollama_without_a_copy),
        cmocka_unit_test(test_blob_that_another_manifest_needs_is_kept),
        cmocka_unit_test(test_one_unreadable_manifest_keeps_every_blob),
        cmocka_unit_test(test_safetensors_cannot_be_linked_to_ollama),
        cmocka_unit_test(test_hub_entry_is_rebuilt_as_it_was),
        cmocka_unit_test(test_dedup_and_undo),
        cmocka_unit_test(test_dedup_skips_other_modes),
        cmocka_unit_test(test_remove_and_clean),
        cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_clean_removes_old_partials),
        cmocka_unit_test(test_symlinked_blob_is_never_removed),
        cmocka_unit_test(test_second_writer_is_told_busy),
        cmocka_unit_test(test_unsafe_home_is_refused),
        cmocka_unit_test(test_planted_links_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
