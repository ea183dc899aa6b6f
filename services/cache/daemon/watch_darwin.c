#include "watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/event.h>
#include <unistd.h>

/*  kqueue watches an open folder: it tells of entries that come, go or change their name, which is
 *  all that stores do (blobs are renamed into place). */
struct mlx_watch_dirs {
    int kqueue;
    int *dirs; /* descriptors of what is watched now */
    size_t count;
};

mlx_watch_dirs_t *mlx_watch_dirs_new(void)
{
    int fd = kqueue();
    if (fd < 0)
        return NULL;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    mlx_watch_dirs_t *self = mlx_alloc(1, sizeof *self);
    self->kqueue = fd;
    return self;
}

/*  Closing a descriptor takes its watch out of the queue. */
static void close_dirs(mlx_watch_dirs_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        close(self->dirs[i]);
    free(self->dirs);
    self->dirs = NULL;
    self->count = 0;
}

void mlx_watch_dirs_destroy(mlx_watch_dirs_t **self)
{
    if (*self) {
        close_dirs(*self);
        close((*self)->kqueue);
    }
    mlx_free_p(self);
}

static bool add_dir(mlx_watch_dirs_t *self, const char *path)
{
    struct kevent event;
    int fd = open(path, O_EVTONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0)
        return false;
    EV_SET(&event, (uintptr_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
           NOTE_WRITE | NOTE_EXTEND | NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE, 0, NULL);
    if (kevent(self->kqueue, &event, 1, NULL, 0, NULL)) {
        close(fd);
        return false;
    }
    self->dirs[self->count++] = fd;
    return true;
}

bool mlx_watch_dirs_set(mlx_watch_dirs_t *self, char *const *paths, size_t count)
{
    bool all = true;
    close_dirs(self);
    self->dirs = mlx_alloc(count + 1, sizeof *self->dirs);
    for (size_t i = 0; i < count; i++)
        all = add_dir(self, paths[i]) && all;
    return all;
}

int mlx_watch_dirs_fd(const mlx_watch_dirs_t *self)
{
    return self->kqueue;
}

bool mlx_watch_dirs_drain(mlx_watch_dirs_t *self)
{
    struct kevent events[64];
    const struct timespec now = {0};
    bool any = false;
    while (kevent(self->kqueue, NULL, 0, events, (int)MLX_COUNT(events), &now) > 0)
        any = true;
    return any;
}
