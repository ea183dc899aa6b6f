#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/double/http_in.h"
#include "tests/double/net_internal.h"

enum {
    OUT_HIGH = 1024 * 1024, /* no further request is read while this much waits to go out */
    FLOOD_STEP = 64 * 1024,
};
static const int64_t SLOW_STEP_NS = 50 * 1000000LL;

struct mlx_net_timer {
    mlx_net_t *net;
    mlx_net_timer_t *next;
    int64_t due; /* -1: disarmed */
    mlx_net_timer_fn fn;
    void *arg;
};

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void read_clocks(mlx_net_t *self)
{
    self->now = clock_ns(CLOCK_MONOTONIC);
    self->wall = clock_ns(CLOCK_REALTIME);
}

mlx_net_t *mlx_net_new(mlx_net_request_fn fn, void *arg)
{
    mlx_net_t *self = mlx_alloc(1, sizeof(*self));
    self->fn = fn;
    self->arg = arg;
    self->listener = -1;
    read_clocks(self);
    return self;
}

static void conn_destroy(mlx_conn_t *conn)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (conn->reset)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(conn->fd);
    mlx_buf_clear(&conn->in);
    mlx_buf_clear(&conn->body);
    mlx_buf_clear(&conn->out);
    free(conn);
}

void mlx_net_destroy(mlx_net_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->count; i++)
        conn_destroy((*self)->conns[i]);
    mlx_close_p(&(*self)->listener);
    free(*self);
    *self = NULL;
}

