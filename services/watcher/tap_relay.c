#include "tap_relay.h"
#include "tap_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIECES_PER_TURN = 8,   /* in a row from one sender before the others have their turn */
    DRAIN_MOST_MS = 10000, /* how long a reset waits for what was said before it */
    DRAIN_TURN_MS = 10,    /* how often it looks */
};

typedef struct {
    int fd; /* -1: closed, or not connected yet */
    mlx_watch_t *watch;
    bool ended;    /* it sends no more */
    bool shut;     /* we told it that no more comes */
    bool deaf;     /* it takes no more; what it said before it went may still be there to read */
    char *waiting; /* bytes for it that it did not take yet; NULL: none */
    size_t waiting_at;
    size_t waiting_len;
    bool bulk;            /* it sends as fast as it is read */
    bool plain;           /* it cannot be spliced */
    mlx_splice_t *splice; /* to it; NULL: none under way */
} end_t;

struct mlx_relay {
    mlx_loop_t *loop;
    const mlx_relay_hooks_t *hooks;
    void *arg;
    char *scratch;
    const mlx_tap_address_t *servers;
    int servers_left;
    mlx_timer_t *drain; /* the server is gone, the client still gets its last bytes */
    int drain_turns;
    end_t ends[2];
};

static mlx_relay_side_t other(mlx_relay_side_t side)
{
    return side == MLX_RELAY_CLIENT ? MLX_RELAY_SERVER : MLX_RELAY_CLIENT;
}

void mlx_relay_prepare(int fd)
{
    const int on = 1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
}

/*  Has END not taken yet what came for it? */
static bool is_behind(const end_t *end)
{
    return end->waiting || (end->splice && mlx_splice_held(end->splice) > 0);
}

/*  What was to come to END is lost. */
static void drop_waiting(end_t *end)
{
    free(end->waiting);
    end->waiting = NULL;
    mlx_splice_destroy(&end->splice);
}

/*  Close END; with RESET its peer sees a reset, not an orderly end. */
static void close_end(mlx_relay_t *self, end_t *end, bool reset)
{
    if (end->fd < 0)
        return;
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    mlx_loop_unwatch(self->loop, &end->watch);
    mlx_close_p(&end->fd);
    drop_waiting(end);
}

static void finish(mlx_relay_t *self, mlx_relay_end_t how)
{
    bool reset = how != MLX_RELAY_DONE;
    mlx_loop_cancel(self->loop, &self->drain);
    close_end(self, &self->ends[MLX_RELAY_CLIENT], reset);
    close_end(self, &self->ends[MLX_RELAY_SERVER], reset);
    self->hooks->closed(self->arg, how); /* may have destroyed us */
}

/*  Bytes that the system has not yet brought to the peer. */
static int undelivered(int fd)
{
    int bytes = 0;
#ifdef SO_NWRITE
    socklen_t len = sizeof(bytes);
    return getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &len) ? 0 : bytes;
#else
    return ioctl(fd, TIOCOUTQ, &bytes) ? 0 : bytes;
#endif
}

static void on_drain(void *arg)
{
    mlx_relay_t *self = arg;
    if (undelivered(self->ends[MLX_RELAY_CLIENT].fd) == 0 || --self->drain_turns == 0)
        finish(self, MLX_RELAY_SERVER_RESET);
}

/*  SIDE is gone, and all that it said has been passed on: a side is read only while nothing of it
 *  waits. But a reset overtakes what the system still holds for the client, so it comes after that.
 *  A server is told at once: whoever gave up wants nothing done any more. */
static void fail(mlx_relay_t *self, mlx_relay_side_t side)
{
    end_t *client = &self->ends[MLX_RELAY_CLIENT];
    if (side == MLX_RELAY_CLIENT || client->deaf || undelivered(client->fd) == 0) {
        finish(self, side == MLX_RELAY_CLIENT ? MLX_RELAY_CLIENT_RESET : MLX_RELAY_SERVER_RESET);
        return;
    }
    close_end(self, &self->ends[MLX_RELAY_SERVER], true);
    mlx_loop_unwatch(self->loop, &client->watch);
    self->drain_turns = DRAIN_MOST_MS / DRAIN_TURN_MS;
    self->drain = mlx_loop_every(self->loop, DRAIN_TURN_MS, on_drain, self);
}

