/*  Adding from the hub and from an Ollama registry, against their double with faults on demand. */
#include "tests/cache/double.h"

#include "services/cache/transfer/fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ELEMENTS = 200000, /* 800 kB a shard */
};

static const mlx_cache_add_options_t quickly = {.transfer.pause_ms = 1};

typedef struct {
    world_t *world;
    double_t *hub;
} bench_t;

static bench_t begin(void)
{
    bench_t b = {.world = world_new()};
    b.hub = double_new(b.world);
    double_mlx_repo(b.hub, "org/mlx", ELEMENTS, 1);
    return b;
}

static void end(bench_t *b)
{
    double_destroy(&b->hub);
    world_destroy(&b->world);
}

static mlx_value_t *add(bench_t *b, const char *model, mlx_error_t *err)
{
    *err = (mlx_error_t){0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(b->world, true, err);
    return cache ? mlx_cache_add(cache, model, &quickly, err) : NULL;
}

static void check_mlx_view(const bench_t *b, const char *view)
{
    static const char *const names[] = {"config.json", "tokenizer.json",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors", "README.md"};
    for (size_t i = 0; i < MLX_COUNT(names); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *got = world_path(b->world, "cache/models/%s/%s", view, names[i]);
        MLX_CLEANUP(mlx_free_p) char *want = world_path(b->world, "hub/org/mlx/%s", names[i]);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t a = {0};
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t c = {0};
        fixture_read(got, &a);
        fixture_read(want, &c);
        assert_int_equal(a.len, c.len);
        assert_memory_equal(a.data, c.data, a.len);
    }
}

static void test_add(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    mlx_value_t *report = add(&b, "org/mlx", &err);
    OK(report);
    assert_int_equal(world_number(report, "downloaded"), world_number(report, "size"));
    assert_int_equal(strlen(mlx_value_str(report, "revision")), 40);
    mlx_value_destroy(&report);
    check_mlx_view(&b, "org--mlx");
    world_check_sound(b.world);

    /* Again: two questions to the API, no byte of a file. */
    size_t before = double_requests(b.hub, "/resolve/");
    report = add(&b, "https://huggingface.co/org/mlx", &err);
    OK(report);
    assert_int_equal(world_number(report, "downloaded"), 0);
    assert_int_equal(world_number(report, "present"), world_number(report, "size"));
    mlx_value_destroy(&report);
    assert_int_equal(double_requests(b.hub, "/resolve/"), before);
    end(&b);
}

/*  Each fault alone must end in the right bytes. */
static const char *const passing_faults[] = {
    "drop 1 100000\n",
    "drop 2 1000\ndrop 3 100000\n",
    "drop 1 300000\nnorange 1\n",
    "drop 1 300000\nbadrange 1\n",
    "wrong 1\n",
    "expired 2\n",
    "slow429 2 0\n",
    "gzip\n",
    "error500 1\n",
    "other-host\nleak\n",
    "longer 1\nwrong 0\n",
};

static void test_faults_that_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(passing_faults); i++) {
        bench_t b = begin();
        mlx_error_t err;
        /* The API itself is not tried again: let it be asked first. */
        mlx_value_t *report = NULL;
        for (unsigned try = 0; try < 3 && !report; try++) {
            if (try == 0)
                double_faults(b.hub, passing_faults[i]);
            report = add(&b, "org/mlx", &err);
        }
        if (!report)
            fail_msg("%s: %s; %s", passing_faults[i], err.text, err.hint);
        mlx_value_destroy(&report);
        check_mlx_view(&b, "org--mlx");
        world_check_sound(b.world);
        end(&b);
    }
}

