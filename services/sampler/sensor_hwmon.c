/*  Linux temperatures, fans and a few powers, and which of them a person means by "the processor's"
 *  (hwmon_inputs.h finds and reads them). */
#include "hwmon_inputs.h"
#include "sensor.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define TOPIC "sensor.temperature"
/*  Which input is the one that a person means by "CPU temperature". Earlier rows are better; of
 *  several inputs in the same row (packages, dies) the highest counts. */
static const struct {
    mlx_hwmon_kind_t kind;
    const char *chip;  /* start of the chip's name, in any case of letters */
    const char *label; /* start of the input's label */
    const char *topic;
    const char *field;
} headlines[] = {
    {MLX_HWMON_TEMPERATURE, "zenpower", "Tdie", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "k10temp", "Tdie", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "k10temp", "Tctl", TOPIC,
     "cpu"},                                              /* Tdie plus an offset on few models */
    {MLX_HWMON_TEMPERATURE, "k10temp", "", TOPIC, "cpu"}, /* old kernels label nothing */
    {MLX_HWMON_TEMPERATURE, "coretemp", "Package id", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "coretemp", "Physical id", TOPIC, "cpu"}, /* the same before 4.3 */
    {MLX_HWMON_TEMPERATURE, "macsmc_hwmon", "CPU", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "x86_pkg_temp", "", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "coretemp", "Core", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "coretemp", "", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "via_cputemp", "", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "cpu", "", TOPIC, "cpu"},  /* cpu_thermal, CPU-therm on ARM */
    {MLX_HWMON_TEMPERATURE, "bcpu", "", TOPIC, "cpu"}, /* Jetson TX2: big, then small cores */
    {MLX_HWMON_TEMPERATURE, "mcpu", "", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "bigcore", "", TOPIC, "cpu"}, /* Rockchip */
    {MLX_HWMON_TEMPERATURE, "tj", "", TOPIC, "cpu"},      /* Jetson Orin: the hottest of the die */
    {MLX_HWMON_TEMPERATURE, "soc", "", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "apm_xgene", "SoC", TOPIC, "cpu"}, /* Ampere */
    {MLX_HWMON_TEMPERATURE, "ibmpowernv", "Chip", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "thinkpad", "CPU", TOPIC, "cpu"}, /* what the firmware says of it */
    {MLX_HWMON_TEMPERATURE, "dell_smm", "CPU", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "asus", "CPU", TOPIC, "cpu"},
    {MLX_HWMON_TEMPERATURE, "amdgpu", "edge", TOPIC, "gpu"},
    {MLX_HWMON_TEMPERATURE, "amdgpu", "", TOPIC, "gpu"},
    {MLX_HWMON_TEMPERATURE, "xe", "pkg", TOPIC, "gpu"},
    {MLX_HWMON_TEMPERATURE, "i915", "", TOPIC, "gpu"},
    {MLX_HWMON_TEMPERATURE, "nouveau", "", TOPIC, "gpu"},
    {MLX_HWMON_TEMPERATURE, "macsmc_hwmon", "GPU", TOPIC, "gpu"},
    {MLX_HWMON_TEMPERATURE, "gpu", "", TOPIC, "gpu"},
    {MLX_HWMON_POWER, "macsmc_hwmon", "Total System Power", "sensor.power", "total"},
    {MLX_HWMON_POWER, "macsmc_hwmon", "Total CPU", "sensor.power", "cpu"},
};

typedef struct {
    mlx_hwmon_t *inputs;
} hwmon_t;

