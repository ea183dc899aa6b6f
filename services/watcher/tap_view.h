/*  tap_view.h - what the tap's snapshots add up to: the activity of the runtime behind it
 *
 *      mlx_tap_snapshot(tap, &snapshot);
 *      mlx_tap_view_update(&view, &snapshot, now_us, wall_us);
 *      mlx_target_activity(target, mlx_tap_view_activity(&view));
 */
#ifndef MLX_WATCHER_TAP_VIEW_H
#define MLX_WATCHER_TAP_VIEW_H

#include "activity.h"
#include "rate.h"
#include "tap.h"

enum {
    MLX_TAP_VIEW_MODEL_MAX = 128
};

/*  A stream that has said something, at the newest snapshot. */
typedef struct {
    uint64_t id;
    int64_t tokens;
} mlx_tap_view_stream_t;

typedef struct {
    mlx_activity_t activity;
    mlx_tap_view_stream_t streams[MLX_ACTIVITY_REQUESTS_MAX];
    size_t stream_count;
    double made;        /* tokens of all streams so far */
    mlx_rate_t sum;     /* of MADE, while something streams */
    int64_t changed_us; /* when a stream began or ended */
    char models[MLX_ACTIVITY_REQUESTS_MAX][MLX_TAP_VIEW_MODEL_MAX]; /* of the running requests */
    char clients[MLX_ACTIVITY_REQUESTS_MAX][MLX_ASKER_NAME];        /* and who asks */
    char last_model[MLX_TAP_VIEW_MODEL_MAX];
} mlx_tap_view_t;

/*  Nothing has passed yet. */
void mlx_tap_view_reset(mlx_tap_view_t *self);

/*  Take a snapshot made at NOW_US (monotonic; WALL_US since the epoch). Each must be given once:
 *  the requests that ended are added to the totals. */
void mlx_tap_view_update(mlx_tap_view_t *self, const mlx_tap_snapshot_t *snapshot, int64_t now_us,
                         int64_t wall_us);

/*  Borrowed; NULL until something has passed: a tap that nobody uses knows nothing. */
const mlx_activity_t *mlx_tap_view_activity(const mlx_tap_view_t *self);

#endif
