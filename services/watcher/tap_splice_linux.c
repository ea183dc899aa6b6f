#include "tap_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROOM = 1 << 20 /* bytes asked for; the system may give less */
};

struct mlx_splice {
    int ends[2];
    size_t held;
};

mlx_splice_t *mlx_splice_new(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return NULL;
    fcntl(ends[1], F_SETPIPE_SZ, ROOM);
    mlx_splice_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_splice_t){.ends = {ends[0], ends[1]}};
    return self;
}

void mlx_splice_destroy(mlx_splice_t **self)
{
    if (!*self)
        return;
    close((*self)->ends[0]);
    close((*self)->ends[1]);
    free(*self);
    *self = NULL;
}

static ssize_t move(int from, int to, size_t most)
{
    ssize_t n;
    do
        n = splice(from, NULL, to, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t mlx_splice_in(mlx_splice_t *self, int from, uint64_t most)
{
    ssize_t got = move(from, self->ends[1], most < ROOM ? (size_t)most : ROOM);
    if (got >= 0) {
        self->held += (size_t)got;
        return got;
    }
    return errno == EAGAIN ? -2 : errno == EINVAL || errno == ENOSYS || errno == EPERM ? -3 : -1;
}

ssize_t mlx_splice_out(mlx_splice_t *self, int to)
{
    size_t sent = 0;
    while (self->held > 0) {
        ssize_t n = move(self->ends[0], to, self->held);
        if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
            return -1;
        if (n <= 0)
            break;
        self->held -= (size_t)n;
        sent += (size_t)n;
    }
    return (ssize_t)sent;
}

size_t mlx_splice_held(const mlx_splice_t *self)
{
    return self->held;
}
