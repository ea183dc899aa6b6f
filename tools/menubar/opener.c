#include "opener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/os/os.h"

enum {
    RUNNING_MAX = 16
};

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

int mlx_opener_run(mlx_opener_t *self, const char *const *argv, const char *what, mlx_error_t *err)
{
    child_t *child = self->children;
    while (child < self->children + RUNNING_MAX && child->pid)
        child++;
    if (child == self->children + RUNNING_MAX)
        return mlx_error_set(err, MLX_ERR_BUSY, "%d programs started by a click are still running",
                             RUNNING_MAX);
    /* Our stdout is a data stream and must not be written into by a browser. */
    int rc = mlx_os_spawn(&child->pid, argv, -1, STDERR_FILENO);
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