static const struct {
    const char *faults;
    const char *model;
    mlx_code_t code;
    const char *says; /* in text or hint */
} refused[] = {
    {"wrong\n", "org/mlx", MLX_ERR_DATA_LOSS, "wrong bytes"},
    {"gated\n", "org/mlx", MLX_ERR_FAILED, "/org/mlx, accept the terms, and set HF_TOKEN"},
    {"", "org/nosuch", MLX_ERR_NOT_FOUND, "no repository org/nosuch"},
    {"evil-redirect\n", "org/mlx", MLX_ERR_USAGE, "not encrypted"},
    {"slow429 100 0\n", "org/mlx", MLX_ERR_UNAVAILABLE, "limiting requests"},
    {"error500\n", "org/mlx", MLX_ERR_UNAVAILABLE, "500"},
    {"", "hf.co/org/mlx:Q4_K_M", MLX_ERR_NOT_FOUND, "Q4_K_M"},
    {"", "../no-such-folder-here/x", MLX_ERR_NOT_FOUND, "No such file"},
    {"", "hf.co/org/../x", MLX_ERR_USAGE, "repository"},
    {"", "127.0.0.1:1/library/x", MLX_ERR_UNAVAILABLE, ""},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(refused); i++) {
        bench_t b = begin();
        mlx_error_t err;
        double_faults(b.hub, refused[i].faults);
        if (add(&b, refused[i].model, &err))
            fail_msg("%s with %s was added", refused[i].model, refused[i].faults);
        if (err.code != refused[i].code ||
            (!strstr(err.text, refused[i].says) && !strstr(err.hint, refused[i].says)))
            fail_msg("%s with %s: code %d, \"%s; %s\"", refused[i].model, refused[i].faults,
                     err.code, err.text, err.hint);
        assert_null(strstr(err.text, "secret"));
        world_check_sound(b.world);
        assert_int_equal(world_inode(b.world, "cache/models/org--mlx/config.json"), 0);
        end(&b);
    }
}

static void test_renamed_repository(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    mlx_value_t *report = add(&b, "old/name", &err);
    OK(report);
    mlx_value_destroy(&report);
    check_mlx_view(&b, "old--name");
    end(&b);
}

static void test_same_bytes_here_are_not_fetched(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    char hex[MLX_HEX_MAX];
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    world_ollama_model(b.world, "qwen", "7b", 2, hex);
    fixture_gguf(&content, 3000, 2);
    double_file(b.hub, "org/GGUF", "m-Q4_K_M.gguf", content.data, content.len);
    double_file(b.hub, "org/GGUF", "m-Q8_0.gguf", "x", 1);
    mlx_value_t *report = add(&b, "hf.co/org/GGUF:Q4_K_M", &err);
    OK(report);
    assert_int_equal(world_number(report, "downloaded"), 0);
    assert_int_equal(world_number(report, "adopted"), (int64_t)content.len);
    mlx_value_destroy(&report);
    assert_int_equal(double_requests(b.hub, "/resolve/"), 0);
    assert_int_equal(double_requests(b.hub, "/cdn/"), 0);
    world_check_sound(b.world);
    end(&b);
}

static void test_new_revision_replaces_the_view(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    mlx_value_t *report = add(&b, "org/mlx", &err);
    OK(report);
    mlx_value_destroy(&report);
    double_mlx_repo(b.hub, "org/mlx", ELEMENTS, 2);
    report = add(&b, "org/mlx", &err);
    OK(report);
    mlx_value_destroy(&report);
    check_mlx_view(&b, "org--mlx");
    world_check_sound(b.world);
    end(&b);
}

static void test_ollama_pull_and_link(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    char hex[MLX_HEX_MAX];
    double_ollama_model(b.hub, "tiny", 5000, 3, hex);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("127.0.0.1:%d/library/tiny", b.hub->port);
    double_faults(b.hub, "drop 1 2000\n");
    mlx_value_t *report = add(&b, name, &err);
    OK(report);
    mlx_value_destroy(&report);
    world_check_sound(b.world);
    MLX_CLEANUP(mlx_free_p) char *model = mlx_format("%s:latest", name);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(b.world, true, &err);
    const mlx_cache_link_options_t as = {.as = "tiny"};
    report = mlx_cache_link(cache, "ollama", model, &as, &err);
    OK(report);
    mlx_value_destroy(&report);
    world_check_sound(b.world);
    /* The registry's own manifest, byte for byte. */
    MLX_CLEANUP(mlx_free_p)
    char *from = world_path(b.world, "hub/.ollama/library/tiny/latest.json");
    MLX_CLEANUP(mlx_free_p)
    char *to =
        world_path(b.world, "home/.ollama/models/manifests/registry.ollama.ai/library/tiny/latest");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t a = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t c = {0};
    fixture_read(from, &a);
    fixture_read(to, &c);
    assert_string_equal(mlx_buf_str(&a), mlx_buf_str(&c));
    double_faults(b.hub, "");
    end(&b);
}

