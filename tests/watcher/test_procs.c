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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const char *root, const char *pid, const char *name, const char *data, size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_format("%s/%s", root, pid);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", dir, name);
    mkdir(dir, 0700);
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
}

static void process(const char *root, const char *pid, const char *stat, const char *cmdline,
                    size_t len, const char *uid)
{
    MLX_CLEANUP(mlx_free_p) char *status = mlx_format("Name:\tx\nUid:\t%s\t0\t0\t0\n", uid);
    put(root, pid, "stat", stat, strlen(stat));
    put(root, pid, "cmdline", cmdline, len);
    put(root, pid, "status", status, strlen(status));
    put(root, pid, "comm", "kernel-name\n", 12);
}

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

static void remove_tree(const char *root)
{
    MLX_CLEANUP(mlx_free_p) char *command = mlx_format("rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

static void finds_a_runner_in_a_recorded_tree(void **state)
{
    (void)state;
    char root[] = "/tmp/mlx-procs-XXXXXX";
    assert_non_null(mkdtemp(root));
    static const char runner[] = "/usr/lib/ollama/llama-server\0--model\0/b/sha256-ab\0--port\0"
                                 "4711";
    process(root, "100", "100 (ollama) S 1 1 1", "/usr/bin/ollama\0serve", 22, "1000");
    process(root, "200", "200 (a) b) ) S 100 1 1", runner, sizeof runner, "1000");
    process(root, "300", "300 (bash) S 1 1 1", "-bash", 6, "1000");
    process(root, "400", "400 (kworker) S 2 1 1", "", 0, "0");
    put(root, "500", "cmdline", runner, sizeof runner); /* ended meanwhile: no stat */
    process(root, "x600", "6 (x) S 100 1", runner, sizeof runner, "1000");

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
    remove_tree(root);
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, &err), -1);
}

static void bounds_hostile_arguments(void **state)
{
    (void)state;
    char root[] = "/tmp/mlx-procs-XXXXXX";
    assert_non_null(mkdtemp(root));
    size_t len = 3 * MLX_PROCS_BYTES_MAX;
    MLX_CLEANUP(mlx_free_p) char *many = mlx_alloc(len, 1); /* empty arguments */
    memcpy(many, "llama-server", 13);
    process(root, "7", "7 (l) S 1", many, len, "0");
    found_t found = {.count = 0};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, NULL), 0);
    assert_int_equal(found.argc, MLX_PROCS_ARGS_MAX);

    memset(many, 'x', len); /* one endless argument */
    memcpy(many, "llama-server", 13);
    process(root, "7", "7 (l) S 1", many, len, "0");
    found = (found_t){.count = 0};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, NULL), 0);
    assert_int_equal(found.argc, 2);

    process(root, "8", "8 (l) S 1", many, len, "0");
    found = (found_t){.stop = true};
    assert_int_equal(mlx_procs_find(root, "llama-server", on_process, &found, NULL), 0);
    assert_int_equal(found.count, 1);
    remove_tree(root);
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
        cmocka_unit_test(finds_a_runner_in_a_recorded_tree),
        cmocka_unit_test(bounds_hostile_arguments),
        cmocka_unit_test(knows_who_listens),
        cmocka_unit_test(finds_a_real_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
