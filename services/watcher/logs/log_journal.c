#include "log_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_lines.h"

extern char **environ;

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

/*  Its output and its errors go into the pipe END. */
static int spawn(pid_t *pid, const char *const *argv, int end)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* the loop ignores it, and ignoring is inherited */
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, end, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, end, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(pid, argv[0], &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
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
    int rc = spawn(&pid, argv, ends[1]);
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
