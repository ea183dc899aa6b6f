#include "router.h"
#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bus/command.h"
#include "common/bus/internal.h"
#include "peer.h"
#include "proto/buf.h"
#include "proto/catalogue.h"
#include "proto/error.h"
#include "proto/pack.h"

enum {
    SERVICES_MAX = 64,
    CALLS_MAX = 1024,
    CALLS_OF_ONE_MAX = 128, /* of one process: its neighbours' calls must not wait for more */
    ID_MAX = 64,
    SILENT_US =
        1500 * 1000, /* without a "ready" for this long, see whether the peer still exists */
    CHECK_MS = 250,
    HANGS_US = 10 * 1000 * 1000,
    WAITING_MAX = 16 << 20, /* bytes of answers that their callers have no room for */
};

typedef enum {
    SENT,
    FULL, /* the peer does not read: nothing was sent */
    GONE
} sent_t;

typedef struct service {
    struct service *next;
    char *name;
    char *boot;
    zframe_t *peer; /* NULL while it is away */
    int64_t pid;    /* of the peer's process; 0: not known */
    int64_t ready_us;
    int64_t gone_us;
} service_t;

typedef struct call {
    struct call *next;
    zframe_t *caller;
    int64_t pid; /* of the caller's process; 0: not known */
    char *id;
    service_t *service; /* NULL: it has answered */
    zmsg_t *answer;     /* that waits for room at the caller */
} call_t;

static const int64_t FORGET_US = (int64_t)86400 * 1000000;

struct mlx_router {
    mlx_loop_t *loop;
    zsock_t *socket;
    char *boot;
    mlx_router_events_t events;
    service_t *services;
    call_t *calls;
    size_t call_count;
    size_t waiting; /* bytes of answers */
    mlx_timer_t *check;
    int64_t sender_pid; /* who sent the message that is handled now; 0: not known */
};

/*  Send what is in *MSG, which is consumed if it is SENT, to PEER. */
static sent_t send_now(mlx_router_t *self, zframe_t *peer, zmsg_t **msg)
{
    if (zmq_send(zsock_resolve(self->socket), zframe_data(peer), zframe_size(peer),
                 ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EHOSTUNREACH ? GONE : FULL;
    zmsg_send(msg, self->socket);
    return SENT;
}

/*  The same, but MSG is gone afterwards in any case. False when the peer is. */
static bool send_to(mlx_router_t *self, zframe_t *peer, zmsg_t *msg)
{
    sent_t sent = send_now(self, peer, &msg);
    zmsg_destroy(&msg);
    return sent != GONE;
}

static zmsg_t *message(const char *verb, const char *text)
{
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, verb);
    if (text)
        zmsg_addstr(msg, text);
    return msg;
}

static zmsg_t *error_message(const char *id, mlx_code_t code, const char *text, const char *hint)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "code", mlx_error_name(code));
    mlx_value_set_str(map, "message", text);
    mlx_value_set_str(map, "hint", hint);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_pack(&body, map);
    zmsg_t *msg = message("error", id);
    zmsg_addmem(msg, body.data, body.len);
    return msg;
}

static void answer_error(mlx_router_t *self, zframe_t *caller, const char *id, mlx_code_t code,
                         const char *text, const char *hint)
{
    send_to(self, caller, error_message(id, code, text, hint));
}

static void end_call(mlx_router_t *self, call_t *call)
{
    call_t **at = &self->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    self->call_count--;
    self->waiting -= call->answer ? zmsg_content_size(call->answer) : 0;
    zmsg_destroy(&call->answer);
    zframe_destroy(&call->caller);
    free(call->id);
    free(call);
}

/*  The last word (consumed) of a call, which ends with it: at once, or when its caller has room. */
static void end_with(mlx_router_t *self, call_t *call, zmsg_t *msg)
{
    if (send_now(self, call->caller, &msg) == FULL) {
        size_t size = zmsg_content_size(msg);
        if (self->waiting + size <= WAITING_MAX) {
            self->waiting += size;
            call->answer = msg;
            call->service = NULL;
            return;
        }
        self->events.on_refused(self->events.arg, "queues",
                                "an answer was dropped: its caller does not read");
    }
    zmsg_destroy(&msg);
    end_call(self, call);
}

