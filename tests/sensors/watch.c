#include "watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cmocka.h>

void watch_start(watch_t *watch, const rig_t *rig, const char *folder)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", rig->root, folder);
    *watch = (watch_t){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    assert_true(watch->fd >= 0);
    assert_true(inotify_add_watch(watch->fd, path, IN_OPEN | IN_ACCESS) >= 0);
}

void watch_end(watch_t *watch)
{
    mlx_close_p(&watch->fd);
}

static void count(watch_t *watch, const struct inotify_event *event)
{
    if (!event->len)
        return;
    size_t at = 0;
    while (at < watch->count && strcmp(watch->files[at].name, event->name) != 0)
        at++;
    assert_true(at < WATCH_FILES);
    if (at == watch->count) {
        watch->count++;
        (void)snprintf(watch->files[at].name, sizeof watch->files[at].name, "%.63s", event->name);
    }
    watch->files[at].opened += (event->mask & IN_OPEN) != 0;
    watch->files[at].read += (event->mask & IN_ACCESS) != 0;
}

static void collect(watch_t *watch)
{
    _Alignas(struct inotify_event) char buffer[8192];
    ssize_t got;
    while ((got = read(watch->fd, buffer, sizeof buffer)) > 0)
        for (char *p = buffer; p < buffer + got;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)p;
            count(watch, event);
            p += sizeof *event + event->len;
        }
}

static size_t sum(watch_t *watch, const char *name, bool opened)
{
    size_t all = 0;
    collect(watch);
    for (size_t i = 0; i < watch->count; i++)
        if (!name || strcmp(name, watch->files[i].name) == 0)
            all += opened ? watch->files[i].opened : watch->files[i].read;
    return all;
}

size_t watch_opened(watch_t *watch, const char *name)
{
    return sum(watch, name, true);
}

size_t watch_read(watch_t *watch, const char *name)
{
    return sum(watch, name, false);
}
