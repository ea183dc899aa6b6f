/*  fault.h - what the double can do wrong, on demand
 *
 *  A fault is armed by name for a number of requests (negative: until changed) and is used up by
 *  the requests that come next; the double's own pages (/double/...) are never hit.
 *
 *      half-json           the body ends in its middle, properly framed
 *      garbage-reply       bytes that are not HTTP
 *      huge-body           1 GB of body
 *      hang                the request is read and never answered
 *      refuse              the port refuses connections for two seconds, then listens again
 *      reset-mid-stream    the connection is reset after half of the body, or a few pieces
 *      slow-loris          one byte every 50 ms
 *      wrong-content-type  text/html
 *      status-500          an internal error
 *      deep-nesting        100,000 brackets
 *      close-at-byte-N     the connection is closed after N bytes of the reply
 */
#ifndef MLX_TESTS_DOUBLE_FAULT_H
#define MLX_TESTS_DOUBLE_FAULT_H

#include "proto/error.h"

typedef enum {
    MLX_FAULT_NONE,
    MLX_FAULT_HALF_JSON,
    MLX_FAULT_GARBAGE,
    MLX_FAULT_HUGE,
    MLX_FAULT_HANG,
    MLX_FAULT_REFUSE,
    MLX_FAULT_RESET,
    MLX_FAULT_SLOW,
    MLX_FAULT_TYPE,
    MLX_FAULT_STATUS,
    MLX_FAULT_DEEP,
    MLX_FAULT_CLOSE_AT,
} mlx_fault_kind_t;

typedef struct {
    mlx_fault_kind_t kind;
    int64_t at;    /* close-at-byte-N: N */
    int64_t count; /* requests still to hit; negative: all */
} mlx_fault_t;

/*  Read NAME into FAULT; "none" disarms. */
int mlx_fault_parse(mlx_fault_t *fault, const char *name, int64_t count, mlx_error_t *err);

/*  The fault for the next request; counts it. */
mlx_fault_t mlx_fault_take(mlx_fault_t *armed);

#endif
