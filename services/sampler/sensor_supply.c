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
    size_t charging, full, unknown;
    double charge, weight;
    double watts;          /* drawn from the batteries; NAN when one does not say */
    double charging_watts; /* the same into them */
    double now, capacity;  /* watt-hours in all of them, and when full; NAN when one does not say */
    double design;         /* watt-hours when they were new */
    int64_t cycles;        /* of the oldest; -1: not known */
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
    double product =
        watts > 0 ? watts
                  : gauge(dir, "current_now", 1e-6, 1000) * gauge(dir, "voltage_now", 1e-6, 1000);
    return product > 0 ? product : watts; /* some have the file and never fill it */
}

/*  Watt-hours by FILE of energy, or of charge (ampere-hours) times the voltage of its design. */
static double watt_hours(const char *dir, const char *file)
{
    MLX_CLEANUP(mlx_free_p) char *energy = mlx_format("energy_%s", file);
    MLX_CLEANUP(mlx_free_p) char *charge = mlx_format("charge_%s", file);
    double value = gauge(dir, energy, 1e-6, 1e6);
    if (!isnan(value))
        return value;
    double volts = gauge(dir, "voltage_min_design", 1e-6, 1000);
    if (isnan(volts))
        volts = gauge(dir, "voltage_now", 1e-6, 1000);
    return gauge(dir, charge, 1e-6, 1e6) * volts;
}

/*  How full it is: as the driver says, or what it holds of what it can hold. */
static double level(const char *dir)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/capacity", dir);
    double charge = mlx_sysfile_gauge(fd, 1e-2, 0, 1);
    double held = watt_hours(dir, "now") / watt_hours(dir, "full");
    if (isnan(charge) && held >= 0 && held < 2)
        charge = held < 1 ? held : 1;
    return charge;
}

static void add_state(const char *dir, sum_t *sum)
{
    char status[32];
    if (!mlx_sysfile_line(status, sizeof status, "%s/status", dir))
        status[0] = '\0';
    if (strcmp(status, "Discharging") == 0) {
        sum->discharging++;
        sum->watts += battery_watts(dir);
    } else if (strcmp(status, "Charging") == 0) {
        sum->charging++;
        sum->charging_watts += battery_watts(dir);
    } else if (strcmp(status, "Full") == 0) {
        sum->full++;
    } else if (strcmp(status, "Not charging") != 0) {
        sum->unknown++;
    }
}

/*  How much they hold, held when they were new, and how often they were charged. */
static void add_age(const char *dir, sum_t *sum)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/cycle_count", dir);
    int64_t cycles;
    sum->now += watt_hours(dir, "now");
    sum->capacity += watt_hours(dir, "full");
    sum->design += watt_hours(dir, "full_design");
    /* 0 is what firmware says that does not count. */
    if (mlx_sysfile_int(fd, &cycles) && cycles > sum->cycles && cycles > 0 && cycles < 100000)
        sum->cycles = cycles;
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
    double charge = level(dir);
    double weight = watt_hours(dir, "full");
    if (!isnan(charge)) {
        /* Of two batteries the larger one counts for more. */
        weight = weight > 0 ? weight : 1;
        sum->charge += charge * weight;
        sum->weight += weight;
    }
    add_state(dir, sum);
    add_age(dir, sum);
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
    sum_t sum = {.cycles = -1};
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
    if (sum->batteries && sum->mains)
        return "battery";
    /* charging, full: fed from a line we do not see */
    return sum->batteries > sum->unknown ? "ac" : NULL;
}

/*  State, power, time and age of the batteries; what one does not say is said of none. */
static void add_batteries(const sum_t *sum, mlx_readings_t *out)
{
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    const char *state = sum->discharging              ? "discharging"
                        : sum->charging               ? "charging"
                        : sum->full == sum->batteries ? "full"
                        : sum->unknown                ? NULL
                                                      : "idle";
    bool moves = sum->discharging || sum->charging || !state;
    double watts = sum->discharging ? sum->watts : sum->charging_watts;
    double left = sum->discharging ? sum->now : sum->capacity - sum->now;
    mlx_value_set_str(data, "battery_state", state);
    mlx_readings_missing(out, TOPIC, "battery_state", "the battery does not report it");
    if (moves && watts > 0)
        mlx_value_set_real(data, "battery_power", watts);
    mlx_readings_missing(out, TOPIC, "battery_power",
                         moves ? "the battery does not report it"
                               : "it neither charges nor discharges");
    if (moves && watts > 0.1 && left >= 0)
        mlx_value_set_real(data, "battery_time", left / watts * 3600);
    mlx_readings_missing(out, TOPIC, "battery_time",
                         moves ? "the battery does not report what it holds"
                               : "it neither charges nor discharges");
    double health = sum->capacity / sum->design;
    if (sum->design > 0 && health > 0)
        mlx_value_set_real(data, "battery_health", health > 1 ? 1 : health);
    mlx_readings_missing(out, TOPIC, "battery_health", "the battery does not report it");
    if (sum->cycles >= 0)
        mlx_value_set_int(data, "battery_cycles", sum->cycles);
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
    mlx_readings_missing(out, TOPIC, "source", "neither mains nor battery reports it");
    if (sum.weight > 0)
        mlx_value_set_real(data, "battery", sum.charge / sum.weight);
    else
        mlx_readings_missing(out, TOPIC, "battery", "no battery");
    if (sum.batteries)
        add_batteries(&sum, out);
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
