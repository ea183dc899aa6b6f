/*  tap_relay.h - pass bytes between a client's socket and a runtime's, untouched
 *
 *  One relay per connection, driven by a loop. Each piece is sent on before anyone looks at it;
 *  what the receiver does not take at once (at most MLX_RELAY_PIECE bytes per direction) waits
 *  here, and meanwhile nothing more is read from the sender. The end of one direction is passed on
 *  as the end of that direction only. Bytes in bulk that nobody wants to look at are not even
 *  copied where the system can do without. A reset on one side becomes a reset on the other; the
 *  client first gets what the runtime said before it, unless it takes none of it for ten seconds.
 *
 *      mlx_relay_t *relay = mlx_relay_new(loop, fd, servers, count, scratch, &hooks, self);
 *      ...                                   hooks->closed is called once, at the end
 *      mlx_relay_destroy(&relay);            any time, also from closed
 */
#ifndef MLX_WATCHER_TAP_RELAY_H
#define MLX_WATCHER_TAP_RELAY_H

#include "common/bus/loop.h"
#include "tap_address.h"

typedef struct mlx_relay mlx_relay_t;

enum {
    MLX_RELAY_PIECE = 64 * 1024
};

typedef enum {
    MLX_RELAY_CLIENT,
    MLX_RELAY_SERVER,
} mlx_relay_side_t;

typedef enum {
    MLX_RELAY_DONE, /* both directions ended */
    MLX_RELAY_CLIENT_RESET,
    MLX_RELAY_SERVER_RESET,
    MLX_RELAY_REFUSED, /* no server address took the connection */
} mlx_relay_end_t;

/*  passed: FROM sent these bytes; they are borrowed and already on their way. ended: FROM sends no
 *  more. closed: nothing comes after it; the relay may be destroyed in it, but not in the others.
 *  unread: how many bytes that FROM sends next need no look; skipped: so many of them have passed.
 *  Both may be NULL: all is looked at. */
typedef struct {
    void (*passed)(void *arg, mlx_relay_side_t from, const char *data, size_t len);
    void (*ended)(void *arg, mlx_relay_side_t from);
    void (*closed)(void *arg, mlx_relay_end_t how);
    uint64_t (*unread)(void *arg, mlx_relay_side_t from);
    void (*skipped)(void *arg, mlx_relay_side_t from, size_t len);
} mlx_relay_hooks_t;

/*  Start to connect to the first of COUNT addresses that answers. LOOP, HOOKS, SCRATCH (of
 *  MLX_RELAY_PIECE bytes, shared by all relays of a loop) and SERVERS are borrowed; CLIENT_FD is
 *  taken over. No hook is called before the relay has been returned. NULL when all refused at once;
 *  the client has then been reset. How long a connection may take to begin is left to the system.
 */
mlx_relay_t *mlx_relay_new(mlx_loop_t *loop, int client_fd, const mlx_tap_address_t *servers,
                           int count, char *scratch, const mlx_relay_hooks_t *hooks, void *arg);

/*  Drop the connection: both sides are reset unless it had ended. closed is not called. */
void mlx_relay_destroy(mlx_relay_t **self);

/*  End the connection in good order: to both sides the other one has finished. closed is not
 *  called. */
void mlx_relay_end(mlx_relay_t **self);

/*  Make FD non-blocking, closed on exec, and free of Nagle's delay and of SIGPIPE. */
void mlx_relay_prepare(int fd);

#endif
