/*  Random operations, faults and kills against a model of the stores: whatever happens, each app
 *  keeps every model it had or was given, and every file of it is whole. */
#include "tests/cache/world.h"

#include "services/cache/model/manifest.h"
#include "services/cache/plan/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MODELS = 6,
    STEPS = 40,
    ROUNDS = 12,
};

static const mlx_cache_clean_options_t whole = {.older_s = MLX_CACHE_ANY_AGE};

/*  What must be: by file, its content's hash. "" is not expected to be there. */
typedef struct {
    char ollama[MODELS][MLX_HEX_MAX];
    char studio[MODELS][MLX_HEX_MAX];
} expected_t;

typedef struct {
    world_t *world;
    expected_t expected;
    unsigned seed;
} random_t;

static unsigned roll(random_t *r, unsigned sides)
{
    r->seed = r->seed * 1103515245u + 12345u;
    return (r->seed >> 12) % sides;
}

static char *model_file(const random_t *r, const char *app, unsigned i)
{
    if (strcmp(app, "studio") == 0)
        return world_path(r->world, "home/.lmstudio/models/pub/m%u/model.gguf", i);
    return world_path(r->world, "home/.ollama/models/manifests/registry.ollama.ai/library/m%u/1",
                      i);
}

/*  An app gets a model: contents repeat between models, so that there is something to share. */
static void app_adds(random_t *r, unsigned i)
{
    unsigned content = 1 + i / 2;
    if (roll(r, 2)) {
        MLX_CLEANUP(mlx_free_p) char *folder = mlx_format("pub/m%u", i);
        MLX_CLEANUP(mlx_free_p) char *path = model_file(r, "studio", i);
        unlink(path);
        world_lmstudio_model(r->world, folder, content, r->expected.studio[i]);
    } else if (!r->expected.ollama[i][0]) {
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("m%u", i);
        char hex[MLX_HEX_MAX];
        /* A real client never writes over a blob that is there. */
        for (unsigned k = 0; k < MODELS; k++)
            if (r->expected.ollama[k][0] && k / 2 == i / 2)
                return;
        world_ollama_model(r->world, name, "1", content, hex);
        memcpy(r->expected.ollama[i], hex, sizeof hex);
    }
}

static void app_removes(random_t *r, unsigned i)
{
    const char *app = roll(r, 2) ? "studio" : "ollama";
    MLX_CLEANUP(mlx_free_p) char *path = model_file(r, app, i);
    if (unlink(path) == 0)
        (strcmp(app, "studio") == 0 ? r->expected.studio : r->expected.ollama)[i][0] = '\0';
}

static const mlx_cache_undo_options_t at_once = {.transfer.pause_ms = 1};

static void cache_works(random_t *r, mlx_cache_t *cache)
{
    mlx_error_t err = {0};
    unsigned i = roll(r, MODELS);
    MLX_CLEANUP(mlx_free_p) char *ollama = mlx_format("m%u:1", i);
    MLX_CLEANUP(mlx_free_p) char *studio = mlx_format("pub/m%u", i);
    const char *name = roll(r, 2) ? ollama : studio;
    mlx_value_t *report = NULL;
    switch (roll(r, 9)) {
    case 0:
    case 1:
        report = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
        break;
    case 2:
        report = mlx_cache_link(cache, "llamacpp", name, NULL, &err);
        break;
    case 3:
        report = mlx_cache_link(cache, "lmstudio", ollama, NULL, &err);
        break;
    case 4:
        report = mlx_cache_unlink(cache, "lmstudio", ollama, false, &err);
        break;
    case 5:
        report = mlx_cache_dedup(cache, true, &err);
        break;
    case 6:
        report = mlx_cache_undo(cache, 0, &at_once, &err);
        break;
    case 7:
        report = mlx_cache_remove(cache, name, false, &err);
        break;
    default:
        report = mlx_cache_clean(cache, &whole, &err);
        break;
    }
    if (!report)
        assert_true(err.code != MLX_OK && err.text[0]);
    mlx_value_destroy(&report);
}

static int stop_gate(void *arg, const char *operation, const char *path)
{
    int *left = arg;
    (void)operation;
    (void)path;
    if ((*left)-- == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

static int fail_gate(void *arg, const char *operation, const char *path)
{
    int *left = arg;
    (void)operation;
    (void)path;
    return (*left)-- == 0 ? EIO : 0;
}

static void cache_step(random_t *r)
{
    mlx_error_t err = {0};
    int left = (int)roll(r, 40);
    unsigned how = roll(r, 3);
    r->world->fs = (mlx_fs_t){0};
    if (how == 1)
        r->world->fs = (mlx_fs_t){.gate = fail_gate, .arg = &left};
    if (how == 2) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            r->world->fs = (mlx_fs_t){.gate = stop_gate, .arg = &left};
            mlx_cache_t *cache = world_open(r->world, true, &err);
            if (cache)
                cache_works(r, cache);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        roll(r, 2);
        return;
    }
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(r->world, true, &err);
    if (cache)
        cache_works(r, cache);
    r->world->fs = (mlx_fs_t){0};
}

static void check_content(const char *path, const char *sha256)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    char hex[MLX_HEX_MAX];
    fixture_read(path, &content);
    mlx_sha256_hex(mlx_buf_str(&content), content.len, hex);
    if (strcmp(hex, sha256) != 0)
        fail_msg("%s is not what it was", path);
}

