#include "broker.h"
#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bus/command.h"
#include "common/bus/internal.h"
#include "common/os/os.h"
#include "door.h"
#include "newcomers.h"
#include "peer.h"
#include "peer_link.h"
#include "pressure.h"
#include "proto/catalogue.h"
#include "proto/message.h"
#include "readers.h"
#include "remote.h"
#include "retained.h"
#include "router.h"
#include "snapshot.h"

enum {
    BATCH = 512, /* messages taken before other sockets and timers get a turn */
    DEFAULT_HWM = 10000,
    EXPIRE_EVERY_MS = 1000,
    QUEUE_BYTES = 128 << 20,
    PREFIX_MAX = 256, /* bytes; no topic is longer */
    TRIM_BYTES = 4 << 20,
    RETAIN_GONE_MS_MIN = 5000, /* twice the period of the healths, and a little: who lives speaks */
    KEYS_EVERY_MS = 500,
    KEYS_NEWS_US = 3000000, /* so long the last change of keys is news */
    HANDSHAKE_MS = 10000,   /* then who connected and says nothing is gone */
};

/*  What is looked at of a message's body. */
enum {
    HOST,
    SRC,
    BOOT,
    SEQ,
    TIME,
    DATA,
    PEEKED
};

/*  Owners from here on are peers: no process has such a number. */
static const uint64_t PEERS = (uint64_t)1 << 62;

static const char NO_NAMES[] = "it has no usable \"host\", \"src\" and \"boot\"";

typedef struct {
    mlx_broker_t *broker;
    zsock_t *socket;       /* of this machine's publishers, or */
    mlx_peer_link_t *link; /* to a peer */
    char *host;            /* the only host this input may speak for; NULL: local publishers */
    uint64_t owner;        /* of its messages; 0: the process that sent them */
} input_t;

/*  A socket in the run directory. */
typedef struct {
    const char *name;
    ino_t inode;
} place_t;

struct mlx_broker {
    mlx_loop_t *loop;
    place_t places[3];
    size_t place_count;
    mlx_broker_options_t options;
    char *run_dir;
    char *host;
    int lock;
    zsock_t *outward;
    zsock_t *commands;
    input_t *inputs; /* the first is the inward socket, then the peers */
    size_t input_count;
    mlx_remote_t *remote;
    mlx_retained_t *retained;
    mlx_readers_t *readers;
    mlx_newcomers_t *newcomers;
    mlx_pressure_t *pressure;
    mlx_router_t *router;
    mlx_timer_t *expire;
    mlx_timer_t *keys;
    size_t keys_ended; /* connections, when the allow-list changed last */
    int64_t keys_us;
    int64_t turned_away; /* connections, as far as told */
    int64_t evicted;     /* last values, the same */
    int64_t excessive;   /* readers, the same */
    mlx_error_t fault;   /* of a message: on the stack it would be cleared for each */
};

static void refuse(mlx_broker_t *self, const char *kind, const char *text)
{
    if (self->options.on_refused)
        self->options.on_refused(self->options.arg, kind, text);
}

static void tell_presence(const mlx_broker_t *self, const char *service, bool up)
{
    if (self->options.on_presence)
        self->options.on_presence(self->options.arg, service, up);
}

static bool span_is(mlx_span_t span, const char *text)
{
    return strlen(text) == span.len && memcmp(span.data, text, span.len) == 0;
}

static bool name_fits(mlx_span_t span)
{
    return mlx_name_valid(span.data, span.len);
}

/*  What is wrong with the body from this input, whatever its names are, or NULL: SPANS are set. */
static const char *fault_of(const input_t *input, mlx_span_t body, mlx_span_t spans[PEEKED],
                            mlx_error_t *err)
{
    static const mlx_pack_key_t keys[PEEKED] = {
        [HOST] = MLX_PACK_KEY("host"), [SRC] = MLX_PACK_KEY("src"), [BOOT] = MLX_PACK_KEY("boot"),
        [SEQ] = MLX_PACK_KEY("seq"),   [TIME] = MLX_PACK_KEY("t"),  [DATA] = MLX_PACK_KEY("d")};
    if (mlx_pack_peek(body.data, body.len, keys, PEEKED, spans, err))
        return err->text;
    if (spans[HOST].type != MLX_STR || spans[SRC].type != MLX_STR || spans[BOOT].type != MLX_STR)
        return NO_NAMES;
    if (spans[SEQ].type != MLX_INT || spans[TIME].type != MLX_INT ||
        !mlx_message_bounded(spans[SEQ].number, spans[TIME].number))
        return "its \"seq\" or \"t\" is missing or out of bounds";
    if (spans[DATA].type != MLX_MAP)
        return "it has no data map \"d\"";
    if (input->host && !span_is(spans[HOST], input->host))
        return "a peer published for another host";
    return NULL;
}

