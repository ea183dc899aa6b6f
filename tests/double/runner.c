#include "tests/double/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include "tests/double/net.h"

static const char DIR_PREFIX[] = "mlx-double-";

struct mlx_runner {
    pid_t pid; /* -1: gone and reaped */
    int pipe;
};

static int self_path(char path[4096], mlx_error_t *err)
{
#ifdef __APPLE__
    uint32_t size = 4096;
    if (_NSGetExecutablePath(path, &size) == 0)
        return 0;
#else
    ssize_t len = readlink("/proc/self/exe", path, 4095);
    if (len > 0) {
        path[len] = '\0';
        return 0;
    }
#endif
    return mlx_error_set(err, MLX_ERR_FAILED, "cannot find this program's own file");
}

/*  A link NAME to this program in a new private folder. Caller owns the path; NULL on failure. */
static char *make_link(const char *name, mlx_error_t *err)
{
    char self[4096];
    const char *base = getenv("TMPDIR");
    if (self_path(self, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p)
    char *dir = mlx_format("%s/%sXXXXXX", base && *base ? base : "/tmp", DIR_PREFIX);
    if (!mkdtemp(dir)) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot create %s: %s", dir, strerror(errno));
        return NULL;
    }
    char *link = mlx_format("%s/%s", dir, name);
    if (symlink(self, link) == 0)
        return link;
    mlx_error_set(err, MLX_ERR_FAILED, "cannot create %s: %s", link, strerror(errno));
    rmdir(dir);
    free(link);
    return NULL;
}

void mlx_runner_forget_link(const char *argv0)
{
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_strdup(argv0);
    char *slash = strrchr(dir, '/');
    if (!slash)
        return;
    *slash = '\0';
    const char *name = strrchr(dir, '/');
    if (!name || strncmp(name + 1, DIR_PREFIX, sizeof(DIR_PREFIX) - 1) != 0)
        return;
    unlink(argv0);
    rmdir(dir);
}

int mlx_runner_become_ollama(char **argv, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *link = make_link("ollama", err);
    size_t count = 0;
    if (!link)
        return -1;
    while (argv[count])
        count++;
    MLX_CLEANUP(mlx_free_p) char **args = mlx_alloc(count + 2, sizeof(*args));
    char serve[] = "serve";
    args[0] = link;
    args[1] = serve;
    memcpy(args + 2, argv + 1, (count - 1) * sizeof(*args));
    execv(link, args);
    mlx_error_set(err, MLX_ERR_FAILED, "cannot start %s: %s", link, strerror(errno));
    mlx_runner_forget_link(link);
    return -1;
}

/*  In the child: the two descriptors at their places, then the program under its other name.
 *  STARTED closes by itself when that has succeeded. */
static void exec_runner(const char *link, char *const *args, int listener, int view, int started)
{
    int a = fcntl(listener, F_DUPFD, 10);
    int b = fcntl(view, F_DUPFD, 10);
    int c = fcntl(started, F_DUPFD_CLOEXEC, 10);
    dup2(a, MLX_RUNNER_LISTEN_FD);
    dup2(b, MLX_RUNNER_VIEW_FD);
    close(a);
    close(b);
    for (int fd = MLX_RUNNER_VIEW_FD + 1; fd < 1024; fd++) {
        if (fd != c)
            close(fd);
    }
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    execv(link, args);
    _exit(127);
}

static void close_pair(int *pair)
{
    mlx_close_p(&pair[0]);
    mlx_close_p(&pair[1]);
}

/*  Fork and exec; returns when the child has become llama-server, so that its link may go. */
static pid_t spawn(const char *link, char *const *args, int listener, int view)
{
    int started[2] = {-1, -1};
    char byte;
    if (pipe(started))
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        exec_runner(link, args, listener, view, started[1]);
    mlx_close_p(&started[1]);
    while (pid > 0 && read(started[0], &byte, 1) < 0 && errno == EINTR)
        continue;
    close_pair(started);
    return pid;
}

mlx_runner_t *mlx_runner_new(const char *blob, int slots, int64_t context, bool metrics,
                             mlx_error_t *err)
{
    int port = 0;
    int view[2] = {-1, -1};
    MLX_CLEANUP(mlx_close_p) int listener = mlx_net_socket(&port);
    if (listener < 0 || pipe(view)) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot open a runner's sockets: %s", strerror(errno));
        return NULL;
    }
    MLX_CLEANUP(mlx_free_p) char *link = make_link("llama-server", err);
    if (!link) {
        close_pair(view);
        return NULL;
    }
    fcntl(view[1], F_SETFD, FD_CLOEXEC);
    fcntl(view[1], F_SETFL, O_NONBLOCK);

    char port_text[16], slots_text[16], context_text[24];
    snprintf(port_text, sizeof(port_text), "%d", port);
    snprintf(slots_text, sizeof(slots_text), "%d", slots);
    snprintf(context_text, sizeof(context_text), "%lld", (long long)context);
    const char *args[] = {link,         "--model", blob,        "--port",
                          port_text,    "--host",  "127.0.0.1", "-c",
                          context_text, "-np",     slots_text,  metrics ? "--metrics" : NULL,
                          NULL};
    pid_t pid = spawn(link, (char *const *)args, listener, view[0]);
    mlx_runner_forget_link(link);
    mlx_close_p(&view[0]);
    if (pid < 0) {
        mlx_close_p(&view[1]);
        mlx_error_set(err, MLX_ERR_FAILED, "cannot start a runner: %s", strerror(errno));
        return NULL;
    }
    mlx_runner_t *self = mlx_alloc(1, sizeof(*self));
    *self = (mlx_runner_t){pid, view[1]};
    return self;
}

void mlx_runner_destroy(mlx_runner_t **self)
{
    if (!*self)
        return;
    mlx_close_p(&(*self)->pipe);
    if ((*self)->pid > 0) {
        kill((*self)->pid, SIGTERM);
        while (waitpid((*self)->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    free(*self);
    *self = NULL;
}

bool mlx_runner_ended(mlx_runner_t *self, pid_t pid)
{
    bool mine = self->pid == pid;
    if (mine)
        self->pid = -1;
    return mine;
}

void mlx_runner_show(mlx_runner_t *self, const mlx_view_t *view)
{
    ssize_t put = write(self->pipe, view, sizeof(*view));
    (void)put; /* full: the next view says more; broken: the child's end is noticed by its signal */
}
