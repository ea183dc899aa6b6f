/*  unlisted.h - requests that a server's counters tell and nobody saw
 *
 *  What comes and goes between two looks at the slots has no counts of its own, but the counters of
 *  /metrics moved: their rise less that of the requests that were seen is what the others did. It
 *  is told as one request, or as several together ("requests", the least that it can have been)
 *  whose counts are a sum: nothing is shared out by guess. A server that counts its requests and
 *  sums up their figures (vLLM, SGLang) tells all of them so.
 *
 *      if (!mlx_unlisted_take(&unlisted, &request))              slots told the end of one
 *          tell(&request);
 *      mlx_unlisted_counters(&unlisted, &state.counters);        each time
 *      mlx_unlisted_settle(&unlisted, busy, wall_us, &sink);     after each look at either
 */
#ifndef MLX_WATCHER_UNLISTED_H
#define MLX_WATCHER_UNLISTED_H

#include "common/runtime/runtime.h"
#include "ended.h"

typedef struct {
    bool started;
    bool fresh;                  /* newest has not been settled */
    mlx_runtime_counters_t base; /* all until here is told */
    mlx_runtime_counters_t newest;
    double listed;  /* tokens told with counts of their own since, before the newest counters */
    double later;   /* and after these */
    size_t blanks;  /* ends that were seen without counts */
    size_t certain; /* of them, before the newest counters */
    size_t credit;  /* told by counters before their end was seen */
} mlx_unlisted_t;

/*  Forget everything. */
void mlx_unlisted_reset(mlx_unlisted_t *self);

/*  Slots saw REQUEST end. true: it has no counts and waits for the counters; the caller must not
 *  tell it. */
bool mlx_unlisted_take(mlx_unlisted_t *self, const mlx_ended_t *request);

/*  A look at the counters. What fell was started anew. */
void mlx_unlisted_counters(mlx_unlisted_t *self, const mlx_runtime_counters_t *seen);

/*  Tell SINK what is certain by now. BUSY: slots see a request at work, which may be among what was
 *  counted: that waits for the next look at them. WALL_US: now. */
void mlx_unlisted_settle(mlx_unlisted_t *self, bool busy, int64_t wall_us,
                         const mlx_ended_sink_t *sink);

#endif