/*  What is wrong with names that were not seen before, or NULL. */
static const char *fault_of_names(mlx_span_t topic, const mlx_retained_from_t *from)
{
    if (!mlx_topic_valid(topic.data, topic.len))
        return "its topic is not valid";
    if (!name_fits(from->host) || !name_fits(from->src) || !name_fits(from->boot) ||
        from->boot.len > MLX_BOOT_MAX)
        return NO_NAMES;
    return NULL;
}

static bool is_retained(const char *topic)
{
    const mlx_topic_t *entry = mlx_catalogue_find(topic);
    return entry && entry->retained;
}

static void forward(mlx_broker_t *self, zmq_msg_t *topic, zmq_msg_t *body)
{
    void *socket = zsock_resolve(self->outward);
    mlx_pressure_count(self->pressure, body);
    if (zmq_msg_send(topic, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_msg_send(body, socket, ZMQ_DONTWAIT);
}

static mlx_span_t span_of(zmq_msg_t *frame)
{
    return (mlx_span_t){.data = zmq_msg_data(frame), .len = zmq_msg_size(frame)};
}

static void refuse_message(mlx_broker_t *self, mlx_span_t topic, const char *fault)
{
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("message \"%.*s\" refused: %s", (int)(topic.len < 64 ? topic.len : 64),
                            topic.data, fault);
    refuse(self, "message", text);
}

static void take(const input_t *input, zmq_msg_t *topic_frame, zmq_msg_t *body_frame,
                 int64_t now_us)
{
    mlx_broker_t *self = input->broker;
    mlx_span_t topic = span_of(topic_frame), body = span_of(body_frame), spans[PEEKED];
    mlx_retained_t *retained = self->retained;
    const char *fault = fault_of(input, body, spans, &self->fault);
    if (fault) {
        refuse_message(self, topic, fault);
        return;
    }
    const mlx_retained_from_t from = {spans[HOST], spans[SRC], spans[BOOT],
                                      input->owner ? input->owner
                                                   : (uint64_t)mlx_peer_pid(body_frame)};
    mlx_retained_value_t *known = mlx_retained_known(retained, topic, &from);
    fault = known ? NULL : fault_of_names(topic, &from);
    if (fault) {
        refuse_message(self, topic, fault);
        return;
    }
    mlx_retained_put(retained, known, topic, &from, body, now_us);
    if (mlx_pressure_admits(self->pressure, body.len))
        forward(self, topic_frame, body_frame);
    else
        refuse(self, "queues", "a large message was dropped: readers do not keep up");
}

/*  One message of any number of frames into FRAMES[2]; false when none is there. */
static bool receive(void *socket, zmq_msg_t frames[3], size_t *count)
{
    *count = 0;
    if (zmq_msg_recv(&frames[0], socket, ZMQ_DONTWAIT) < 0)
        return false;
    bool more = zmq_msg_more(&frames[0]);
    for (*count = 1; more; (*count)++) {
        zmq_msg_t *frame = &frames[*count < 2 ? *count : 2];
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more(frame);
    }
    return true;
}

static int on_input(zloop_t *zloop, zsock_t *reader, void *arg)
{
    const input_t *input = arg;
    void *socket = zsock_resolve(reader);
    int64_t now_us = mlx_now_us();
    zmq_msg_t frames[3];
    (void)zloop;
    for (int k = 0; k < 3; k++)
        zmq_msg_init(&frames[k]);
    for (int i = 0; i < BATCH; i++) {
        size_t count;
        if (!receive(socket, frames, &count))
            break;
        if (count == 2)
            take(input, &frames[0], &frames[1], now_us);
        else
            refuse(input->broker, "message", "a message that does not have two frames");
    }
    for (int k = 0; k < 3; k++)
        zmq_msg_close(&frames[k]);
    return mlx_loop_verdict(input->broker->loop);
}

static bool send_retained(void *arg, const char *topic, mlx_span_t body)
{
    mlx_broker_t *self = arg;
    zmq_msg_t frames[2];
    if (!mlx_pressure_low(self->pressure) && body.len > 0)
        return false;
    zmq_msg_init_size(&frames[0], strlen(topic));
    zmq_msg_init_size(&frames[1], body.len);
    memcpy(zmq_msg_data(&frames[0]), topic, strlen(topic));
    memcpy(zmq_msg_data(&frames[1]), body.data, body.len);
    forward(self, &frames[0], &frames[1]);
    for (int i = 0; i < 2; i++)
        zmq_msg_close(&frames[i]);
    return true;
}

static void take_subscription(mlx_broker_t *self, zmq_msg_t *frame, int64_t now_us)
{
    const char *data = zmq_msg_data(frame);
    size_t size = zmq_msg_size(frame);
    if (size > 0 && data[0] == 1) {
        bool soon = mlx_readers_subscribed(self->readers, frame, now_us);
        if (size <= PREFIX_MAX)
            mlx_newcomers_add(self->newcomers, data + 1, size - 1, soon);
    } else if (size == 0 || data[0] != 0) {
        refuse(self, "subscription", "a frame on the subscribe socket that is not a subscription");
    }
}

static int on_outward(zloop_t *zloop, zsock_t *reader, void *arg)
{
    mlx_broker_t *self = arg;
    int64_t now_us = mlx_now_us();
    zmq_msg_t frames[3];
    size_t count;
    (void)zloop;
    for (int k = 0; k < 3; k++)
        zmq_msg_init(&frames[k]);
    for (int i = 0; i < BATCH && receive(zsock_resolve(reader), frames, &count); i++)
        take_subscription(self, &frames[0], now_us);
    for (int k = 0; k < 3; k++)
        zmq_msg_close(&frames[k]);
    return mlx_loop_verdict(self->loop);
}

static void on_stuck(void *arg, size_t readers)
{
    mlx_broker_t *self = arg;
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("%zu readers that fetched nothing were disconnected", readers);
    refuse(self, "readers", text);
}

static bool key_allowed(void *arg, const char *key)
{
    const mlx_broker_t *self = arg;
    return self->remote && mlx_remote_allows(self->remote, key);
}

size_t mlx_broker_check_keys(mlx_broker_t *self)
{
    int64_t now_us = mlx_now_us();
    if (!self->remote)
        return 0;
    if (mlx_remote_reload(self->remote)) {
        self->keys_ended = mlx_readers_end_denied(self->readers);
        self->keys_us = now_us;
    }
    return now_us - self->keys_us < KEYS_NEWS_US ? self->keys_ended : 0;
}

static void on_keys(void *arg)
{
    mlx_broker_check_keys(arg);
}

/*  Say how many there were since last time: *TOLD is what was said so far. */
static void tell(mlx_broker_t *self, const char *kind, const char *what, int64_t count,
                 int64_t *told)
{
    if (count == *told)
        return;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%lld %s", (long long)(count - *told), what);
    *told = count;
    refuse(self, kind, text);
}

static void expire(void *arg)
{
    mlx_broker_t *self = arg;
    size_t before = mlx_retained_stats(self->retained).bytes;
    int64_t gone_ms = self->options.retain_gone_ms;
    gone_ms = gone_ms < RETAIN_GONE_MS_MIN ? RETAIN_GONE_MS_MIN : gone_ms;
    mlx_retained_expire(self->retained, mlx_now_us() - gone_ms * 1000);
    mlx_retained_stats_t kept = mlx_retained_stats(self->retained);
    if (before > kept.bytes + TRIM_BYTES)
        mlx_os_trim();
    tell(self, "connections", "connections beyond the limit of descriptors were refused",
         mlx_door_refused(), &self->turned_away);
    tell(self, "last-values", "last values were dropped to make room for others: see bus.retain_mb",
         kept.evicted, &self->evicted);
    tell(self, "subscriptions", "readers with too many subscriptions were disconnected",
         mlx_readers_excessive(self->readers), &self->excessive);
}

/*  The lock tells a live broker from the stale sockets of a dead one: bind() succeeds over both. */
static int take_lock(mlx_broker_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/bus.lock", self->run_dir);
    self->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", path, strerror(errno));
    char pid[32] = "";
    if (flock(self->lock, LOCK_EX | LOCK_NB)) {
        ssize_t len = read(self->lock, pid, sizeof pid - 1);
        pid[len > 0 ? strcspn(pid, "\n") : 0] = '\0';
        mlx_error_set(err, MLX_ERR_BUSY, "a broker is already running in %s (pid %s)",
                      self->run_dir, pid[0] ? pid : "unknown");
        return mlx_error_hint(err, "stop it first, or choose another MLX_RUNTIME_DIR");
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(self->lock, 0) || write(self->lock, pid, (size_t)len) != len)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", path, strerror(errno));
    return 0;
}

static zsock_t *bind_socket(mlx_broker_t *self, int type, const char *name, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", self->run_dir, name);
    int hwm = (int)(self->options.hwm ? self->options.hwm : DEFAULT_HWM);
    zsock_t *socket = zsock_new(type);
    zsock_set_linger(socket, 0);
    zsock_set_sndhwm(socket, hwm);
    zsock_set_rcvhwm(socket, hwm);
    zsock_set_maxmsgsize(socket, MLX_FRAME_MAX_BYTES);
    zsock_set_handshake_ivl(socket, HANDSHAKE_MS);
    if (unlink(path) && errno != ENOENT) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", path, strerror(errno));
        zsock_destroy(&socket);
        return NULL;
    }
    struct stat status;
    if (zsock_bind(socket, "ipc://%s", path) < 0 || chmod(path, 0600) || stat(path, &status)) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot listen on %s: %s", path, zmq_strerror(errno));
        zsock_destroy(&socket);
        return NULL;
    }
    self->places[self->place_count++] = (place_t){.name = name, .inode = status.st_ino};
    return socket;
}

