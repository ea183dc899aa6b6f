#include "common/bus/bus.h"
#include "common/base/clock.h"
#include "common/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/bus/client.h"
#include "common/bus/command.h"
#include "proto/catalogue.h"
#include "proto/pack.h"

enum {
    DEFAULT_HWM = 10000,
    READ_AHEAD = 1000, /* messages that this process holds itself: what else waits, waits there */
    RECONNECT_MS = 50,
    RECONNECT_MAX_MS = 400,
    RELAY_LINGER_MS = 1000,
    PROBE_US = 2000000, /* a living broker takes a connection at once */
};

zsock_t *mlx_bus_connect(const mlx_bus_t *self, int type, const char *socket_name)
{
    zsock_t *socket = zsock_new(type);
    if (!socket)
        mlx_panic("cannot create a ZeroMQ socket: %s", strerror(errno));
    zsock_set_linger(socket, 0);
    zsock_set_sndhwm(socket, (int)self->hwm);
    zsock_set_rcvhwm(socket, self->hwm < READ_AHEAD ? (int)self->hwm : READ_AHEAD);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(socket, RECONNECT_MAX_MS);
    zsock_set_maxmsgsize(socket, MLX_FRAME_MAX_BYTES);
    if (zsock_connect(socket, "ipc://%s/%s", self->run_dir, socket_name))
        mlx_panic("cannot connect to %s/%s: %s", self->run_dir, socket_name, strerror(errno));
    return socket;
}

