#include "dbus.h"
#include "common/base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    DISPATCH_MAX = 64 /* messages in one go; the loop's other work comes in between */
};

struct mlx_dbus {
    mlx_loop_t *loop;
    sd_bus *bus;
    mlx_watch_t *watch;
    mlx_timer_t *timer;
    mlx_dbus_lost_fn lost_fn;
    void *lost_arg;
};

static void dispatch(mlx_dbus_t *self);

static void on_ready(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    dispatch(arg);
}

static void on_timer(void *arg)
{
    mlx_dbus_t *self = arg;
    self->timer = NULL;
    dispatch(self);
}

static void lost(mlx_dbus_t *self)
{
    mlx_loop_unwatch(self->loop, &self->watch);
    mlx_loop_cancel(self->loop, &self->timer);
    if (self->lost_fn)
        self->lost_fn(self->lost_arg);
}

/*  sd-bus says for each moment what it waits for: descriptor events and a point in time. */
static void rearm(mlx_dbus_t *self)
{
    uint64_t due = UINT64_MAX;
    int events = sd_bus_get_events(self->bus);
    if (events < 0 || sd_bus_get_timeout(self->bus, &due) < 0) {
        lost(self);
        return;
    }
    mlx_loop_rewatch(self->loop, self->watch,
                     (events & POLLIN ? MLX_READ : 0u) | (events & POLLOUT ? MLX_WRITE : 0u));
    mlx_loop_cancel(self->loop, &self->timer);
    if (due == UINT64_MAX)
        return;
    int64_t left_us = (int64_t)due - mlx_now_us();
    self->timer = mlx_loop_after(self->loop, left_us > 0 ? left_us / 1000 + 1 : 0, on_timer, self);
}

static void dispatch(mlx_dbus_t *self)
{
    int rc = 1;
    for (int i = 0; i < DISPATCH_MAX && rc > 0; i++)
        rc = sd_bus_process(self->bus, NULL);
    if (rc < 0)
        lost(self);
    else
        rearm(self);
}

mlx_dbus_t *mlx_dbus_new(mlx_loop_t *loop, mlx_dbus_lost_fn fn, void *arg, mlx_error_t *err)
{
    sd_bus *bus = NULL;
    int rc = sd_bus_open_user(&bus);
    if (rc < 0) {
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "no session bus: %s", strerror(-rc));
        mlx_error_hint(err, "start it in a desktop session, or use --format plain");
        return NULL;
    }
    mlx_dbus_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_dbus_t){.loop = loop, .bus = bus, .lost_fn = fn, .lost_arg = arg};
    self->watch = mlx_loop_watch(loop, sd_bus_get_fd(bus), MLX_READ, on_ready, self);
    rearm(self);
    return self;
}

void mlx_dbus_destroy(mlx_dbus_t **self_p)
{
    mlx_dbus_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_unwatch(self->loop, &self->watch);
    mlx_loop_cancel(self->loop, &self->timer);
    sd_bus_flush_close_unref(self->bus);
    free(self);
}

sd_bus *mlx_dbus_bus(const mlx_dbus_t *self)
{
    return self->bus;
}

void mlx_dbus_flush(mlx_dbus_t *self)
{
    if (self->watch)
        rearm(self);
}

int mlx_dbus_error(mlx_error_t *err, int rc, const char *what)
{
    return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "cannot %s: %s", what, strerror(-rc));
}