int mlx_broker_in_place(const mlx_broker_t *self, mlx_error_t *err)
{
    for (size_t i = 0; i < self->place_count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%s/%s", self->run_dir, self->places[i].name);
        struct stat status;
        if (stat(path, &status) == 0 && status.st_ino == self->places[i].inode)
            continue;
        mlx_error_set(err, MLX_ERR_FAILED, "%s was removed while the bus was running", path);
        return mlx_error_hint(
            err, "it is restarted; find out what deletes files from the run directory");
    }
    return 0;
}

static void read_from(mlx_broker_t *self, zsock_t *socket, zloop_reader_fn fn, void *arg)
{
    zloop_reader(mlx_loop_zloop(self->loop), socket, fn, arg);
    zloop_reader_set_tolerant(mlx_loop_zloop(self->loop), socket);
}

static void on_denied(void *arg, const mlx_peer_t *peer)
{
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("%s turned this machine's key away: there, run mlxctl keys allow with "
                            "what mlxctl keys show prints here",
                            peer->host);
    refuse(arg, "peers", text);
}

static int open_peer(mlx_broker_t *self, size_t number, mlx_error_t *err)
{
    const mlx_peer_t *peer = &self->options.peers[number];
    input_t *input = &self->inputs[self->input_count];
    *input = (input_t){.broker = self, .owner = PEERS + number};
    const mlx_peer_link_options_t options = {.loop = self->loop,
                                             .remote = self->remote,
                                             .peer = peer,
                                             .hwm = self->options.hwm,
                                             .on_message = on_input,
                                             .reader_arg = input,
                                             .on_denied = on_denied,
                                             .arg = self};
    if (!(input->link = mlx_peer_link_new(&options, err)))
        return -1;
    input->host = mlx_strdup(peer->host);
    self->input_count++;
    return strcmp(peer->host, self->host) == 0
               ? mlx_error_set(err, MLX_ERR_USAGE, "bus.peers: %s is this machine", peer->host)
               : 0;
}

