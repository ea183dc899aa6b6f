#include "common/base/power_meter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/held.h"

enum {
    METERS = 17 /* sensor.power and sixteen GPUs */
};

/*  A source of power, as heard last. */
typedef struct {
    char topic[64];
    double watts;
    double total; /* of the whole machine; NaN: it does not say */
    int64_t heard_us;
} meter_t;

struct mlx_power_meter {
    meter_t meters[METERS];
    size_t count;
};

mlx_power_meter_t *mlx_power_meter_new(void)
{
    return mlx_alloc(1, sizeof(mlx_power_meter_t));
}

void mlx_power_meter_destroy(mlx_power_meter_t **self)
{
    mlx_free_p(self);
}

static bool is_gpu(const char *topic)
{
    return strncmp(topic, "sensor.gpu.", strlen("sensor.gpu.")) == 0;
}

bool mlx_power_meter_knows(const char *topic)
{
    return is_gpu(topic) || strcmp(topic, "sensor.power") == 0;
}

static meter_t *meter_of(mlx_power_meter_t *self, const char *topic)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->meters[i].topic, topic) == 0)
            return &self->meters[i];
    if (self->count == METERS || strlen(topic) >= sizeof self->meters[0].topic)
        return NULL;
    meter_t *meter = &self->meters[self->count++];
    snprintf(meter->topic, sizeof meter->topic, "%s", topic);
    return meter;
}

static double fresh(const mlx_value_t *d, const char *key)
{
    double value = NAN;
    if (mlx_held_age(d, key) <= MLX_HELD_STALE_S)
        mlx_value_real(d, key, &value);
    return value >= 0 ? value : (double)NAN;
}

bool mlx_power_meter_hear(mlx_power_meter_t *self, const char *topic, const mlx_value_t *d,
                          int64_t now_us)
{
    meter_t *meter = mlx_power_meter_knows(topic) ? meter_of(self, topic) : NULL;
    bool gpu = is_gpu(topic);
    if (!meter)
        return false;
    meter->watts = fresh(d, gpu ? "power" : "package");
    meter->total = gpu ? (double)NAN : fresh(d, "total");
    meter->heard_us = now_us;
    return true;
}

double mlx_power_meter_watts(const mlx_power_meter_t *self, int64_t now_us)
{
    double parts = NAN;
    for (size_t i = 0; i < self->count; i++) {
        const meter_t *meter = &self->meters[i];
        if (now_us - meter->heard_us > MLX_POWER_SILENT_US)
            continue;
        if (!isnan(meter->total))
            return meter->total;
        if (!isnan(meter->watts))
            parts = meter->watts + (isnan(parts) ? 0 : parts);
    }
    return parts;
}

const char *mlx_power_meter_scope(const mlx_power_meter_t *self, int64_t now_us)
{
    bool gpus = false, package = false;
    for (size_t i = 0; i < self->count; i++) {
        const meter_t *meter = &self->meters[i];
        if (now_us - meter->heard_us > MLX_POWER_SILENT_US)
            continue;
        if (!isnan(meter->total))
            return "the whole machine";
        if (!isnan(meter->watts))
            *(is_gpu(meter->topic) ? &gpus : &package) = true;
    }
    return gpus && package ? "GPUs and processor package"
           : gpus          ? "GPUs alone"
           : package       ? "processor package alone"
                           : "";
}
