/*  Linux temperatures, fans and a few powers: hwmon (Documentation/hwmon/sysfs-interface.rst:
 *  temp*_input in millidegrees, fan*_input in rpm, power*_input in microwatts) and thermal zones
 *  (Documentation/driver-api/thermal/sysfs-api.rst), which fill in where a machine has no hwmon
 *  chip for the same thing. */
#include "sensor.h"
#include "sysfile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC "sensor.temperature"
#define MAX_CHIPS 64
#define MAX_INPUTS 64   /* of one kind on one chip */
#define MAX_SENSORS 512 /* in all */
#define RESCAN_US 60000000

typedef enum {
    TEMPERATURE,
    FAN,
    POWER,
    KINDS
} kind_t;

static const struct {
    const char *prefix;
    double scale, min, max;
} kinds[KINDS] = {
    [TEMPERATURE] = {"temp", 1e-3, -60, 250}, /* unwired inputs give values out of this range */
    [FAN] = {"fan", 1, 0, 100000},
    [POWER] = {"power", 1e-6, 0, 100000},
};

/*  Which input is the one that a person means by "CPU temperature". Earlier rows are better; of
 *  several inputs in the same row (packages, dies) the highest counts. */
static const struct {
    kind_t kind;
    const char *chip;  /* start of the chip's name */
    const char *label; /* start of the input's label */
    const char *topic;
    const char *field;
} headlines[] = {
    {TEMPERATURE, "zenpower", "Tdie", TOPIC, "cpu"},
    {TEMPERATURE, "k10temp", "Tdie", TOPIC, "cpu"},
    {TEMPERATURE, "k10temp", "Tctl", TOPIC, "cpu"}, /* Tdie plus an offset on few models */
    {TEMPERATURE, "coretemp", "Package id", TOPIC, "cpu"},
    {TEMPERATURE, "macsmc_hwmon", "CPU", TOPIC, "cpu"},
    {TEMPERATURE, "x86_pkg_temp", "", TOPIC, "cpu"},
    {TEMPERATURE, "coretemp", "Core", TOPIC, "cpu"},
    {TEMPERATURE, "cpu", "", TOPIC, "cpu"}, /* cpu_thermal, cpu-thermal, cpu0-thermal on ARM */
    {TEMPERATURE, "soc", "", TOPIC, "cpu"},
    {TEMPERATURE, "amdgpu", "edge", TOPIC, "gpu"},
    {TEMPERATURE, "amdgpu", "", TOPIC, "gpu"},
    {TEMPERATURE, "xe", "pkg", TOPIC, "gpu"},
    {TEMPERATURE, "i915", "", TOPIC, "gpu"},
    {TEMPERATURE, "nouveau", "", TOPIC, "gpu"},
    {TEMPERATURE, "macsmc_hwmon", "GPU", TOPIC, "gpu"},
    {TEMPERATURE, "gpu", "", TOPIC, "gpu"},
    {POWER, "macsmc_hwmon", "Total System Power", "sensor.power", "total"},
    {POWER, "macsmc_hwmon", "Total CPU", "sensor.power", "cpu"},
};

typedef struct {
    kind_t kind;
    int fd;
    char chip[48];
    char label[64];
    int asleep; /* the chip's power/runtime_status: descriptor */
} input_t;

typedef struct {
    const mlx_sensor_env_t *env;
    input_t *inputs;
    size_t count;
    int64_t scanned_us;
    bool rescan; /* an input failed: it may have been unplugged */
} hwmon_t;

static void forget(hwmon_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_close_p(&self->inputs[i].fd);
        mlx_close_p(&self->inputs[i].asleep);
    }
    self->count = 0;
}

static void hwmon_close(void **state)
{
    hwmon_t *self = *state;
    forget(self);
    free(self->inputs);
    mlx_free_p(state);
}

/*  Takes ownership of FD. */
static void add_input(hwmon_t *self, kind_t kind, int fd, const char *dir, const char *chip,
                      const char *label)
{
    if (fd < 0 || self->count == MAX_SENSORS) {
        mlx_close_p(&fd);
        return;
    }
    input_t *input = &self->inputs[self->count++];
    *input = (input_t){.kind = kind, .fd = fd};
    input->asleep = mlx_sysfile_open("%s/device/power/runtime_status", dir);
    (void)snprintf(input->chip, sizeof input->chip, "%s", chip);
    (void)snprintf(input->label, sizeof input->label, "%s", label);
}

static void scan_kind(hwmon_t *self, kind_t kind, const char *dir, const char *chip)
{
    const char *prefix = kinds[kind].prefix;
    unsigned numbers[MAX_INPUTS];
    size_t count = mlx_sysfile_numbers(numbers, MAX_INPUTS, prefix, "_input", "%s", dir);
    for (size_t i = 0; i < count; i++) {
        char label[64];
        if (!mlx_sysfile_line(label, sizeof label, "%s/%s%u_label", dir, prefix, numbers[i]))
            (void)snprintf(label, sizeof label, "%s %s%u", chip, prefix, numbers[i]);
        int fd = mlx_sysfile_open("%s/%s%u_input", dir, prefix, numbers[i]);
        add_input(self, kind, fd, dir, chip, label);
    }
}

