/*  darwin_heat.h - from single thermometers to sensor.temperature
 *
 *  cpu is the hottest spot of the processor's die where a sensor of its own says so, else the mean
 *  of the cores that run; gpu is the mean of the GPU's sensors; max is the hottest of all. The
 *  sensor of a part that is switched off gives a few degrees or 0, and so does one that does not
 *  work: below 15 degrees no processor or GPU is measured.
 *
 *      mlx_heat_t heat = {0};
 *      mlx_heat_add(&heat, MLX_HEAT_CPU, "CPU Tp01", "smc", 54.5, out);
 *      mlx_heat_publish(&heat, "AppleSMC has no such temperature", out);
 */
#ifndef MLX_SAMPLER_DARWIN_HEAT_H
#define MLX_SAMPLER_DARWIN_HEAT_H

#include "sensor.h"

typedef enum {
    MLX_HEAT_DIE_MAX,  /* hottest spot of the processor's die */
    MLX_HEAT_CPU,      /* one core, or a group of them */
    MLX_HEAT_DIE_MEAN, /* mean of the die */
    MLX_HEAT_GPU,
    MLX_HEAT_OTHER,
    MLX_HEAT_PLACES
} mlx_heat_place_t;

typedef struct {
    double sum[MLX_HEAT_PLACES];
    size_t count[MLX_HEAT_PLACES];
    size_t off[MLX_HEAT_PLACES]; /* sensors of parts that are switched off */
    double hottest;
    size_t sensors; /* that answered so far */
} mlx_heat_t;

/*  Is CELSIUS a temperature that something at PLACE can have? */
bool mlx_heat_is_real(mlx_heat_place_t place, double celsius);

/*  Take a thermometer's value in and list it; a value that is not a temperature is left out. */
void mlx_heat_add(mlx_heat_t *self, mlx_heat_place_t place, const char *label, const char *source,
                  double celsius, mlx_readings_t *out);

/*  Set cpu, gpu, max and the GPU's own temperature; WHY goes with those that have no sensor. */
void mlx_heat_publish(const mlx_heat_t *self, const char *why, mlx_readings_t *out);

#endif
