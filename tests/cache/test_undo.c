/*  Undo of remove where the bytes must come from the network again, and the registry's old
 *  schema. */
#include "tests/cache/double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ELEMENTS = 20000
};

static const mlx_cache_add_options_t quickly = {.transfer.pause_ms = 1};
static const mlx_cache_undo_options_t undo = {.transfer.pause_ms = 1};
static const mlx_cache_undo_options_t dry = {.dry_run = true};

static int64_t restored(const mlx_value_t *report, const char *key)
{
    int64_t value = -1;
    const mlx_value_t *list = mlx_value_get(report, "restored");
    assert_int_equal(mlx_value_size(list), 1);
    mlx_value_int(mlx_value_at(list, 0), key, &value);
    return value;
}

typedef struct {
    world_t *world;
    double_t *hub;
    mlx_cache_t *cache;
} bench_t;

/*  MODEL added, then removed. */
static bench_t begin(const char *model, const mlx_cache_add_options_t *how)
{
    bench_t b = {.world = world_new()};
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    b.hub = double_new(b.world);
    double_mlx_repo(b.hub, "org/mlx", ELEMENTS, 1);
    double_ollama_model(b.hub, "tiny", ELEMENTS, 3, hex);
    b.cache = world_open(b.world, true, &err);
    OK(b.cache);
    MLX_CLEANUP(mlx_free_p)
    char *name = strchr(model, '/') ? mlx_strdup(model)
                                    : mlx_format("127.0.0.1:%d/library/%s", b.hub->port, model);
    mlx_value_t *report = mlx_cache_add(b.cache, name, how, &err);
    OK(report);
    MLX_CLEANUP(mlx_free_p) char *added = mlx_strdup(mlx_value_str(report, "model"));
    mlx_value_destroy(&report);
    report = mlx_cache_remove(b.cache, added, false, &err);
    OK(report);
    mlx_value_destroy(&report);
    return b;
}

static void end(bench_t *b)
{
    world_check_sound(b->world);
    mlx_cache_destroy(&b->cache);
    double_destroy(&b->hub);
    world_destroy(&b->world);
}

static void test_hub_model_comes_back_at_its_commit(void **state)
{
    (void)state;
    const mlx_cache_add_options_t renamed = {.as = "mine/own", .transfer.pause_ms = 1};
    bench_t b = begin("org/mlx", &renamed);
    mlx_error_t err = {0};
    size_t before = double_requests(b.hub, "/");
    mlx_value_t *report = mlx_cache_undo(b.cache, 0, &dry, &err);
    OK(report);
    int64_t size = restored(report, "size");
    assert_int_equal(restored(report, "missing"), size);
    MLX_CLEANUP(mlx_free_p)
    char *commit =
        mlx_strdup(mlx_value_str(mlx_value_at(mlx_value_get(report, "restored"), 0), "revision"));
    mlx_value_destroy(&report);
    assert_int_equal(double_requests(b.hub, "/"), before);
    report = mlx_cache_undo(b.cache, 0, &undo, &err);
    OK(report);
    assert_int_equal(restored(report, "downloaded"), size);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p) char *asked = mlx_format("/org/mlx/resolve/%s/config.json", commit);
    assert_int_equal(double_requests(b.hub, asked), 2);
    assert_int_equal(double_requests(b.hub, "/revision/"), 1);
    assert_int_not_equal(world_inode(b.world, "cache/models/mine--own/config.json"), 0);
    end(&b);
}

static void test_other_bytes_are_refused(void **state)
{
    (void)state;
    bench_t b = begin("org/mlx", &quickly);
    mlx_error_t err = {0};
    double_mlx_repo(b.hub, "org/mlx", ELEMENTS, 2);
    assert_null(mlx_cache_undo(b.cache, 0, &undo, &err));
    assert_true(err.text[0]);
    assert_int_equal(world_inode(b.world, "cache/models/org--mlx"), 0);
    double_mlx_repo(b.hub, "org/mlx", ELEMENTS, 1);
    mlx_value_t *report = mlx_cache_undo(b.cache, 0, &undo, &err);
    OK(report);
    mlx_value_destroy(&report);
    end(&b);
}

static void test_ollama_model_comes_back_with_its_manifest(void **state)
{
    (void)state;
    bench_t b = begin("tiny", &quickly);
    mlx_error_t err = {0};
    /* The tag is another model by now. */
    MLX_CLEANUP(mlx_free_p) char *tag = world_path(b.world, "hub/.ollama/library/tiny/latest.json");
    fixture_write(tag, "{}", 2);
    mlx_value_t *report = mlx_cache_undo(b.cache, 0, &dry, &err);
    OK(report);
    int64_t missing = restored(report, "missing");
    mlx_value_destroy(&report);
    report = mlx_cache_undo(b.cache, 0, &undo, &err);
    OK(report);
    assert_int_equal(restored(report, "downloaded"), missing);
    assert_true(missing < restored(report, "size"));
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *model = mlx_format("127.0.0.1:%d/library/tiny:latest", b.hub->port);
    report = mlx_cache_link(b.cache, "ollama", model, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    end(&b);
}

/*  A registry as version 1 wrote it: its models are there, and can be removed and brought back. */
static void test_old_registry_is_taken_over(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_ollama_model(w, "qwen", "7b", 2, hex);
    mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    mlx_value_t *report = mlx_cache_adopt(cache, "ollama", NULL, NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    mlx_cache_destroy(&cache);
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "cache/registry.db");
    mlx_db_t *db = mlx_registry_open(path, false, &err);
    OK(db);
    OK(mlx_db_exec(db,
                   "DROP TABLE stores; DROP TABLE consumers; DROP TABLE marks;"
                   "DROP TABLE extents; DROP TABLE notes;"
                   "DROP INDEX steps_made; DROP INDEX steps_sha256;"
                   "ALTER TABLE steps DROP COLUMN made_size;"
                   "ALTER TABLE steps DROP COLUMN made_mtime_ns;"
                   "ALTER TABLE steps DROP COLUMN made_ctime_ns; ALTER TABLE steps DROP COLUMN why;"
                   "ALTER TABLE ops DROP COLUMN command; ALTER TABLE ops DROP COLUMN reason;"
                   "ALTER TABLE models DROP COLUMN origin; ALTER TABLE ops DROP COLUMN record;"
                   "ALTER TABLE ops DROP COLUMN volume; PRAGMA user_version = 1",
                   &err) == 0);
    mlx_db_destroy(&db);
    cache = world_open(w, true, &err);
    OK(cache);
    report = mlx_cache_remove(cache, "qwen:7b", false, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_undo(cache, 0, &undo, &err);
    OK(report);
    assert_int_equal(restored(report, "missing"), 0);
    mlx_value_destroy(&report);
    mlx_cache_destroy(&cache);
    world_check_sound(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hub_model_comes_back_at_its_commit),
        cmocka_unit_test(test_other_bytes_are_refused),
        cmocka_unit_test(test_ollama_model_comes_back_with_its_manifest),
        cmocka_unit_test(test_old_registry_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
