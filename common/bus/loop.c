#include "common/bus/loop.h"
#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/bus/internal.h"

struct mlx_watch {
    mlx_loop_t *loop;
    mlx_watch_t *next;
    int fd;
    unsigned events;
    bool polled;
    mlx_watch_fn fn;
    void *arg;
};

struct mlx_timer {
    mlx_loop_t *loop;
    mlx_timer_t *next;
    int64_t due_ms;
    int64_t period_ms; /* 0: once */
    int id;
    mlx_timer_fn fn;
    void *arg;
};

typedef struct wakeup {
    struct wakeup *next;
    mlx_timer_fn fn;
    void *arg;
} wakeup_t;

struct mlx_loop {
    zloop_t *zloop;
    bool stop;
    mlx_watch_t *watches;
    mlx_timer_t *timers;
    pthread_mutex_t lock; /* guards wakeups and wake_pipe[1] */
    wakeup_t *wakeups;    /* newest first */
    wakeup_t *waking;     /* taken out, in order: the loop's own */
    int wake_pipe[2];
    mlx_watch_t *wake_watch;
    mlx_signal_fn signal_fn;
    void *signal_arg;
    mlx_watch_t *signal_watch;
};

/*  A signal handler can reach nothing but a global: the write end of the one signal pipe. */
static volatile int signal_pipe[2] = {-1, -1};

static void make_pipe(int fds[2])
{
    if (pipe(fds))
        mlx_panic("cannot create a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
}

static void drain(int fd)
{
    char sink[256];
    while (read(fd, sink, sizeof sink) > 0)
        ;
}

static void on_wake(void *arg, int fd, unsigned events)
{
    mlx_loop_t *self = arg;
    (void)events;
    drain(fd);
    pthread_mutex_lock(&self->lock);
    wakeup_t *list = self->wakeups;
    self->wakeups = NULL;
    pthread_mutex_unlock(&self->lock);
    while (list) {
        wakeup_t *next = list->next;
        list->next = self->waking;
        self->waking = list;
        list = next;
    }
    while (self->waking) {
        wakeup_t *wakeup = self->waking;
        self->waking = wakeup->next;
        wakeup->fn(wakeup->arg);
        free(wakeup);
    }
}

/*  czmq makes its context with the first socket and does not expect two threads to do so at once.
 *  It would also install its own SIGINT and SIGTERM handlers. */
static void init_czmq(void)
{
    zsys_handler_set(NULL);
    zsys_init();
}

mlx_loop_t *mlx_loop_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_czmq);
    mlx_loop_t *self = mlx_alloc(1, sizeof *self);
    self->zloop = zloop_new();
    if (!self->zloop)
        mlx_panic("cannot create an event loop");
    zloop_set_nonstop(self->zloop, true);
    pthread_mutex_init(&self->lock, NULL);
    make_pipe(self->wake_pipe);
    self->wake_watch = mlx_loop_watch(self, self->wake_pipe[0], MLX_READ, on_wake, self);
    return self;
}

