/*  libFuzzer target: services/bus/broker.h, the whole door: frames from three sides in any order
 *
 *  The input is a script. Each step is a byte that says who does what, one for the length, and as
 *  many bytes, frames separated by '|': a publisher sends, as it is or in a good envelope; a reader
 *  subscribes; a caller and a service speak to the command socket; one of them vanishes; the loop
 *  turns, with its timers. The broker is the real one on its sockets in a private directory, and
 *  lives on from input to input. After each, a reader beside gets what a publisher sends, and a
 *  caller beside an answer.
 */
#include "common/bus/command.h"
#include "common/bus/internal.h"
#include "proto/catalogue.h"
#include "proto/message.h"
#include "proto/pack.h"
#include "services/bus/broker.h"

#include <czmq.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PUBLISHER, /* strangers, then those beside */
    READER,
    CALLER,
    SERVICE,
    GOOD_PUBLISHER,
    GOOD_READER,
    GOOD_CALLER,
    CLIENTS,
    FRAMES_MAX = 8,
    LIVES = 20000,      /* inputs of one broker */
    DEADLINE_MS = 60000 /* of the wall clock: other work may keep all of the machine for long */
};

typedef struct {
    const char *at;
    size_t len;
} frame_t;

static struct {
    char dir[32];
    mlx_loop_t *loop;
    mlx_broker_t *broker;
    zsock_t *clients[CLIENTS];
    zframe_t *route; /* of the call that the service got last */
    int64_t number;  /* of the mark */
    bool listened;   /* the broker hears the good publisher */
    bool heard;      /* the mark came */
    bool answered;
    size_t inputs;
} world;

static const struct {
    int type;
    const char *name;
} kinds[CLIENTS] = {
    [PUBLISHER] = {ZMQ_XPUB, MLX_SOCKET_PUBLISH},
    [READER] = {ZMQ_XSUB, MLX_SOCKET_SUBSCRIBE},
    [CALLER] = {ZMQ_DEALER, MLX_SOCKET_COMMAND},
    [SERVICE] = {ZMQ_DEALER, MLX_SOCKET_COMMAND},
    [GOOD_PUBLISHER] = {ZMQ_XPUB, MLX_SOCKET_PUBLISH},
    [GOOD_READER] = {ZMQ_XSUB, MLX_SOCKET_SUBSCRIBE},
    [GOOD_CALLER] = {ZMQ_DEALER, MLX_SOCKET_COMMAND},
};

static bool is(zmsg_t *message, const char *text)
{
    zframe_t *first = zmsg_first(message);
    return first && zframe_streq(first, text);
}

static void stop_when_done(void)
{
    if (world.heard && world.answered)
        mlx_loop_stop(world.loop);
}

static void see_command(size_t who, zmsg_t *message)
{
    bool ends = is(message, "done") || is(message, "error");
    if (who == SERVICE && is(message, "call")) {
        zframe_destroy(&world.route);
        zmsg_first(message);
        world.route = zframe_dup(zmsg_next(message));
    }
    if (who != GOOD_CALLER || !ends)
        return;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)world.number);
    zmsg_first(message);
    world.answered = world.answered || zframe_streq(zmsg_next(message), number);
}

static void see_message(size_t who, zmsg_t *message)
{
    zframe_t *topic = zmsg_first(message), *body = zmsg_next(message);
    if (!body || zmsg_size(message) != 2 ||
        !mlx_topic_valid((const char *)zframe_data(topic), zframe_size(topic)))
        mlx_panic("a reader gets what is no message");
    if (who != GOOD_READER)
        return;
    MLX_CLEANUP(mlx_message_clear) mlx_message_t mark = {0};
    if (mlx_message_unpack(&mark, zframe_data(topic), zframe_size(topic), zframe_data(body),
                           zframe_size(body), NULL) == 0 &&
        strcmp(mark.src, "beside") == 0)
        world.heard = world.heard || mark.seq == world.number;
}

static int on_client(zloop_t *zloop, zsock_t *socket, void *arg)
{
    size_t who = (size_t)((zsock_t **)arg - world.clients);
    zmsg_t *message = zmsg_recv(socket);
    (void)zloop;
    if (message && kinds[who].type == ZMQ_DEALER)
        see_command(who, message);
    else if (message && kinds[who].type == ZMQ_XSUB)
        see_message(who, message);
    else if (who == GOOD_PUBLISHER)
        world.listened = true;
    zmsg_destroy(&message);
    stop_when_done();
    return mlx_loop_verdict(world.loop);
}

static void leave(size_t who)
{
    zloop_reader_end(mlx_loop_zloop(world.loop), world.clients[who]);
    zsock_destroy(&world.clients[who]);
}

static void come(size_t who)
{
    zsock_t *socket = world.clients[who] = zsock_new(kinds[who].type);
    zsock_set_linger(socket, 0);
    zsock_set_sndtimeo(socket, 0);
    zsock_set_reconnect_ivl(socket, 1);
    if (zsock_connect(socket, "ipc://%s/%s", world.dir, kinds[who].name))
        mlx_panic("cannot connect");
    zloop_reader(mlx_loop_zloop(world.loop), socket, on_client, &world.clients[who]);
}

static void close_world(void)
{
    for (size_t i = 0; i < CLIENTS; i++)
        leave(i);
    zframe_destroy(&world.route);
    mlx_broker_destroy(&world.broker);
    mlx_loop_destroy(&world.loop);
    char path[64];
    snprintf(path, sizeof path, "%s/bus.lock", world.dir);
    unlink(path);
    rmdir(world.dir);
}

