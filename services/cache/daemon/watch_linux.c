#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    EVENTS = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF |
             IN_MOVE_SELF | IN_ONLYDIR
};

struct mlx_watch_dirs {
    int fd;
    int *ids; /* inotify's numbers of what is watched now */
    size_t count;
};

mlx_watch_dirs_t *mlx_watch_dirs_new(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return NULL;
    mlx_watch_dirs_t *self = mlx_alloc(1, sizeof *self);
    self->fd = fd;
    return self;
}

void mlx_watch_dirs_destroy(mlx_watch_dirs_t **self)
{
    if (*self) {
        close((*self)->fd);
        free((*self)->ids);
    }
    free(*self);
    *self = NULL;
}

static bool holds(const int *ids, size_t count, int id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

bool mlx_watch_dirs_set(mlx_watch_dirs_t *self, char *const *paths, size_t count)
{
    int *ids = mlx_alloc(count + 1, sizeof *ids);
    size_t added = 0;
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        /* A folder that is watched already keeps its number. */
        int id = inotify_add_watch(self->fd, paths[i], EVENTS);
        if (id >= 0)
            ids[added++] = id;
        else
            all = false;
    }
    for (size_t i = 0; i < self->count; i++)
        if (!holds(ids, added, self->ids[i]))
            inotify_rm_watch(self->fd, self->ids[i]);
    free(self->ids);
    self->ids = ids;
    self->count = added;
    return all;
}

int mlx_watch_dirs_fd(const mlx_watch_dirs_t *self)
{
    return self->fd;
}

bool mlx_watch_dirs_drain(mlx_watch_dirs_t *self)
{
    char events[16384];
    bool any = false;
    while (read(self->fd, events, sizeof events) > 0)
        any = true;
    return any;
}