void mlx_loop_destroy(mlx_loop_t **self_p)
{
    mlx_loop_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_unwatch(self, &self->wake_watch);
    if (self->signal_watch) {
        mlx_loop_unwatch(self, &self->signal_watch);
        close(signal_pipe[0]);
        close(signal_pipe[1]);
        signal_pipe[0] = signal_pipe[1] = -1;
    }
    while (self->watches) {
        mlx_watch_t *watch = self->watches;
        mlx_loop_unwatch(self, &watch);
    }
    while (self->timers) {
        mlx_timer_t *timer = self->timers;
        mlx_loop_cancel(self, &timer);
    }
    zloop_destroy(&self->zloop);
    while (self->wakeups) {
        wakeup_t *wakeup = self->wakeups;
        self->wakeups = wakeup->next;
        free(wakeup);
    }
    close(self->wake_pipe[0]);
    close(self->wake_pipe[1]);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void mlx_loop_run(mlx_loop_t *self)
{
    self->stop = false;
    /* A signal interrupts poll() whatever SA_RESTART says, and zloop takes that for the end. */
    while (!self->stop)
        zloop_start(self->zloop);
}

void mlx_loop_stop(mlx_loop_t *self)
{
    self->stop = true;
}

zloop_t *mlx_loop_zloop(mlx_loop_t *self)
{
    return self->zloop;
}

int mlx_loop_verdict(const mlx_loop_t *self)
{
    return self->stop ? -1 : 0;
}

/*  zloop works on a copy of its list during one pass and may still call what a handler has removed:
 *  only a descriptor in our own list counts. */
static int on_ready(zloop_t *zloop, zmq_pollitem_t *item, void *arg)
{
    mlx_loop_t *loop = arg;
    mlx_watch_t *watch = loop->watches;
    (void)zloop;
    while (watch && watch->fd != item->fd)
        watch = watch->next;
    if (!watch)
        return mlx_loop_verdict(loop);
    unsigned events = (item->revents & ZMQ_POLLIN ? MLX_READ : 0u) |
                      (item->revents & ZMQ_POLLOUT ? MLX_WRITE : 0u);
    if (item->revents & ZMQ_POLLERR)
        events |= watch->events;
    if (events & watch->events)
        watch->fn(watch->arg, watch->fd, events & watch->events);
    return mlx_loop_verdict(loop);
}

static void poll_watch(mlx_watch_t *watch)
{
    zmq_pollitem_t item = {.fd = watch->fd};
    if (watch->polled)
        zloop_poller_end(watch->loop->zloop, &item);
    watch->polled = watch->events != 0;
    if (!watch->polled)
        return;
    item.events = (short)((watch->events & MLX_READ ? ZMQ_POLLIN : 0) |
                          (watch->events & MLX_WRITE ? ZMQ_POLLOUT : 0) | ZMQ_POLLERR);
    if (zloop_poller(watch->loop->zloop, &item, on_ready, watch->loop))
        mlx_panic("cannot watch descriptor %d", watch->fd);
    zloop_poller_set_tolerant(watch->loop->zloop, &item);
}

mlx_watch_t *mlx_loop_watch(mlx_loop_t *self, int fd, unsigned events, mlx_watch_fn fn, void *arg)
{
    mlx_watch_t *watch = mlx_alloc(1, sizeof *watch);
    *watch = (mlx_watch_t){
        .loop = self, .next = self->watches, .fd = fd, .events = events, .fn = fn, .arg = arg};
    self->watches = watch;
    poll_watch(watch);
    return watch;
}

void mlx_loop_rewatch(mlx_loop_t *self, mlx_watch_t *watch, unsigned events)
{
    (void)self;
    if (watch->events == events)
        return;
    watch->events = events;
    poll_watch(watch);
}

void mlx_loop_unwatch(mlx_loop_t *self, mlx_watch_t **watch_p)
{
    mlx_watch_t *watch = *watch_p;
    *watch_p = NULL;
    if (!watch)
        return;
    watch->events = 0;
    poll_watch(watch);
    MLX_UNLINK(&self->watches, watch);
    free(watch);
}

static int on_timer(zloop_t *zloop, int id, void *arg);

static void arm(mlx_timer_t *timer)
{
    int64_t wait = timer->due_ms - mlx_now_us() / 1000;
    timer->id =
        zloop_timer(timer->loop->zloop, wait > 0 ? (size_t)wait : 0, 1, on_timer, timer->loop);
}

static mlx_timer_t *find_timer(const mlx_loop_t *self, int id)
{
    mlx_timer_t *timer = self->timers;
    while (timer && timer->id != id)
        timer = timer->next;
    return timer;
}

static void free_timer(mlx_timer_t *timer)
{
    MLX_UNLINK(&timer->loop->timers, timer);
    free(timer);
}

/*  zloop still calls a timer that was cancelled in the same pass or before the start, and once more
 *  one whose handler stopped the loop: only an id in our own list counts. */
static int on_timer(zloop_t *zloop, int id, void *arg)
{
    mlx_loop_t *loop = arg;
    mlx_timer_t *timer = find_timer(loop, id);
    (void)zloop;
    if (!timer)
        return mlx_loop_verdict(loop);
    mlx_timer_fn fn = timer->fn;
    void *fn_arg = timer->arg;
    if (timer->period_ms) {
        int64_t now = mlx_now_us() / 1000;
        /* Stay on the grid: a tick that comes late is dropped, not made up for. */
        timer->due_ms += timer->period_ms;
        if (timer->due_ms <= now)
            timer->due_ms += ((now - timer->due_ms) / timer->period_ms + 1) * timer->period_ms;
        arm(timer);
    } else {
        free_timer(timer);
    }
    fn(fn_arg);
    return mlx_loop_verdict(loop);
}

static mlx_timer_t *add_timer(mlx_loop_t *self, int64_t delay_ms, int64_t period_ms,
                              mlx_timer_fn fn, void *arg)
{
    mlx_timer_t *timer = mlx_alloc(1, sizeof *timer);
    *timer = (mlx_timer_t){.loop = self,
                           .next = self->timers,
                           .due_ms = mlx_now_us() / 1000 + delay_ms,
                           .period_ms = period_ms,
                           .fn = fn,
                           .arg = arg};
    self->timers = timer;
    arm(timer);
    return timer;
}

int64_t mlx_loop_grid_us(int64_t now_us, int64_t delay_us)
{
    int64_t grid_us = (int64_t)MLX_LOOP_GRID_MS * 1000;
    int64_t at_us = (now_us + delay_us) / grid_us * grid_us;
    return at_us > now_us ? at_us : (now_us / grid_us + 1) * grid_us;
}

mlx_timer_t *mlx_loop_every(mlx_loop_t *self, int64_t period_ms, mlx_timer_fn fn, void *arg)
{
    int64_t now_ms = mlx_now_us() / 1000, first_ms = period_ms;
    if (period_ms >= (int64_t)2 * MLX_LOOP_GRID_MS && period_ms % MLX_LOOP_GRID_MS == 0)
        first_ms = mlx_loop_grid_us(now_ms * 1000, period_ms * 1000) / 1000 - now_ms;
    return add_timer(self, first_ms, period_ms > 0 ? period_ms : 1, fn, arg);
}

mlx_timer_t *mlx_loop_after(mlx_loop_t *self, int64_t delay_ms, mlx_timer_fn fn, void *arg)
{
    return add_timer(self, delay_ms, 0, fn, arg);
}

void mlx_loop_cancel(mlx_loop_t *self, mlx_timer_t **timer_p)
{
    mlx_timer_t *timer = *timer_p;
    *timer_p = NULL;
    if (!timer)
        return;
    zloop_timer_end(self->zloop, timer->id);
    free_timer(timer);
}

static void on_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t written = write(signal_pipe[1], &byte, 1);
    (void)written;
    errno = saved;
}

