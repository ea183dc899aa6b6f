#include "httpd.h"
#include "common/base/clock.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "guard.h"
#include "httpd_reply.h"
#include "listen.h"

enum {
    CONNECTIONS_MAX = 512,
    STREAMS_MAX = 256,
    HEAD_MAX = 8 * 1024,
    FIRST_MS = 10000,
    BETWEEN_MS = 75000,
    SWEEP_MS = 500,
    STREAM_BLOCK = 1024,
    REST_MS = 100, /* from accepting, when there was nothing to accept with */
    RUNS_MAX = 16  /* of the server before others have their turn */
};

typedef struct connection {
    struct connection *next;
    mlx_httpd_t *httpd;
    int fd;
    int64_t since_us; /* that it has been waiting for a request */
    bool first;       /* that request is its first */
    bool busy;        /* with a request */
} connection_t;

struct mlx_httpd_request {
    mlx_httpd_request_t *next;
    mlx_httpd_t *httpd;
    struct MHD_Connection *connection;
    char *path;
    bool post;
    mlx_buf_t body;
    bool asked;     /* the handler has it */
    bool suspended; /* until it is answered */
    unsigned status;
    struct MHD_Response *response;
};

struct mlx_httpd_stream {
    mlx_httpd_stream_t *next;
    mlx_httpd_t *httpd;
    struct MHD_Connection *connection;
    bool suspended; /* until there is something to send */
    mlx_buf_t out;
    size_t sent; /* of out */
    bool last;   /* nothing follows */
    mlx_httpd_fill_fn fill;
    mlx_httpd_end_fn end;
    void *arg;
};

struct mlx_httpd {
    mlx_httpd_options_t options;
    mlx_listener_t listener;
    mlx_guard_t guard;
    char *name;
    struct MHD_Daemon *daemon;
    connection_t *connections;
    mlx_httpd_request_t *requests;
    mlx_httpd_stream_t *streams;
    size_t connection_count;
    size_t connection_max;
    uint64_t accepted;
    mlx_timer_t *rest; /* while it runs nobody is accepted */
    size_t stream_count;
    mlx_watch_t *watches[FD_SETSIZE];
    int watched; /* highest descriptor watched, or -1 */
    mlx_timer_t *sweep;
    mlx_timer_t *again;
    bool ending;
};

/* ---- turning the server ---- */

static void turn(mlx_httpd_t *self);

static void on_rested(void *arg)
{
    mlx_httpd_t *self = arg;
    self->rest = NULL;
    turn(self);
}

/*  Somebody waits at the listener and could not be taken in: without a pause the loop would ask
 *  again and again. */
static void on_event(void *arg, int fd, unsigned events)
{
    mlx_httpd_t *self = arg;
    uint64_t before = self->accepted;
    (void)events;
    if (fd == self->listener.fd)
        MHD_run(self->daemon);
    if (fd == self->listener.fd && self->accepted == before && !self->rest)
        self->rest = mlx_loop_after(self->options.loop, REST_MS, on_rested, self);
    turn(self);
}

static void on_again(void *arg)
{
    mlx_httpd_t *self = arg;
    self->again = NULL;
    turn(self);
}

/*  Watch what the server waits for, and nothing else. */
static void watch(mlx_httpd_t *self)
{
    fd_set in, out, bad;
    int highest = -1;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    MHD_get_fdset(self->daemon, &in, &out, &bad, &highest);
    if (self->rest || self->connection_count >= self->connection_max)
        FD_CLR(self->listener.fd, &in);
    int last = highest > self->watched ? highest : self->watched;
    for (int fd = 0; fd <= last; fd++) {
        unsigned events =
            (FD_ISSET(fd, &in) ? MLX_READ : 0u) | (FD_ISSET(fd, &out) ? MLX_WRITE : 0u);
        if (events == 0 && self->watches[fd])
            mlx_loop_unwatch(self->options.loop, &self->watches[fd]);
        else if (events && self->watches[fd])
            mlx_loop_rewatch(self->options.loop, self->watches[fd], events);
        else if (events)
            self->watches[fd] = mlx_loop_watch(self->options.loop, fd, events, on_event, self);
    }
    self->watched = highest;
}

static void unwatch(mlx_httpd_t *self)
{
    for (int fd = 0; fd <= self->watched; fd++)
        if (self->watches[fd])
            mlx_loop_unwatch(self->options.loop, &self->watches[fd]);
    self->watched = -1;
}