static void test_running_ollama_is_asked(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 3000, 2);
    double_file(b.hub, "org/GGUF", "m-Q4_K_M.gguf", content.data, content.len);
    mlx_value_t *report = add(&b, "org/GGUF", &err);
    OK(report);
    mlx_value_destroy(&report);
    MLX_CLEANUP(mlx_free_p)
    char *manifests = world_path(b.world, "home/.ollama/models/manifests/x");
    fixture_write(manifests, "", 0);
    unlink(manifests);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(b.world, true, &err);
    OK(cache);

    /* It looks elsewhere: the link is of no use there and is taken back. */
    double_as_ollama(b.hub, b.world, "/nowhere");
    assert_null(mlx_cache_link(cache, "ollama", "org/GGUF", NULL, &err));
    assert_non_null(strstr(err.hint, "--store"));
    assert_int_equal(world_inode(b.world, "home/.ollama/models/manifests/hf.co"), 0);
    world_check_sound(b.world);

    MLX_CLEANUP(mlx_free_p) char *store = world_path(b.world, "home/.ollama/models");
    double_as_ollama(b.hub, b.world, store);
    report = mlx_cache_link(cache, "ollama", "org/GGUF", NULL, &err);
    OK(report);
    mlx_value_destroy(&report);
    assert_true(double_requests(b.hub, "/api/tags") == 2);
    world_check_sound(b.world);
    end(&b);
}

static const char *const hostile_trees[] = {
    "{}",
    "[",
    "[{\"type\":\"file\",\"path\":\"../../x.json\",\"size\":2,\"oid\":\"%s\"}]",
    "[{\"type\":\"file\",\"path\":\"/tmp/x.json\",\"size\":2,\"oid\":\"%s\"}]",
    "[{\"type\":\"file\",\"path\":\"a.json\",\"size\":2,\"oid\":\"../../../x\"}]",
    ("[{\"type\":\"file\",\"path\":\"a.json\",\"size\":2,\"oid\":\"%s\"},"
     "{\"type\":\"file\",\"path\":\"A.json\",\"size\":2,\"oid\":\"%s\"}]"),
    "[{\"type\":\"file\",\"path\":\"a.json\",\"size\":9000000000000000,\"oid\":\"%s\"}]",
};

static void test_hostile_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(hostile_trees); i++) {
        bench_t b = begin();
        mlx_error_t err;
        MLX_CLEANUP(mlx_free_p) char *path = world_path(b.world, "hub/.tree.json");
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
        for (const char *c = hostile_trees[i]; *c; c++) {
            if (*c == '%' && c[1] == 's') {
                mlx_buf_puts(&json, WORLD_COMMIT);
                c++;
            } else {
                mlx_buf_putc(&json, *c);
            }
        }
        fixture_write(path, json.data, json.len);
        if (add(&b, "org/mlx", &err))
            fail_msg("took %s", hostile_trees[i]);
        assert_true(err.text[0]);
        assert_int_equal(world_inode(b.world, "cache/models/org--mlx"), 0);
        end(&b);
    }
}

/*  Kill the adding process at random moments of a slow download; what is there is never fetched
 *  twice, and nothing half is ever visible. */
static void test_kill_and_resume(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    double_faults(b.hub, "pace 1000 0.01\n");
    unsigned seed = 12345;
    unsigned kills = 0;
    for (bool done = false; !done && kills < 200;) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            mlx_value_t *report = add(&b, "org/mlx", &err);
            _exit(report ? 0 : 1);
        }
        seed = seed * 1103515245u + 12345u;
        usleep(20000 + (seed >> 8) % 90000);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        done = WIFEXITED(status);
        kills += !done;
        MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(b.world, false, &err);
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *sound = mlx_cache_verify(cache, NULL, true, &err);
        assert_int_equal(mlx_value_size(mlx_value_get(sound, "bad")), 0);
    }
    double_faults(b.hub, "");
    mlx_value_t *report = add(&b, "org/mlx", &err);
    OK(report);
    mlx_value_destroy(&report);
    check_mlx_view(&b, "org--mlx");
    world_check_sound(b.world);
    print_message("  killed %u times\n", kills);
    assert_true(double_requests(b.hub, "bytes=") > 0);
    assert_int_equal(double_requests(b.hub, "/cdn/"),
                     double_requests(b.hub, "/cdn/org/mlx/model-0000"));
    end(&b);
}