static void on_signal_pipe(void *arg, int fd, unsigned events)
{
    mlx_loop_t *self = arg;
    unsigned char byte;
    (void)events;
    while (read(fd, &byte, 1) == 1)
        self->signal_fn(self->signal_arg, byte);
}

int mlx_loop_signals(mlx_loop_t *self, const int *list, mlx_signal_fn fn, void *arg,
                     mlx_error_t *err)
{
    if (signal_pipe[1] != -1)
        return mlx_error_set(err, MLX_ERR_FAILED, "signals are already routed to another loop");
    int fds[2];
    make_pipe(fds);
    signal_pipe[0] = fds[0];
    signal_pipe[1] = fds[1];
    self->signal_fn = fn;
    self->signal_arg = arg;
    self->signal_watch = mlx_loop_watch(self, fds[0], MLX_READ, on_signal_pipe, self);
    signal(SIGPIPE, SIG_IGN);
    for (; *list; list++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(*list, &action, NULL))
            return mlx_error_set(err, MLX_ERR_FAILED, "signal %d: %s", *list, strerror(errno));
    }
    return 0;
}

void mlx_loop_wake(mlx_loop_t *self, mlx_timer_fn fn, void *arg)
{
    wakeup_t *wakeup = mlx_alloc(1, sizeof *wakeup);
    wakeup->fn = fn;
    wakeup->arg = arg;
    pthread_mutex_lock(&self->lock);
    wakeup->next = self->wakeups;
    self->wakeups = wakeup;
    /* A full pipe already says "wake up". */
    ssize_t written = write(self->wake_pipe[1], "", 1);
    (void)written;
    pthread_mutex_unlock(&self->lock);
}

static void drop_wakes(wakeup_t **list, const void *arg)
{
    while (*list) {
        wakeup_t *wakeup = *list;
        if (wakeup->arg != arg) {
            list = &wakeup->next;
            continue;
        }
        *list = wakeup->next;
        free(wakeup);
    }
}

void mlx_loop_unwake(mlx_loop_t *self, const void *arg)
{
    drop_wakes(&self->waking, arg);
    pthread_mutex_lock(&self->lock);
    drop_wakes(&self->wakeups, arg);
    pthread_mutex_unlock(&self->lock);
}
