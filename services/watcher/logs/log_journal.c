#include "log_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/os/os.h"
#include "log_lines.h"

enum {
    CHUNK = 16 * 1024,
    TURNS_MAX = 8, /* turns in a row that were full: it is not caught up with */
};

struct mlx_log_journal {
    mlx_log_journal_options_t options;
    pid_t pid;
    int fd;
    mlx_watch_t *watch;
    size_t left; /* bytes of this turn */
    int full;    /* turns in a row without any left */
    bool ended;
    mlx_log_lines_t lines;
};

static void on_readable(void *arg, int fd, unsigned events)
{
    mlx_log_journal_t *self = arg;
    char chunk[CHUNK];
    (void)events;
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        self->ended = true;
        mlx_loop_unwatch(self->options.loop, &self->watch);
        return;
    }
    self->left -= (size_t)got < self->left ? (size_t)got : self->left;
    if (self->left == 0)
        mlx_loop_rewatch(self->options.loop, self->watch, 0);
    mlx_log_lines_add(&self->lines, chunk, (size_t)got, self->options.line, self->options.arg);
}

mlx_log_journal_t *mlx_log_journal_new(const mlx_log_journal_options_t *options, mlx_error_t *err)
{
    int ends[2];
    const char *const argv[] = {"journalctl",
                                options->user_unit ? "--user" : "--system",
                                "--unit",
                                options->unit,
                                "--follow",
                                "--lines=0",
                                "--output=json",
                                "--output-fields=MESSAGE",
                                NULL};
    if (pipe(ends)) {
        mlx_error_set(err, MLX_ERR_FAILED, "pipe: %s", strerror(errno));
        return NULL;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid;
    int rc = mlx_os_spawn(&pid, argv, ends[1], ends[1]);
    close(ends[1]);
    if (rc) {
        close(ends[0]);
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "cannot run journalctl: %s", strerror(rc));
        return NULL;
    }
    mlx_log_journal_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->options.unit = NULL;
    self->pid = pid;
    self->fd = ends[0];
    self->left = MLX_LOG_TURN_BYTES;
    self->watch = mlx_loop_watch(options->loop, self->fd, MLX_READ, on_readable, self);
    return self;
}

void mlx_log_journal_destroy(mlx_log_journal_t **self_p)
{
    mlx_log_journal_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    if (self->watch)
        mlx_loop_unwatch(self->options.loop, &self->watch);
    mlx_close_p(&self->fd);
    kill(self->pid, SIGKILL);
    while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(self);
}

bool mlx_log_journal_ended(const mlx_log_journal_t *self)
{
    return self->ended;
}

bool mlx_log_journal_turn(mlx_log_journal_t *self)
{
    self->full = self->left == 0 ? self->full + 1 : 0;
    self->left = MLX_LOG_TURN_BYTES;
    if (self->watch)
        mlx_loop_rewatch(self->options.loop, self->watch, MLX_READ);
    return self->full < TURNS_MAX;
}