/*  Watch each side for what can go on; end the relay when nothing can. */
static void settle(mlx_relay_t *self)
{
    end_t *ends = self->ends;
    for (int i = 0; i < 2; i++) {
        end_t *to = &ends[i], *from = &ends[1 - i];
        if (from->ended && !is_behind(to) && !to->shut && !to->deaf) {
            shutdown(to->fd, SHUT_WR);
            to->shut = true;
        }
    }
    if (ends[0].shut && ends[1].shut) {
        finish(self, MLX_RELAY_DONE);
        return;
    }
    /* A side that takes no more is still read to its end: what it said last, a reply that refuses
     * the request for example, goes to the other side. With nothing left to read it is gone. */
    for (int i = 0; i < 2; i++) {
        if (ends[i].deaf && (ends[i].ended || ends[1 - i].deaf)) {
            fail(self, (mlx_relay_side_t)i);
            return;
        }
    }
    for (int i = 0; i < 2; i++) {
        bool read = !ends[i].ended && !is_behind(&ends[1 - i]) && !ends[1 - i].deaf;
        mlx_loop_rewatch(self->loop, ends[i].watch,
                         (read ? MLX_READ : 0u) | (is_behind(&ends[i]) ? MLX_WRITE : 0u));
    }
}

/*  How many bytes the socket took; -1 when the peer is gone. */
static ssize_t send_some(int fd, const char *data, size_t len)
{
    for (;;) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

/*  How many bytes came, 0 at the end, -1 when the peer is gone, -2 when there is nothing now. */
static ssize_t receive_some(int fd, char *data)
{
    for (;;) {
        ssize_t n = recv(fd, data, MLX_RELAY_PIECE, 0);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return -2;
        if (errno != EINTR)
            return -1;
    }
}

static void keep_waiting(end_t *end, const char *data, size_t len)
{
    end->waiting = mlx_alloc(len, 1);
    memcpy(end->waiting, data, len);
    end->waiting_at = 0;
    end->waiting_len = len;
}

static void go_deaf(end_t *end)
{
    end->deaf = true;
    drop_waiting(end);
}

/*  FROM gave GOT, which is no bytes. Not now: 0; the relay is gone: -1. */
static int pass_nothing(mlx_relay_t *self, mlx_relay_side_t from, ssize_t got)
{
    end_t *source = &self->ends[from];
    /* The failed write took the error with it: after a reset the read sees an orderly end. */
    if (got == -1 || (got == 0 && source->deaf)) {
        fail(self, from);
        return -1;
    }
    if (got == 0) {
        source->ended = true;
        self->hooks->ended(self->arg, from);
    }
    return 0;
}

/*  Pass one piece on from FROM. More may come at once: 1; not now: 0; the relay is gone: -1. */
static int pass_piece(mlx_relay_t *self, mlx_relay_side_t from)
{
    end_t *source = &self->ends[from], *target = &self->ends[other(from)];
    ssize_t got = receive_some(source->fd, self->scratch);
    if (got <= 0)
        return pass_nothing(self, from, got);
    ssize_t sent = send_some(target->fd, self->scratch, (size_t)got);
    self->hooks->passed(self->arg, from, self->scratch, (size_t)got);
    if (sent < 0)
        go_deaf(target);
    else if (sent < got)
        keep_waiting(target, self->scratch + sent, (size_t)(got - sent));
    source->bulk = got == MLX_RELAY_PIECE;
    return sent == got && source->bulk;
}

/*  The same without a look, at most MOST bytes. */
static int pass_unread(mlx_relay_t *self, mlx_relay_side_t from, uint64_t most)
{
    end_t *source = &self->ends[from], *target = &self->ends[other(from)];
    ssize_t got = mlx_splice_in(target->splice, source->fd, most);
    if (got == -3) {
        source->plain = true;
        return 1;
    }
    if (got <= 0)
        return pass_nothing(self, from, got);
    ssize_t sent = mlx_splice_out(target->splice, target->fd);
    self->hooks->skipped(self->arg, from, (size_t)got);
    if (sent < 0)
        go_deaf(target);
    return sent == got;
}

/*  What comes in small pieces is not worth a pipe. */
static int pass(mlx_relay_t *self, mlx_relay_side_t from)
{
    end_t *source = &self->ends[from], *target = &self->ends[other(from)];
    bool may = source->bulk && !source->plain && self->hooks->unread;
    uint64_t unread = may ? self->hooks->unread(self->arg, from) : 0;
    if (unread < MLX_RELAY_PIECE) {
        mlx_splice_destroy(&target->splice);
        return pass_piece(self, from);
    }
    if (!target->splice)
        target->splice = mlx_splice_new();
    return target->splice ? pass_unread(self, from, unread) : pass_piece(self, from);
}

/*  Give END what waits for it. */
static void flush(end_t *end)
{
    ssize_t sent = end->waiting ? send_some(end->fd, end->waiting + end->waiting_at,
                                            end->waiting_len - end->waiting_at)
                                : mlx_splice_out(end->splice, end->fd);
    if (sent < 0) {
        go_deaf(end);
        return;
    }
    if (!end->waiting)
        return;
    end->waiting_at += (size_t)sent;
    if (end->waiting_at == end->waiting_len) {
        free(end->waiting);
        end->waiting = NULL;
    }
}

static void on_ready(mlx_relay_t *self, mlx_relay_side_t side, unsigned events)
{
    end_t *end = &self->ends[side], *target = &self->ends[other(side)];
    if (events & MLX_WRITE && is_behind(end))
        flush(end);
    int more = events & MLX_READ && !end->ended;
    for (int n = 0; more > 0 && n < PIECES_PER_TURN && !is_behind(target) && !target->deaf; n++)
        more = pass(self, side);
    if (more >= 0)
        settle(self);
}

static void on_client(void *arg, int fd, unsigned events)
{
    (void)fd;
    on_ready(arg, MLX_RELAY_CLIENT, events);
}

static void on_server(void *arg, int fd, unsigned events)
{
    (void)fd;
    on_ready(arg, MLX_RELAY_SERVER, events);
}

/*  ---- connecting ---- */

static void start_passing(mlx_relay_t *self)
{
    end_t *client = &self->ends[MLX_RELAY_CLIENT], *server = &self->ends[MLX_RELAY_SERVER];
    mlx_loop_unwatch(self->loop, &server->watch);
    server->watch = mlx_loop_watch(self->loop, server->fd, MLX_READ, on_server, self);
    client->watch = mlx_loop_watch(self->loop, client->fd, MLX_READ, on_client, self);
}

static bool connect_to_next(mlx_relay_t *self);

static void on_connected(void *arg, int fd, unsigned events)
{
    mlx_relay_t *self = arg;
    (void)events;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
        start_passing(self);
        return;
    }
    close_end(self, &self->ends[MLX_RELAY_SERVER], false);
    if (!connect_to_next(self))
        finish(self, MLX_RELAY_REFUSED);
}

