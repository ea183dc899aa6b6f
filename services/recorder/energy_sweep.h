/*  energy_sweep.h - what a stretch of the power curve cost, and whom
 *
 *  The curve is straight between two points; between points that are too far apart, or behind one
 *  without a value, it is unknown. Power up to the idle power is the base, which the machine draws
 *  anyway; what is above it is shared equally, at each moment, among the spans (requests) that run,
 *  or is other work when none does.
 *
 *      mlx_sweep_t *sweep = mlx_sweep_new(&(mlx_sweep_input_t){...});
 *      for (size_t i = 0; i < mlx_sweep_hours(sweep, &hours); i++) ...
 *      joules = mlx_sweep_share(sweep, start_us, end_us, &known_s);
 *      mlx_sweep_destroy(&sweep);
 *
 *  base + other + unsplit of all hours and the shares of all spans together are the integral of the
 *  curve. Times are microseconds since the epoch.
 */
#ifndef MLX_RECORDER_ENERGY_SWEEP_H
#define MLX_RECORDER_ENERGY_SWEEP_H

#include "proto/base.h"

typedef struct mlx_sweep mlx_sweep_t;

typedef struct {
    int64_t t_us;
    double watts; /* NaN: not known from here to the next point */
} mlx_power_point_t;

typedef struct {
    int64_t start_us, end_us;
} mlx_sweep_span_t;

typedef struct {
    const mlx_power_point_t *points; /* by time */
    size_t count;
    const mlx_sweep_span_t *spans;
    size_t span_count;
    int64_t from_us, to_us;
    double idle_watts; /* NaN: not known, then nothing can be split */
} mlx_sweep_input_t;

/*  One hour of local time, or the part of it that was swept. */
typedef struct {
    int64_t begin_us;                    /* of the hour */
    int64_t from_us, to_us;              /* of the part */
    double base, other, shared, unsplit; /* joules */
    double known_s, unknown_s;
} mlx_energy_hour_t;

/*  Where the hour of local time that T_US is in begins. */
int64_t mlx_hour_begin(int64_t t_us);

/*  Caller owns it and must destroy it; INPUT is not kept. */
mlx_sweep_t *mlx_sweep_new(const mlx_sweep_input_t *input);
void mlx_sweep_destroy(mlx_sweep_t **self);

/*  How many hours; *HOURS is borrowed. */
size_t mlx_sweep_hours(const mlx_sweep_t *self, const mlx_energy_hour_t **hours);

/*  Joules of what ran from START_US to END_US, both beginnings or ends of a span, an hour or the
 *  sweep; *KNOWN_S: for so many seconds of it power was known. */
double mlx_sweep_share(const mlx_sweep_t *self, int64_t start_us, int64_t end_us, double *known_s);

#endif
