#include "peer_link.h"

#include <stdint.h>
#include <string.h>

#include "common/bus/internal.h"

enum {
    RENEW_MS = 2000, /* a turn between "not you" and the next try */
    EVENTS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_DISCONNECTED |
             ZMQ_EVENT_CONNECT_RETRIED,
};

struct mlx_peer_link {
    mlx_peer_link_options_t options;
    zsock_t *socket;
    zsock_t *monitor;   /* what libzmq does for the socket */
    mlx_timer_t *renew; /* runs while libzmq does nothing for the connection */
    bool denied;
};

static int on_event(zloop_t *zloop, zsock_t *reader, void *arg);

static void read_from(mlx_peer_link_t *self, zsock_t *socket, zloop_reader_fn *fn, void *arg)
{
    zloop_t *zloop = mlx_loop_zloop(self->options.loop);
    zloop_reader(zloop, socket, fn, arg);
    zloop_reader_set_tolerant(zloop, socket);
}

static void drop(mlx_peer_link_t *self)
{
    zloop_t *zloop = mlx_loop_zloop(self->options.loop);
    if (self->monitor) {
        zloop_reader_end(zloop, self->monitor);
        zmq_socket_monitor(zsock_resolve(self->socket), NULL, 0);
        zsock_destroy(&self->monitor);
    }
    if (self->socket) {
        zloop_reader_end(zloop, self->socket);
        zsock_destroy(&self->socket);
    }
}

/*  The socket is connected from its making on: what happened before is in the monitor's queue. */
static int open_link(mlx_peer_link_t *self, mlx_error_t *err)
{
    const mlx_peer_link_options_t *options = &self->options;
    self->socket = mlx_remote_socket(options->remote, options->peer, options->hwm, err);
    if (!self->socket)
        return -1;
    MLX_CLEANUP(mlx_free_p)
    char *place = mlx_format("inproc://link-%p", (void *)self);
    if (zmq_socket_monitor(zsock_resolve(self->socket), place, EVENTS) == 0)
        self->monitor = zsock_new_pair(place);
    if (!self->monitor)
        return mlx_error_set(err, MLX_ERR_FAILED, "bus.peers: %s: cannot be watched: %s",
                             options->peer->host, zmq_strerror(errno));
    if (zsock_connect(self->socket, "%s", options->peer->endpoint))
        return mlx_error_set(err, MLX_ERR_USAGE, "bus.peers: %s: %s", options->peer->endpoint,
                             zmq_strerror(errno));
    read_from(self, self->monitor, on_event, self);
    read_from(self, self->socket, options->on_message, options->reader_arg);
    return 0;
}

static void on_renew(void *arg)
{
    mlx_peer_link_t *self = arg;
    self->renew = NULL;
    drop(self);
    /* Out of descriptors, say: then there is another time. */
    if (open_link(self, NULL)) {
        drop(self);
        self->renew = mlx_loop_after(self->options.loop, RENEW_MS, on_renew, self);
    }
}

static void take_event(mlx_peer_link_t *self, int event)
{
    mlx_loop_t *loop = self->options.loop;
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        self->denied = false;
        mlx_loop_cancel(loop, &self->renew);
        return;
    case ZMQ_EVENT_CONNECT_RETRIED: /* libzmq goes on by itself */
        mlx_loop_cancel(loop, &self->renew);
        return;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        if (!self->denied && self->options.on_denied)
            self->options.on_denied(self->options.arg, self->options.peer);
        self->denied = true;
        break;
    default:
        break;
    }
    if (!self->renew)
        self->renew = mlx_loop_after(loop, RENEW_MS, on_renew, self);
}

/*  An event is a frame of its number (16 bits) and value, and one of the endpoint. */
static int on_event(zloop_t *zloop, zsock_t *reader, void *arg)
{
    mlx_peer_link_t *self = arg;
    void *socket = zsock_resolve(reader);
    uint8_t frame[256];
    int size;
    (void)zloop;
    while ((size = zmq_recv(socket, frame, sizeof frame, ZMQ_DONTWAIT)) >= 0) {
        uint16_t event = 0;
        if (size >= (int)sizeof event)
            memcpy(&event, frame, sizeof event);
        while (zsock_rcvmore(reader) && zmq_recv(socket, frame, sizeof frame, ZMQ_DONTWAIT) >= 0)
            continue;
        take_event(self, event);
    }
    return mlx_loop_verdict(self->options.loop);
}

mlx_peer_link_t *mlx_peer_link_new(const mlx_peer_link_options_t *options, mlx_error_t *err)
{
    mlx_peer_link_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    if (open_link(self, err))
        mlx_peer_link_destroy(&self);
    return self;
}

void mlx_peer_link_destroy(mlx_peer_link_t **self_p)
{
    mlx_peer_link_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->options.loop, &self->renew);
    drop(self);
    free(self);
}