/*  The server has work that no descriptor will announce. */
static bool has_work(const mlx_httpd_t *self)
{
    MHD_UNSIGNED_LONG_LONG ms;
    return MHD_get_timeout(self->daemon, &ms) == MHD_YES && ms == 0;
}

/*  Turn soon: what is called from within a turn must not begin another. */
static void turn_soon(mlx_httpd_t *self, int64_t delay_ms)
{
    if (!self->again)
        self->again = mlx_loop_after(self->options.loop, delay_ms, on_again, self);
}

static void turn(mlx_httpd_t *self)
{
    int runs = 0;
    do
        MHD_run(self->daemon);
    while (has_work(self) && ++runs < RUNS_MAX);
    watch(self);
    if (runs == RUNS_MAX)
        turn_soon(self, 1);
}

/*  A client that sends a byte now and then is never idle, and yet never asks. */
static void on_sweep(void *arg)
{
    mlx_httpd_t *self = arg;
    int64_t now = mlx_now_us();
    for (connection_t *c = self->connections; c; c = c->next) {
        int64_t limit_ms = c->first ? self->options.first_ms : self->options.between_ms;
        if (!c->busy && now - c->since_us > limit_ms * 1000)
            shutdown(c->fd, SHUT_RDWR);
    }
    turn(self);
}

/* ---- connections ---- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    mlx_httpd_t *self = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_t *c = mlx_alloc(1, sizeof *c);
        *c = (connection_t){
            .next = self->connections,
            .httpd = self,
            .fd =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
            .since_us = mlx_now_us(),
            .first = true};
        self->connections = *context = c;
        self->connection_count++;
        self->accepted++;
        return;
    }
    connection_t *ended = *context;
    MLX_UNLINK(&self->connections, ended);
    self->connection_count--;
    free(ended);
}

static connection_t *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* ---- answers ---- */

static void answer(mlx_httpd_request_t *request, unsigned status, const char *type,
                   struct MHD_Response *response)
{
    mlx_httpd_add_headers(response, type);
    request->status = status;
    request->response = response;
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
        turn_soon(request->httpd, 0);
    }
}

void mlx_httpd_reply(mlx_httpd_request_t *request, unsigned status, const char *type,
                     const void *body, size_t len)
{
    answer(request, status, type,
           MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY));
}

static bool is_post_path(const mlx_httpd_request_t *request)
{
    const char *const *post = request->httpd->options.post;
    while (*post && strcmp(request->path, *post) != 0)
        post++;
    return *post != NULL;
}

void mlx_httpd_refuse(mlx_httpd_request_t *request, unsigned status, const mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_httpd_error_json(err, &body);
    mlx_httpd_reply(request, status, "application/json", body.data, body.len);
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(request->response, "WWW-Authenticate", "Bearer");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(request->response, "Allow",
                                is_post_path(request) ? "POST" : "GET, HEAD");
}

void mlx_httpd_error(mlx_httpd_request_t *request, const mlx_error_t *err)
{
    mlx_httpd_refuse(request, mlx_httpd_error_status(err), err);
}

/* ---- streams ---- */

/*  Next piece of a stream into BUF, or sleep until a wake. */
static ssize_t on_read(void *cls, uint64_t position, char *buf, size_t max)
{
    mlx_httpd_stream_t *stream = cls;
    (void)position;
    if (stream->httpd->ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (stream->sent == stream->out.len) {
        mlx_buf_clear(&stream->out); /* an idle stream holds no memory */
        stream->sent = 0;
        if (!stream->last)
            stream->last = !stream->fill(stream->arg, &stream->out);
    }
    size_t len = stream->out.len - stream->sent;
    if (len == 0 && stream->last)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (len == 0) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        return 0;
    }
    len = len < max ? len : max;
    memcpy(buf, stream->out.data + stream->sent, len);
    stream->sent += len;
    return (ssize_t)len;
}

static void free_stream(void *cls)
{
    mlx_httpd_stream_t *stream = cls;
    mlx_httpd_t *self = stream->httpd;
    MLX_UNLINK(&self->streams, stream);
    self->stream_count--;
    stream->end(stream->arg);
    mlx_buf_clear(&stream->out);
    free(stream);
}

