/*  meter.h - tokens per second from the counters that a runtime serves on /metrics
 *
 *      mlx_meter_update(&meter, &state.counters, NAN, now_us, wall_us);
 *      mlx_meter_activity(&meter, now_us, &activity);
 *
 *  The moment a counter begins to rise lies somewhere between two looks: the first rise is taken as
 *  the start and not as a speed. A counter that falls (the server was restarted) starts afresh.
 */
#ifndef MLX_WATCHER_METER_H
#define MLX_WATCHER_METER_H

#include "activity.h"
#include "common/runtime/runtime.h"
#include "rate.h"

typedef struct {
    bool started;
    mlx_runtime_counters_t seen;
    int64_t seen_us;
    double requests; /* that had ended at that look; NaN: not counted */
    mlx_rate_t tokens;
    mlx_rate_t prompt;
    double ttft_s; /* mean of the requests that began since the look before; kept until the next */
    mlx_activity_last_t last;
} mlx_meter_t;

/*  Forget everything. */
void mlx_meter_reset(mlx_meter_t *self);

/*  A look at the counters: NOW_US monotonic when the reply came, WALL_US since the epoch. REQUESTS:
 *  how many have ended by what else is known of the server, for one that does not count them; NaN:
 *  nobody knows. */
void mlx_meter_update(mlx_meter_t *self, const mlx_runtime_counters_t *seen, double requests,
                      int64_t now_us, int64_t wall_us);

bool mlx_meter_busy(const mlx_meter_t *self);

/*  Fill OUT (cleared first); not available until the first look. Rates are unknown when the last
 *  look is more than 3 s old. */
void mlx_meter_activity(const mlx_meter_t *self, int64_t now_us, mlx_activity_t *out);

#endif
