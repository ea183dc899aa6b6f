/*  kill -9 and I/O errors at every step of every operation: running it again must converge, no app
 *  may ever see a half file, and nothing an app uses may be gone. */
#include "tests/cache/world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const mlx_cache_clean_options_t whole = {.older_s = MLX_CACHE_ANY_AGE};

/*  Every change is hit once in so many runs: MLX_CRASH_STRIDE=1 hits all of them in one. The first
 *  one is told by the clock, and printed. */
static int stride(void)
{
    const char *text = getenv("MLX_CRASH_STRIDE");
    int value = text ? atoi(text) : 3;
    return value > 0 ? value : 1;
}

static int first_change(void)
{
    static int first = -1;
    if (first < 0)
        first = (int)(time(NULL) % stride());
    return first;
}

/* ---- the gate: at change number N, die or fail ---- */

typedef struct {
    int at;     /* the change that is hit; -1: none */
    int number; /* errno it fails with; 0: SIGKILL */
    int seen;
} trap_t;

static int trap_gate(void *arg, const char *operation, const char *path)
{
    trap_t *trap = arg;
    (void)operation;
    (void)path;
    if (trap->seen++ != trap->at)
        return 0;
    if (!trap->number)
        kill(getpid(), SIGKILL);
    return trap->number;
}

/* ---- the operations ---- */

typedef mlx_value_t *(*operation_fn)(mlx_cache_t *cache, mlx_error_t *err);

static mlx_value_t *op_adopt(mlx_cache_t *cache, mlx_error_t *err)
{
    return mlx_cache_adopt(cache, NULL, NULL, NULL, err);
}

static mlx_value_t *op_link_ollama(mlx_cache_t *cache, mlx_error_t *err)
{
    return mlx_cache_link(cache, "ollama", "org/Repo-GGUF", NULL, err);
}

static mlx_value_t *op_link_lmstudio(mlx_cache_t *cache, mlx_error_t *err)
{
    return mlx_cache_link(cache, "lmstudio", "org/mlx", NULL, err);
}

static mlx_value_t *op_link_dir(mlx_cache_t *cache, mlx_error_t *err)
{
    return mlx_cache_link(cache, "llamacpp", "org/mlx", NULL, err);
}

static mlx_value_t *op_unlink(mlx_cache_t *cache, mlx_error_t *err)
{
    mlx_value_t *report = mlx_cache_unlink(cache, "ollama", "org/Repo-GGUF", false, err);
    /* After a crash the rest of it was done by the recovery. */
    if (!report && err->code == MLX_ERR_NOT_FOUND)
        report = mlx_value_map();
    return report;
}

static mlx_value_t *op_dedup(mlx_cache_t *cache, mlx_error_t *err)
{
    return mlx_cache_dedup(cache, true, err);
}

static mlx_value_t *op_undo(mlx_cache_t *cache, mlx_error_t *err)
{
    mlx_value_t *report = mlx_cache_undo(cache, 0, NULL, err);
    if (!report && err->code == MLX_ERR_NOT_FOUND)
        report = mlx_value_map();
    return report;
}

static mlx_value_t *op_clean(mlx_cache_t *cache, mlx_error_t *err)
{
    return mlx_cache_clean(cache, &whole, err);
}

static mlx_value_t *op_remove(mlx_cache_t *cache, mlx_error_t *err)
{
    mlx_value_t *report = mlx_cache_remove(cache, "local/lonely", false, err);
    if (!report && err->code == MLX_ERR_NOT_FOUND)
        report = mlx_cache_clean(cache, &whole, err);
    return report;
}

static const struct {
    const char *name;
    operation_fn prepare[3];
    operation_fn run;
} operations[] = {
    {"adopt", {NULL}, op_adopt},
    {"link ollama", {op_adopt}, op_link_ollama},
    {"link lmstudio", {op_adopt}, op_link_lmstudio},
    {"link llamacpp", {op_adopt}, op_link_dir},
    {"unlink", {op_adopt, op_link_ollama}, op_unlink},
    {"dedup", {NULL}, op_dedup},
    {"dedup of adopted", {op_adopt}, op_dedup},
    {"undo", {op_dedup}, op_undo},
    {"clean", {op_adopt}, op_clean},
    {"remove", {op_adopt}, op_remove},
    {"undo of clean", {op_adopt, op_clean}, op_undo},
    {"undo of remove", {op_adopt, op_remove}, op_undo},
};

