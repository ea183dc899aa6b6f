#include "log_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_lines.h"

enum {
    CHUNK = 16 * 1024,
    MARK = 64, /* bytes before the offset that must still be what they were */
    AFTER_SKIP = 128 * 1024,
};

struct mlx_log_tail {
    char *path;
    uid_t owner;
    int fd; /* -1: none */
    dev_t dev;
    ino_t ino;
    bool ever; /* there was one: the next is read from its beginning */
    off_t at;
    char mark[MARK]; /* what stands before AT */
    size_t mark_len;
    uint64_t skipped;
    mlx_log_lines_t lines;
};

mlx_log_tail_t *mlx_log_tail_new(const char *path, uid_t owner)
{
    mlx_log_tail_t *self = mlx_alloc(1, sizeof *self);
    self->path = mlx_strdup(path);
    self->owner = owner;
    self->fd = -1;
    return self;
}

void mlx_log_tail_destroy(mlx_log_tail_t **self_p)
{
    mlx_log_tail_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_close_p(&self->fd);
    free(self->path);
    free(self);
}

void mlx_log_tail_path(mlx_log_tail_t *self, const char *path)
{
    if (strcmp(self->path, path) == 0)
        return;
    free(self->path);
    self->path = mlx_strdup(path);
}

uint64_t mlx_log_tail_skipped(const mlx_log_tail_t *self)
{
    return self->skipped;
}

static void note_mark(mlx_log_tail_t *self, const char *bytes, size_t len)
{
    size_t part = len < MARK ? len : MARK;
    size_t kept = self->mark_len < MARK - part ? self->mark_len : MARK - part;
    memmove(self->mark, self->mark + self->mark_len - kept, kept);
    memcpy(self->mark + kept, bytes + len - part, part);
    self->mark_len = kept + part;
}

static void go_to(mlx_log_tail_t *self, off_t at)
{
    self->at = at;
    self->mark_len = 0;
    char byte = '\n';
    bool within = at > 0 && pread(self->fd, &byte, 1, at - 1) == 1 && byte != '\n';
    mlx_log_lines_break(&self->lines, within);
}

/*  The file was cut, or cut and written to beyond where we were. */
static bool was_cut(const mlx_log_tail_t *self, off_t size)
{
    char now[MARK];
    if (size < self->at)
        return true;
    return size > self->at && self->mark_len > 0 &&
           (pread(self->fd, now, self->mark_len, self->at - (off_t)self->mark_len) !=
                (ssize_t)self->mark_len ||
            memcmp(now, self->mark, self->mark_len) != 0);
}

/*  Read on, at most BUDGET bytes. */
static ssize_t read_on(mlx_log_tail_t *self, size_t budget, mlx_log_line_fn fn, void *arg)
{
    char chunk[CHUNK];
    ssize_t sum = 0;
    while (budget > 0) {
        size_t part = budget < sizeof chunk ? budget : sizeof chunk;
        ssize_t got = pread(self->fd, chunk, part, self->at);
        if (got <= 0)
            break;
        self->at += got;
        sum += got;
        budget -= (size_t)got;
        note_mark(self, chunk, (size_t)got);
        mlx_log_lines_add(&self->lines, chunk, (size_t)got, fn, arg);
    }
    return sum;
}

static int open_file(const mlx_log_tail_t *self, struct stat *st, mlx_error_t *err)
{
    int fd = open(self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return mlx_error_set(err, errno == ENOENT ? MLX_ERR_NOT_FOUND : MLX_ERR_UNAVAILABLE,
                             "%s: %s", self->path, strerror(errno));
    bool good = fstat(fd, st) == 0 && S_ISREG(st->st_mode);
    bool ours = self->owner == (uid_t)-1 || st->st_uid == self->owner || self->owner == 0;
    if (good && ours)
        return fd;
    close(fd);
    return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "%s: it is %s", self->path,
                         good ? "another user's" : "not a regular file");
}

/*  Have the file open that bears the name now; the rest of the one before is read first. */
static int follow(mlx_log_tail_t *self, off_t *size, mlx_log_line_fn fn, void *arg,
                  mlx_error_t *err)
{
    struct stat st = {.st_size = 0};
    bool same = stat(self->path, &st) == 0 && self->fd >= 0 && st.st_dev == self->dev &&
                st.st_ino == self->ino;
    *size = st.st_size;
    if (same)
        return 0;
    if (self->fd >= 0)
        read_on(self, MLX_LOG_TURN_BYTES, fn, arg);
    mlx_close_p(&self->fd);
    self->fd = open_file(self, &st, err);
    if (self->fd < 0) {
        self->ever = true; /* what comes is new from its beginning */
        return -1;
    }
    self->dev = st.st_dev;
    self->ino = st.st_ino;
    go_to(self, self->ever ? 0 : st.st_size);
    self->ever = true;
    *size = st.st_size;
    return 0;
}

ssize_t mlx_log_tail_read(mlx_log_tail_t *self, mlx_log_line_fn fn, void *arg, mlx_error_t *err)
{
    off_t size;
    if (follow(self, &size, fn, arg, err))
        return -1;
    if (size == self->at)
        return 0;
    if (was_cut(self, size))
        go_to(self, 0);
    if (size - self->at > MLX_LOG_BEHIND_MAX) {
        off_t next = size - AFTER_SKIP;
        self->skipped += (uint64_t)(next - self->at);
        go_to(self, next);
    }
    return read_on(self, MLX_LOG_TURN_BYTES, fn, arg);
}
