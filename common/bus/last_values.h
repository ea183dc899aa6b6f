/*  last_values.h - what the broker remembers now, asked for page by page
 *
 *  For who wants to know the state once; who wants to follow it subscribes.
 *
 *      mlx_last_values_t *ask = mlx_last_values_ask(bus, "", 5000, on_message, on_end, self);
 *      mlx_last_values_destroy(&ask);         when it is over, or to give up
 */
#ifndef MLX_COMMON_BUS_LAST_VALUES_H
#define MLX_COMMON_BUS_LAST_VALUES_H

#include "common/bus/bus.h"

typedef struct mlx_last_values mlx_last_values_t;

/*  The last message was given (ERR is NULL), or no more will come. The asking may be destroyed in
 *  this function. */
typedef void (*mlx_last_values_end_fn)(void *arg, const mlx_error_t *err);

/*  Call FN for each retained message under PREFIX, then END, at the latest after TIMEOUT_MS. Caller
 *  owns the asking and must destroy it before the bus. */
mlx_last_values_t *mlx_last_values_ask(mlx_bus_t *bus, const char *prefix, int64_t timeout_ms,
                                       mlx_message_fn fn, mlx_last_values_end_fn end, void *arg);
void mlx_last_values_destroy(mlx_last_values_t **self);

#endif
