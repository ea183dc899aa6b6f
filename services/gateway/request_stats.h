/*  request_stats.h - the requests that ended, counted by model and runtime
 *
 *  Every message of runtime.<kind>.<endpoint>.request is counted into the histograms of its group;
 *  a model that is loaded has its groups from the start, at 0, so that a rate sees the first
 *  request too.
 *
 *      mlx_request_stats_t *stats = mlx_request_stats_new();
 *      mlx_request_stats_hear(stats, message, mlx_wall_us());
 *      mlx_request_stats_each(stats, fn, arg);
 *
 *  Bounds: 128 groups. Then the one that had no request for longest makes room, if that is an hour;
 *  else the request is counted as of "other".
 */
#ifndef MLX_GATEWAY_REQUEST_STATS_H
#define MLX_GATEWAY_REQUEST_STATS_H

#include "histogram.h"
#include "proto/message.h"

typedef struct mlx_request_stats mlx_request_stats_t;

typedef struct {
    char *host;
    char *runtime;   /* its kind */
    char *endpoint;  /* of it */
    char *model;     /* "" where the runtime did not say */
    char *operation; /* chat, text_completion, embeddings, rerank; "": not known */
    char *outcome;   /* ok, error, client_abort, server_abort, lost */
    int64_t since;   /* wall clock, microseconds: its counts began at 0 then */
    int64_t newest;  /* the last request, or since */
    mlx_histogram_t *of[MLX_MEASURE_COUNT]; /* as in mlx_measures */
} mlx_request_group_t;

mlx_request_stats_t *mlx_request_stats_new(void);
void mlx_request_stats_destroy(mlx_request_stats_t **self);

/*  MESSAGE may be any of the bus: what is neither a request nor a list of models is ignored. */
void mlx_request_stats_hear(mlx_request_stats_t *self, const mlx_message_t *message,
                            int64_t now_us);

/*  In the order in which they came. GROUP is borrowed for the call. */
typedef void (*mlx_request_group_fn)(void *arg, const mlx_request_group_t *group);
void mlx_request_stats_each(const mlx_request_stats_t *self, mlx_request_group_fn fn, void *arg);

/*  Is MESSAGE a request that has ended? */
bool mlx_request_ended(const mlx_message_t *message);

/*  Its outcome, and what was asked of the model in OpenTelemetry's words: one of those that a group
 *  may have. Static storage. */
const char *mlx_request_outcome(const mlx_message_t *message);
const char *mlx_request_operation(const mlx_message_t *message);

/*  The ids by which the trace of the request in MESSAGE is known, and the moment it ended. The same
 *  message always has the same ids. */
mlx_exemplar_t mlx_request_trace(const mlx_message_t *message);

#endif
