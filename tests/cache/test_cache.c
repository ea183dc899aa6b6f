/*  The commands of the cache over stores of real apps' layouts, on real files. */
#include "tests/cache/world.h"

#include "services/cache/model/names.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
    assert_int_equal(world_number(status, "saved"), 0);
    assert_int_equal(mlx_value_size(mlx_value_get(status, "problems")), 0);

    /* Nothing was hashed for this, and nothing can be changed by it. */
    assert_null(mlx_cache_adopt(cache, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
}

/*  A status that stands is not made again: seen by a change that no folder shows. What a folder
 *  shows, and what the registry knows, makes a new one. */
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
    mlx_value_t *report = mlx_cache_adopt(cache, "lmstudio", "pub/two", NULL, &err);
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
    mlx_value_t *report =
        mlx_cache_add_path(cache, path, &(mlx_cache_add_options_t){.dry_run = true}, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "cache/models/local--tiny/tiny.gguf"), 0);
    report = mlx_cache_add_path(cache, path, NULL, &err);
    OK(report);
    assert_string_equal(mlx_value_str(report, "model"), "local/tiny");
    mlx_value_destroy(&report);
    /* Adding it again changes nothing. */
    report = mlx_cache_add_path(cache, path, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_true(world_shares(w, "cache/models/local--tiny/tiny.gguf", "downloads/tiny.gguf"));
    world_check_sound(w);
    assert_null(mlx_cache_add_path(cache, "/no/such/file", NULL, &err));
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
    mlx_value_t *report = mlx_cache_adopt(cache, "ollama", NULL, NULL, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 0);
    const mlx_value_t *problem = mlx_value_at(mlx_value_get(report, "problems"), 0);
    assert_non_null(strstr(mlx_value_str(problem, "text"), "SHA-256"));
    assert_null(mlx_cache_add_path(cache, cut, NULL, &err));
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
    mlx_value_t *report = mlx_cache_adopt(cache, "huggingface", "org/Repo-GGUF", NULL, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "models")), 1);
    mlx_value_destroy(&report);

    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF",
                            &(mlx_cache_link_options_t){.dry_run = true}, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);

    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err);
    OK(report);
    assert_int_equal(world_number(report, "copied"), 0);
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
    assert_int_equal(world_number(status, "duplicates_avoided"), 1);
    assert_int_equal(world_number(row, "frees"), 0);
    assert_true(world_number(status, "saved") >= world_number(row, "size"));
    assert_null(row_of(status, "hf.co/org/Repo-GGUF:Q4_K_M"));

    /* A second link is a step of nothing; unlinking leaves Ollama as it was. */
    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err);
    OK(report);
    assert_int_equal(mlx_value_size(mlx_value_get(report, "steps")), 1); /* mkdir blobs */
    mlx_value_destroy(&report);
    report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", false, &err);
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, "org/Repo-GGUF", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err);
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

    report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", false, &err);
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *junk = world_path(w, "home/.ollama/models/manifests/registry.ollama.ai/library/x/latest");
    fixture_write(junk, "{", 1);
    report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    OK(status);
    assert_int_equal(mlx_value_size(mlx_value_get(status, "problems")), 1);
}

