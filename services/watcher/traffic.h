/*  traffic.h - whether a server of this machine works on a request, seen without asking it
 *
 *  Asking some servers counts as use: it keeps them awake, or loads a model again. The system's
 *  table of TCP connections tells what they do and they do not notice: for each connection how many
 *  bytes came, and how long ago data came and went last. A reply that is not there, or that ended,
 *  0.1 s or more after its request is work; a quick one is somebody's look at the server.
 *
 *      mlx_traffic_t *traffic = mlx_traffic_new(8080, opens);
 *      mlx_traffic_look(traffic);                       a few times a second
 *      if (mlx_traffic_working(traffic)) ...            worth a question
 *      mlx_traffic_idle(traffic);                       it was asked and works on nothing
 *
 *  Linux: sock_diag, which any user may ask. Elsewhere there is no such table: nothing is ever
 *  seen.
 */
#ifndef MLX_WATCHER_TRAFFIC_H
#define MLX_WATCHER_TRAFFIC_H

#include "opens.h"

typedef struct mlx_traffic mlx_traffic_t;

/*  PORT: where the server listens; OPENS: borrowed, may be NULL. Caller owns the result and must
 *  destroy it. */
mlx_traffic_t *mlx_traffic_new(int port, mlx_opens_t *opens);
void mlx_traffic_destroy(mlx_traffic_t **self);

/*  Look at the table; false when the system has none. Connections of this process do not count. */
bool mlx_traffic_look(mlx_traffic_t *self);

/*  Whether all that goes to the server can be seen by looking: then it need not be asked while
 *  nothing moves. Costs some milliseconds. */
bool mlx_traffic_sees_all(const mlx_traffic_t *self, const char *proc_root);

/*  Whether the looks since this was asked last saw that something may have come to the server: a
 *  connection to any server, or bytes on one that is known. */
bool mlx_traffic_moved(mlx_traffic_t *self);

/*  Whether nothing has gone to or from the server for some seconds, and no request waits for its
 *  reply. */
bool mlx_traffic_still(const mlx_traffic_t *self);

/*  Whether the last look saw work that no answer has denied yet. */
bool mlx_traffic_working(const mlx_traffic_t *self);

/*  The server said that it is idle. That settles an exchange that has ended; said a few times
 *  during one it ends the belief that this is work: an upload that hangs, or a stream of events. */
void mlx_traffic_idle(mlx_traffic_t *self);

/*  What the table says of one connection. Times are milliseconds ago. */
typedef struct {
    uint64_t id;       /* the same as long as the connection lives */
    uint64_t received; /* bytes that the server got */
    uint64_t sent;     /* bytes that it sent and the client has confirmed */
    uint32_t received_ago;
    uint32_t sent_ago;
    uint16_t client_port;
    bool six;                       /* the addresses are IPv6's */
    uint8_t client[16], server[16]; /* addresses in network order, 4 bytes of them for IPv4 */
} mlx_traffic_connection_t;

/*  Call FN for each connection on which work is done, until it returns false. */
typedef bool (*mlx_traffic_fn)(void *arg, const mlx_traffic_connection_t *connection);
void mlx_traffic_each_working(const mlx_traffic_t *self, mlx_traffic_fn fn, void *arg);

/*  For tests: take COUNT connections, all that there are now, as mlx_traffic_look does. */
void mlx_traffic_take(mlx_traffic_t *self, const mlx_traffic_connection_t *seen, size_t count);

#endif
