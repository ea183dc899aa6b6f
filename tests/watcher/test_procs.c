/*  Processes in a made-up /proc, then a real one: this test's own child. */
#include "services/watcher/procs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/watcher/proc_tree.h"

typedef struct {
    size_t count;
    pid_t pid, ppid;
    uid_t uid;
    size_t argc;
    char parent[64];
    char last_arg[64];
    bool stop;
} found_t;

static bool on_process(void *arg, const mlx_proc_t *proc)
{
    found_t *found = arg;
    found->count++;
    found->pid = proc->pid;
    found->ppid = proc->ppid;
    found->uid = proc->uid;
    found->argc = proc->argc;
    snprintf(found->parent, sizeof found->parent, "%s", proc->parent_name);
    snprintf(found->last_arg, sizeof found->last_arg, "%s",
             proc->argc ? proc->argv[proc->argc - 1] : "");
    assert_null(proc->argv[proc->argc]);
    return !found->stop;
}

static void finds_a_runner_in_a_made_up_tree(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    proc_tree_new(root);
    const char *const *runner =
        ARGS("/usr/lib/ollama/llama-server", "--model", "/b/sha256-ab", "--port", "4711");
    proc_tree_add(root, "100", 1, 1000, ARGS("/usr/bin/ollama", "serve"));
    proc_tree_add(root, "200", 100, 1000, runner);
    proc_tree_add(root, "300", 1, 1000, ARGS("-bash"));
    proc_tree_add(root, "400", 2, 0, ARGS(NULL));
    proc_tree_put(root, "500", "cmdline", "llama-server", 13); /* ended meanwhile: no stat */
    proc_tree_add(root, "x600", 100, 1000, runner);

    found_t found = {.count = 0};
    mlx_error_t err = {0};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, &err), 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.pid, 200);
    assert_int_equal(found.ppid, 100);
    assert_int_equal(found.uid, 1000);
    assert_int_equal(found.argc, 5);
    assert_string_equal(found.parent, "ollama");
    assert_string_equal(found.last_arg, "4711");

    found = (found_t){.count = 0};
    assert_int_equal(mlx_procs_find(root, "kernel-name", on_process, &found, &err), 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.argc, 0);
    assert_string_equal(found.parent, "");

    bool listens = true;
    assert_int_equal(mlx_procs_listens(root, 999, 80, &listens, &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_false(listens);
    proc_tree_remove(root);
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, &err), -1);
}

static void bounds_hostile_arguments(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    proc_tree_new(root);
    size_t len = 3 * MLX_PROCS_BYTES_MAX;
    MLX_CLEANUP(mlx_free_p) char *many = mlx_alloc(len, 1); /* empty arguments */
    memcpy(many, "llama-server", 13);
    proc_tree_add(root, "7", 1, 0, ARGS("x"));
    proc_tree_put(root, "7", "cmdline", many, len);
    found_t found = {.count = 0};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, NULL), 0);
    assert_int_equal(found.argc, MLX_PROCS_ARGS_MAX);

    memset(many, 'x', len); /* one endless argument */
    memcpy(many, "llama-server", 13);
    proc_tree_add(root, "7", 1, 0, ARGS("x"));
    proc_tree_put(root, "7", "cmdline", many, len);
    found = (found_t){.count = 0};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, NULL), 0);
    assert_int_equal(found.argc, 2);

    proc_tree_add(root, "8", 1, 0, ARGS("x"));
    proc_tree_put(root, "8", "cmdline", many, len);
    found = (found_t){.stop = true};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, NULL), 0);
    assert_int_equal(found.count, 1);
    proc_tree_remove(root);
}

static int listener(int family, uint16_t *port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    int rc = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof v4)
                               : bind(fd, (struct sockaddr *)&v6, sizeof v6);
    if (fd < 0 || rc || listen(fd, 1) || getsockname(fd, (struct sockaddr *)&bound, &len)) {
        close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                    : ((struct sockaddr_in6 *)&bound)->sin6_port);
    return fd;
}

static void knows_who_listens(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < MLX_COUNT(families); i++) {
        uint16_t port = 0;
        MLX_CLEANUP(mlx_close_p) int fd = listener(families[i], &port);
        if (fd < 0 && families[i] == AF_INET6)
            continue; /* a machine without IPv6 */
        bool listens = false;
        mlx_error_t err = {0};
        assert_int_equal(mlx_procs_listens("/proc", getpid(), port, &listens, &err), 0);
        assert_true(listens);
        /*  The socket is ours and not that of our parent, whose table shows it as well. */
        listens = true;
        if (mlx_procs_listens("/proc", getppid(), port, &listens, &err))
            assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
        assert_false(listens);
        close(fd);
        fd = -1;
        assert_int_equal(mlx_procs_listens("/proc", getpid(), port, &listens, &err), 0);
        assert_false(listens);
    }
}

static void finds_a_real_child(void **state)
{
    (void)state;
    int pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipe_fd[1]);
        dup2(pipe_fd[0], 0);
        execl("/bin/cat", "mlx-test-runner", "-", (char *)NULL);
        _exit(127);
    }
    close(pipe_fd[0]);
    found_t found = {.count = 0};
    for (int i = 0; i < 1000 && found.count == 0; i++) { /* until the exec has happened */
        assert_int_equal(mlx_procs_find("/proc", "mlx-test-runner", on_process, &found, NULL), 0);
        usleep(1000);
    }
    assert_int_equal(found.pid, child);
    assert_int_equal(found.ppid, getpid());
    assert_int_equal(found.uid, getuid());
    assert_string_equal(found.last_arg, "-");
    assert_non_null(strstr(found.parent, "test_watcher_procs"));
    close(pipe_fd[1]);
    waitpid(child, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_runner_in_a_made_up_tree),
        cmocka_unit_test(bounds_hostile_arguments),
        cmocka_unit_test(knows_who_listens),
        cmocka_unit_test(finds_a_real_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
