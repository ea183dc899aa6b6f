/*  http.h - HTTP client on libcurl: asynchronous in a loop, or blocking for command-line tools
 *
 *  Replies are bounded (max_body): a larger body ends the transfer with an error. Redirects are not
 *  followed; callers that want one look at the location header and decide. http and https only.
 *
 *      mlx_http_t *http = mlx_http_new(loop);
 *      mlx_http_start(http, &(mlx_http_request_t){.url = url, .timeout_ms = 2000}, on_reply, self);
 *
 *  Connections are kept alive and reused per client. A proxy named by the environment is used as
 *  curl does, but never for a host on loopback.
 */
#ifndef MLX_COMMON_HTTP_HTTP_H
#define MLX_COMMON_HTTP_HTTP_H

#include "common/bus/loop.h"
#include "proto/buf.h"
#include "proto/error.h"

typedef struct mlx_http mlx_http_t;
typedef struct mlx_http_call mlx_http_call_t;
struct mlx_http_reply;

typedef struct {
    const char *url;    /* copied */
    const char *method; /* NULL: GET, or POST when body is set */
    const char *body;   /* copied; NULL: none; JSON unless HEADERS name another type */
    size_t body_len;
    const char *const *headers; /* "Name: value", ends with NULL; copied; may be NULL */
    const char *key; /* sent as a bearer's, past any proxy that could read it; copied; NULL: none */
    int64_t timeout_ms;         /* whole transfer; 0: 10 s; negative: none */
    int64_t connect_timeout_ms; /* 0: 2 s */
    int64_t stall_timeout_ms;   /* no byte for this long ends it; 0: none */
    unsigned least_rate;        /* bytes/s: slower than this for so long ends it too; 0: any */
    size_t max_body;            /* 0: 16 MiB; counts streamed bytes too unless unbounded_stream */
    bool unbounded_stream;      /* with on_data: no limit on the sum */
    bool decode; /* undo a gzip that the server applies (HEADERS say what is asked for) */

    /*  Streaming: called for each piece of a 2xx body instead of collecting it. false aborts. */
    bool (*on_data)(void *arg, const char *data, size_t len);

    /*  Called once before the first piece goes to on_data, with the status and the headers: the
     *  place to tell 206 from 200. false aborts. NULL: not interested. */
    bool (*on_head)(void *arg, const struct mlx_http_reply *head);

    /*  mlx_http_run: asked several times a second, also while nothing comes; true ends it as
     *  interrupted. NULL: never. */
    bool (*stop)(void *arg);
} mlx_http_request_t;

/*  What is known of the cause of an error. */
typedef enum {
    MLX_HTTP_FAULT_OTHER,
    MLX_HTTP_FAULT_NO_HOST,    /* no host has that name */
    MLX_HTTP_FAULT_UNANSWERED, /* it was asked, and closed the connection without a byte */
    MLX_HTTP_FAULT_NOT_HTTP,   /* it was asked, and what came is no HTTP */
    MLX_HTTP_FAULT_NOT_TLS,    /* asked by https, it answered in another protocol */
} mlx_http_fault_t;

typedef struct mlx_http_reply {
    long status;       /* HTTP status; 0 when no reply came */
    mlx_error_t error; /* code MLX_OK when a reply came, whatever its status */
    bool refused;      /* nothing listens there: connection refused or no such host */
    mlx_http_fault_t fault;
    bool unconnected; /* nobody was reached: no such host, nothing listens, or no way there */
    bool late;        /* it was connected and asked, and did not answer within the time limit */
    const char *body; /* terminated; borrowed for the call */
    size_t body_len;
    const char *content_type; /* "" when absent */
    const char *location;     /* of a redirect, made absolute; "" when absent */
    double first_byte_s;      /* from the request being sent to the first body byte; NaN: none */
    double total_s;
    void *handle; /* what mlx_http_header reads */
} mlx_http_reply_t;

/*  Value of the reply header NAME (any case; the last of several), or NULL. Borrowed like REPLY. */
const char *mlx_http_header(const mlx_http_reply_t *reply, const char *name);

/*  Seconds for which the server wants to be left alone (Retry-After: a number or a date, RFC 9110),
 *  0 to 3600; -1: it does not say. */
int64_t mlx_http_retry_after(const mlx_http_reply_t *reply);

/*  FN runs once per call, in the loop; REPLY is borrowed. When error is set there is no body, and a
 *  status only if the reply began. on_head, on_data and FN get the ARG of the start; they may start
 *  and abort calls, but not destroy the client. */
typedef void (*mlx_http_fn)(void *arg, const mlx_http_reply_t *reply);

mlx_http_t *mlx_http_new(mlx_loop_t *loop);
void mlx_http_destroy(mlx_http_t **self); /* pending calls end without their FN being called */

/*  From now on requests that bring no key get the one that FIND gives for their URL: a copy, which
 *  is freed, or NULL. */
void mlx_http_set_keys(mlx_http_t *self, char *(*find)(void *arg, const char *url), void *arg);

/*  Connections that it has made to servers of this machine's loopback so far. */
uint64_t mlx_http_connections(const mlx_http_t *self);

/*  Start a request. The handle is valid until FN has run; NULL never. */
mlx_http_call_t *mlx_http_start(mlx_http_t *self, const mlx_http_request_t *request, mlx_http_fn fn,
                                void *arg);

/*  Abort: FN is not called, the connection is closed so that the server notices. Resets *CALL. */
void mlx_http_abort(mlx_http_t *self, mlx_http_call_t **call);

/*  Blocking, for tools and worker threads: FN is called once before it returns. */
void mlx_http_run(const mlx_http_request_t *request, mlx_http_fn fn, void *arg);

#endif
