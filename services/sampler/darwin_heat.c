#include "darwin_heat.h"
#include "darwin_get.h"

static const char topic[] = "sensor.temperature";

void mlx_heat_add(mlx_heat_t *self, mlx_heat_place_t place, const char *label, const char *source,
                  double celsius, mlx_readings_t *out)
{
    /* Written so that NaN is out too. */
    if (!(celsius > 0 && celsius <= 150))
        return;
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

static void publish_mean(const mlx_heat_t *self, mlx_heat_place_t place, const char *field,
                         const char *why, mlx_readings_t *out)
{
    if (self->count[place])
        mlx_value_set_real(mlx_readings_topic(out, topic), field,
                           self->sum[place] / (double)self->count[place]);
    else
        mlx_readings_missing(out, topic, field, why);
}

void mlx_heat_publish(const mlx_heat_t *self, const char *why, mlx_readings_t *out)
{
    publish_mean(self, MLX_HEAT_CPU, "cpu", why, out);
    publish_mean(self, MLX_HEAT_GPU, "gpu", why, out);
    if (self->sensors)
        mlx_value_set_real(mlx_readings_topic(out, topic), "max", self->hottest);
    /* An Intel Mac may have two GPUs, and nothing tells whose sensor it is. */
    int64_t apple_silicon = 0;
    if (self->count[MLX_HEAT_GPU] && mlx_sysctl_int("hw.optional.arm64", &apple_silicon) &&
        apple_silicon)
        mlx_value_set_real(mlx_readings_gpu(out, "ioaccel:0"), "temperature",
                           self->sum[MLX_HEAT_GPU] / (double)self->count[MLX_HEAT_GPU]);
}
