#include "darwin_heat.h"
#include "darwin_get.h"

#include <math.h>

#define COLDEST 15.0 /* of a part that is on */
#define HOTTEST 150.0

static const char topic[] = "sensor.temperature";

/*  Written so that NaN is not a temperature either. */
bool mlx_heat_is_real(mlx_heat_place_t place, double celsius)
{
    double coldest = place == MLX_HEAT_OTHER ? 0 : COLDEST;
    return celsius > coldest && celsius <= HOTTEST;
}

void mlx_heat_add(mlx_heat_t *self, mlx_heat_place_t place, const char *label, const char *source,
                  double celsius, mlx_readings_t *out)
{
    if (!mlx_heat_is_real(place, celsius)) {
        bool is_off = celsius >= 0 && celsius <= COLDEST;
        self->off[place] += is_off;
        self->sensors += is_off;
        return;
    }
    mlx_value_t *item = mlx_value_map();
    mlx_value_set_str(item, "label", label);
    mlx_value_set_str(item, "source", source);
    mlx_value_set_real(item, "celsius", celsius);
    mlx_readings_item(out, topic, "sensor", item);
    self->sum[place] += celsius;
    self->count[place]++;
    self->sensors++;
    if (celsius > self->hottest)
        self->hottest = celsius;
}

static double mean(const mlx_heat_t *self, mlx_heat_place_t place)
{
    return self->count[place] ? self->sum[place] / (double)self->count[place] : (double)NAN;
}

static double cpu_of(const mlx_heat_t *self)
{
    static const mlx_heat_place_t best_first[] = {MLX_HEAT_DIE_MAX, MLX_HEAT_CPU,
                                                  MLX_HEAT_DIE_MEAN};
    for (size_t i = 0; i < MLX_COUNT(best_first); i++)
        if (self->count[best_first[i]])
            return mean(self, best_first[i]);
    return NAN;
}

void mlx_heat_publish(const mlx_heat_t *self, const char *why, mlx_readings_t *out)
{
    static const char off[] = "its sensors are switched off (below 15 degrees)";
    mlx_value_t *map = mlx_readings_topic(out, topic);
    mlx_value_set_real(map, "cpu", cpu_of(self));
    mlx_value_set_real(map, "gpu", mean(self, MLX_HEAT_GPU));
    bool cpu_off =
        self->off[MLX_HEAT_CPU] || self->off[MLX_HEAT_DIE_MAX] || self->off[MLX_HEAT_DIE_MEAN];
    mlx_readings_missing(out, topic, "cpu", cpu_off ? off : why);
    mlx_readings_missing(out, topic, "gpu", self->off[MLX_HEAT_GPU] ? off : why);
    if (self->hottest > 0)
        mlx_value_set_real(map, "max", self->hottest);
    /* An Intel Mac may have two GPUs, and nothing tells whose sensor it is. */
    int64_t apple_silicon = 0;
    if (self->count[MLX_HEAT_GPU] && mlx_sysctl_int("hw.optional.arm64", &apple_silicon) &&
        apple_silicon)
        mlx_value_set_real(mlx_readings_gpu(out, "ioaccel:0"), "temperature",
                           mean(self, MLX_HEAT_GPU));
}