static void send_frames(mlx_bus_t *self, const char *topic, const void *body, size_t len)
{
    void *socket = zsock_resolve(self->publisher);
    /* An XPUB never blocks: without a subscriber, or above its high-water mark, it drops. */
    if (zmq_send(socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(socket, body, len, ZMQ_DONTWAIT);
}

/*  The broker's subscription arrives whenever it (re)connects: give it what a late joiner needs. */
static int on_publisher(zloop_t *zloop, zsock_t *reader, void *arg)
{
    mlx_bus_t *self = arg;
    char verb[256];
    (void)zloop;
    bool joined = false;
    int size;
    while ((size = zmq_recv(zsock_resolve(reader), verb, sizeof verb, ZMQ_DONTWAIT)) >= 0)
        joined = joined || (size > 0 && verb[0] == 1);
    for (last_value_t *last = joined ? self->last_values : NULL; last; last = last->next)
        send_frames(self, last->topic, last->body.data, last->body.len);
    self->broker_listens = self->broker_listens || joined;
    if (joined && self->broker_fn)
        self->broker_fn(self->broker_arg);
    return mlx_loop_verdict(self->loop);
}

/*  The host name, or what can be shown of it. Caller owns it. */
static char *machine_name(void)
{
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return mlx_name_valid(name, strlen(name)) ? mlx_strdup(name)
           : name[0]                          ? mlx_topic_segment(name)
                                              : mlx_strdup("localhost");
}

static int check_names(const mlx_bus_options_t *options, mlx_error_t *err)
{
    const char *names[] = {options->host, options->src};
    for (size_t i = 0; i < MLX_COUNT(names); i++)
        if (names[i] && !mlx_name_valid(names[i], strlen(names[i]))) {
            mlx_error_set(err, MLX_ERR_USAGE, "\"%.64s\" cannot name a %s on the bus", names[i],
                          i ? "source" : "host");
            return mlx_error_hint(err, "a name has 1 to 128 bytes and no spaces");
        }
    return 0;
}

/*  sun_path holds 104 bytes on macOS, 108 on Linux. */
static int check_run_dir(const char *run_dir, mlx_error_t *err)
{
    if (strlen(run_dir) + sizeof "/" MLX_SOCKET_SUBSCRIBE <= 104)
        return 0;
    mlx_error_set(err, MLX_ERR_USAGE, "run directory %s: too long for a socket path", run_dir);
    return mlx_error_hint(err, "set MLX_RUNTIME_DIR to a path of at most 80 bytes");
}

static int check_options(const mlx_bus_options_t *options, mlx_error_t *err)
{
    if (!options->run_dir)
        return mlx_error_set(err, MLX_ERR_USAGE, "bus: no run directory");
    return check_run_dir(options->run_dir, err) || check_names(options, err) ? -1 : 0;
}

mlx_bus_t *mlx_bus_new(mlx_loop_t *loop, const mlx_bus_options_t *options, mlx_error_t *err)
{
    if (check_options(options, err))
        return NULL;
    mlx_bus_t *self = mlx_alloc(1, sizeof *self);
    self->loop = loop;
    self->run_dir = mlx_strdup(options->run_dir);
    self->host = options->host ? mlx_strdup(options->host) : machine_name();
    self->src = mlx_strdup(options->src);
    self->hwm = options->hwm ? options->hwm : DEFAULT_HWM;
    mlx_random_hex(self->boot, sizeof self->boot - 1);
    self->seen = mlx_bus_seen_new();
    if (self->src) {
        self->publisher = mlx_bus_connect(self, ZMQ_XPUB, MLX_SOCKET_PUBLISH);
        zsock_set_xpub_verbose(self->publisher, 1);
        zloop_reader(mlx_loop_zloop(loop), self->publisher, on_publisher, self);
        zloop_reader_set_tolerant(mlx_loop_zloop(loop), self->publisher);
    }
    return self;
}

static void free_last(last_value_t *last)
{
    free(last->topic);
    mlx_buf_clear(&last->body);
    mlx_value_destroy(&last->d);
    free(last);
}

static void drop_socket(mlx_bus_t *self, zsock_t **socket)
{
    if (!*socket)
        return;
    zloop_reader_end(mlx_loop_zloop(self->loop), *socket);
    zsock_destroy(socket);
}

void mlx_bus_destroy(mlx_bus_t **self_p)
{
    mlx_bus_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_bus_commands_end(self);
    drop_socket(self, &self->publisher);
    drop_socket(self, &self->subscriber);
    drop_socket(self, &self->commander);
    while (self->last_values) {
        last_value_t *last = self->last_values;
        self->last_values = last->next;
        free_last(last);
    }
    while (self->subscriptions) {
        subscription_t *subscription = self->subscriptions;
        self->subscriptions = subscription->next;
        free(subscription->prefix);
        free(subscription);
    }
    mlx_bus_seen_destroy(&self->seen);
    free(self->run_dir);
    free(self->host);
    free(self->src);
    free(self);
}

static last_value_t *find_last(const mlx_bus_t *self, const char *topic)
{
    last_value_t *last = self->last_values;
    while (last && strcmp(last->topic, topic) != 0)
        last = last->next;
    return last;
}

static last_value_t *last_value(mlx_bus_t *self, const char *topic)
{
    last_value_t *last = find_last(self, topic);
    if (last)
        return last;
    last = mlx_alloc(1, sizeof *last);
    last->topic = mlx_strdup(topic);
    last->next = self->last_values;
    self->last_values = last;
    return last;
}

void mlx_bus_forget(mlx_bus_t *self, const char *topic)
{
    for (last_value_t *last = self->last_values; last; last = last->next)
        if (strcmp(last->topic, topic) == 0) {
            MLX_UNLINK(&self->last_values, last);
            free_last(last);
            return;
        }
}

static int check_fit(mlx_bus_t *self, const char *topic, const mlx_topic_t *entry,
                     const mlx_value_t *d)
{
    mlx_error_t err = {0};
    if (!entry || !mlx_topic_valid(topic, strlen(topic)))
        mlx_error_set(&err, MLX_ERR_USAGE, "topic \"%.200s\" is not in the catalogue", topic);
    else if (mlx_catalogue_check(entry, d, &err) == 0)
        return 0;
    self->stats.unfit++;
    if (self->unfit_fn)
        self->unfit_fn(self->unfit_arg, &err);
    return -1;
}

void mlx_bus_on_unfit(mlx_bus_t *self, mlx_unfit_fn fn, void *arg)
{
    self->unfit_fn = fn;
    self->unfit_arg = arg;
}

void mlx_bus_on_broker(mlx_bus_t *self, mlx_timer_fn fn, void *arg)
{
    self->broker_fn = fn;
    self->broker_arg = arg;
    if (self->broker_listens)
        mlx_loop_after(self->loop, 0, fn, arg);
}

void mlx_bus_relay(mlx_bus_t *self, const char *topic, const void *body, size_t len)
{
    if (!self->publisher)
        mlx_panic("a bus client without a source name published %s", topic);
    if (self->stats.published++ == 0)
        zsock_set_linger(self->publisher, RELAY_LINGER_MS);
    send_frames(self, topic, body, len);
}

int mlx_bus_publish(mlx_bus_t *self, const char *topic, const mlx_value_t *d)
{
    const mlx_topic_t *entry = mlx_catalogue_find(topic);
    if (check_fit(self, topic, entry, d))
        return -1;
    if (!self->publisher)
        mlx_panic("a bus client without a source name published %s", topic);
    mlx_value_t *data = mlx_value_copy(d);
    mlx_message_t message = {.host = self->host,
                             .src = self->src,
                             .boot = self->boot,
                             .seq = ++self->stats.published,
                             .t = mlx_wall_us(),
                             .d = data};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_message_pack(&message, &body);
    send_frames(self, topic, body.data, body.len);
    if (entry->retained) {
        last_value_t *last = last_value(self, topic);
        mlx_buf_clear(&last->body);
        mlx_value_destroy(&last->d);
        last->body = body;
        body = (mlx_buf_t){0};
        last->d = data;
        last->sent_us = mlx_now_us();
    } else {
        mlx_value_destroy(&data);
    }
    return 0;
}

/*  A call that comes a little early need not wait for the next one. */
static bool is_due(const last_value_t *last)
{
    const mlx_topic_t *entry = mlx_catalogue_find(last->topic);
    return entry && mlx_now_us() - last->sent_us >= (int64_t)entry->period_s * 900000;
}

int mlx_bus_publish_changed(mlx_bus_t *self, const char *topic, const mlx_value_t *d)
{
    const last_value_t *last = find_last(self, topic);
    if (last && mlx_value_equal(last->d, d) && !is_due(last))
        return 0;
    return mlx_bus_publish(self, topic, d);
}

static void deliver(mlx_bus_t *self, const mlx_message_t *message, const void *body, size_t len)
{
    bool all = false;
    for (subscription_t *s = self->subscriptions; s; s = s->next)
        all = all || !*s->prefix;
    int64_t gap = 0;
    if (mlx_bus_seen_before(self->seen, message, mlx_now_us(), &gap)) {
        self->stats.duplicates++;
        return;
    }
    self->stats.received++;
    self->stats.gaps += all ? gap : 0;
    for (subscription_t *s = self->subscriptions; s; s = s->next) {
        if (strncmp(message->topic, s->prefix, strlen(s->prefix)) != 0)
            continue;
        if (s->frames_fn)
            s->frames_fn(s->arg, message, body, len);
        else
            s->fn(s->arg, message);
    }
}

static void take_message(mlx_bus_t *self, zmq_msg_t frames[3], size_t count)
{
    MLX_CLEANUP(mlx_message_clear) mlx_message_t message = {0};
    if (count != 2 ||
        mlx_message_unpack(&message, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]),
                           zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]), NULL)) {
        self->stats.malformed++;
        return;
    }
    self->stats.fields += (int64_t)message.dropped;
    deliver(self, &message, zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]));
}

