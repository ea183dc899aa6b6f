/*  darwin_heat.h - from single thermometers to sensor.temperature
 *
 *  cpu and gpu are the means of the sensors of that place, as other monitors of the Mac show them;
 *  max is the hottest of all. 0 and what no chip survives are "no reading" in Apple's sensors.
 *
 *      mlx_heat_t heat = {0};
 *      mlx_heat_add(&heat, MLX_HEAT_CPU, "CPU Tp01", "smc", 54.5, out);
 *      mlx_heat_publish(&heat, "AppleSMC gives no such temperature", out);
 */
#ifndef MLX_SAMPLER_DARWIN_HEAT_H
#define MLX_SAMPLER_DARWIN_HEAT_H

#include "sensor.h"

typedef enum {
    MLX_HEAT_CPU,
    MLX_HEAT_GPU,
    MLX_HEAT_OTHER,
    MLX_HEAT_PLACES
} mlx_heat_place_t;

typedef struct {
    double sum[MLX_HEAT_PLACES];
    size_t count[MLX_HEAT_PLACES];
    double hottest;
    size_t sensors; /* added so far */
} mlx_heat_t;

/*  Take a thermometer's value in and list it; a value that is no temperature is left out. */
void mlx_heat_add(mlx_heat_t *self, mlx_heat_place_t place, const char *label, const char *source,
                  double celsius, mlx_readings_t *out);

/*  Set cpu, gpu, max and the GPU's own temperature; WHY goes with those that have no sensor. */
void mlx_heat_publish(const mlx_heat_t *self, const char *why, mlx_readings_t *out);

#endif