/*  The last word that waits: false while it must wait on. */
static bool try_again(mlx_router_t *self, call_t *call)
{
    size_t size = zmsg_content_size(call->answer);
    sent_t sent = send_now(self, call->caller, &call->answer);
    self->waiting -= sent == SENT ? size : 0;
    return sent != FULL;
}

static void cancel_call(mlx_router_t *self, const call_t *call)
{
    if (!call->service || !call->service->peer)
        return;
    zmsg_t *msg = message("cancel", NULL);
    zmsg_addmem(msg, zframe_data(call->caller), zframe_size(call->caller));
    zmsg_addstr(msg, call->id);
    send_to(self, call->service->peer, msg);
}

static void lose_service(mlx_router_t *self, service_t *service)
{
    zframe_destroy(&service->peer);
    service->pid = 0;
    service->gone_us = mlx_now_us();
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%s went away", service->name);
    call_t *next;
    for (call_t *call = self->calls; call; call = next) {
        next = call->next;
        if (call->service != service)
            continue;
        end_with(self, call,
                 error_message(call->id, MLX_ERR_UNAVAILABLE, text,
                               "its service manager will restart it; try again"));
    }
    self->events.on_presence(self->events.arg, service->name, false);
}

static service_t *find_service(mlx_router_t *self, const char *name)
{
    for (service_t *service = self->services; service; service = service->next)
        if (strcmp(service->name, name) == 0)
            return service;
    return NULL;
}

static call_t *find_call(mlx_router_t *self, zframe_t *caller, const char *id)
{
    for (call_t *call = self->calls; call; call = call->next)
        if (strcmp(call->id, id) == 0 && zframe_eq(call->caller, caller))
            return call;
    return NULL;
}

static void free_service(service_t *service)
{
    zframe_destroy(&service->peer);
    free(service->name);
    free(service->boot);
    free(service);
}

static void forget_service(mlx_router_t *self, service_t *service)
{
    service_t **at = &self->services;
    while (*at != service)
        at = &(*at)->next;
    if (service->peer)
        lose_service(self, service);
    *at = service->next;
    self->events.on_forgotten(self->events.arg, service->name);
    free_service(service);
}

static size_t registered_by(const mlx_router_t *self, int64_t pid)
{
    size_t count = 0;
    for (const service_t *service = self->services; service; service = service->next)
        count += service->peer && service->pid == pid;
    return count;
}

/*  What goes to make room for another: the service that has been away for longest; else one of the
 *  process that registered most, if it registered several. NULL: each process has but one. */
static service_t *dispensable(const mlx_router_t *self)
{
    service_t *longest = NULL, *of_many = NULL;
    size_t most = 1;
    for (service_t *service = self->services; service; service = service->next) {
        if (!service->peer && (!longest || service->gone_us < longest->gone_us))
            longest = service;
        size_t its = service->peer ? registered_by(self, service->pid) : 0;
        if (its > most) {
            most = its;
            of_many = service;
        }
    }
    return longest ? longest : of_many;
}

/*  Each verb's handler takes the peer and the frames behind the verb; false: malformed. */

static service_t *add_service(mlx_router_t *self, const char *name)
{
    size_t count = 0;
    for (service_t *service = self->services; service; service = service->next)
        count++;
    service_t *victim = count >= SERVICES_MAX ? dispensable(self) : NULL;
    if (count >= SERVICES_MAX && !victim)
        return NULL;
    if (victim)
        forget_service(self, victim);
    service_t *service = mlx_alloc(1, sizeof *service);
    service->name = mlx_strdup(name);
    service->next = self->services;
    self->services = service;
    return service;
}

static void take_ready(mlx_router_t *self, service_t *service, zframe_t *peer, const char *boot)
{
    bool news = !service->peer || !zframe_eq(service->peer, peer);
    if (service->peer && news)
        lose_service(self, service);
    if (news)
        service->peer = zframe_dup(peer);
    free(service->boot);
    service->boot = mlx_strdup(boot);
    service->pid = self->sender_pid;
    service->ready_us = mlx_now_us();
    send_to(self, peer, message("welcome", self->boot));
    if (news)
        self->events.on_presence(self->events.arg, service->name, true);
}

