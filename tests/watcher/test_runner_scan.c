/*  Which processes are taken for Ollama's runners, and what is said when none is. */
#include "services/watcher/runner_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/watcher/proc_tree.h"

#define SERVER "/usr/lib/ollama/llama-server"
#define BLOB "/m/blobs/sha256-ab"

enum {
    ME = 1000,
    OTHER = 990,
    OLLAMA_PORT = 11434
};

static void add_ollama(const char *root, const char *pid, int uid, int port)
{
    proc_tree_add(root, pid, 1, uid, ARGS("/usr/bin/ollama", "serve"));
    proc_tree_listen(root, pid, port);
}

static void finds_what_ollama_started(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    proc_tree_new(root);
    add_ollama(root, "100", ME, OLLAMA_PORT);
    proc_tree_add(root, "200", 100, ME,
                  ARGS(SERVER, "--model", BLOB, "--port", "4711", "--host", "127.0.0.1"));
    proc_tree_listen(root, "200", 4711);
    proc_tree_add(root, "201", 100, ME, ARGS(SERVER, "--model=" BLOB "2", "--port=4712"));
    proc_tree_listen(root, "201", 4712);
    /*  The user's own llama-server is not Ollama's. */
    proc_tree_add(root, "300", 1, ME, ARGS(SERVER, "--model", BLOB, "--port", "8080"));
    proc_tree_listen(root, "300", 8080);

    mlx_runner_scan_t found;
    mlx_runner_scan(&found, root, ME, OLLAMA_PORT);
    assert_int_equal(found.count, 2);
    size_t first = found.processes[0].pid == 200 ? 0 : 1;
    assert_int_equal(found.processes[first].port, 4711);
    assert_string_equal(found.processes[first].model_path, BLOB);
    assert_int_equal(found.processes[1 - first].port, 4712);
    assert_string_equal(found.processes[1 - first].model_path, BLOB "2");
    assert_string_equal(found.reason, "");

    mlx_runner_scan(&found, root, ME, OLLAMA_PORT + 1); /* another server's runners */
    assert_int_equal(found.count, 0);
    assert_non_null(strstr(found.reason, "another Ollama"));
    mlx_runner_scan(&found, root, OTHER, OLLAMA_PORT);
    assert_int_equal(found.count, 0);
    assert_non_null(strstr(found.reason, "another user (uid 1000)"));
    mlx_runner_scan(&found, root, 0, OLLAMA_PORT); /* root may */
    assert_int_equal(found.count, 2);
    proc_tree_remove(root);
}

static void expect_reason(const char *root, const char *part)
{
    mlx_runner_scan_t found;
    mlx_runner_scan(&found, root, ME, OLLAMA_PORT);
    assert_int_equal(found.count, 0);
    if (!strstr(found.reason, part))
        fail_msg("\"%s\" does not say \"%s\"", found.reason, part);
}

/*  Arguments can be anybody's: what they name must be true. */
static void believes_no_arguments(void **state)
{
    (void)state;
    static const char *const lies[][8] = {
        {SERVER, "--model", BLOB, NULL},   {SERVER, "--port", NULL},
        {SERVER, "--port", "0", NULL},     {SERVER, "--port", "70000", NULL},
        {SERVER, "--port", "4711x", NULL}, {SERVER, "--port", "4711", "--host", "0.0.0.0", NULL},
        {SERVER, "--port", "4799", NULL}, /* does not listen there */
    };
    char root[] = PROC_TREE;
    proc_tree_new(root);
    add_ollama(root, "100", ME, OLLAMA_PORT);
    for (size_t i = 0; i < MLX_COUNT(lies); i++) {
        proc_tree_add(root, "200", 100, ME, lies[i]);
        proc_tree_listen(root, "200", 4711);
        expect_reason(root, "is not listening");
    }
    proc_tree_remove(root);
}

static void says_why_there_is_none(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    proc_tree_new(root);
    expect_reason(root, "no runner process");
    add_ollama(root, "100", ME, OLLAMA_PORT);
    expect_reason(root, "no runner process");
    proc_tree_add(root, "200", 100, ME, ARGS("/usr/bin/ollama", "runner", "--model", BLOB));
    expect_reason(root, "older than 0.30");
    proc_tree_add(root, "200", 100, ME, ARGS("/usr/bin/ollama", "runner", "--mlx-engine"));
    expect_reason(root, "MLX engine");
    proc_tree_remove(root);
    expect_reason(root, "process table");
}

static void holds_no_more_than_it_can(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    proc_tree_new(root);
    add_ollama(root, "100", ME, OLLAMA_PORT);
    char long_path[MLX_RUNNER_PATH_MAX + 10];
    memset(long_path, 'p', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    for (int i = 0; i < 2 * MLX_RUNNERS_MAX; i++) {
        MLX_CLEANUP(mlx_free_p) char *pid = mlx_format("%d", 200 + i);
        MLX_CLEANUP(mlx_free_p) char *port = mlx_format("%d", 4000 + i);
        proc_tree_add(root, pid, 100, ME, ARGS(SERVER, "--model", long_path, "--port", port));
        proc_tree_listen(root, pid, 4000 + i);
    }
    mlx_runner_scan_t found;
    mlx_runner_scan(&found, root, ME, OLLAMA_PORT);
    assert_int_equal(found.count, MLX_RUNNERS_MAX);
    assert_string_equal(found.processes[0].model_path, "");
    proc_tree_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_ollama_started),
        cmocka_unit_test(believes_no_arguments),
        cmocka_unit_test(says_why_there_is_none),
        cmocka_unit_test(holds_no_more_than_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
