/*  requests.h - every request that the watcher sees end, each told once and with its client
 *
 *  The tap measures what passes through it exactly. What goes to a runtime directly is seen by its
 *  slots or runners; of these the ones that the tap has told already are left out. Who asks
 *  directly is read off the system's table of connections (traffic.h), when all the connections at
 *  work are one client's.
 *
 *      mlx_requests_t *requests = mlx_requests_new(&options);
 *      mlx_requests_tap(requests, topic, &snapshot, now_us, wall_us);  after each of its snapshots
 *      mlx_requests_direct(requests, topic, tapped, &request);         as slots tell them
 *      mlx_requests_destroy(&requests);
 */
#ifndef MLX_WATCHER_REQUESTS_H
#define MLX_WATCHER_REQUESTS_H

#include "ended.h"
#include "opens.h"
#include "tap.h"

typedef struct mlx_requests mlx_requests_t;

typedef struct {
    const char *proc_root; /* "/proc"; borrowed */
    mlx_opens_t *opens;    /* borrowed */
    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);
    void *arg;
} mlx_requests_options_t;

/*  Caller owns it and must destroy it. */
mlx_requests_t *mlx_requests_new(const mlx_requests_options_t *options);
void mlx_requests_destroy(mlx_requests_t **self);

/*  Name the clients in *SNAPSHOT and publish the requests in it that ended. TOPIC NULL: the kind of
 *  the runtime is not known yet; they wait. NOW_US is monotonic, WALL_US the same moment on the
 *  wall clock. */
void mlx_requests_tap(mlx_requests_t *self, const char *topic, mlx_tap_snapshot_t *snapshot,
                      int64_t now_us, int64_t wall_us);

/*  Publish REQUEST, which ended at the runtime on PORT of this machine (0: of another), unless it
 *  went through the tap, whose runtime this is if TAPPED. While the tap has requests under way it
 *  waits for the next mlx_requests_settle: what ended may be one of these. */
void mlx_requests_direct(mlx_requests_t *self, const char *topic, int port, bool tapped,
                         const mlx_ended_t *request);

/*  Publish what has waited long enough; call it a few times a second while the tap is at work. */
void mlx_requests_settle(mlx_requests_t *self, int64_t now_us);

/*  Look who works the runtime on PORT directly. Returns the name, borrowed until the next look;
 *  NULL when nobody does, there are several, or the system does not tell. */
const char *mlx_requests_look(mlx_requests_t *self, int port, int64_t now_us);

/*  So many requests run at the runtime of TOPIC. */
void mlx_requests_running(mlx_requests_t *self, const char *topic, size_t count, int64_t now_us);

/*  What the sensors say of power, for the energy of requests. */
void mlx_requests_hear(mlx_requests_t *self, const char *topic, const mlx_value_t *d,
                       int64_t now_us);

#endif