/*  May the sender register as NAME? What answers for the broker is in the broker's process. */
static bool may_be(const mlx_router_t *self, const char *name)
{
    return strcmp(name, MLX_ROUTER_OWN) != 0 || self->sender_pid == 0 ||
           self->sender_pid == getpid();
}

static bool on_ready(mlx_router_t *self, zframe_t *peer, zmsg_t *frames)
{
    char *name = zmsg_popstr(frames), *boot = zmsg_popstr(frames);
    bool valid = name && boot && mlx_segment_valid(name, strlen(name)) && strlen(boot) <= ID_MAX &&
                 may_be(self, name);
    service_t *service = valid ? find_service(self, name) : NULL;
    if (valid && !service)
        service = add_service(self, name);
    if (valid && !service)
        send_to(self, peer, message("refused", "too many services are registered already"));
    else if (service && service->peer && !zframe_eq(service->peer, peer) &&
             send_to(self, service->peer, message("ping", NULL)))
        send_to(self, peer, message("refused", "a service of this name is already running"));
    else if (service)
        take_ready(self, service, peer, boot);
    free(name);
    free(boot);
    return valid;
}

static bool on_bye(mlx_router_t *self, zframe_t *peer, zmsg_t *frames)
{
    char *name = zmsg_popstr(frames);
    service_t *service = name ? find_service(self, name) : NULL;
    if (service && service->peer && zframe_eq(service->peer, peer))
        lose_service(self, service);
    free(name);
    return service != NULL;
}

/*  Calls that the process which is heard now has open; where it is not known, its connection. */
static size_t calls_of_sender(const mlx_router_t *self, zframe_t *caller)
{
    size_t count = 0;
    for (const call_t *call = self->calls; call; call = call->next)
        count += self->sender_pid ? call->pid == self->sender_pid : zframe_eq(call->caller, caller);
    return count;
}

static void begin_call(mlx_router_t *self, zframe_t *caller, const char *name, const char *id,
                       zframe_t *body)
{
    service_t *service = find_service(self, name);
    if (!service || !service->peer) {
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("service %.64s is not running", name);
        answer_error(self, caller, id, MLX_ERR_UNAVAILABLE, text,
                     "`mlxctl services` lists what is running");
        return;
    }
    if (self->call_count >= CALLS_MAX || calls_of_sender(self, caller) >= CALLS_OF_ONE_MAX) {
        answer_error(self, caller, id, MLX_ERR_BUSY, "too many open calls", "try again");
        return;
    }
    call_t *call = mlx_alloc(1, sizeof *call);
    *call = (call_t){.next = self->calls,
                     .caller = zframe_dup(caller),
                     .pid = self->sender_pid,
                     .id = mlx_strdup(id),
                     .service = service};
    self->calls = call;
    self->call_count++;
    zmsg_t *msg = message("call", NULL);
    zmsg_addmem(msg, zframe_data(caller), zframe_size(caller));
    zmsg_addstr(msg, id);
    zmsg_addmem(msg, zframe_data(body), zframe_size(body));
    sent_t sent = send_now(self, service->peer, &msg);
    zmsg_destroy(&msg);
    if (sent == GONE)
        lose_service(self, service);
    else if (sent == FULL)
        end_with(self, call,
                 error_message(id, MLX_ERR_BUSY, "the service does not read its commands",
                               "restart it with `mlxctl services restart`"));
}

static bool on_call(mlx_router_t *self, zframe_t *caller, zmsg_t *frames)
{
    char *name = zmsg_popstr(frames), *id = zmsg_popstr(frames);
    zframe_t *body = zmsg_pop(frames);
    bool valid = body && strlen(id) <= ID_MAX && !find_call(self, caller, id);
    if (valid)
        begin_call(self, caller, name, id, body);
    zframe_destroy(&body);
    free(name);
    free(id);
    return valid;
}

