#include "sensor.h"

#include <math.h>
#include <string.h>

#ifdef __APPLE__
extern const mlx_sensor_backend_t mlx_sensor_mach;
extern const mlx_sensor_backend_t mlx_sensor_ioaccel;
extern const mlx_sensor_backend_t mlx_sensor_ioreport;
extern const mlx_sensor_backend_t mlx_sensor_amc;
extern const mlx_sensor_backend_t mlx_sensor_smc;
extern const mlx_sensor_backend_t mlx_sensor_hid;
extern const mlx_sensor_backend_t mlx_sensor_battery;

static const mlx_sensor_backend_t *const backends[] = {
    &mlx_sensor_mach, &mlx_sensor_ioaccel, &mlx_sensor_ioreport, &mlx_sensor_amc,
    &mlx_sensor_smc,  &mlx_sensor_hid,     &mlx_sensor_battery,
};
#else
extern const mlx_sensor_backend_t mlx_sensor_memory;
extern const mlx_sensor_backend_t mlx_sensor_bandwidth;
extern const mlx_sensor_backend_t mlx_sensor_cpu;
extern const mlx_sensor_backend_t mlx_sensor_nvml;
extern const mlx_sensor_backend_t mlx_sensor_drm;
extern const mlx_sensor_backend_t mlx_sensor_npu;
extern const mlx_sensor_backend_t mlx_sensor_hwmon;
extern const mlx_sensor_backend_t mlx_sensor_rapl;
extern const mlx_sensor_backend_t mlx_sensor_supply;

static const mlx_sensor_backend_t *const backends[] = {
    &mlx_sensor_memory, &mlx_sensor_bandwidth, &mlx_sensor_cpu,
    &mlx_sensor_nvml,   &mlx_sensor_drm,       &mlx_sensor_npu,
    &mlx_sensor_hwmon,  &mlx_sensor_rapl,      &mlx_sensor_supply,
};
#endif

const mlx_sensor_backend_t *const *mlx_sensor_backends(size_t *count)
{
    *count = MLX_COUNT(backends);
    return backends;
}

void mlx_sensor_absent(const mlx_sensor_backend_t *backend, const char *why, mlx_readings_t *out)
{
    const char *rest = backend->topic ? backend->fields : NULL;
    while (rest && *rest) {
        size_t len = strcspn(rest, " ");
        MLX_CLEANUP(mlx_free_p) char *field = mlx_strndup(rest, len);
        mlx_readings_missing(out, backend->topic, field, why);
        rest += len + strspn(rest + len, " ");
    }
}

typedef struct {
    double hottest;
    double power;
} gpus_t;

static gpus_t sum_gpus(mlx_readings_t *readings)
{
    gpus_t sum = {NAN, NAN};
    for (size_t i = 0; i < mlx_readings_count(readings); i++) {
        const char *topic;
        const mlx_value_t *data = mlx_readings_at(readings, i, &topic);
        if (strncmp(topic, "sensor.gpu.", 11) != 0)
            continue;
        double value;
        if (mlx_value_real(data, "temperature", &value))
            sum.hottest = fmax(sum.hottest, value);
        if (mlx_value_real(data, "power", &value))
            sum.power = isnan(sum.power) ? value : sum.power + value;
    }
    return sum;
}

static double hottest(const mlx_value_t *temperature)
{
    double max = NAN;
    double value;
    if (mlx_value_real(temperature, "cpu", &value))
        max = fmax(max, value);
    if (mlx_value_real(temperature, "gpu", &value))
        max = fmax(max, value);
    const mlx_value_t *sensors = mlx_value_get(temperature, "sensor");
    for (size_t i = 0; i < mlx_value_size(sensors); i++)
        if (mlx_value_real(mlx_value_at(sensors, i), "celsius", &value))
            max = fmax(max, value);
    return max;
}

void mlx_sensor_derive(mlx_readings_t *readings)
{
    gpus_t gpus = sum_gpus(readings);
    mlx_value_t *temperature = mlx_readings_topic(readings, "sensor.temperature");
    /* The GPU's own word goes before a chip's, which is asked less often. */
    mlx_value_set_real(temperature, "gpu", gpus.hottest);
    double max = hottest(temperature);
    mlx_value_real(temperature, "max", &max); /* a back end knows which sensors count */
    mlx_value_set_real(temperature, "max", fmax(max, gpus.hottest));
    /* A card's own measurement goes before the processor package's share for its GPU. */
    mlx_value_set_real(mlx_readings_topic(readings, "sensor.power"), "gpu", gpus.power);
}
