/*  power_meter.h - the power that a machine draws now, from what its sensors tell
 *
 *  That of the whole machine where it is known, else of its GPUs and its processor package
 *  together.
 *
 *      mlx_power_meter_t *meter = mlx_power_meter_new();
 *      if (mlx_power_meter_hear(meter, topic, d, now_us))       sensor.power and sensor.gpu.<n>
 *          watts = mlx_power_meter_watts(meter, now_us);
 *
 *  Times are of any one clock.
 */
#ifndef MLX_COMMON_BASE_POWER_METER_H
#define MLX_COMMON_BASE_POWER_METER_H

#include "proto/value.h"

/*  The slowest sampler says something every ten seconds: after more than that, power is unknown. */
#define MLX_POWER_SILENT_US INT64_C(15000000)

typedef struct mlx_power_meter mlx_power_meter_t;

/*  Caller owns it and must destroy it. */
mlx_power_meter_t *mlx_power_meter_new(void);
void mlx_power_meter_destroy(mlx_power_meter_t **self);

/*  Does TOPIC tell of power? */
bool mlx_power_meter_knows(const char *topic);

/*  Take in D of TOPIC; values that are held too long count as absent. False: TOPIC does not tell of
 *  power, or there are more GPUs than are followed. */
bool mlx_power_meter_hear(mlx_power_meter_t *self, const char *topic, const mlx_value_t *d,
                          int64_t now_us);

/*  Watts; NaN: not known. */
double mlx_power_meter_watts(const mlx_power_meter_t *self, int64_t now_us);

/*  Of what: "machine", "GPUs and processor package", ...; "" when it is not known. */
const char *mlx_power_meter_scope(const mlx_power_meter_t *self, int64_t now_us);

#endif