static bool on_cancel(mlx_router_t *self, zframe_t *caller, zmsg_t *frames)
{
    char *name = zmsg_popstr(frames), *id = zmsg_popstr(frames);
    const call_t *call = id ? find_call(self, caller, id) : NULL;
    if (call)
        cancel_call(self, call);
    bool valid = id != NULL;
    free(name);
    free(id);
    return valid;
}

static bool pass_reply(mlx_router_t *self, zframe_t *peer, zmsg_t *frames, const char *verb)
{
    zframe_t *caller = zmsg_pop(frames);
    char *id = zmsg_popstr(frames);
    zframe_t *body = zmsg_pop(frames);
    call_t *call = body ? find_call(self, caller, id) : NULL;
    /* Only the service that was asked may answer. */
    bool valid =
        call && call->service && call->service->peer && zframe_eq(call->service->peer, peer);
    if (valid) {
        zmsg_t *msg = message(verb, id);
        zmsg_addmem(msg, zframe_data(body), zframe_size(body));
        if (strcmp(verb, "progress") != 0)
            end_with(self, call, msg);
        else if (!send_to(self, caller, msg))
            cancel_call(self, call);
    }
    /* A reply that comes after its call was given up is not a fault of the service. */
    bool shaped = body != NULL;
    zframe_destroy(&caller);
    zframe_destroy(&body);
    free(id);
    return shaped;
}

static bool on_progress(mlx_router_t *self, zframe_t *peer, zmsg_t *frames)
{
    return pass_reply(self, peer, frames, "progress");
}

static bool on_done(mlx_router_t *self, zframe_t *peer, zmsg_t *frames)
{
    return pass_reply(self, peer, frames, "done");
}

static bool on_error(mlx_router_t *self, zframe_t *peer, zmsg_t *frames)
{
    return pass_reply(self, peer, frames, "error");
}

static const struct {
    const char *verb;
    bool (*handle)(mlx_router_t *self, zframe_t *peer, zmsg_t *frames);
} verbs[] = {
    {"ready", on_ready},       {"bye", on_bye},   {"call", on_call},   {"cancel", on_cancel},
    {"progress", on_progress}, {"done", on_done}, {"error", on_error},
};

static bool dispatch(mlx_router_t *self, zframe_t *peer, zframe_t *verb, zmsg_t *frames)
{
    for (size_t i = 0; verb && i < MLX_COUNT(verbs); i++)
        if (zframe_streq(verb, verbs[i].verb))
            return verbs[i].handle(self, peer, frames);
    return false;
}

/*  A message that is too large is not passed on, but the call that it belongs to ends. */
static void refuse_large(mlx_router_t *self, zframe_t *peer, zframe_t *verb, zmsg_t *frames)
{
    zframe_t *first = zmsg_first(frames);
    zframe_t *second = zmsg_next(frames);
    self->events.on_refused(self->events.arg, "command", "a command or a reply is too large");
    MLX_CLEANUP(mlx_free_p) char *id = second ? zframe_strdup(second) : NULL;
    if (!id || strlen(id) > ID_MAX)
        return;
    if (zframe_streq(verb, "call")) {
        answer_error(self, peer, id, MLX_ERR_USAGE, "the command is too large", "ask for less");
        return;
    }
    call_t *call = find_call(self, first, id);
    if (!call || !call->service || !call->service->peer || !zframe_eq(call->service->peer, peer))
        return;
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("the answer from %s is too large", call->service->name);
    zmsg_t *msg = error_message(id, MLX_ERR_FAILED, text, "ask for less at once");
    if (!zframe_streq(verb, "progress")) {
        end_with(self, call, msg);
        return;
    }
    send_to(self, call->caller, msg);
    cancel_call(self, call);
}

/*  One message with the first COMMAND_MAX_FRAMES + 1 of its frames; NULL when none is there. Caller
 *  owns it. */
