/*  tap_session.h - one connection between a client and a runtime, as the tap sees it
 *
 *  Pairs replies with requests (a client may pipeline) and measures those that generate text. Knows
 *  bytes and times, no sockets. When the connection cannot be followed any more, what was under way
 *  ends as MLX_STREAM_LOST and later bytes are ignored.
 *
 *      mlx_tap_session_t *session = mlx_tap_session_new(&events, prints, self);
 *      mlx_tap_session_client(session, data, len, now);     bytes that the client sent
 *      mlx_tap_session_server(session, data, len, now);     bytes that the runtime sent
 *      mlx_tap_session_end(session, MLX_STREAM_CLIENT_ABORT, now);
 *      mlx_tap_session_destroy(&session);
 */
#ifndef MLX_WATCHER_TAP_SESSION_H
#define MLX_WATCHER_TAP_SESSION_H

#include "asker.h"
#include "common/runtime/stream_stats.h"
#include "fingerprint.h"

typedef struct mlx_tap_session mlx_tap_session_t;

/*  What a request says of its client. */
typedef struct {
    char agent[MLX_ASKER_AGENT]; /* User-Agent */
    char key[MLX_ASKER_KEY];     /* fingerprint of its API key */
} mlx_tap_caller_t;

/*  begun returns the id under which the request is known from then on. Handlers must not call the
 *  session. */
typedef struct {
    uint64_t (*begun)(void *arg);
    void (*first_text)(void *arg, uint64_t id);
    void (*finished)(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                     const mlx_tap_caller_t *caller);
} mlx_tap_session_events_t;

/*  EVENTS and PRINTS (NULL: no fingerprints) are borrowed and must outlive the session. Caller owns
 *  the result and must destroy it. */
mlx_tap_session_t *mlx_tap_session_new(const mlx_tap_session_events_t *events,
                                       const mlx_fingerprint_t *prints, void *arg);
void mlx_tap_session_destroy(mlx_tap_session_t **self);

void mlx_tap_session_client(mlx_tap_session_t *self, const char *data, size_t len, int64_t now_us);
void mlx_tap_session_server(mlx_tap_session_t *self, const char *data, size_t len, int64_t now_us);

/*  How many bytes that come next from the client, or the server, tell nothing: they may pass
 *  without a look, if so many are then said to have done so. UINT64_MAX: all. */
uint64_t mlx_tap_session_client_tells_nothing(const mlx_tap_session_t *self);
uint64_t mlx_tap_session_server_tells_nothing(const mlx_tap_session_t *self);
void mlx_tap_session_client_passed(mlx_tap_session_t *self, uint64_t len, int64_t now_us);
void mlx_tap_session_server_passed(mlx_tap_session_t *self, uint64_t len, int64_t now_us);

/*  No more bytes from that side; the other may go on. A client that closes its side first and gets
 *  no whole reply has given up; a server that closes its side first has. */
void mlx_tap_session_client_eof(mlx_tap_session_t *self, int64_t now_us);
void mlx_tap_session_server_eof(mlx_tap_session_t *self, int64_t now_us);

/*  The connection is gone: whatever is under way ends with OUTCOME. */
void mlx_tap_session_end(mlx_tap_session_t *self, mlx_stream_outcome_t outcome, int64_t now_us);

/*  true while a request has no whole reply yet. */
bool mlx_tap_session_busy(const mlx_tap_session_t *self);

/*  false once the connection could not be followed. */
bool mlx_tap_session_following(const mlx_tap_session_t *self);

/*  Call FN for each measured request under way, oldest first. */
typedef void (*mlx_tap_session_fn)(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                                   const mlx_tap_caller_t *caller);
void mlx_tap_session_each(const mlx_tap_session_t *self, int64_t now_us, mlx_tap_session_fn fn,
                          void *arg);

#endif
