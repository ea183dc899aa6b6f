/*  httpd.h - the HTTP server on libmicrohttpd, in the loop of the service
 *
 *  Everything runs in the loop's one thread. Only GET and HEAD of known hosts get to the handler
 *  (see guard.h), and POST on some paths; what is too large, slow or malformed is
 *  refused before. The handler answers at once, later, or with a stream:
 *
 *      static void on_request(void *arg, mlx_httpd_request_t *request)
 *      {
 *          mlx_httpd_reply(request, 200, "text/plain", "hello", 5);
 *      }
 *      mlx_httpd_t *httpd = mlx_httpd_new(&(mlx_httpd_options_t){.loop = loop,
 *          .listen = "127.0.0.1:11490", .fn = on_request}, &err);
 *
 *  Bounds: 512 connections, or what the limit of open files leaves room for (more wait until one
 *  ends), 8 KiB of request line and headers, 10 s for the first request of a connection, 75 s
 *  between requests and for a reader that takes nothing, 256 streams.
 */
#ifndef MLX_GATEWAY_HTTPD_H
#define MLX_GATEWAY_HTTPD_H

#include "common/bus/loop.h"
#include "proto/buf.h"
#include "proto/value.h"

typedef struct mlx_httpd mlx_httpd_t;
typedef struct mlx_httpd_request mlx_httpd_request_t;
typedef struct mlx_httpd_stream mlx_httpd_stream_t;

/*  Exactly one reply or stream must follow, now or later; REQUEST is valid until then. */
typedef void (*mlx_httpd_fn)(void *arg, mlx_httpd_request_t *request);

typedef struct {
    mlx_loop_t *loop;
    const char *listen;  /* "ADDRESS:PORT", "[ADDRESS]:PORT"; port 0: any */
    const char *name;    /* of this machine, for the Host check; copied; may be NULL */
    int64_t first_ms;    /* time for the first request of a connection; 0: 10 s */
    int64_t between_ms;  /* time between requests; 0: 75 s */
    const char *post[4]; /* the paths that take POST and nothing else, ended by NULL */
    size_t post_max;     /* bytes of a body there */
    mlx_httpd_fn fn;
    void *arg;
} mlx_httpd_options_t;

/*  NULL with ERR: usage (no such address), busy (the port is taken). */
mlx_httpd_t *mlx_httpd_new(const mlx_httpd_options_t *options, mlx_error_t *err);

/*  Ends all connections; requests and streams are dead afterwards. */
void mlx_httpd_destroy(mlx_httpd_t **self);

/*  "127.0.0.1:11490": where it listens, with the real port. Borrowed. */
const char *mlx_httpd_address(const mlx_httpd_t *self);

/*  Other machines can reach it. */
bool mlx_httpd_open(const mlx_httpd_t *self);

/*  Of a request: the path without query, percent-decoded; a parameter of the query, decoded, or
 *  NULL; a header, or NULL. All borrowed. */
const char *mlx_httpd_path(const mlx_httpd_request_t *request);
const char *mlx_httpd_param(const mlx_httpd_request_t *request, const char *name);
const char *mlx_httpd_header(const mlx_httpd_request_t *request, const char *name);

/*  The body of a POST, whole, LEN bytes. Borrowed. */
const char *mlx_httpd_body(const mlx_httpd_request_t *request, size_t *len);

/*  Answer with LEN bytes of BODY (copied). Ends REQUEST. */
void mlx_httpd_reply(mlx_httpd_request_t *request, unsigned status, const char *type,
                     const void *body, size_t len);

/*  Answer with 200 and VALUE (borrowed) as JSON. Ends REQUEST. */
void mlx_httpd_reply_json(mlx_httpd_request_t *request, const mlx_value_t *value);

/*  Answer with {"error": {code, message, hint}} and the HTTP status that fits. Ends REQUEST. */
void mlx_httpd_error(mlx_httpd_request_t *request, const mlx_error_t *err);

/*  The same with a STATUS of the caller's. */
void mlx_httpd_refuse(mlx_httpd_request_t *request, unsigned status, const mlx_error_t *err);

/*  Answer with a stream. FILL appends what is to be sent next to OUT, or nothing: it is called
 *  again after a wake, until it returns false: then the stream ends behind what it appended. END is
 *  called once when the client is gone or the server ends. Ends REQUEST; busy when there are too
 *  many, and then END is not called. */
typedef bool (*mlx_httpd_fill_fn)(void *arg, mlx_buf_t *out);
typedef void (*mlx_httpd_end_fn)(void *arg);
int mlx_httpd_stream(mlx_httpd_request_t *request, const char *type, mlx_httpd_fill_fn fill,
                     mlx_httpd_end_fn end, void *arg);

/*  Ask every stream that waits for something to send. */
void mlx_httpd_wake(mlx_httpd_t *self);

#endif