int mlx_httpd_stream(mlx_httpd_request_t *request, const char *type, mlx_httpd_fill_fn fill,
                     mlx_httpd_end_fn end, void *arg)
{
    mlx_httpd_t *self = request->httpd;
    if (self->stream_count >= STREAMS_MAX) {
        mlx_error_t err = {0};
        mlx_error_set(&err, MLX_ERR_BUSY, "%d pages are already open", STREAMS_MAX);
        mlx_error_hint(&err, "close some");
        mlx_httpd_error(request, &err);
        return -1;
    }
    mlx_httpd_stream_t *stream = mlx_alloc(1, sizeof *stream);
    *stream = (mlx_httpd_stream_t){.next = self->streams,
                                   .httpd = self,
                                   .connection = request->connection,
                                   .fill = fill,
                                   .end = end,
                                   .arg = arg};
    self->streams = stream;
    self->stream_count++;
    answer(request, MHD_HTTP_OK, type,
           MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, stream,
                                             free_stream));
    return 0;
}

void mlx_httpd_wake(mlx_httpd_t *self)
{
    for (mlx_httpd_stream_t *stream = self->streams; stream; stream = stream->next)
        if (stream->suspended) {
            stream->suspended = false;
            MHD_resume_connection(stream->connection);
            turn_soon(self, 0);
        }
}

/* ---- requests ---- */