static void set_flags(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int mlx_net_socket(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof(at);
    int one = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&at, &len)) {
        mlx_close_p(&fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

int mlx_net_listen(mlx_net_t *self, int port, mlx_error_t *err)
{
    int fd = mlx_net_socket(&port);
    if (fd < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot listen on 127.0.0.1:%d: %s", port,
                             strerror(errno));
    mlx_net_adopt(self, fd);
    self->port = port;
    return port;
}

void mlx_net_adopt(mlx_net_t *self, int fd)
{
    set_flags(fd);
    self->listener = fd;
}

void mlx_net_refuse(mlx_net_t *self)
{
    mlx_close_p(&self->listener);
}

int mlx_net_accept_again(mlx_net_t *self, mlx_error_t *err)
{
    return self->listener >= 0 ? self->port : mlx_net_listen(self, self->port, err);
}

void mlx_net_set_head(mlx_net_t *self, mlx_net_head_fn fn, bool old)
{
    self->head = fn;
    self->old = old;
}

void mlx_net_watch(mlx_net_t *self, int fd, mlx_net_fd_fn fn, void *arg)
{
    if (self->watch_count == MLX_NET_MAX_WATCHES)
        mlx_panic("mlx_net_watch: more than %d descriptors", MLX_NET_MAX_WATCHES);
    self->watches[self->watch_count++] = (mlx_net_watch_t){fd, fn, arg};
}

void mlx_net_stop(mlx_net_t *self)
{
    self->stop = true;
}

int64_t mlx_net_now(const mlx_net_t *self)
{
    return self->now;
}

int64_t mlx_net_wall(const mlx_net_t *self)
{
    return self->wall;
}

const mlx_net_stats_t *mlx_net_stats(const mlx_net_t *self)
{
    return &self->stats;
}

/*  Timers */

mlx_net_timer_t *mlx_net_timer_new(mlx_net_t *self, mlx_net_timer_fn fn, void *arg)
{
    mlx_net_timer_t *timer = mlx_alloc(1, sizeof(*timer));
    *timer = (mlx_net_timer_t){.net = self, .next = self->timers, .due = -1, .fn = fn, .arg = arg};
    self->timers = timer;
    return timer;
}

void mlx_net_timer_set(mlx_net_timer_t *timer, int64_t due)
{
    timer->due = due;
}

void mlx_net_timer_destroy(mlx_net_timer_t **timer)
{
    if (!*timer)
        return;
    mlx_net_timer_t **at = &(*timer)->net->timers;
    while (*at != *timer)
        at = &(*at)->next;
    *at = (*timer)->next;
    free(*timer);
    *timer = NULL;
}

/*  One due timer at a time: a handler may create and destroy any of them. */
static void run_timers(mlx_net_t *self)
{
    for (;;) {
        mlx_net_timer_t *timer = self->timers;
        while (timer && (timer->due < 0 || timer->due > self->now))
            timer = timer->next;
        if (!timer)
            return;
        timer->due = -1;
        timer->fn(timer->arg, self->now);
    }
}

static int64_t next_due(const mlx_net_t *self)
{
    int64_t due = INT64_MAX;
    for (const mlx_net_timer_t *timer = self->timers; timer; timer = timer->next) {
        if (timer->due >= 0 && timer->due < due)
            due = timer->due;
    }
    for (size_t i = 0; i < self->count; i++) {
        const mlx_conn_t *conn = self->conns[i];
        if (conn->fault.kind == MLX_FAULT_SLOW && conn->out.len && conn->slow_due < due)
            due = conn->slow_due;
    }
    return due;
}

/*  Connections */

static void take_requests(mlx_conn_t *conn)
{
    mlx_net_request_t request;
    while (!conn->busy && !conn->dead && conn->keep_alive && conn->out.len < OUT_HIGH) {
        switch (mlx_http_in_take(&conn->in, &conn->body, &request)) {
        case MLX_HTTP_IN_MORE:
            return;
        case MLX_HTTP_IN_CONTINUE:
            if (!conn->continued)
                mlx_buf_puts(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
            conn->continued = true;
            return;
        case MLX_HTTP_IN_BAD:
            mlx_buf_puts(&conn->out, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; "
                                     "charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request");
            conn->keep_alive = false;
            return;
        case MLX_HTTP_IN_DONE:
            break;
        }
        conn->busy = true;
        conn->muted = conn->continued = false;
        conn->keep_alive = request.keep_alive && !conn->net->old;
        conn->old = request.old || conn->net->old;
        conn->no_body = strcmp(request.method, "HEAD") == 0;
        mlx_net_set_fault(conn, (mlx_fault_t){0});
        conn->net->stats.requests++;
        conn->net->fn(conn->net->arg, conn, &request);
    }
}

static void read_conn(mlx_conn_t *conn)
{
    char data[65536];
    ssize_t got = recv(conn->fd, data, sizeof(data), 0);
    if (got > 0) {
        conn->net->stats.bytes_in += got;
        mlx_buf_append(&conn->in, data, (size_t)got);
    } else if (got == 0) {
        conn->eof = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        conn->eof = true;
        conn->dead = true;
    }
}

static void refill_flood(mlx_conn_t *conn)
{
    static const char FILL[] = "{\"name\":\"x\"},    ";
    while (conn->flood && conn->out.len < FLOOD_STEP) {
        size_t len = sizeof(FILL) - 1;
        if (len > conn->flood)
            len = (size_t)conn->flood;
        mlx_buf_append(&conn->out, FILL, len);
        conn->flood -= len;
    }
}

static bool may_write(const mlx_conn_t *conn)
{
    return conn->out.len &&
           (conn->fault.kind != MLX_FAULT_SLOW || conn->slow_due <= conn->net->now);
}

static void write_conn(mlx_conn_t *conn)
{
    size_t len = conn->out.len;
    if (conn->fault.kind == MLX_FAULT_SLOW) {
        len = 1;
        conn->slow_due = conn->net->now + SLOW_STEP_NS;
    }
    if (conn->budget >= 0 && (int64_t)len > conn->budget)
        len = (size_t)conn->budget;
    ssize_t put = len ? send(conn->fd, mlx_buf_str(&conn->out), len, 0) : 0;
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        conn->dead = conn->eof = true;
    if (put > 0) {
        mlx_buf_consume(&conn->out, (size_t)put);
        conn->net->stats.bytes_out += put;
        conn->budget -= conn->budget >= 0 ? put : 0;
    }
    if (conn->budget == 0)
        conn->dead = true;
}

/*  Decide what becomes of the connection after this turn. */
static void settle(mlx_conn_t *conn)
{
    bool held = conn->busy && conn->gone;
    refill_flood(conn);
    if (may_write(conn))
        write_conn(conn);
    bool idle = conn->out.len == 0 && conn->flood == 0;
    if (conn->eof && (held || (conn->busy && idle)))
        conn->dead = true;
    if (idle && conn->muted && conn->reset)
        conn->dead = true;
    if (!conn->busy && idle && (conn->eof || !conn->keep_alive))
        conn->dead = true;
    if (conn->dead && (conn->busy || !idle) && conn->eof)
        conn->net->stats.aborted++;
    if (conn->dead && held)
        conn->gone(conn->arg);
}

static void accept_conns(mlx_net_t *self)
{
    while (self->count < MLX_NET_MAX_CONNS) {
        int one = 1;
        int fd = accept(self->listener, NULL, NULL);
        if (fd < 0)
            return;
        set_flags(fd);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        mlx_conn_t *conn = mlx_alloc(1, sizeof(*conn));
        *conn = (mlx_conn_t){.net = self, .fd = fd, .keep_alive = true, .budget = -1};
        self->conns[self->count++] = conn;
        self->stats.connections++;
    }
}

static size_t fill_poll(mlx_net_t *self, struct pollfd *fds)
{
    size_t n = 0;
    for (size_t i = 0; i < self->count; i++) {
        const mlx_conn_t *conn = self->conns[i];
        bool want = !conn->eof && conn->in.len < MLX_NET_MAX_BODY + MLX_NET_MAX_HEAD;
        bool out = may_write(conn) || conn->flood;
        fds[n++] = (struct pollfd){.fd = conn->fd,
                                   .events = (short)((want ? POLLIN : 0) | (out ? POLLOUT : 0))};
    }
    for (size_t i = 0; i < self->watch_count; i++)
        fds[n++] = (struct pollfd){.fd = self->watches[i].fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = self->listener, .events = POLLIN};
    return n;
}

static void sweep(mlx_net_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        mlx_conn_t *conn = self->conns[i];
        settle(conn);
        if (conn->dead)
            conn_destroy(conn);
        else
            self->conns[kept++] = conn;
    }
    self->count = kept;
}

/*  Wait for a descriptor or until DUE. poll() alone would pace in steps of a millisecond. */
static int wait_ready(struct pollfd *fds, nfds_t n, int64_t due)
{
    int64_t left = due == INT64_MAX ? 1000000000LL : due - clock_ns(CLOCK_MONOTONIC);
    if (left < 0)
        left = 0;
#ifdef __APPLE__
    return poll(fds, n, (int)((left + 999999) / 1000000));
#else
    struct timespec wait = {.tv_sec = left / 1000000000LL, .tv_nsec = left % 1000000000LL};
    return ppoll(fds, n, &wait, NULL);
#endif
}

/*  One turn: wait, read, let timers run, answer, write, close what is done. */
static void turn(mlx_net_t *self, struct pollfd *fds)
{
    size_t conns = self->count;
    size_t n = fill_poll(self, fds);
    int ready = wait_ready(fds, (nfds_t)n, next_due(self));
    read_clocks(self);
    for (size_t i = 0; ready > 0 && i < conns; i++) {
        if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
            read_conn(self->conns[i]);
    }
    for (size_t i = 0; ready > 0 && i < self->watch_count; i++) {
        if (fds[conns + i].revents)
            self->watches[i].fn(self->watches[i].arg, self->watches[i].fd);
    }
    if (ready > 0 && self->listener >= 0 && fds[n - 1].revents)
        accept_conns(self);
    /* A timer may end a reply behind which the next request waits already. */
    run_timers(self);
    for (size_t i = 0; i < conns; i++)
        take_requests(self->conns[i]);
    sweep(self);
}

void mlx_net_run(mlx_net_t *self)
{
    struct pollfd *fds = mlx_alloc(MLX_NET_MAX_CONNS + MLX_NET_MAX_WATCHES + 1, sizeof(*fds));
    self->stop = false;
    while (!self->stop)
        turn(self, fds);
    free(fds);
}
