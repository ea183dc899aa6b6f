/*  Linux mains and batteries (Documentation/ABI/testing/sysfs-class-power): microwatts, microvolts,
 *  microamperes, microwatt-hours. */
#include "sensor.h"
#include "sysfile.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC "sensor.power"
#define MAX_SUPPLIES 32
#define MAX_WATTS 10000.0

typedef struct {
    const mlx_sensor_env_t *env;
} supply_t;

typedef struct {
    size_t mains, mains_online;
    size_t batteries, discharging;
    double charge, weight;
    double watts; /* drawn from the batteries; NAN when one does not say */
} sum_t;

static void supply_close(void **state)
{
    mlx_free_p(state);
}

static double gauge(const char *dir, const char *file, double scale, double max)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/%s", dir, file);
    return fabs(mlx_sysfile_gauge(fd, scale, -max, max));
}

/*  Some drivers give power, others current and voltage; some count a discharge below zero. */
static double battery_watts(const char *dir)
{
    double watts = gauge(dir, "power_now", 1e-6, MAX_WATTS);
    if (isnan(watts))
        watts = gauge(dir, "current_now", 1e-6, 1000) * gauge(dir, "voltage_now", 1e-6, 1000);
    return watts;
}

static void add_battery(const char *dir, sum_t *sum)
{
    char text[32];
    /* A mouse's or a headset's battery is of scope Device. */
    if (mlx_sysfile_line(text, sizeof text, "%s/scope", dir) && strcmp(text, "Device") == 0)
        return;
    MLX_CLEANUP(mlx_close_p) int present = mlx_sysfile_open("%s/present", dir);
    if (present >= 0 && mlx_sysfile_gauge(present, 1, 0, 1) < 1)
        return;
    sum->batteries++;
    double charge = gauge(dir, "capacity", 1e-2, 1);
    double weight = gauge(dir, "energy_full", 1e-6, 1e6);
    if (!isnan(charge)) {
        /* Of two batteries the larger one counts for more. */
        weight = weight > 0 ? weight : 1;
        sum->charge += charge * weight;
        sum->weight += weight;
    }
    if (mlx_sysfile_line(text, sizeof text, "%s/status", dir) && strcmp(text, "Discharging") == 0) {
        sum->discharging++;
        sum->watts += battery_watts(dir);
    }
}

static void add_supply(const char *dir, sum_t *sum)
{
    char type[32];
    if (!mlx_sysfile_line(type, sizeof type, "%s/type", dir))
        return;
    if (strcmp(type, "Battery") == 0) {
        add_battery(dir, sum);
    } else if (strcmp(type, "Mains") == 0 || strncmp(type, "USB", 3) == 0) {
        sum->mains++;
        sum->mains_online += gauge(dir, "online", 1, 2) >= 1;
    }
}

static sum_t sum_supplies(const mlx_sensor_env_t *env)
{
    sum_t sum = {0};
    MLX_CLEANUP(mlx_free_p) char *root = mlx_format("%s/class/power_supply", env->sys_root);
    DIR *dir = opendir(root);
    if (!dir)
        return sum;
    const struct dirent *entry;
    for (size_t i = 0; i < MAX_SUPPLIES && (entry = readdir(dir)); i++) {
        if (entry->d_name[0] == '.')
            continue;
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", root, entry->d_name);
        add_supply(path, &sum);
    }
    closedir(dir);
    return sum;
}

static int supply_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    sum_t sum = sum_supplies(env);
    if (!sum.mains && !sum.batteries)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no mains or battery in %s/class/power_supply",
                             env->sys_root);
    supply_t *self = mlx_alloc(1, sizeof *self);
    self->env = env;
    *state = self;
    return 0;
}

static const char *source(const sum_t *sum)
{
    if (sum->mains_online)
        return "ac";
    if (sum->discharging)
        return "battery";
    if (sum->batteries)
        return sum->mains ? "battery" : "ac"; /* charging, full: fed from a line we do not see */
    return NULL;
}

static int supply_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us;
    const supply_t *self = state;
    sum_t sum = sum_supplies(self->env);
    if (!sum.mains && !sum.batteries)
        return mlx_error_set(err, MLX_ERR_FAILED, "the power supplies are gone");
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    mlx_value_set_str(data, "source", source(&sum));
    if (sum.weight > 0)
        mlx_value_set_real(data, "battery", sum.charge / sum.weight);
    else
        mlx_readings_missing(out, TOPIC, "battery", "no battery");
    if (sum.discharging && !sum.mains_online && sum.watts > 0)
        mlx_value_set_real(data, "total", sum.watts);
    else
        mlx_readings_missing(out, TOPIC, "total",
                             "measured by the battery, and only while it discharges");
    return 0;
}

/*  Firmware answers these files by slow bus transfers, and charge moves slowly: every 10 s. */
const mlx_sensor_backend_t mlx_sensor_supply = {
    .name = "supply",
    .min_period_s = 10,
    .probe = supply_probe,
    .sample = supply_sample,
    .close = supply_close,
    .topic = TOPIC,
    .fields = "source battery",
};