/*  As the apps see it, at once, whatever the cache was doing. */
static void check_apps(const random_t *r)
{
    for (unsigned i = 0; i < MODELS; i++) {
        MLX_CLEANUP(mlx_free_p) char *studio = model_file(r, "studio", i);
        MLX_CLEANUP(mlx_free_p) char *manifest = model_file(r, "ollama", i);
        if (r->expected.studio[i][0])
            check_content(studio, r->expected.studio[i]);
        if (!r->expected.ollama[i][0])
            continue;
        assert_int_equal(access(manifest, F_OK), 0);
        MLX_CLEANUP(mlx_free_p)
        char *blob =
            world_path(r->world, "home/.ollama/models/blobs/sha256-%s", r->expected.ollama[i]);
        check_content(blob, r->expected.ollama[i]);
    }
}

/* ---- the figures ---- */

typedef struct {
    uint64_t ino[512];
    uint64_t bytes; /* of all names, each */
    uint64_t once;  /* of all inodes, each once */
    size_t count;
} held_t;

static held_t *walked;
static mlx_buf_t *manifests;

static int note_manifest(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st;
    (void)walk;
    if (flag != FTW_F || !strstr(path, "/manifests/"))
        return 0;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t one = {0};
    fixture_read(path, &one);
    mlx_buf_puts(manifests, mlx_buf_str(&one));
    return 0;
}

/*  What an app's files are: in Ollama's blobs only what a manifest names. */
static int note_file(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    const char *blob = strstr(path, "/blobs/sha256-");
    (void)walk;
    if (flag != FTW_F || (blob && !strstr(mlx_buf_str(manifests), blob + strlen("/blobs/sha256-"))))
        return 0;
    uint64_t bytes = (uint64_t)st->st_blocks * 512;
    walked->bytes += bytes;
    for (size_t i = 0; i < walked->count; i++)
        if (walked->ino[i] == st->st_ino)
            return 0;
    if (walked->count < MLX_COUNT(walked->ino))
        walked->ino[walked->count++] = st->st_ino;
    walked->once += bytes;
    return 0;
}

static int note_file_of_cache(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)path;
    return note_file("", st, flag, walk);
}

static void walk_below(random_t *r, const char *where,
                       int (*fn)(const char *, const struct stat *, int, struct FTW *))
{
    MLX_CLEANUP(mlx_free_p) char *path = world_path(r->world, "%s", where);
    nftw(path, fn, 16, FTW_PHYS);
}

/*  Where inodes say it all, total and saved are what a walk over them counts. */
static void check_figures(random_t *r)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t names = {0};
    MLX_CLEANUP(mlx_close_p) int dir = open(r->world->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mlx_fsys_may_clone(dir))
        return;
    mlx_error_t err = {0};
    held_t held = {0};
    walked = &held;
    manifests = &names;
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(r->world, true, &err);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *status = cache ? mlx_cache_refresh(cache, &err) : NULL;
    if (!status)
        fail_msg("%s", err.text);
    walk_below(r, "home/.ollama/models", note_manifest);
    walk_below(r, "home/.ollama/models", note_file);
    walk_below(r, "home/.lmstudio/models", note_file);
    assert_int_equal(world_number(status, "saved"), held.bytes - held.once);
    walk_below(r, "cache/blobs", note_file_of_cache);
    walk_below(r, "cache/models", note_file_of_cache);
    assert_int_equal(world_number(status, "total"), held.once);
}

static void play(unsigned seed)
{
    random_t r = {.world = world_new(), .seed = seed};
    for (unsigned i = 0; i < MODELS; i++)
        app_adds(&r, i);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned who = roll(&r, 6);
        if (who == 0)
            app_adds(&r, roll(&r, MODELS));
        else if (who == 1)
            app_removes(&r, roll(&r, MODELS));
        else
            cache_step(&r);
        check_apps(&r);
        if (step % 4 == 0)
            check_figures(&r);
    }
    /* And in the end, with no more faults, all is sound. */
    mlx_error_t err = {0};
    r.world->fs = (mlx_fs_t){0};
    mlx_cache_t *cache = world_open(r.world, true, &err);
    if (!cache)
        fail_msg("%s", err.text);
    mlx_value_t *verified = mlx_cache_verify(cache, NULL, true, &err);
    assert_int_equal(mlx_value_size(mlx_value_get(verified, "bad")), 0);
    mlx_value_destroy(&verified);
    mlx_cache_destroy(&cache);
    world_check_sound(r.world);
    world_destroy(&r.world);
}

/*  For a long run: the first seed, and how many of them. */
static unsigned number(const char *variable, unsigned fallback)
{
    const char *text = getenv(variable);
    return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

static void test_random_operations(void **state)
{
    (void)state;
    unsigned first = number("MLX_TEST_SEED", 1000);
    unsigned rounds = number("MLX_TEST_ROUNDS", ROUNDS);
    for (unsigned round = 0; round < rounds; round++) {
        print_message("  seed %u\n", first + round);
        play(first + round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
