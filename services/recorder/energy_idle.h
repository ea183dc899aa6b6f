/*  energy_idle.h - the power of a machine that does nothing for its models
 *
 *      mlx_idle_power_t idle = {0};
 *      mlx_idle_power_add(&idle, joules, seconds);     of a moment in which nothing ran
 *      watts = mlx_idle_power(&idle);                  NaN: not known yet
 */
#ifndef MLX_RECORDER_ENERGY_IDLE_H
#define MLX_RECORDER_ENERGY_IDLE_H

#include <stddef.h>

enum {
    MLX_IDLE_MINUTES = 60
};

typedef struct {
    double minutes[MLX_IDLE_MINUTES]; /* means, in watts: a ring */
    size_t count, next;
    double joules, seconds; /* of the minute under way */
} mlx_idle_power_t;

void mlx_idle_power_add(mlx_idle_power_t *self, double joules, double seconds);

/*  The lower quartile of the minutes: other work raises some of them, nothing lowers one. */
double mlx_idle_power(const mlx_idle_power_t *self);

#endif