/* ---- a world in which each of them has something to do ---- */

static world_t *make_world(void)
{
    world_t *w = world_new();
    char hex[MLX_HEX_MAX];
    world_hub_model(w, "org/mlx", 1, hex);
    world_hub_gguf(w, "org/Repo-GGUF", "m-Q4_K_M.gguf", 4, hex);
    world_ollama_model(w, "qwen", "7b", 2, hex);
    world_lmstudio_model(w, "pub/qwen", 2, hex);
    return w;
}

static void add_lonely(world_t *w, mlx_cache_t *cache)
{
    MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "downloads/lonely.gguf");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    mlx_error_t err = {0};
    fixture_gguf(&content, 1000, 9);
    fixture_write(path, content.data, content.len);
    mlx_value_t *report = mlx_cache_add_path(cache, path, NULL, &err);
    if (!report)
        mlx_panic("%s", err.text);
    mlx_value_destroy(&report);
}

static void run_clean(world_t *w, operation_fn run)
{
    mlx_error_t err = {0};
    w->fs = (mlx_fs_t){0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    mlx_value_t *report = cache ? run(cache, &err) : NULL;
    if (!report)
        fail_msg("%s; %s", err.text, err.hint);
    mlx_value_destroy(&report);
}

static void prepare(world_t *w, const operation_fn *steps)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    add_lonely(w, cache);
    for (size_t i = 0; i < 3 && steps[i]; i++) {
        mlx_value_t *report = steps[i](cache, &err);
        if (!report)
            mlx_panic("%s", err.text);
        mlx_value_destroy(&report);
    }
}

/*  What the apps have, as a listing of names, types and contents: the same after every detour. */
static void list_apps(world_t *w, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p)
    char *command =
        mlx_format("cd %s && find home cache/models cache/blobs \\( -type f -exec sha256sum"
                   " {} + -o -type l -printf '%%p -> %%l\\n' \\) | LC_ALL=C sort",
                   w->dir);
    FILE *pipe = popen(command, "r");
    char chunk[4096];
    mlx_buf_reset(out);
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, pipe)) > 0;)
        mlx_buf_append(out, chunk, got);
    pclose(pipe);
}

/*  Every model that an app had before must be whole at any moment after a crash, before anything is
 *  repaired: that is what the app sees. */
static void check_seen_by_apps(world_t *w)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, false, &err);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, &err);
    assert_non_null(status);
    /* What the hit operation left is set aside until the next command; nothing else is wrong. */
    const mlx_value_t *problems = mlx_value_get(status, "problems");
    for (size_t i = 0; i < mlx_value_size(problems); i++)
        assert_non_null(mlx_value_get(mlx_value_at(problems, i), "operation"));
    assert_int_not_equal(world_inode(w, "home/.lmstudio/models/pub/qwen/model.gguf"), 0);
    assert_int_not_equal(
        world_inode(w, "home/.ollama/models/manifests/registry.ollama.ai/library/qwen/7b"), 0);
}

/*  Run in a child that dies at change N. True when it died there. */
static bool dies_at(world_t *w, operation_fn run, int at)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        trap_t trap = {.at = at};
        mlx_error_t err = {0};
        w->fs = (mlx_fs_t){.gate = trap_gate, .arg = &trap};
        mlx_cache_t *cache = world_open(w, true, &err);
        if (cache && run(cache, &err))
            _exit(0);
        fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

/*  Fail with the lines that differ. */
static void check_same(size_t op, int at, const mlx_buf_t *want, const mlx_buf_t *got)
{
    if (want->len == got->len && memcmp(mlx_buf_str(want), mlx_buf_str(got), want->len) == 0)
        return;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *a = fixture_path(dir, "want");
    MLX_CLEANUP(mlx_free_p) char *b = fixture_path(dir, "got");
    fixture_write(a, mlx_buf_str(want), want->len);
    fixture_write(b, mlx_buf_str(got), got->len);
    MLX_CLEANUP(mlx_free_p) char *command = mlx_format("diff %s %s >&2", a, b);
    fflush(NULL);
    if (system(command))
        fail_msg("%s hit at change %d ends differently", operations[op].name, at);
}

