/*  log_request.h - one request as a log tells it, piece by piece
 *
 *      mlx_log_request_t request;
 *      mlx_log_request_clear(&request);
 *      request.made = 40; ...
 *      mlx_log_request_complete(&request);          what follows from the rest
 *      mlx_log_request_ended(&request, &told);      as the watcher tells requests
 */
#ifndef MLX_WATCHER_LOGS_LOG_REQUEST_H
#define MLX_WATCHER_LOGS_LOG_REQUEST_H

#include "log_fact.h"
#include "services/watcher/ended.h"

/*  What is not known is NaN, 0 or "". */
typedef struct {
    bool used;
    int64_t child, slot, task;
    bool whole;     /* its beginning was seen */
    bool anonymous; /* only its prompt is spoken of */
    bool inside;    /* part of a request that the app around the engine tells */
    bool cancelled;
    int64_t start_us, end_us; /* wall clock */
    int64_t since_us;         /* monotonic: when the beginning was read */
    int64_t heard_us;
    double total, cached, done, prompt_rate; /* of the prompt, cached part included */
    double read, read_s;                     /* tokens that were not cached */
    double tokens, rate;                     /* so far */
    double made, made_s;
    double drafted, accepted;
    double held;
    int64_t due_us; /* of one that waits */
    char model[MLX_LOG_NAME_MAX];
} mlx_log_request_t;

void mlx_log_request_clear(mlx_log_request_t *self);
void mlx_log_request_complete(mlx_log_request_t *self);

/*  Strings are borrowed from SELF. */
void mlx_log_request_ended(const mlx_log_request_t *self, mlx_ended_t *out);

/*  Tokens that it is known to have made, 0 if it is not open or its beginning was not seen. */
double mlx_log_request_so_far(const mlx_log_request_t *self);

/*  A where it is known, else B. */
double mlx_log_or(double a, double b);

#endif