static void hwmon_close(void **state)
{
    hwmon_t *self = *state;
    mlx_hwmon_destroy(&self->inputs);
    mlx_free_p(state);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/*  The first row of the table that means INPUT; behind its end: no row does, but it may be the
 *  hottest. Mainboards leave their spare inputs open, and what an open one reads is noise: it is
 *  listed, but is not a machine's temperature. */
enum {
    ANY = MLX_COUNT(headlines),
    NOISE
};

static int rank_of(const mlx_hwmon_input_t *input)
{
    for (size_t h = 0; h < MLX_COUNT(headlines); h++)
        if (input->kind == headlines[h].kind && starts_with(input->chip, headlines[h].chip) &&
            starts_with(input->label, headlines[h].label))
            return (int)h;
    return input->kind == MLX_HWMON_TEMPERATURE && !starts_with(input->label, "AUXTIN") ? ANY
                                                                                        : NOISE;
}

static int hwmon_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    hwmon_t *self = mlx_alloc(1, sizeof *self);
    self->inputs = mlx_hwmon_new(env->sys_root, rank_of);
    *state = self;
    if (mlx_hwmon_count(self->inputs))
        return 0;
    hwmon_close(state);
    return mlx_error_set(err, MLX_ERR_NOT_FOUND,
                         "no temperature or fan sensor in %s/class/hwmon or thermal",
                         env->sys_root);
}

static void set_positive(mlx_value_t *item, const char *field, double value)
{
    if (value > 0)
        mlx_value_set_real(item, field, value);
}

static void add_item(const mlx_hwmon_input_t *input, mlx_readings_t *out)
{
    mlx_value_t *item = mlx_value_map();
    mlx_value_set_str(item, "label", input->label);
    if (input->kind == MLX_HWMON_TEMPERATURE) {
        mlx_value_set_str(item, "source", input->chip);
        mlx_value_set_real(item, "celsius", input->value);
        set_positive(item, "age", input->age_s);
        mlx_readings_item(out, TOPIC, "sensor", item);
    } else {
        mlx_value_set_real(item, "rpm", input->value);
        set_positive(item, "age", input->age_s);
        set_positive(item, "min", input->min);
        set_positive(item, "max", input->max);
        mlx_readings_item(out, TOPIC, "fan", item);
    }
}

typedef struct {
    double value, age_s; /* NAN: none yet */
} highest_t;

static void take(highest_t *highest, const mlx_hwmon_input_t *input)
{
    if (isnan(input->value) || input->value <= highest->value)
        return;
    *highest = (highest_t){input->value, input->age_s};
}

static void set_highest(mlx_readings_t *out, const char *topic, const char *field,
                        const highest_t *highest)
{
    if (isnan(highest->value) || mlx_readings_has(out, topic, field))
        return;
    mlx_value_set_real(mlx_readings_topic(out, topic), field, highest->value);
    mlx_readings_held(out, topic, field, highest->age_s);
}

/*  The highest of what each row means: of several rows for one field the first that reads is used.
 *  The hottest is one of those that are read each time: a drive's temperature of a minute ago would
 *  come and go. Only where there are no others it is one of those. */
static void add_headlines(const hwmon_t *self, mlx_readings_t *out)
{
    highest_t rows[MLX_COUNT(headlines)];
    highest_t hottest = {NAN, 0};
    highest_t slow_one = {NAN, 0};
    for (size_t h = 0; h < MLX_COUNT(headlines); h++)
        rows[h] = hottest;
    for (size_t i = 0; i < mlx_hwmon_count(self->inputs); i++) {
        const mlx_hwmon_input_t *input = mlx_hwmon_at(self->inputs, i);
        if (input->rank < ANY)
            take(&rows[input->rank], input);
        if (input->kind == MLX_HWMON_TEMPERATURE && input->rank != NOISE)
            take(input->slow ? &slow_one : &hottest, input);
    }
    for (size_t h = 0; h < MLX_COUNT(headlines); h++)
        set_highest(out, headlines[h].topic, headlines[h].field, &rows[h]);
    set_highest(out, TOPIC, "max", isnan(hottest.value) ? &slow_one : &hottest);
    mlx_readings_missing(out, TOPIC, "cpu", "no sensor is known to belong to the processor");
}

static int hwmon_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    hwmon_t *self = state;
    size_t alive = mlx_hwmon_read(self->inputs, now_us);
    if (!alive)
        return mlx_error_set(err, MLX_ERR_FAILED, "none of the %zu sensors can be read",
                             mlx_hwmon_count(self->inputs));
    for (size_t i = 0; i < mlx_hwmon_count(self->inputs); i++) {
        const mlx_hwmon_input_t *input = mlx_hwmon_at(self->inputs, i);
        if (!isnan(input->value) && input->kind != MLX_HWMON_POWER)
            add_item(input, out);
    }
    add_headlines(self, out);
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