typedef struct {
    int at;
    atomic_int seen; /* several threads download */
} trap_t;

static int kill_gate(void *arg, const char *operation, const char *path)
{
    trap_t *trap = arg;
    (void)operation;
    (void)path;
    if (atomic_fetch_add(&trap->seen, 1) == trap->at)
        kill(getpid(), SIGKILL);
    return 0;
}

/*  At each change to the disk in turn, threads of the download included. */
static void test_kill_at_every_change(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    int at = 0;
    for (bool died = true; died; at++) {
        MLX_CLEANUP(mlx_free_p)
        char *clean = mlx_format("rm -rf %s %s/home", b.world->home, b.world->dir);
        assert_int_equal(system(clean), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            trap_t trap = {.at = at};
            b.world->fs = (mlx_fs_t){.gate = kill_gate, .arg = &trap};
            _exit(add(&b, "org/mlx", &err) ? 0 : 1);
        }
        int status;
        waitpid(child, &status, 0);
        died = WIFSIGNALED(status);
        assert_true(died || WEXITSTATUS(status) == 0);
        mlx_value_t *report = add(&b, "org/mlx", &err);
        OK(report);
        mlx_value_destroy(&report);
        check_mlx_view(&b, "org--mlx");
        world_check_sound(b.world);
    }
    print_message("  killed at each of %d changes\n", at - 1);
    assert_true(at > 20);
    end(&b);
}

static void test_full_disk_is_said_before(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    MLX_CLEANUP(mlx_free_p) char *path = world_path(b.world, "hub/.tree.json");
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("[{\"type\":\"file\",\"path\":\"model.safetensors\",\"size\":"
                            "900000000000000,\"oid\":\"%s\"}]",
                            WORLD_COMMIT);
    fixture_write(path, json, strlen(json));
    assert_null(add(&b, "org/mlx", &err));
    assert_non_null(strstr(err.text, "GB more"));
    assert_true(err.hint[0]);
    assert_int_equal(double_requests(b.hub, "/resolve/"), 0);
    end(&b);
}

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *origin; /* NULL: refused */
    } cases[] = {
        {"https://huggingface.co/x?y", "https://huggingface.co"},
        {"http://127.0.0.1:80/x", "http://127.0.0.1:80"},
        {"http://[::1]:80/x", "http://[::1]:80"},
        {"http://localhost", "http://localhost"},
        {"http://127.0.0.1.evil.example/x", NULL},
        {"http://localhost@evil.example/", NULL},
        {"https://a@b/", NULL},
        {"https://me:secret@b/", NULL},
        {"https://me:sec@secret@b:8443/x?secret", NULL},
        {"http://me:secret@127.0.0.1/", NULL},
        {"https://a\\b/", NULL},
        {"http://evil.example/", NULL},
        {"ftp://x/", NULL},
        {"file:///etc/passwd", NULL},
        {"https:///x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(cases[i].url, &err);
        if (cases[i].origin) {
            assert_non_null(origin);
            assert_string_equal(origin, cases[i].origin);
        } else if (origin) {
            fail_msg("%s was taken as %s", cases[i].url, origin);
        } else if (strstr(err.text, "secret")) {
            fail_msg("%s shows a password", err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_faults_that_pass),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_renamed_repository),
        cmocka_unit_test(test_same_bytes_here_are_not_fetched),
        cmocka_unit_test(test_new_revision_replaces_the_view),
        cmocka_unit_test(test_ollama_pull_and_link),
        cmocka_unit_test(test_running_ollama_is_asked),
        cmocka_unit_test(test_hostile_trees),
        cmocka_unit_test(test_kill_and_resume),
        cmocka_unit_test(test_kill_at_every_change),
        cmocka_unit_test(test_full_disk_is_said_before),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