/*  Receive one message into FRAMES; frames behind the second are thrown away. Returns the number of
 *  frames, 0 when nothing is there. */
static size_t receive(void *socket, zmq_msg_t frames[3])
{
    size_t count = 0;
    do {
        if (zmq_msg_recv(&frames[count < 2 ? count : 2], socket, ZMQ_DONTWAIT) < 0)
            break;
        count++;
    } while (zmq_msg_more(&frames[count <= 2 ? count - 1 : 2]));
    return count;
}

static int on_subscriber(zloop_t *zloop, zsock_t *reader, void *arg)
{
    enum {
        BATCH = 256
    }; /* then give timers and other sockets a turn */
    mlx_bus_t *self = arg;
    (void)zloop;
    size_t count = 1;
    for (int i = 0; i < BATCH && count; i++) {
        zmq_msg_t frames[3];
        for (int k = 0; k < 3; k++)
            zmq_msg_init(&frames[k]);
        count = receive(zsock_resolve(reader), frames);
        if (count)
            take_message(self, frames, count);
        for (int k = 0; k < 3; k++)
            zmq_msg_close(&frames[k]);
    }
    return mlx_loop_verdict(self->loop);
}

static subscription_t *add_subscription(mlx_bus_t *self, const char *prefix, void *arg)
{
    if (!self->subscriber) {
        self->subscriber = mlx_bus_connect(self, ZMQ_SUB, MLX_SOCKET_SUBSCRIBE);
        zloop_reader(mlx_loop_zloop(self->loop), self->subscriber, on_subscriber, self);
        zloop_reader_set_tolerant(mlx_loop_zloop(self->loop), self->subscriber);
    }
    subscription_t *subscription = mlx_alloc(1, sizeof *subscription);
    *subscription = (subscription_t){.prefix = mlx_strdup(prefix), .arg = arg};
    subscription_t **at = &self->subscriptions;
    while (*at)
        at = &(*at)->next;
    *at = subscription;
    return subscription;
}