static int open_inputs(mlx_broker_t *self, mlx_error_t *err)
{
    self->inputs = mlx_alloc(1 + self->options.peer_count, sizeof *self->inputs);
    zsock_t *inward = bind_socket(self, ZMQ_SUB, MLX_SOCKET_PUBLISH, err);
    if (!inward)
        return -1;
    zsock_set_subscribe(inward, "");
    self->inputs[self->input_count++] = (input_t){.broker = self, .socket = inward};
    read_from(self, inward, on_input, &self->inputs[0]);
    for (size_t i = 0; i < self->options.peer_count; i++)
        if (open_peer(self, i, err))
            return -1;
    return 0;
}

static int open_outward(mlx_broker_t *self, mlx_error_t *err)
{
    self->outward = bind_socket(self, ZMQ_XPUB, MLX_SOCKET_SUBSCRIBE, err);
    if (!self->outward)
        return -1;
    /* Verbose: a subscription that somebody else has already must be seen too. */
    zsock_set_xpub_verbose(self->outward, 1);
    for (const char *const *endpoint = self->options.tcp; endpoint && *endpoint; endpoint++)
        if (mlx_remote_bind(self->remote, self->outward, *endpoint, err))
            return -1;
    read_from(self, self->outward, on_outward, self);
    return 0;
}