/*  1: connected, 0: under way, -1: refused. On loopback the answer is there before connect returns,
 *  and asking a second time shows it: that saves the first request a turn of the loop. */
static int begin_connect(int fd, const mlx_tap_address_t *to)
{
    for (int ask = 0; ask < 2; ask++) {
        if (connect(fd, (const struct sockaddr *)&to->addr, to->len) == 0 || errno == EISCONN)
            return 1;
        if (errno != EINPROGRESS && errno != EALREADY && errno != EINTR)
            return -1;
    }
    return 0;
}

static bool connect_to_next(mlx_relay_t *self)
{
    end_t *server = &self->ends[MLX_RELAY_SERVER];
    while (self->servers_left > 0) {
        const mlx_tap_address_t *to = self->servers++;
        self->servers_left--;
        server->fd = socket(to->addr.ss_family, SOCK_STREAM, 0);
        if (server->fd < 0)
            continue;
        mlx_relay_prepare(server->fd);
        int connected = begin_connect(server->fd, to);
        if (connected > 0)
            start_passing(self);
        else if (connected == 0)
            server->watch = mlx_loop_watch(self->loop, server->fd, MLX_WRITE, on_connected, self);
        if (connected >= 0)
            return true;
        mlx_close_p(&server->fd);
    }
    return false;
}

/*  ---- life ---- */

mlx_relay_t *mlx_relay_new(mlx_loop_t *loop, int client_fd, const mlx_tap_address_t *servers,
                           int count, char *scratch, const mlx_relay_hooks_t *hooks, void *arg)
{
    mlx_relay_t *self = mlx_alloc(1, sizeof(*self));
    *self = (mlx_relay_t){.loop = loop,
                          .hooks = hooks,
                          .arg = arg,
                          .scratch = scratch,
                          .servers = servers,
                          .servers_left = count,
                          .ends = {{.fd = client_fd}, {.fd = -1}}};
    mlx_relay_prepare(client_fd);
    if (!connect_to_next(self))
        mlx_relay_destroy(&self);
    return self;
}

void mlx_relay_end(mlx_relay_t **self_p)
{
    mlx_relay_t *self = *self_p;
    close_end(self, &self->ends[MLX_RELAY_CLIENT], false);
    close_end(self, &self->ends[MLX_RELAY_SERVER], false);
    mlx_relay_destroy(self_p);
}

void mlx_relay_destroy(mlx_relay_t **self_p)
{
    mlx_relay_t *self = *self_p;
    if (!self)
        return;
    mlx_loop_cancel(self->loop, &self->drain);
    close_end(self, &self->ends[MLX_RELAY_CLIENT], true);
    close_end(self, &self->ends[MLX_RELAY_SERVER], true);
    free(self);
    *self_p = NULL;
}