void mlx_bus_subscribe(mlx_bus_t *self, const char *prefix, mlx_message_fn fn, void *arg)
{
    add_subscription(self, prefix, arg)->fn = fn;
    zsock_set_subscribe(self->subscriber, prefix);
}

void mlx_bus_subscribe_frames(mlx_bus_t *self, const char *prefix, mlx_frames_fn fn, void *arg)
{
    add_subscription(self, prefix, arg)->frames_fn = fn;
    zsock_set_subscribe(self->subscriber, prefix);
}

/*  Connect FD, which does not block. A listener whose queue is full is waited for, for a while: 0,
 *  or the error's number. */
static int connect_within(int fd, const struct sockaddr_un *address, int64_t timeout_us)
{
    static const struct timespec pause = {.tv_nsec = 20000000};
    int64_t deadline_us = mlx_now_us() + timeout_us;
    while (connect(fd, (const struct sockaddr *)address, sizeof *address)) {
        if (errno != EAGAIN && errno != EINPROGRESS && errno != EINTR)
            return errno;
        if (mlx_now_us() >= deadline_us)
            return ETIMEDOUT;
        nanosleep(&pause, NULL);
    }
    return 0;
}

int mlx_bus_silent(mlx_error_t *err, const char *run_dir)
{
    mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the bus at %s does not answer", run_dir);
    return mlx_error_hint(err, "is mlx-bus stopped or overloaded? stop it and start the suite "
                               "again with ./deploy/up");
}

int mlx_bus_probe(const char *run_dir, mlx_error_t *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (check_run_dir(run_dir, err))
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", run_dir, MLX_SOCKET_SUBSCRIBE);
    MLX_CLEANUP(mlx_close_p) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool usable = fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
    int problem = usable ? connect_within(fd, &address, PROBE_US) : errno;
    if (problem == 0)
        return 0;
    if (problem == ETIMEDOUT)
        return mlx_bus_silent(err, run_dir);
    mlx_error_set(err, MLX_ERR_UNAVAILABLE, "no bus at %s: %s", address.sun_path,
                  strerror(problem));
    return mlx_error_hint(err,
                          "start the suite with ./deploy/up, or the broker alone with mlx-bus");
}

mlx_bus_stats_t mlx_bus_stats(const mlx_bus_t *self)
{
    return self->stats;
}

const char *mlx_bus_host(const mlx_bus_t *self)
{
    return self->host;
}

const char *mlx_bus_boot(const mlx_bus_t *self)
{
    return self->boot;
}