static void scan_chips(hwmon_t *self)
{
    const char *root = self->env->sys_root;
    unsigned chips[MAX_CHIPS];
    size_t count = mlx_sysfile_numbers(chips, MAX_CHIPS, "hwmon", "", "%s/class/hwmon", root);
    for (size_t i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_free_p) char *dir = mlx_format("%s/class/hwmon/hwmon%u", root, chips[i]);
        char chip[48];
        if (!mlx_sysfile_line(chip, sizeof chip, "%s/name", dir))
            continue;
        for (size_t kind = 0; kind < KINDS; kind++)
            scan_kind(self, (kind_t)kind, dir, chip);
    }
}

/*  The kernel gives many zones a hwmon chip of the same name, with '_' for '-'. */
static bool has_chip(const hwmon_t *self, const char *zone)
{
    char chip[48];
    (void)snprintf(chip, sizeof chip, "%s", zone);
    for (char *p = chip; *p; p++)
        if (*p == '-')
            *p = '_';
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->inputs[i].chip, chip) == 0)
            return true;
    return false;
}

static void scan_zones(hwmon_t *self)
{
    const char *root = self->env->sys_root;
    unsigned zones[MAX_CHIPS];
    size_t count =
        mlx_sysfile_numbers(zones, MAX_CHIPS, "thermal_zone", "", "%s/class/thermal", root);
    size_t chips = self->count;
    for (size_t i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *dir = mlx_format("%s/class/thermal/thermal_zone%u", root, zones[i]);
        char type[48];
        if (!mlx_sysfile_line(type, sizeof type, "%s/type", dir))
            continue;
        size_t all = self->count;
        self->count = chips; /* two zones may share a type: compare with chips only */
        bool known = has_chip(self, type);
        self->count = all;
        if (!known)
            add_input(self, TEMPERATURE, mlx_sysfile_open("%s/temp", dir), dir, type, type);
    }
}

static void scan(hwmon_t *self)
{
    forget(self);
    scan_chips(self);
    scan_zones(self);
    self->rescan = false;
}

static int hwmon_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    hwmon_t *self = mlx_alloc(1, sizeof *self);
    self->env = env;
    self->inputs = mlx_alloc(MAX_SENSORS, sizeof *self->inputs);
    scan(self);
    *state = self;
    if (self->count)
        return 0;
    hwmon_close(state);
    return mlx_error_set(err, MLX_ERR_NOT_FOUND,
                         "no temperature or fan sensor in %s/class/hwmon or thermal",
                         env->sys_root);
}

/*  Reading a sensor of a suspended device would wake it: a laptop's second GPU costs watts. */
static bool is_suspended(const input_t *input)
{
    char status[32];
    return mlx_sysfile_read(input->asleep, status, sizeof status) > 0 &&
           strncmp(status, "suspended", 9) == 0;
}

static void add_item(const input_t *input, double value, mlx_readings_t *out)
{
    mlx_value_t *item = mlx_value_map();
    mlx_value_set_str(item, "label", input->label);
    if (input->kind == TEMPERATURE) {
        mlx_value_set_str(item, "source", input->chip);
        mlx_value_set_real(item, "celsius", value);
        mlx_readings_item(out, TOPIC, "sensor", item);
    } else {
        mlx_value_set_real(item, "rpm", value);
        mlx_readings_item(out, TOPIC, "fan", item);
    }
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/*  The highest of the readings that row H of the table means, or NAN. */
static double headline(const hwmon_t *self, const double *values, size_t h)
{
    double highest = NAN;
    for (size_t i = 0; i < self->count; i++) {
        const input_t *input = &self->inputs[i];
        if (input->kind == headlines[h].kind && starts_with(input->chip, headlines[h].chip) &&
            starts_with(input->label, headlines[h].label))
            highest = fmax(highest, values[i]);
    }
    return highest;
}

static void add_headlines(const hwmon_t *self, const double *values, mlx_readings_t *out)
{
    for (size_t h = 0; h < MLX_COUNT(headlines); h++)
        if (!mlx_readings_has(out, headlines[h].topic, headlines[h].field))
            mlx_value_set_real(mlx_readings_topic(out, headlines[h].topic), headlines[h].field,
                               headline(self, values, h));
    mlx_readings_missing(out, TOPIC, "cpu", "no sensor is known to be the processor's");
}

static int hwmon_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    hwmon_t *self = state;
    if (self->rescan || now_us - self->scanned_us >= RESCAN_US) {
        scan(self);
        self->scanned_us = now_us;
    }
    MLX_CLEANUP(mlx_free_p) double *values = mlx_alloc(self->count, sizeof *values);
    size_t read = 0;
    for (size_t i = 0; i < self->count; i++) {
        const input_t *input = &self->inputs[i];
        kind_t kind = input->kind;
        values[i] = NAN;
        if (is_suspended(input))
            continue;
        values[i] =
            mlx_sysfile_gauge(input->fd, kinds[kind].scale, kinds[kind].min, kinds[kind].max);
        if (isnan(values[i]))
            continue;
        read++;
        if (kind != POWER)
            add_item(input, values[i], out);
    }
    self->rescan = read == 0;
    if (read == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "none of the %zu sensors can be read",
                             self->count);
    add_headlines(self, values, out);
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_hwmon = {
    .name = "hwmon",
    .min_period_s = 1,
    .probe = hwmon_probe,
    .sample = hwmon_sample,
    .close = hwmon_close,
    .topic = TOPIC,
    .fields = "cpu gpu max sensor fan",
};