static zmsg_t *receive(mlx_router_t *self)
{
    void *socket = zsock_resolve(self->socket);
    zmsg_t *frames = zmsg_new();
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more(&frame);
        self->sender_pid = mlx_peer_pid(&frame);
        if (zmsg_size(frames) <= MLX_COMMAND_MAX_FRAMES)
            zmsg_addmem(frames, zmq_msg_data(&frame), zmq_msg_size(&frame));
        zmq_msg_close(&frame);
    }
    if (zmsg_size(frames) == 0)
        zmsg_destroy(&frames);
    return frames;
}

static int on_message(zloop_t *zloop, zsock_t *reader, void *arg)
{
    mlx_router_t *self = arg;
    (void)zloop;
    (void)reader;
    zmsg_t *frames = receive(self);
    if (!frames)
        return mlx_loop_verdict(self->loop);
    size_t count = zmsg_size(frames);
    zframe_t *peer = zmsg_pop(frames), *verb = zmsg_pop(frames);
    bool large = zmsg_content_size(frames) > MLX_PACK_MAX_BYTES;
    if (large)
        refuse_large(self, peer, verb, frames);
    else if (count > MLX_COMMAND_MAX_FRAMES || !dispatch(self, peer, verb, frames))
        self->events.on_refused(self->events.arg, "command",
                                "frames on the command socket that are not commands");
    zframe_destroy(&peer);
    zframe_destroy(&verb);
    zmsg_destroy(&frames);
    return mlx_loop_verdict(self->loop);
}

/*  Who has been away for a day will not come back. */
static void forget_the_gone(mlx_router_t *self, int64_t now)
{
    service_t *next;
    for (service_t *service = self->services; service; service = next) {
        next = service->next;
        if (!service->peer && now - service->gone_us > FORGET_US)
            forget_service(self, service);
    }
}

/*  See whether peers that matter still exist: silent services, and both ends of open calls. */
static void check_peers(void *arg)
{
    mlx_router_t *self = arg;
    int64_t now = mlx_now_us();
    forget_the_gone(self, now);
    for (service_t *service = self->services; service; service = service->next) {
        bool asked = now - service->ready_us > SILENT_US;
        for (call_t *call = self->calls; call && !asked; call = call->next)
            asked = call->service == service;
        if (service->peer && asked && !send_to(self, service->peer, message("ping", NULL)))
            lose_service(self, service);
    }
    call_t *next;
    for (call_t *call = self->calls; call; call = next) {
        next = call->next;
        if (call->answer ? !try_again(self, call)
                         : send_to(self, call->caller, message("ping", NULL)))
            continue;
        cancel_call(self, call);
        end_call(self, call);
    }
}

mlx_router_t *mlx_router_new(mlx_loop_t *loop, zsock_t *socket, const char *boot,
                             const mlx_router_events_t *events)
{
    mlx_router_t *self = mlx_alloc(1, sizeof *self);
    *self =
        (mlx_router_t){.loop = loop, .socket = socket, .boot = mlx_strdup(boot), .events = *events};
    zsock_set_router_mandatory(socket, 1);
    zsock_set_sndtimeo(socket, 0);
    zloop_reader(mlx_loop_zloop(loop), socket, on_message, self);
    zloop_reader_set_tolerant(mlx_loop_zloop(loop), socket);
    self->check = mlx_loop_every(loop, CHECK_MS, check_peers, self);
    return self;
}

void mlx_router_destroy(mlx_router_t **self_p)
{
    mlx_router_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    zloop_reader_end(mlx_loop_zloop(self->loop), self->socket);
    mlx_loop_cancel(self->loop, &self->check);
    while (self->calls)
        end_call(self, self->calls);
    while (self->services) {
        service_t *service = self->services;
        self->services = service->next;
        free_service(service);
    }
    free(self->boot);
    free(self);
}

void mlx_router_services(const mlx_router_t *self, mlx_value_t *list)
{
    for (const service_t *service = self->services; service; service = service->next) {
        mlx_value_t *map = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(map, "name", service->name);
        mlx_value_set_bool(map, "connected", service->peer != NULL);
        mlx_value_set_bool(map, "answers",
                           service->peer && mlx_now_us() - service->ready_us < HANGS_US);
        if (service->pid > 0)
            mlx_value_set_int(map, "pid", service->pid);
    }
}
