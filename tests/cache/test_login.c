/*  The log-in at an Ollama registry, with keys that ssh-keygen makes and signatures that openssl
 *  verifies. */
#include "tests/cache/double.h"

#include "services/cache/remote/ollama_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const mlx_cache_add_options_t quickly = {.transfer.pause_ms = 1};

typedef struct {
    world_t *world;
    double_t *hub;
    mlx_cache_t *cache;
    char *model;
} bench_t;

/*  A key in the home of the world, with these options for ssh-keygen. */
static void make_key(const world_t *w, const char *options)
{
    MLX_CLEANUP(mlx_free_p) char *keep = world_path(w, "home/.ollama/.keep");
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "home/.ollama/id_ed25519");
    MLX_CLEANUP(mlx_free_p)
    char *command = mlx_format("rm -f %s && ssh-keygen -q %s -C me -f %s", path, options, path);
    fixture_write(keep, "", 0);
    if (system(command) != 0)
        fail_msg("ssh-keygen %s", options);
}

/*  The registry is private to the key in the home now; REALM: another host for it, or "". */
static void make_private(const bench_t *b, const char *realm)
{
    MLX_CLEANUP(mlx_free_p) char *from = world_path(b->world, "home/.ollama/id_ed25519.pub");
    MLX_CLEANUP(mlx_free_p) char *to = world_path(b->world, "hub/.login");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t key = {0};
    fixture_read(from, &key);
    mlx_buf_printf(&key, "%s", realm);
    fixture_write(to, key.data, key.len);
}

static bench_t begin(void)
{
    bench_t b = {.world = world_new()};
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    b.hub = double_new(b.world);
    double_ollama_model(b.hub, "tiny", 5000, 3, hex);
    make_key(b.world, "-t ed25519 -N ''");
    b.cache = world_open(b.world, true, &err);
    OK(b.cache);
    b.model = mlx_format("127.0.0.1:%d/library/tiny", b.hub->port);
    return b;
}

static void end(bench_t *b)
{
    world_check_sound(b->world);
    mlx_cache_destroy(&b->cache);
    double_destroy(&b->hub);
    world_destroy(&b->world);
    free(b->model);
}

static void test_private_model(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err = {0};
    make_private(&b, "");
    mlx_value_t *report = mlx_cache_add(b.cache, b.model, &quickly, &err);
    OK(report);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_strdup(mlx_value_str(report, "model"));
    mlx_value_destroy(&report);
    assert_int_equal(double_requests(b.hub, "/token - auth"), 1);
    /* What undo fetches again needs it, too. */
    report = mlx_cache_remove(b.cache, name, false, &err);
    OK(report);
    mlx_value_destroy(&report);
    report = mlx_cache_undo(b.cache, 0, &(mlx_cache_undo_options_t){.transfer.pause_ms = 1}, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(double_requests(b.hub, "/token - auth"), 2);
    end(&b);
}

static void expect(bench_t *b, const char *says)
{
    mlx_error_t err = {0};
    mlx_value_t *report = mlx_cache_add(b->cache, b->model, &quickly, &err);
    if (report)
        fail_msg("added, though: %s", says);
    if (!strstr(err.text, says) && !strstr(err.hint, says))
        fail_msg("\"%s; %s\" does not say \"%s\"", err.text, err.hint, says);
}

static void test_refusals(void **state)
{
    (void)state;
    bench_t b = begin();
    MLX_CLEANUP(mlx_free_p) char *key = world_path(b.world, "home/.ollama/id_ed25519");
    MLX_CLEANUP(mlx_free_p) char *elsewhere = mlx_format("localhost:%d", b.hub->port);
    make_private(&b, elsewhere);
    expect(&b, "another host");
    assert_int_equal(double_requests(b.hub, "/token"), 0);
    make_private(&b, "");
    make_key(b.world, "-t ed25519 -N ''"); /* not the one that is known there */
    expect(&b, "does not accept the key");
    make_key(b.world, "-t ed25519 -N 'a secret'");
    expect(&b, "passphrase");
    make_key(b.world, "-t ecdsa -N ''");
    expect(&b, "not an ed25519 key");
    fixture_write(key, "x", 1);
    expect(&b, "not an OpenSSH key");
    assert_int_equal(unlink(key), 0);
    expect(&b, "ollama signin");
    assert_int_equal(double_requests(b.hub, "/blobs/"), 0);
    end(&b);
}

static void test_public_model_needs_no_key(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *key = world_path(b.world, "home/.ollama/id_ed25519");
    fixture_write(key, "x", 1); /* nor is one that is there looked at */
    mlx_value_t *report = mlx_cache_add(b.cache, b.model, &quickly, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_int_equal(double_requests(b.hub, "/token"), 0);
    end(&b);
}

/*  Every beginning of a key file, and every file with one byte changed, is a key or an error. */
static void test_damaged_keys(void **state)
{
    (void)state;
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    make_key(w, "-t ed25519 -N ''");
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "home/.ollama/id_ed25519");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t pem = {0};
    fixture_read(path, &pem);
    mlx_ollama_key_t key, good;
    mlx_error_t err = {0};
    assert_int_equal(mlx_ollama_key_parse(pem.data, pem.len, &good, &err), 0);
    for (size_t len = 0; len + 2 < pem.len; len++) {
        err = (mlx_error_t){0};
        assert_int_equal(mlx_ollama_key_parse(pem.data, len, &key, &err), -1);
        assert_true(err.text[0]);
    }
    for (size_t i = 0; i < pem.len; i++) {
        char was = pem.data[i];
        pem.data[i] = was == 'A' ? 'B' : 'A';
        mlx_ollama_key_parse(pem.data, pem.len, &key, &err);
        pem.data[i] = was;
    }
    mlx_ollama_key_clear(&good);
    assert_true(good.seed[0] == 0 && good.seed[31] == 0);
}

int main(void)
{
    if (system("command -v ssh-keygen >/dev/null && command -v openssl >/dev/null") != 0) {
        printf("skipped: no ssh-keygen or no openssl\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_model),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_public_model_needs_no_key),
        cmocka_unit_test(test_damaged_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