static void open_world(void)
{
    mlx_error_t err = {0};
    memcpy(world.dir, "/tmp/mlx-fuzz-XXXXXX", sizeof "/tmp/mlx-fuzz-XXXXXX");
    if (!mkdtemp(world.dir))
        mlx_panic("cannot make a directory");
    world.loop = mlx_loop_new();
    world.broker = mlx_broker_new(world.loop,
                                  &(mlx_broker_options_t){.run_dir = world.dir,
                                                          .host = "fuzz",
                                                          .boot = "b",
                                                          .retain_bytes = 1 << 20,
                                                          .owner_bytes = 1 << 19},
                                  &err);
    if (!world.broker)
        mlx_panic("%s", err.text);
    world.listened = false;
    for (size_t i = 0; i < CLIENTS; i++)
        come(i);
    zmq_send(zsock_resolve(world.clients[GOOD_READER]), "\1alert.mark", 11, 0);
}

static void send_frames(size_t who, const frame_t *frames, size_t count)
{
    void *socket = zsock_resolve(world.clients[who]);
    for (size_t i = 0; i < count; i++)
        if (zmq_send(socket, frames[i].at, frames[i].len,
                     ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) < 0)
            return;
}

static size_t split(const char *data, size_t len, frame_t frames[FRAMES_MAX])
{
    size_t count = 0;
    while (count < FRAMES_MAX) {
        const char *bar = count + 1 < FRAMES_MAX && len ? memchr(data, '|', len) : NULL;
        size_t size = bar ? (size_t)(bar - data) : len;
        frames[count++] = (frame_t){data, size};
        if (!bar)
            break;
        data += size + 1;
        len -= size + 1;
    }
    return count;
}

/*  TOPIC|SRC|d as msgpack, in an envelope that is good but for what these make of it. */
static void publish(const frame_t *frames, size_t count)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
    MLX_CLEANUP(mlx_free_p)
    char *src = count > 1 ? mlx_strndup(frames[1].at, frames[1].len) : mlx_strdup("x");
    mlx_value_set_int(map, "v", 1);
    mlx_value_set_str(map, "host", count > 3 ? "elsewhere" : "fuzz");
    mlx_value_set_str(map, "src", src);
    mlx_value_set_str(map, "boot", "b");
    mlx_value_set_int(map, "seq", ++world.number);
    mlx_value_set_int(map, "t", 1764000000000000);
    mlx_value_set(map, "d", mlx_value_map());
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_pack(&body, map);
    if (count > 2 && frames[2].len > 0) {
        body.len--; /* the empty map */
        mlx_buf_append(&body, frames[2].at, frames[2].len);
    }
    send_frames(PUBLISHER, (frame_t[]){frames[0], {body.data, body.len}}, 2);
}

/*  A frame "R" stands for the route of the call that came last. */
static void serve(frame_t *frames, size_t count)
{
    for (size_t i = 0; i < count && world.route; i++)
        if (frames[i].len == 1 && *frames[i].at == 'R')
            frames[i] = (frame_t){(const char *)zframe_data(world.route), zframe_size(world.route)};
    send_frames(SERVICE, frames, count);
}

static void stop(void *arg)
{
    mlx_loop_stop(arg);
}

static void step(unsigned what, const char *data, size_t len)
{
    frame_t frames[FRAMES_MAX];
    size_t count = split(data, len, frames);
    if (what == 0) {
        publish(frames, count);
    } else if (what == 1) {
        send_frames(PUBLISHER, frames, count);
    } else if (what == 2) {
        send_frames(READER, frames, count);
    } else if (what == 3) {
        send_frames(CALLER, frames, count);
    } else if (what == 4) {
        serve(frames, count);
    } else if (what == 5 && len > 0 && *data % 8 == 0) {
        size_t who = (size_t)(*data >> 4) & 3;
        leave(who);
        come(who);
    } else {
        mlx_loop_wake(world.loop, stop, world.loop);
        mlx_loop_run(world.loop);
    }
}

static void on_deadline(void *arg)
{
    (void)arg;
    mlx_panic("%s", world.answered ? "a reader beside lost a message" : "a call does not end");
}

/*  Those beside are served. */
static void check(void)
{
    char number[24];
    world.number++;
    world.heard = world.answered = false;
    snprintf(number, sizeof number, "%lld", (long long)world.number);
    /* Not a name that anybody could register by: who does may leave its calls without an answer. */
    const frame_t call[] = {{"call", 4}, {"no/body", 7}, {number, strlen(number)}, {"\x80", 1}};
    send_frames(GOOD_CALLER, call, MLX_COUNT(call));
    mlx_timer_t *deadline = mlx_loop_after(world.loop, DEADLINE_MS, on_deadline, NULL);
    mlx_message_t mark = {.topic = (char[]){"alert.mark"},
                          .host = (char[]){"fuzz"},
                          .src = (char[]){"beside"},
                          .boot = (char[]){"b"},
                          .seq = world.number,
                          .t = 1764000000000000};
    mark.d = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_message_pack(&mark, &body);
    mlx_value_destroy(&mark.d);
    while (!world.listened)
        step(7, NULL, 0);
    send_frames(GOOD_PUBLISHER,
                (frame_t[]){{mark.topic, strlen(mark.topic)}, {body.data, body.len}}, 2);
    if (!world.heard || !world.answered)
        mlx_loop_run(world.loop);
    mlx_loop_cancel(world.loop, &deadline);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world.inputs == 0) {
        open_world();
        atexit(close_world);
    } else if (world.inputs % LIVES == 0) {
        close_world();
        open_world();
    }
    world.inputs++;
    while (size >= 2) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        step(data[0] % 8, (const char *)data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    check();
    return 0;
}
