#include <stdlib.h>
#include <string.h>

#include "common/bus/client.h"
#include "common/bus/command.h"
#include "proto/pack.h"

struct mlx_call {
    mlx_call_t *next;
    mlx_bus_t *bus;
    char *service;
    char id[24];
    mlx_timer_t *deadline;
    mlx_reply_fn fn;
    void *arg;
};

struct mlx_request {
    mlx_request_t *next;
    mlx_bus_t *bus;
    zframe_t *route;
    char *id;
};

static void add_map(zmsg_t *msg, const mlx_value_t *map)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *empty = map ? NULL : mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_pack(&body, map ? map : empty);
    zmsg_addmem(msg, body.data, body.len);
}

/*  Send, or lose it: see connect_commander. */
static void send_msg(mlx_bus_t *self, zmsg_t *msg)
{
    if (zmsg_send(&msg, self->commander))
        zmsg_destroy(&msg);
}

static bool frame_is(zframe_t *frame, const char *text)
{
    return frame && zframe_streq(frame, text);
}

/*  Caller's side. */

static void free_call(mlx_call_t *call)
{
    mlx_loop_cancel(call->bus->loop, &call->deadline);
    free(call->service);
    free(call);
}

static void end_call(mlx_call_t *call)
{
    MLX_UNLINK(&call->bus->calls, call);
    free_call(call);
}

static void fail_call(mlx_call_t *call, const mlx_error_t *err)
{
    mlx_reply_fn fn = call->fn;
    void *arg = call->arg;
    end_call(call);
    if (fn)
        fn(arg, MLX_REPLY_ERROR, NULL, err);
}

static void on_deadline(void *arg)
{
    mlx_call_t *call = arg;
    mlx_error_t err = {0};
    call->deadline = NULL;
    mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "%s did not answer in time", call->service);
    mlx_error_hint(&err, "see `mlxctl services`");
    mlx_bus_cancel(call->bus, call);
    fail_call(call, &err);
}

static void take_error(mlx_error_t *err, const mlx_value_t *body)
{
    const char *text = mlx_value_str(body, "message"), *hint = mlx_value_str(body, "hint");
    mlx_error_set(err, mlx_error_code(mlx_value_str(body, "code")), "%s",
                  text ? text : "the service gave no reason");
    if (hint)
        mlx_error_hint(err, "%s", hint);
}

/*  FRAMES: ID BODY, the verb already taken. */
static void on_reply(mlx_bus_t *self, mlx_reply_t kind, zmsg_t *frames)
{
    zframe_t *id = zmsg_first(frames), *body = zmsg_next(frames);
    mlx_call_t *call = self->calls;
    while (call && !frame_is(id, call->id))
        call = call->next;
    if (!call)
        return; /* answered after its deadline */
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *map = body ? mlx_unpack(zframe_data(body), zframe_size(body), &err) : NULL;
    if (mlx_value_type(map) != MLX_MAP) {
        self->stats.malformed++;
        mlx_error_set(&err, MLX_ERR_FAILED, "%s sent a malformed reply", call->service);
        fail_call(call, &err);
    } else if (kind == MLX_REPLY_ERROR) {
        take_error(&err, map);
        fail_call(call, &err);
    } else if (kind == MLX_REPLY_PROGRESS) {
        if (call->fn)
            call->fn(call->arg, kind, map, NULL);
    } else {
        mlx_reply_fn fn = call->fn;
        void *arg = call->arg;
        end_call(call);
        if (fn)
            fn(arg, kind, map, NULL);
    }
}

/*  Service's side. */

static mlx_request_t *find_request(mlx_bus_t *self, zframe_t *route, zframe_t *id)
{
    mlx_request_t *request = self->requests;
    while (request && !(zframe_eq(request->route, route) && frame_is(id, request->id)))
        request = request->next;
    return request;
}

static void free_request(mlx_request_t *request)
{
    zframe_destroy(&request->route);
    free(request->id);
    free(request);
}