static enum MHD_Result count_host(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    (void)kind;
    (void)value;
    *(int *)cls += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

static unsigned check_method(mlx_httpd_request_t *request, const char *method, mlx_error_t *err)
{
    bool post = is_post_path(request);
    const char *length = mlx_httpd_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool chunked = mlx_httpd_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    bool read =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (post ? strcmp(method, MHD_HTTP_METHOD_POST) != 0 : !read) {
        mlx_error_set(err, MLX_ERR_USAGE, "only %s supported",
                      post ? "POST is" : "GET and HEAD are");
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    }
    request->post = post;
    if (!post && (length || chunked)) {
        mlx_error_set(err, MLX_ERR_USAGE, "request bodies are not accepted");
        return MHD_HTTP_BAD_REQUEST;
    }
    if (length && strtoull(length, NULL, 10) > request->httpd->options.post_max) {
        mlx_error_set(err, MLX_ERR_USAGE, "the body is longer than %zu bytes",
                      request->httpd->options.post_max);
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    return 0;
}

/*  0, or the status that refuses it with ERR. */
static unsigned check_request(mlx_httpd_request_t *request, const char *method, mlx_error_t *err)
{
    const mlx_guard_t *guard = &request->httpd->guard;
    int hosts = 0;
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_host, &hosts);
    unsigned status = check_method(request, method, err);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        return status;
    if (hosts != 1 || !mlx_guard_host(guard, mlx_httpd_header(request, MHD_HTTP_HEADER_HOST))) {
        mlx_error_set(err, MLX_ERR_USAGE, "unknown host name");
        mlx_error_hint(err, "open http://localhost:%d/", guard->port);
        return MHD_HTTP_FORBIDDEN;
    }
    if (!mlx_guard_origin(guard, mlx_httpd_header(request, MHD_HTTP_HEADER_ORIGIN))) {
        mlx_error_set(err, MLX_ERR_USAGE, "requests from other origins are refused");
        return MHD_HTTP_FORBIDDEN;
    }
    if (status == 0 && request->path[0] != '/') {
        mlx_error_set(err, MLX_ERR_USAGE, "absolute URLs are not accepted");
        return MHD_HTTP_BAD_REQUEST;
    }
    return status;
}

static mlx_httpd_request_t *new_request(mlx_httpd_t *self, struct MHD_Connection *connection,
                                        const char *path)
{
    mlx_httpd_request_t *request = mlx_alloc(1, sizeof *request);
    *request = (mlx_httpd_request_t){
        .next = self->requests, .httpd = self, .connection = connection, .path = mlx_strdup(path)};
    self->requests = request;
    return request;
}

static enum MHD_Result send_answer(mlx_httpd_request_t *request)
{
    struct MHD_Response *response = request->response;
    request->response = NULL;
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/*  A piece of a body; false: the connection is to end, there is too much of it. */
static bool take_body(mlx_httpd_request_t *request, const char *data, size_t *size)
{
    size_t most = request->httpd->options.post_max;
    if (!request->post || request->asked || request->body.len + *size > most)
        return false;
    mlx_buf_append(&request->body, data, *size);
    *size = 0;
    return true;
}

/*  Called when the headers are there, for each piece of a body, when the request is there and after
 *  each resume. A body must come as fast as a first request. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    mlx_httpd_t *self = cls;
    mlx_httpd_request_t *request = *context;
    (void)version;
    if (self->ending)
        return MHD_NO;
    if (*upload_size)
        return request && take_body(request, upload, upload_size) ? MHD_YES : MHD_NO;
    if (!request) {
        mlx_error_t err = {0};
        *context = request = new_request(self, connection, url);
        unsigned status = check_request(request, method, &err);
        connection_t *c = connection_of(connection);
        c->busy = status != 0 || !request->post;
        c->first = c->first || request->post;
        c->since_us = mlx_now_us();
        if (status == 0)
            return MHD_YES;
        mlx_httpd_refuse(request, status, &err);
        return send_answer(request);
    }
    if (!request->asked) {
        request->asked = true;
        connection_of(connection)->busy = true;
        self->options.fn(self->options.arg, request);
    }
    if (request->response)
        return send_answer(request);
    request->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    mlx_httpd_t *self = cls;
    mlx_httpd_request_t *request = *context;
    connection_t *c = connection_of(connection);
    (void)code;
    c->busy = false;
    c->first = false;
    c->since_us = mlx_now_us();
    if (!request)
        return;
    *context = NULL;
    MLX_UNLINK(&self->requests, request);
    if (request->response)
        MHD_destroy_response(request->response);
    mlx_buf_clear(&request->body);
    free(request->path);
    free(request);
}

/*  A decoded NUL would end the path early, and so make it another one. */
static size_t on_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    size_t len = MHD_http_unescape(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0')
            text[i] = '\1';
    return len;
}

const char *mlx_httpd_path(const mlx_httpd_request_t *request)
{
    return request->path;
}

const char *mlx_httpd_body(const mlx_httpd_request_t *request, size_t *len)
{
    *len = request->body.len;
    return mlx_buf_str(&request->body);
}

const char *mlx_httpd_param(const mlx_httpd_request_t *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *mlx_httpd_header(const mlx_httpd_request_t *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- the server ---- */

static struct MHD_Daemon *start_daemon(mlx_httpd_t *self)
{
    return MHD_start_daemon(
        MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, self, MHD_OPTION_LISTEN_SOCKET,
        self->listener.fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)self->connection_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((self->options.between_ms + 999) / 1000), MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, self,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, self, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape,
        self, MHD_OPTION_END);
}

mlx_httpd_t *mlx_httpd_new(const mlx_httpd_options_t *options, mlx_error_t *err)
{
    mlx_httpd_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->options.first_ms = options->first_ms ? options->first_ms : FIRST_MS;
    self->options.between_ms = options->between_ms ? options->between_ms : BETWEEN_MS;
    self->name = mlx_strdup(options->name);
    self->watched = -1;
    if (mlx_listen(&self->listener, options->listen, err)) {
        mlx_httpd_destroy(&self);
        return NULL;
    }
    self->guard =
        (mlx_guard_t){.port = self->listener.port, .open = self->listener.open, .name = self->name};
    self->connection_max = mlx_listener_room(&self->listener, CONNECTIONS_MAX);
    self->daemon = start_daemon(self);
    if (!self->daemon)
        mlx_panic("cannot start an HTTP server on a socket that listens");
    self->sweep = mlx_loop_every(options->loop, SWEEP_MS, on_sweep, self);
    turn(self);
    return self;
}

/*  The server must not be stopped while a connection is suspended. */
static void stop_daemon(mlx_httpd_t *self)
{
    self->ending = true;
    unwatch(self);
    for (mlx_httpd_request_t *request = self->requests; request; request = request->next)
        if (request->suspended)
            MHD_resume_connection(request->connection);
    for (mlx_httpd_stream_t *stream = self->streams; stream; stream = stream->next)
        if (stream->suspended)
            MHD_resume_connection(stream->connection);
    MHD_run(self->daemon);
    MHD_stop_daemon(self->daemon);
}

void mlx_httpd_destroy(mlx_httpd_t **self_p)
{
    mlx_httpd_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    if (self->daemon) {
        mlx_loop_cancel(self->options.loop, &self->sweep);
        mlx_loop_cancel(self->options.loop, &self->again);
        mlx_loop_cancel(self->options.loop, &self->rest);
        stop_daemon(self);
    }
    free(self->name);
    free(self);
}

const char *mlx_httpd_address(const mlx_httpd_t *self)
{
    return self->listener.address;
}

bool mlx_httpd_open(const mlx_httpd_t *self)
{
    return self->listener.open;
}
