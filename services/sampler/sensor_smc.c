/*  smc: temperatures, fans and whole-machine power of a Mac from its management controller
 *
 *  All keys are listed once, at probe; those whose meaning is known (darwin_keys.h) are read at
 *  each sample. A temperature or a power of 0 is the controller's "no
 *  reading"; a fan of 0 rpm stands still.
 */
#include "darwin_get.h"
#include "darwin_heat.h"
#include "darwin_keys.h"
#include "darwin_smc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS_MAX = 8192,   /* of the controller; today's have fewer than 4000 */
    SENSORS_MAX = 512, /* of temperature; an M1 Ultra has 109 of its cores alone */
    FANS_MAX = 16,
};

static const char power_topic[] = "sensor.power";

typedef struct {
    mlx_smc_key_t key;
    const mlx_heat_kind_t *kind;
} thermometer_t;

typedef struct {
    mlx_smc_t *smc;
    mlx_mac_t mac;
    thermometer_t sensors[SENSORS_MAX];
    size_t sensor_count;
    mlx_smc_key_t fans[FANS_MAX];
    mlx_smc_key_t fan_min[FANS_MAX], fan_max[FANS_MAX]; /* code 0: the controller has none */
    size_t fan_count;
    mlx_smc_key_t system_power;
    bool has_system_power;
} state_t;

static void close_smc(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_smc_destroy(&self->smc);
    free(self);
    *state = NULL;
}

static bool is_fan(const char *name)
{
    return name[0] == 'F' && strcmp(name + 2, "Ac") == 0;
}

static void take_fan(state_t *self, const char *name)
{
    size_t at = self->fan_count;
    if (!mlx_smc_key(self->smc, name, &self->fans[at]))
        return;
    const char least[] = {'F', name[1], 'M', 'n', '\0'};
    const char most[] = {'F', name[1], 'M', 'x', '\0'};
    if (!mlx_smc_key(self->smc, least, &self->fan_min[at]))
        self->fan_min[at].code = 0;
    if (!mlx_smc_key(self->smc, most, &self->fan_max[at]))
        self->fan_max[at].code = 0;
    self->fan_count++;
}

static void take_key(state_t *self, const char *name)
{
    if (is_fan(name) && self->fan_count < FANS_MAX)
        take_fan(self, name);
    const mlx_heat_kind_t *kind = mlx_heat_kind(&self->mac, name);
    if (!kind || self->sensor_count == SENSORS_MAX)
        return;
    thermometer_t *sensor = &self->sensors[self->sensor_count];
    sensor->kind = kind;
    self->sensor_count += mlx_smc_key(self->smc, name, &sensor->key);
}

static int probe_smc(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    mlx_smc_t *smc = mlx_smc_new(err);
    if (!smc)
        return -1;
    state_t *self = mlx_alloc(1, sizeof *self);
    self->smc = smc;
    mlx_mac_learn(&self->mac);
    uint32_t count = mlx_smc_count(smc);
    for (uint32_t i = 0; i < count && i < KEYS_MAX; i++) {
        char name[5];
        if (mlx_smc_name(smc, i, name))
            take_key(self, name);
    }
    self->has_system_power = mlx_smc_key(smc, "PSTR", &self->system_power);
    *state = self;
    if (self->sensor_count || self->fan_count || self->has_system_power)
        return 0;
    close_smc(state);
    return mlx_error_set(err, MLX_ERR_NOT_FOUND, "AppleSMC has no known key (%u keys)",
                         (unsigned)count);
}

static size_t read_temperatures(state_t *self, mlx_readings_t *out)
{
    mlx_heat_t heat = {.sensors = 0};
    for (size_t i = 0; i < self->sensor_count; i++) {
        const thermometer_t *sensor = &self->sensors[i];
        char label[64];
        double celsius;
        snprintf(label, sizeof label, "%s %s", sensor->kind->label, sensor->key.name);
        if (mlx_smc_read(self->smc, &sensor->key, &celsius))
            mlx_heat_add(&heat, sensor->kind->place, label, "smc", celsius, out);
    }
    mlx_heat_publish(&heat, "AppleSMC has no such temperature", out);
    return heat.sensors;
}

static void add_speed(state_t *self, const mlx_smc_key_t *key, mlx_value_t *item, const char *field)
{
    double rpm;
    if (key->code && mlx_smc_read(self->smc, key, &rpm) && rpm > 0 && rpm <= 100000)
        mlx_value_set_real(item, field, rpm);
}

static size_t read_fans(state_t *self, mlx_readings_t *out)
{
    size_t read = 0;
    for (size_t i = 0; i < self->fan_count; i++) {
        double rpm;
        char label[16];
        if (!mlx_smc_read(self->smc, &self->fans[i], &rpm) || rpm < 0 || rpm > 100000)
            continue;
        mlx_value_t *item = mlx_value_map();
        snprintf(label, sizeof label, "fan %c", self->fans[i].name[1]);
        mlx_value_set_str(item, "label", label);
        mlx_value_set_real(item, "rpm", rpm);
        add_speed(self, &self->fan_min[i], item, "min");
        add_speed(self, &self->fan_max[i], item, "max");
        mlx_readings_item(out, "sensor.temperature", "fan", item);
        read++;
    }
    return read;
}

static size_t read_power(state_t *self, mlx_readings_t *out)
{
    double watts;
    if (!self->has_system_power || !mlx_smc_read(self->smc, &self->system_power, &watts) ||
        watts <= 0) {
        mlx_readings_missing(out, power_topic, "total",
                             "AppleSMC has no system power reading (PSTR)");
        return 0;
    }
    mlx_value_set_real(mlx_readings_topic(out, power_topic), "total", watts);
    return 1;
}

static int sample_smc(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us;
    state_t *self = state;
    size_t read = read_temperatures(self, out) + read_fans(self, out) + read_power(self, out);
    if (read == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "AppleSMC no longer answers");
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_smc = {
    .name = "smc",
    .min_period_s = 1.0,
    .probe = probe_smc,
    .sample = sample_smc,
    .close = close_smc,
    .topic = "sensor.temperature",
    .fields = "cpu gpu max sensor fan",
};