static void end_request(mlx_request_t **request_p)
{
    mlx_request_t *request = *request_p;
    *request_p = NULL;
    MLX_UNLINK(&request->bus->requests, request);
    free_request(request);
}

static void reply_packed(mlx_request_t *request, const char *verb, const mlx_buf_t *body)
{
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, verb);
    zmsg_addmem(msg, zframe_data(request->route), zframe_size(request->route));
    zmsg_addstr(msg, request->id);
    zmsg_addmem(msg, body->data, body->len);
    send_msg(request->bus, msg);
}

static void reply_error(mlx_request_t *request, const mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_value_set_str(map, "code", mlx_error_name(err->code));
    mlx_value_set_str(map, "message", err->text);
    if (err->hint[0])
        mlx_value_set_str(map, "hint", err->hint);
    mlx_pack(&body, map);
    reply_packed(request, "error", &body);
}

/*  MAP, or that it is more than any caller takes. Progress of that size is left out: it is not the
 *  answer. */
static void reply(mlx_request_t *request, const char *verb, const mlx_value_t *map)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *empty = map ? NULL : mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_error_t err = {0};
    mlx_pack(&body, map ? map : empty);
    if (mlx_pack_peek(body.data, body.len, NULL, 0, NULL, NULL) == 0) {
        reply_packed(request, verb, &body);
    } else if (strcmp(verb, "done") == 0) {
        mlx_error_set(&err, MLX_ERR_FAILED,
                      "the answer of %zu bytes is more than one message takes", body.len);
        mlx_error_hint(&err, "ask for less: a prefix, a limit or a shorter range");
        reply_error(request, &err);
    }
}

/*  FRAMES: ROUTE ID BODY. */
static void on_call(mlx_bus_t *self, zmsg_t *frames)
{
    zframe_t *route = zmsg_first(frames), *id = zmsg_next(frames), *body = zmsg_next(frames);
    if (!body) {
        self->stats.malformed++;
        return;
    }
    mlx_request_t *request = mlx_alloc(1, sizeof *request);
    *request = (mlx_request_t){
        .next = self->requests, .bus = self, .route = zframe_dup(route), .id = zframe_strdup(id)};
    self->requests = request;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *map = mlx_unpack(zframe_data(body), zframe_size(body), &err);
    const char *cmd = mlx_value_str(map, "cmd");
    if (!cmd) {
        self->stats.malformed++;
        mlx_error_set(&err, MLX_ERR_USAGE, "a command is a map with \"cmd\" and \"args\"");
    } else if (!self->serve_fn) {
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "%s does not accept commands", self->src);
    } else {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *none = mlx_value_map();
        const mlx_value_t *args = mlx_value_get(map, "args");
        self->serve_fn(self->serve_arg, request, cmd,
                       mlx_value_type(args) == MLX_MAP ? args : none);
        return;
    }
    mlx_request_error(&request, &err);
}

static void on_cancel(mlx_bus_t *self, zmsg_t *frames)
{
    zframe_t *route = zmsg_first(frames), *id = zmsg_next(frames);
    mlx_request_t *request = id ? find_request(self, route, id) : NULL;
    if (request && self->cancel_fn)
        self->cancel_fn(self->serve_arg, request);
}

static void say_ready(void *arg)
{
    mlx_bus_t *self = arg;
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, "ready");
    zmsg_addstr(msg, self->src);
    zmsg_addstr(msg, self->boot);
    send_msg(self, msg);
}

static int on_commander(zloop_t *zloop, zsock_t *reader, void *arg)
{
    static const struct {
        const char *verb;
        mlx_reply_t kind;
    } replies[] = {
        {"progress", MLX_REPLY_PROGRESS}, {"done", MLX_REPLY_DONE}, {"error", MLX_REPLY_ERROR}};
    mlx_bus_t *self = arg;
    (void)zloop;
    zmsg_t *frames = zmsg_recv(reader);
    zframe_t *verb = frames ? zmsg_pop(frames) : NULL;
    if (frame_is(verb, "call"))
        on_call(self, frames);
    else if (frame_is(verb, "cancel"))
        on_cancel(self, frames);
    for (size_t i = 0; i < MLX_COUNT(replies); i++)
        if (frame_is(verb, replies[i].verb))
            on_reply(self, replies[i].kind, frames);
    zframe_destroy(&verb);
    zmsg_destroy(&frames);
    return mlx_loop_verdict(self->loop);
}

