/*  request_energy.h - the energy that a request cost, from the power that the sensors tell
 *
 *  Power is that of the whole machine where it is known, else of its GPUs and its processor package
 *  together. At each moment it is shared equally among the requests that run; a request costs the
 *  sum of its shares. Where the sensors were silent in between, it is not known.
 *
 *      mlx_request_energy_t *energy = mlx_request_energy_new();
 *      mlx_request_energy_hear(energy, topic, d, now_us);      sensor.power and sensor.gpu.<n>
 *      mlx_request_energy_running(energy, 2, now_us);          whenever it changes
 *      double joules = mlx_request_energy_of(energy, start_us, end_us);
 *
 *  Times are monotonic.
 */
#ifndef MLX_WATCHER_REQUEST_ENERGY_H
#define MLX_WATCHER_REQUEST_ENERGY_H

#include "proto/value.h"

typedef struct mlx_request_energy mlx_request_energy_t;

/*  Caller owns it and must destroy it. */
mlx_request_energy_t *mlx_request_energy_new(void);
void mlx_request_energy_destroy(mlx_request_energy_t **self);

void mlx_request_energy_hear(mlx_request_energy_t *self, const char *topic, const mlx_value_t *d,
                             int64_t now_us);

/*  So many requests run from NOW_US on. */
void mlx_request_energy_running(mlx_request_energy_t *self, size_t count, int64_t now_us);

/*  Joules of a request between the two; NaN when power was not known all the time, or it is too
 *  long ago. */
double mlx_request_energy_of(const mlx_request_energy_t *self, int64_t start_us, int64_t end_us);

#endif