/*  What an Ollama model has beside its weights goes with it into another store. */
static void test_ollama_keeps_its_template(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char weights[MLX_HEX_MAX], hex[MLX_HEX_MAX];
    world_ollama_model(w, "qwen", "7b", 2, weights);
    mlx_sha256_hex("{{ .Prompt }}", 13, hex);
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(w, "home/.ollama/models/blobs/sha256-%s", hex);
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(w, "home/.ollama/models/manifests/registry.ollama.ai/library/qwen/7b");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t old = {0};
    fixture_write(blob, "{{ .Prompt }}", 13);
    fixture_read(path, &old);
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("%.*s,{\"mediaType\":\"application/vnd.ollama.image.template\","
                            "\"digest\":\"sha256:%s\",\"size\":13}]}",
                            (int)old.len - 2, old.data, hex);
    fixture_write(path, json, strlen(json));
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, "ollama", NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *other = world_path(w, "home/other");
    report = mlx_cache_link(cache, "ollama", "qwen:7b", &(mlx_cache_link_options_t){.store = other},
                            &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *made = world_path(w, "home/other/manifests/registry.ollama.ai/library/qwen/7b");
    fixture_read(made, &old);
    const char *layer = strstr(mlx_buf_str(&old), "image.template");
    assert_non_null(layer);
    assert_non_null(strstr(layer, hex));
    assert_int_not_equal(world_inode(w, "home/other/blobs/sha256-%s", hex), 0);
}

/*  A folder of a GGUF and what its publisher recommends. */
static void test_ollama_gets_params(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    static const char generation[] =
        "{\"temperature\":0.6,\"top_p\":0.95,\"top_k\":20,\"min_p\":7,\"eos_token_id\":[1,2]}";
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    MLX_CLEANUP(mlx_free_p) char *gguf = world_path(w, "downloads/tiny/m.gguf");
    MLX_CLEANUP(mlx_free_p) char *config = world_path(w, "downloads/tiny/generation_config.json");
    MLX_CLEANUP(mlx_free_p) char *folder = world_path(w, "downloads/tiny");
    fixture_gguf(&content, 1000, 9);
    fixture_write(gguf, content.data, content.len);
    fixture_write(config, generation, sizeof generation - 1);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_add_path(cache, folder, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_link(cache, "ollama", "local/tiny", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    static const char params[] = "{\"temperature\":0.6,\"top_p\":0.95,\"top_k\":20}";
    char hex[MLX_HEX_MAX];
    mlx_sha256_hex(params, sizeof params - 1, hex);
    assert_int_not_equal(world_inode(w, "home/.ollama/models/blobs/sha256-%s", hex), 0);
    MLX_CLEANUP(mlx_free_p)
    char *path =
        world_path(w, "home/.ollama/models/manifests/registry.ollama.ai/library/tiny/latest");
    mlx_buf_reset(&content);
    fixture_read(path, &content);
    assert_non_null(strstr(mlx_buf_str(&content), "image.params"));
    assert_non_null(strstr(mlx_buf_str(&content), hex));
    world_check_sound(w);
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_null(mlx_cache_link(cache, "ollama", "org/mlx", NULL, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_non_null(strstr(err.hint, "one blob per tensor"));
    assert_null(mlx_cache_link(cache, "nosuch", "org/mlx", NULL, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_null(mlx_cache_link(cache, "ollama", "mlx", NULL, &err));
    assert_non_null(strstr(err.hint, "org/mlx"));
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *hub = world_path(w, "home/.cache/huggingface");
    MLX_CLEANUP(mlx_free_p) char *aside = world_path(w, "aside");
    assert_int_equal(rename(hub, aside), 0);
    report = mlx_cache_link(cache, "huggingface", "org/mlx", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    world_check_sound(w);
    /* The same tree as the hub's own client made: names, links and the ref without a newline. */
    MLX_CLEANUP(mlx_free_p)
    char *command = mlx_format("diff -r --exclude=.locks --no-dereference %s %s", aside, hub);
    assert_int_equal(system(command), 0);
}

static void test_lock_of_the_hubs_tools_is_kept(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_hub_model(w, "org/mlx", 1, hex);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *command = mlx_format("rm -rf %s/home/.cache", w->dir);
    assert_int_equal(system(command), 0);
    MLX_CLEANUP(mlx_free_p)
    char *lock = world_path(w, "home/.cache/huggingface/hub/.locks/models--org--mlx/%s.lock", hex);
    fixture_write(lock, "", 0);
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_null(mlx_cache_link(cache, "huggingface", "org/mlx", NULL, &err));
    assert_int_equal(err.code, MLX_ERR_BUSY);
    assert_int_equal(world_inode(w, "home/.cache/huggingface/hub/models--org--mlx"), 0);
    close(fd);
    report = mlx_cache_link(cache, "huggingface", "org/mlx", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
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
    assert_non_null(strstr(err.hint, "chmod"));
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
    mlx_value_t *report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_null(mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, &err));
    assert_non_null(strstr(err.hint, "symbolic link"));
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
        cmocka_unit_test(test_ollama_keeps_its_template),
        cmocka_unit_test(test_ollama_gets_params),
        cmocka_unit_test(test_safetensors_cannot_be_linked_to_ollama),
        cmocka_unit_test(test_hub_entry_is_rebuilt_as_it_was),
        cmocka_unit_test(test_lock_of_the_hubs_tools_is_kept),
        cmocka_unit_test(test_second_writer_is_told_busy),
        cmocka_unit_test(test_unsafe_home_is_refused),
        cmocka_unit_test(test_planted_links_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