static void connect_commander(mlx_bus_t *self)
{
    if (self->commander)
        return;
    self->commander = mlx_bus_connect(self, ZMQ_DEALER, MLX_SOCKET_COMMAND);
    /* A broker that is away must not block the loop: what cannot be queued is lost, and the
     * deadline of a call, or the next "ready", makes up for it. */
    zsock_set_sndtimeo(self->commander, 0);
    zloop_reader(mlx_loop_zloop(self->loop), self->commander, on_commander, self);
    zloop_reader_set_tolerant(mlx_loop_zloop(self->loop), self->commander);
}

mlx_call_t *mlx_bus_call(mlx_bus_t *self, const char *service, const char *cmd,
                         const mlx_value_t *args, int64_t timeout_ms, mlx_reply_fn fn, void *arg)
{
    connect_commander(self);
    mlx_call_t *call = mlx_alloc(1, sizeof *call);
    *call = (mlx_call_t){
        .next = self->calls, .bus = self, .service = mlx_strdup(service), .fn = fn, .arg = arg};
    snprintf(call->id, sizeof call->id, "%llu", (unsigned long long)++self->next_call);
    self->calls = call;
    call->deadline = mlx_loop_after(self->loop, timeout_ms, on_deadline, call);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "cmd", cmd);
    mlx_value_set(map, "args", args ? mlx_value_copy(args) : mlx_value_map());
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, "call");
    zmsg_addstr(msg, service);
    zmsg_addstr(msg, call->id);
    add_map(msg, map);
    send_msg(self, msg);
    return call;
}

void mlx_bus_cancel(mlx_bus_t *self, mlx_call_t *call)
{
    zmsg_t *msg = zmsg_new();
    zmsg_addstr(msg, "cancel");
    zmsg_addstr(msg, call->service);
    zmsg_addstr(msg, call->id);
    send_msg(self, msg);
}

void mlx_bus_abandon(mlx_bus_t *self, mlx_call_t *call)
{
    mlx_bus_cancel(self, call);
    end_call(call);
}

void mlx_bus_serve(mlx_bus_t *self, mlx_serve_fn fn, mlx_cancel_fn cancel, void *arg)
{
    if (!self->src)
        mlx_panic("a bus client without a source name cannot serve commands");
    connect_commander(self);
    self->serve_fn = fn;
    self->cancel_fn = cancel;
    self->serve_arg = arg;
    self->ready_timer = mlx_loop_every(self->loop, MLX_COMMAND_READY_MS, say_ready, self);
    say_ready(self);
}

void mlx_request_progress(mlx_request_t *self, const mlx_value_t *value)
{
    reply(self, "progress", value);
}

void mlx_request_done(mlx_request_t **self, const mlx_value_t *value)
{
    reply(*self, "done", value);
    end_request(self);
}

void mlx_request_error(mlx_request_t **self, const mlx_error_t *err)
{
    reply_error(*self, err);
    end_request(self);
}

void mlx_bus_commands_end(mlx_bus_t *self)
{
    if (self->ready_timer) {
        mlx_loop_cancel(self->loop, &self->ready_timer);
        zmsg_t *msg = zmsg_new();
        zmsg_addstr(msg, "bye");
        zmsg_addstr(msg, self->src);
        /* The one message worth a moment's wait: a clean stop is known at once. */
        zsock_set_linger(self->commander, 100);
        send_msg(self, msg);
    }
    while (self->calls) {
        mlx_call_t *call = self->calls;
        self->calls = call->next;
        free_call(call);
    }
    while (self->requests) {
        mlx_request_t *request = self->requests;
        self->requests = request->next;
        free_request(request);
    }
}