static void on_presence(void *arg, const char *service, bool up)
{
    tell_presence(arg, service, up);
}

static void on_forgotten(void *arg, const char *service)
{
    mlx_broker_t *self = arg;
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("service.%s.health", service);
    mlx_retained_forget(self->retained, self->host, topic);
    if (self->options.on_forgotten)
        self->options.on_forgotten(self->options.arg, service);
}

static void on_refused(void *arg, const char *kind, const char *text)
{
    refuse(arg, kind, text);
}

static int open_all(mlx_broker_t *self, mlx_error_t *err)
{
    bool networked = self->options.peer_count || (self->options.tcp && *self->options.tcp);
    if (take_lock(self, err))
        return -1;
    mlx_door_watch();
    if (networked && !(self->remote = mlx_remote_new(self->options.keys_dir, err)))
        return -1;
    if (open_inputs(self, err) || open_outward(self, err))
        return -1;
    self->commands = bind_socket(self, ZMQ_ROUTER, MLX_SOCKET_COMMAND, err);
    if (!self->commands)
        return -1;
    self->router = mlx_router_new(self->loop, self->commands, self->options.boot,
                                  &(mlx_router_events_t){.on_presence = on_presence,
                                                         .on_forgotten = on_forgotten,
                                                         .on_refused = on_refused,
                                                         .arg = self});
    return 0;
}

mlx_broker_t *mlx_broker_new(mlx_loop_t *loop, const mlx_broker_options_t *options,
                             mlx_error_t *err)
{
    mlx_broker_t *self = mlx_alloc(1, sizeof *self);
    self->loop = loop;
    self->options = *options;
    self->run_dir = mlx_strdup(options->run_dir);
    self->host = mlx_strdup(options->host);
    self->lock = -1;
    self->turned_away = mlx_door_refused();
    self->retained = mlx_retained_new(
        is_retained, (mlx_retained_budget_t){options->retain_bytes, options->owner_bytes});
    self->readers = mlx_readers_new(key_allowed, self);
    self->newcomers = mlx_newcomers_new(loop, self->retained, send_retained, self);
    self->pressure = mlx_pressure_new(
        loop, &(mlx_pressure_options_t){.bytes = options->queue_bytes ? options->queue_bytes
                                                                      : (size_t)QUEUE_BYTES,
                                        .readers = self->readers,
                                        .on_ended = on_stuck,
                                        .arg = self});
    if (open_all(self, err)) {
        mlx_broker_destroy(&self);
        return NULL;
    }
    self->expire = mlx_loop_every(loop, EXPIRE_EVERY_MS, expire, self);
    if (options->tcp && *options->tcp)
        self->keys = mlx_loop_every(loop, KEYS_EVERY_MS, on_keys, self);
    return self;
}

static void close_socket(mlx_broker_t *self, zsock_t **socket, const char *name)
{
    if (!*socket)
        return;
    zloop_reader_end(mlx_loop_zloop(self->loop), *socket);
    zsock_destroy(socket);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", self->run_dir, name);
    unlink(path);
}

void mlx_broker_destroy(mlx_broker_t **self_p)
{
    mlx_broker_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->loop, &self->expire);
    mlx_loop_cancel(self->loop, &self->keys);
    mlx_router_destroy(&self->router);
    close_socket(self, &self->commands, MLX_SOCKET_COMMAND);
    close_socket(self, &self->outward, MLX_SOCKET_SUBSCRIBE);
    for (size_t i = 0; i < self->input_count; i++) {
        close_socket(self, &self->inputs[i].socket, MLX_SOCKET_PUBLISH);
        mlx_peer_link_destroy(&self->inputs[i].link);
        free(self->inputs[i].host);
    }
    free(self->inputs);
    mlx_remote_destroy(&self->remote);
    mlx_door_unwatch();
    mlx_newcomers_destroy(&self->newcomers);
    mlx_pressure_destroy(&self->pressure);
    mlx_readers_destroy(&self->readers);
    mlx_retained_destroy(&self->retained);
    mlx_close_p(&self->lock);
    free(self->run_dir);
    free(self->host);
    free(self);
}

mlx_value_t *mlx_broker_snapshot(const mlx_broker_t *self, const char *prefix, uint64_t cursor)
{
    return mlx_snapshot_page(self->retained, prefix, cursor);
}

mlx_value_t *mlx_broker_services(const mlx_broker_t *self)
{
    mlx_value_t *map = mlx_value_map();
    mlx_router_services(self->router, mlx_value_set(map, "services", mlx_value_list()));
    return map;
}
