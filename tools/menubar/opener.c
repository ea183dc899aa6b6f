#include "opener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RUNNING_MAX = 16
};

extern char **environ;

typedef struct {
    pid_t pid; /* 0: free */
    char *what;
} child_t;

struct mlx_opener {
    mlx_opener_failed_fn fn;
    void *arg;
    child_t children[RUNNING_MAX];
};

mlx_opener_t *mlx_opener_new(mlx_opener_failed_fn fn, void *arg)
{
    mlx_opener_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_opener_t){.fn = fn, .arg = arg};
    return self;
}

void mlx_opener_destroy(mlx_opener_t **self_p)
{
    mlx_opener_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < RUNNING_MAX; i++)
        free(self->children[i].what);
    free(self);
}

/*  Our stdout is a data stream and must not be written into by a browser. */
static int spawn(pid_t *pid, const char *const *argv)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* the loop ignores it, and ignoring is inherited */
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(pid, argv[0], &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

int mlx_opener_run(mlx_opener_t *self, const char *const *argv, const char *what, mlx_error_t *err)
{
    child_t *child = self->children;
    while (child < self->children + RUNNING_MAX && child->pid)
        child++;
    if (child == self->children + RUNNING_MAX)
        return mlx_error_set(err, MLX_ERR_BUSY, "%d programs started by a click are still running",
                             RUNNING_MAX);
    int rc = spawn(&child->pid, argv);
    if (rc) {
        child->pid = 0;
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "cannot run %s: %s", argv[0], strerror(rc));
    }
    child->what = mlx_strdup(what);
    return 0;
}

void mlx_opener_reap(mlx_opener_t *self)
{
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        child_t *child = &self->children[i];
        int status;
        if (!child->pid || waitpid(child->pid, &status, WNOHANG) != child->pid)
            continue;
        MLX_CLEANUP(mlx_free_p) char *what = child->what;
        *child = (child_t){0};
        if (what && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
            self->fn(self->arg, what);
    }
}

size_t mlx_opener_running(const mlx_opener_t *self)
{
    size_t running = 0;
    for (size_t i = 0; i < RUNNING_MAX; i++)
        running += self->children[i].pid != 0;
    return running;
}
