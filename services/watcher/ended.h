/*  ended.h - one request that has ended, whoever saw it
 *
 *      mlx_ended_t request;
 *      mlx_ended_clear(&request);
 *      request.tokens = 40; ...
 *      mlx_value_t *d = mlx_ended_message(&request);      runtime.<kind>.<endpoint>.request
 *
 *  What is not known is NaN, NULL or 0 here and absent from the message. Strings are borrowed.
 */
#ifndef MLX_WATCHER_ENDED_H
#define MLX_WATCHER_ENDED_H

#include "asker.h"
#include "common/runtime/stream_stats.h"
#include "proto/value.h"

typedef struct {
    int64_t start_us, end_us; /* wall clock */
    int64_t seen_us; /* wall clock: slots saw it at work then, for the last time; 0: never */
    const char *model;
    const char *api;
    const char *source; /* "tap", "runner", "slots", "metrics", "log" */
    const char *outcome;
    const mlx_asker_t *asker;
    double requests;      /* the least that it stands for: counts are their sum; 0: it is one */
    double prompt_tokens; /* of the whole prompt */
    double cached_tokens;
    double tokens; /* generated */
    double draft_tokens;
    double draft_accepted;
    double queue_s, load_s, ttft_s;
    double prompt_rate;
    double rate;
    double joules;
    int64_t task; /* the server's number of it; -1: not known. For finding it again only */
    int status;
    bool exact; /* tokens is the server's count */
} mlx_ended_t;

/*  Who takes requests as they end; FN may be NULL. */
typedef struct {
    void (*fn)(void *arg, const mlx_ended_t *request);
    void *arg;
} mlx_ended_sink_t;

/*  Everything unknown. */
void mlx_ended_clear(mlx_ended_t *self);

/*  What the tap measured. NOW_US is monotonic, WALL_US the same moment on the wall clock. */
void mlx_ended_of_stream(mlx_ended_t *self, const mlx_stream_figures_t *figures, int64_t now_us,
                         int64_t wall_us);

/*  Caller owns it. */
mlx_value_t *mlx_ended_message(const mlx_ended_t *self);

void mlx_ended_tell(const mlx_ended_sink_t *sink, const mlx_ended_t *request);

#endif
