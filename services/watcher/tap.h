/*  tap.h - a loopback relay in front of a runtime that measures what passes
 *
 *  Clients connect to its port instead of the runtime's and see no difference: the bytes are the
 *  runtime's own, passed on before they are looked at (tap_relay.h). From a copy it learns, per
 *  request, the model, the time to the first token, the live rate and the server's final counts
 *  (tap_session.h). What it cannot follow it still relays.
 *
 *  It runs in a thread of its own. All functions here may be called from any thread.
 *
 *      mlx_tap_t *tap = mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:11493",
 *                                                       .upstream = "127.0.0.1:11434",
 *                                                       .wake = on_news, .arg = self}, &err);
 *      mlx_tap_snapshot(tap, &snapshot);      on news, and as often as live rates are wanted
 *      mlx_tap_snapshot_clear(&snapshot);
 *      mlx_tap_destroy(&tap);
 */
#ifndef MLX_WATCHER_TAP_H
#define MLX_WATCHER_TAP_H

#include "asker.h"
#include "common/runtime/stream_stats.h"
#include "fingerprint.h"
#include "proto/error.h"
#include "tap_address.h"

typedef struct mlx_tap mlx_tap_t;

enum {
    MLX_TAP_MAX_CONNECTIONS = 256, /* by default */
    MLX_TAP_MAX_FINISHED = 256,    /* requests kept for the next snapshot; older ones are dropped */
};

typedef struct {
    const char *listen;         /* "127.0.0.1:11493"; loopback only; port 0: any free one */
    const char *upstream;       /* "host:port" of the runtime; looked up here, and again, apart from
                                what is relayed, when it does not answer: names move */
    mlx_tap_resolve_fn resolve; /* of the upstream; NULL: mlx_tap_resolve */
    const mlx_fingerprint_t *prints; /* borrowed; NULL: API keys are not told apart */
    int max_connections;             /* 0: MLX_TAP_MAX_CONNECTIONS; for one more the one goes that
                                        has been idle longest, and where none is, it is closed */
    void (*wake)(void *arg); /* may be NULL; called in the tap's thread when a request began, said
                                its first text or ended: at most once until the next snapshot */
    void *arg;
} mlx_tap_config_t;

typedef struct {
    int64_t open;         /* connections now */
    int64_t accepted;     /* connections since the start */
    int64_t refused;      /* of these: closed because the runtime did not answer */
    int64_t turned_away;  /* not accepted, because too many were open */
    int64_t displaced;    /* idle ones that made room for others */
    int64_t starved;      /* times that a connection had to wait for a free descriptor */
    int64_t not_followed; /* relayed, but not understood to the end */
    int64_t requests;     /* measured, begun */
    int64_t dropped;      /* measured, but gone before a snapshot fetched them */
    int64_t bytes_up;     /* client to runtime */
    int64_t bytes_down;
} mlx_tap_counters_t;

typedef struct {
    uint64_t id; /* from 1, the same in every snapshot that has the request */
    mlx_stream_figures_t figures;
    mlx_asker_t asker; /* without its process: see asker_process.h */
} mlx_tap_request_t;

typedef struct {
    mlx_tap_counters_t counters;
    mlx_tap_request_t *requests; /* those that ended since the last snapshot, then those running */
    size_t count;
} mlx_tap_snapshot_t;

/*  Listen and start. NULL with ERR: an address that is none or is not loopback (usage), a port that
 *  is taken (busy), an upstream that is not found (unavailable) or is the tap itself (usage). May
 *  wait for the resolver when upstream is a name. Caller owns the result and must destroy it. */
mlx_tap_t *mlx_tap_new(const mlx_tap_config_t *config, mlx_error_t *err);

/*  Stop listening, drop the connections, end the thread. Not from within wake. */
void mlx_tap_destroy(mlx_tap_t **self);

/*  The port it listens on. */
uint16_t mlx_tap_port(const mlx_tap_t *self);

/*  Fetch the state into *SNAPSHOT, which is empty ({0}) or of an earlier call. */
void mlx_tap_snapshot(mlx_tap_t *self, mlx_tap_snapshot_t *snapshot);

/*  Free its memory; it is empty and usable again. Also fit for MLX_CLEANUP. */
void mlx_tap_snapshot_clear(mlx_tap_snapshot_t *snapshot);

#endif