static void expected_end(size_t op, mlx_buf_t *out)
{
    MLX_CLEANUP(world_destroy) world_t *w = make_world();
    prepare(w, operations[op].prepare);
    run_clean(w, operations[op].run);
    world_check_sound(w);
    list_apps(w, out);
}

static void kill_everywhere(size_t op)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t want = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t got = {0};
    expected_end(op, &want);
    int at = first_change();
    for (bool died = true; died; at += stride()) {
        MLX_CLEANUP(world_destroy) world_t *w = make_world();
        prepare(w, operations[op].prepare);
        died = dies_at(w, operations[op].run, at);
        check_seen_by_apps(w);
        run_clean(w, operations[op].run);
        world_check_sound(w);
        list_apps(w, &got);
        check_same(op, at, &want, &got);
    }
    print_message("  %s: killed at every change of %d from %d in steps of %d\n",
                  operations[op].name, at - stride(), first_change(), stride());
    assert_true(at > 3);
}

static void test_kill_at_every_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(operations); i++)
        kill_everywhere(i);
}

/*  A second kill during the recovery of the first. */
static void test_kill_in_recovery(void **state)
{
    (void)state;
    for (size_t op = 0; op < MLX_COUNT(operations); op++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t want = {0};
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t got = {0};
        expected_end(op, &want);
        for (int at = 2 + first_change(); at < 60; at += 7 * stride()) {
            MLX_CLEANUP(world_destroy) world_t *w = make_world();
            prepare(w, operations[op].prepare);
            for (int again = 0; again < 3; again++)
                dies_at(w, operations[op].run, at / (again + 1));
            check_seen_by_apps(w);
            run_clean(w, operations[op].run);
            world_check_sound(w);
            list_apps(w, &got);
            check_same(op, at, &want, &got);
        }
    }
}

/*  The app removes the model, or writes a new one in its place, before anything is repaired: the
 *  cache recovers, and no name is left that the app does not know. */
static void app_steps_in(operation_fn before, operation_fn run, bool writes)
{
    static const char model[] = "home/.lmstudio/models/pub/qwen/model.gguf";
    int at = first_change();
    for (bool died = true; died; at += stride()) {
        MLX_CLEANUP(world_destroy) world_t *w = make_world();
        MLX_CLEANUP(mlx_free_p) char *path = world_path(w, "%s", model);
        prepare(w, (const operation_fn[]){before, NULL});
        died = dies_at(w, run, at);
        assert_int_equal(unlink(path), 0);
        if (writes)
            fixture_write(path, "new", 3);
        run_clean(w, op_clean);
        world_check_sound(w);
        assert_int_equal(world_inode(w, model) != 0, writes);
    }
    assert_true(at > 3);
}

static void test_app_steps_in(void **state)
{
    (void)state;
    for (int writes = 0; writes < 2; writes++) {
        app_steps_in(NULL, op_dedup, writes);
        app_steps_in(op_dedup, op_undo, writes);
    }
}

/*  ENOSPC and EIO at every change: a clear error, everything sound, and the next run succeeds. */
static void fail_everywhere(size_t op, int number)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t want = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t got = {0};
    expected_end(op, &want);
    for (int at = first_change();; at += stride()) {
        MLX_CLEANUP(world_destroy) world_t *w = make_world();
        prepare(w, operations[op].prepare);
        trap_t trap = {.at = at, .number = number};
        mlx_error_t err = {0};
        w->fs = (mlx_fs_t){.gate = trap_gate, .arg = &trap};
        mlx_cache_t *cache = world_open(w, true, &err);
        mlx_value_t *report = cache ? operations[op].run(cache, &err) : NULL;
        bool hit = trap.seen > at;
        if (!report && (!hit || !err.text[0]))
            fail_msg("%s failed at change %d without a reason: %s", operations[op].name, at,
                     err.text);
        mlx_value_destroy(&report);
        mlx_cache_destroy(&cache);
        check_seen_by_apps(w);
        run_clean(w, operations[op].run);
        world_check_sound(w);
        list_apps(w, &got);
        check_same(op, at, &want, &got);
        if (!hit)
            return;
    }
}

static void test_disk_full_at_every_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(operations); i++)
        fail_everywhere(i, ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_at_every_change),
        cmocka_unit_test(test_kill_in_recovery),
        cmocka_unit_test(test_app_steps_in),
        cmocka_unit_test(test_disk_full_at_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
