/*  net.h - a small HTTP/1.1 server over poll(): connections, requests, paced replies, timers
 *
 *  One thread, one loop. A handler gets each request and answers at once (mlx_net_reply) or over
 *  time (mlx_net_begin, mlx_net_piece, mlx_net_end, driven by timers). A connection whose reply is
 *  under way reads no further request; when its client leaves meanwhile, the owner hears of it.
 *
 *      mlx_net_t *net = mlx_net_new(on_request, app);
 *      mlx_net_listen(net, 0, &err);
 *      mlx_net_run(net);                 until mlx_net_stop
 *      mlx_net_destroy(&net);
 *
 *  Times are nanoseconds: `now` monotonic, `wall` since the epoch, both read once per turn.
 */
#ifndef MLX_TESTS_DOUBLE_NET_H
#define MLX_TESTS_DOUBLE_NET_H

#include "proto/buf.h"
#include "proto/error.h"
#include "tests/double/fault.h"

enum {
    MLX_NET_MAX_HEAD = 64 * 1024,
    MLX_NET_MAX_BODY = 64 * 1024 * 1024,
};

typedef struct mlx_net mlx_net_t;
typedef struct mlx_conn mlx_conn_t;
typedef struct mlx_net_timer mlx_net_timer_t;

typedef struct {
    char method[16];
    char path[256]; /* without the query */
    bool keep_alive;
    bool old;         /* HTTP/1.0 */
    const char *body; /* terminated; borrowed for the call */
    size_t body_len;
} mlx_net_request_t;

/*  How the server of each kind writes its status line's headers: length -1 means chunked. */
typedef void (*mlx_net_head_fn)(mlx_buf_t *out, int64_t wall, const char *type, int64_t length);

typedef void (*mlx_net_request_fn)(void *arg, mlx_conn_t *conn, const mlx_net_request_t *request);
typedef void (*mlx_net_timer_fn)(void *arg, int64_t now);
typedef void (*mlx_net_gone_fn)(void *arg);
typedef void (*mlx_net_fd_fn)(void *arg, int fd);

typedef struct {
    int64_t requests;
    int64_t connections;
    int64_t aborted; /* clients that left while their reply was under way */
    int64_t bytes_in;
    int64_t bytes_out;
} mlx_net_stats_t;

mlx_net_t *mlx_net_new(mlx_net_request_fn fn, void *arg);
void mlx_net_destroy(mlx_net_t **self);

/*  A socket that listens on 127.0.0.1:*PORT; 0 is replaced by the port that the system chose. -1
 *  with errno on failure. Caller owns it and must close it. */
int mlx_net_socket(int *port);

/*  Listen on 127.0.0.1:PORT (0: any). Returns the port, or -1. */
int mlx_net_listen(mlx_net_t *self, int port, mlx_error_t *err);

/*  Use FD, already listening, instead. */
void mlx_net_adopt(mlx_net_t *self, int fd);

/*  Close the listening socket, so that connections are refused; open it again on the same port. */
void mlx_net_refuse(mlx_net_t *self);
int mlx_net_accept_again(mlx_net_t *self, mlx_error_t *err);

/*  With OLD the server itself speaks HTTP/1.0: a reply over time ends with its connection. */
void mlx_net_set_head(mlx_net_t *self, mlx_net_head_fn fn, bool old);

/*  Call FN(ARG, fd) while FD is readable; FN NULL forgets it. One such descriptor. */
void mlx_net_watch(mlx_net_t *self, int fd, mlx_net_fd_fn fn, void *arg);

void mlx_net_run(mlx_net_t *self);
void mlx_net_stop(mlx_net_t *self);
int64_t mlx_net_now(const mlx_net_t *self);
int64_t mlx_net_wall(const mlx_net_t *self);
const mlx_net_stats_t *mlx_net_stats(const mlx_net_t *self);

/*  A timer that its owner arms and disarms; DUE < 0 disarms. Freed by mlx_net_timer_destroy. */
mlx_net_timer_t *mlx_net_timer_new(mlx_net_t *self, mlx_net_timer_fn fn, void *arg);
void mlx_net_timer_set(mlx_net_timer_t *timer, int64_t due);
void mlx_net_timer_destroy(mlx_net_timer_t **timer);

/*  What goes wrong with the reply to the request being handled. */
void mlx_net_set_fault(mlx_conn_t *conn, mlx_fault_t fault);

/*  Answer whole. */
void mlx_net_reply(mlx_conn_t *conn, int status, const char *type, const char *body, size_t len);

/*  Answer over time: one HTTP chunk a piece. GONE(ARG) is called when the client leaves first;
 * after it, or after mlx_net_end, the connection is no longer the owner's to use. */
void mlx_net_hold(mlx_conn_t *conn, mlx_net_gone_fn gone, void *arg);
void mlx_net_begin(mlx_conn_t *conn, int status, const char *type);
void mlx_net_piece(mlx_conn_t *conn, const char *data, size_t len);
void mlx_net_end(mlx_conn_t *conn);

/*  Faulty replies: bytes that are not HTTP, then the end; or a body of LEN bytes made of FILL. */
void mlx_net_raw(mlx_conn_t *conn, const char *data, size_t len);
void mlx_net_flood(mlx_conn_t *conn, const char *start, uint64_t len);

#endif
