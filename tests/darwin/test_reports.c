/*  What people reported of their Macs, with the right values (tests/sensors/README.md lists the
 *  reports). */
#include "check.h"
#include "services/sampler/darwin_energy.h"
#include "services/sampler/darwin_heat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/*  The processor's counter of an M5 Max, twice a second, in millijoules: it moves in batches. */
static const int64_t m5_max[] = {
    172312, 172312, 172312, 172312, 248332, 248332, 248332, 248332, 248332, 326162, 326162,
    326162, 326162, 399648, 399648, 399648, 399648, 480374, 480374, 480374, 480374, 556394,
    556394, 556394, 556394, 556394, 634224, 634224, 634224, 634224, 707710, 707710, 707710,
    707710, 788436, 788436, 788436, 788436, 864456, 864456, 864456,
};

enum {
    LOOKS = 64
};

/*  The watts of FIELD at each look, LOOKS_A_SECOND of them; NaN: absent, and then with a reason.
 *  Returns the energy counted. */
static double watch(const char *field, int count, double looks_a_second, double *watts)
{
    mlx_error_t err = {0};
    void *state = NULL;
    double energy = NAN;
    mlx_readings_t *r = mlx_readings_new();
    assert_int_equal(mlx_sensor_ioreport.probe(&state, &check_nowhere, &err), 0);
    for (int i = 0; i < count; i++) {
        mlx_readings_reset(r);
        int64_t now_us = 7000000 + (int64_t)((double)i * 1e6 / looks_a_second);
        assert_int_equal(mlx_sensor_ioreport.sample(state, now_us, r, &err), 0);
        const mlx_value_t *power = topic(r, "sensor.power");
        watts[i] = NAN;
        if (i > 0 && !mlx_value_real(power, field, &watts[i]))
            is_missing(power, field);
        mlx_value_real(power, "energy", &energy);
    }
    mlx_sensor_ioreport.close(&state);
    mlx_readings_destroy(&r);
    return energy;
}

static void is_steady(const double *watts, int from, int count, double right)
{
    double sum = 0;
    for (int i = from; i < count; i++) {
        if (!(watts[i] > 0.6 * right && watts[i] < 1.4 * right))
            fail_msg("look %d: %.1f W where %.1f W is right", i, watts[i], right);
        sum += watts[i];
    }
    double mean = sum / (count - from);
    if (fabs(mean - right) > 0.12 * right)
        fail_msg("mean %.1f W where %.1f W is right", mean, right);
}

/*  all-smi#410, #412, #424 */
static void energy_in_batches(void **unused)
{
    (void)unused;
    double watts[LOOKS];
    int64_t slower[LOOKS];
    int count = (int)MLX_COUNT(m5_max);
    dd_machine_vm();
    dd_energy_series("CPU Energy", "mJ", m5_max, count);
    double energy = watch("cpu", count, 2, watts);
    is_steady(watts, 10, count, 36.2);
    for (int i = 1; i < 10; i++)
        assert_true(isnan(watts[i]) || watts[i] > 20);
    assert_true(fabs(energy - (double)(m5_max[count - 1] - m5_max[0]) * 1e-3) < 1e-6);
    for (int i = 0; i < count; i += 2)
        slower[i / 2] = m5_max[i];
    dd_machine_vm();
    dd_energy_series("CPU Energy", "mJ", slower, count / 2);
    watch("cpu", count / 2, 1, watts);
    is_steady(watts, 5, count / 2, 36.2);
}

/*  Energy of a steady 50 W, published at the moments T + 2.03 s * n of each of two dies, as it
 *  stands at each look. */
static void two_dies(int64_t *values, int count, double looks_a_second)
{
    for (int i = 0; i < count; i++) {
        double t = i / looks_a_second;
        double first = floor((t - 1.7) / 2.03) + 1;
        double second = floor((t - 2.03) / 2.03) + 1;
        double joules = (first > 0 ? (first - 1) * 2.03 + 1.7 : 0) * 25;
        joules += (second > 0 ? second * 2.03 : 0) * 25;
        values[i] = (int64_t)(joules * 1e3);
    }
}

static void energy_in_batches_of_two_dies(void **unused)
{
    (void)unused;
    static const double rates[] = {1, 2, 5, 10};
    for (size_t i = 0; i < MLX_COUNT(rates); i++) {
        double watts[LOOKS * 4];
        int64_t values[LOOKS * 4];
        int count = (int)(20 * rates[i]);
        two_dies(values, count, rates[i]);
        dd_machine_vm();
        dd_energy_series("DIE_0_CPU Energy", "mJ", values, count);
        watch("cpu", count, rates[i], watts);
        is_steady(watts, (int)(6 * rates[i]), count, 50);
    }
}

/*  macmon#76: on macOS 27 only the GPU's counter moves. */
static void counters_that_stand_still(void **unused)
{
    (void)unused;
    int64_t still[LOOKS];
    int64_t moving[LOOKS];
    double watts[LOOKS];
    for (int i = 0; i < LOOKS; i++) {
        still[i] = 123456;
        moving[i] = 9000 * (int64_t)i;
    }
    static const char *const fields[] = {"cpu", "ane", "dram", "package"};
    for (size_t i = 0; i < MLX_COUNT(fields); i++) {
        dd_machine_vm();
        dd_energy_series("CPU Energy", "mJ", still, LOOKS);
        dd_energy_series("ANE", "mJ", still, LOOKS);
        dd_energy_series("DRAM", "mJ", still, LOOKS);
        dd_energy_series("GPU Energy", "mJ", moving, LOOKS);
        watch(fields[i], 24, 1, watts);
        for (int k = 1; k < 24; k++)
            assert_true(isnan(watts[k]));
    }
    dd_machine_vm();
    dd_energy_series("CPU Energy", "mJ", still, LOOKS);
    dd_energy_series("GPU Energy", "mJ", moving, LOOKS);
    watch("gpu", 24, 1, watts);
    assert_true(fabs(watts[23] - 9) < 1e-6);
    /* memory that is not counted is not memory that uses nothing */
    dd_machine_vm();
    dd_energy_series("CPU Energy", "mJ", moving, LOOKS);
    dd_energy_series("DRAM", "mJ", still, LOOKS);
    watch("package", 24, 1, watts);
    assert_true(isnan(watts[23]));
}

static void a_counter_that_stops_and_goes_on(void **unused)
{
    (void)unused;
    int64_t values[LOOKS];
    double watts[LOOKS];
    for (int i = 0; i < LOOKS; i++)
        values[i] = 10000 * (int64_t)(i < 10 ? i : i < 40 ? 9 : i - 30);
    dd_machine_vm();
    dd_energy_series("CPU Energy", "mJ", values, LOOKS);
    watch("cpu", 60, 1, watts);
    assert_true(fabs(watts[9] - 10) < 1e-6);
    assert_true(fabs(watts[18] - 10) < 1e-6); /* held for 10 s */
    assert_true(isnan(watts[19]) && isnan(watts[39]));
    assert_true(watts[40] > 0 && watts[40] < 1); /* what it moved by, in all that time */
    assert_true(fabs(watts[45] - 10) < 1e-6);
}

typedef struct {
    const char *report;
    const char *const *states;
    int state_count;
    uint32_t table[DD_STATES];
    size_t entries;
    int64_t residency[DD_STATES];
    double megahertz; /* NaN: absent */
} gpu_case_t;

static const char *const sixteen[] = {"OFF", "P1", "P2",  "P3",  "P4",  "P5",  "P6",  "P7",
                                      "P8",  "P9", "P10", "P11", "P12", "P13", "P14", "P15"};

#define M2_ULTRA                                                                                   \
    {                                                                                              \
        0, 444000000, 612000000, 808000000, 968000000, 1110000000, 1236000000, 1338000000,         \
            1398000000                                                                             \
    }

static const gpu_case_t gpu_cases[] = {
    {"M2 Ultra, macmon#68", sixteen, 16, M2_ULTRA, 9, {[8] = 2692897}, 1398},
    {"M2 Ultra, macmon#17",
     sixteen,
     16,
     M2_ULTRA,
     9,
     {[0] = 2246524, [1] = 54648, [5] = 338048},
     (54648 * 444.0 + 338048 * 1110.0) / (54648 + 338048)},
    {"M1 Max, 1296 at its best",
     sixteen,
     7,
     {0, 388e6, 486e6, 648e6, 777e6, 972e6, 1296e6},
     7,
     {[0] = 5, [6] = 100},
     1296},
    {"a table without the entry for off",
     sixteen,
     4,
     {400e6, 800e6, 1200e6},
     3,
     {[1] = 50, [3] = 50},
     800},
    {"time where the table ends", sixteen, 16, M2_ULTRA, 9, {[8] = 100, [9] = 1}, NAN},
    {"a table of nothing but off", sixteen, 3, {0, 0, 0}, 3, {[1] = 100}, NAN},
};

static void gpu_state_n_is_entry_n(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MLX_COUNT(gpu_cases); i++) {
        const gpu_case_t *c = &gpu_cases[i];
        uint32_t entries[2 * DD_STATES] = {0};
        for (size_t k = 0; k < c->entries; k++)
            entries[2 * k] = c->table[k];
        mlx_error_t err = {0};
        dd_machine_vm();
        int pmgr = dd_node("AppleARMIODevice", "AppleARMIODevice", "pmgr", -1);
        dd_property(pmgr, "voltage-states9", dd_data(entries, c->entries * 8));
        dd_states("GPU Stats", "GPU Performance States", "GPUPH", c->states, c->residency,
                  c->state_count);
        mlx_readings_t *r = read_one(&mlx_sensor_ioreport, 2, &err);
        const mlx_value_t *gpu = topic(r, "sensor.gpu.0");
        double hertz = NAN;
        if (isnan(c->megahertz))
            is_missing(gpu, "frequency");
        else if (!mlx_value_real(gpu, "frequency", &hertz) ||
                 fabs(hertz * 1e-6 - c->megahertz) > 0.1)
            fail_msg("%s: %.1f MHz, not %.1f", c->report, hertz * 1e-6, c->megahertz);
        mlx_readings_destroy(&r);
    }
}

typedef struct {
    const char *key;
    float celsius;
} smc_key_t;

/*  A machine whose controller has these keys. */
static void machine_with(const smc_key_t *keys, size_t count)
{
    dd_machine_m4();
    dd_node("AppleSMC", "AppleSMC", "AppleSMCKeysEndpoint", -1);
    for (size_t i = 0; i < count; i++)
        dd_smc_flt(keys[i].key, keys[i].celsius);
    uint8_t big_endian[4] = {0, 0, 0, (uint8_t)(dd.smc_count + 1)};
    dd_smc_bytes("#KEY", "ui32", big_endian, 4);
}

static double heat(const mlx_sensor_backend_t *backend, const char *field)
{
    mlx_error_t err = {0};
    double value = NAN;
    mlx_readings_t *r = read_one(backend, 1, &err);
    if (!r)
        return NAN;
    if (!mlx_value_real(topic(r, "sensor.temperature"), field, &value))
        is_missing(topic(r, "sensor.temperature"), field);
    mlx_readings_destroy(&r);
    return value;
}

/*  macmon#12, oshi#3531 */
static void half_of_the_cores_switched_off(void **unused)
{
    (void)unused;
    static const smc_key_t cores[] = {
        {"Tp01", 6.7F},  {"Tp09", 6.7F},  {"Tp05", 4.633F}, {"Tp0D", 4.633F}, {"Tp0X", 57.0F},
        {"Tp0b", 59.0F}, {"Tp0f", 56.0F}, {"Tp0j", 58.0F},  {"Te05", 6.7F},   {"Te0L", 6.7F},
        {"TCHP", 39.9F}, {"TCDX", 48.3F}, {"TCMb", 49.8F},  {"TCMz", 64.4F},
    };
    machine_with(cores, MLX_COUNT(cores));
    assert_true(fabs(heat(&mlx_sensor_smc, "cpu") - 64.4) < 1e-4);
    assert_true(fabs(heat(&mlx_sensor_smc, "max") - 64.4) < 1e-4);
    machine_with(cores, MLX_COUNT(cores) - 2); /* without sensors of the die */
    assert_true(fabs(heat(&mlx_sensor_smc, "cpu") - 57.5) < 1e-4);
}

/*  SiliconScope#57 */
static void all_cores_switched_off(void **unused)
{
    (void)unused;
    static const smc_key_t off[] = {
        {"Tp01", 6.7F}, {"Tp09", 6.7F},  {"Tp05", 6.7F},
        {"Tp0D", 6.7F}, {"TB0T", 32.6F}, {"TCMb", 41.5F},
    };
    mlx_error_t err = {0};
    machine_with(off, MLX_COUNT(off) - 1);
    assert_true(isnan(heat(&mlx_sensor_smc, "cpu")));
    mlx_readings_t *r = read_one(&mlx_sensor_smc, 1, &err);
    const mlx_value_t *notes = mlx_value_get(topic(r, "sensor.temperature"), "missing");
    assert_non_null(strstr(mlx_value_str(mlx_value_at(notes, 0), "why"), "switched off"));
    assert_int_equal(mlx_value_size(mlx_value_get(topic(r, "sensor.temperature"), "sensor")), 1);
    mlx_readings_destroy(&r);
    machine_with(off, MLX_COUNT(off)); /* the die's own sensor is left */
    assert_true(fabs(heat(&mlx_sensor_smc, "cpu") - 41.5) < 1e-4);
}

/*  wandb#12682 */
static void ts_keys_are_cores_only_where_cores_are_super(void **unused)
{
    (void)unused;
    smc_key_t keys[24];
    char names[24][5];
    for (int i = 0; i < 24; i++) {
        snprintf(names[i], sizeof names[i], "%s%c%c", i < 8 ? "Tp" : "Ts", i < 18 ? '0' : '1',
                 (char)('0' + (i < 8 ? i : (i - 8) % 10)));
        keys[i] = (smc_key_t){names[i], i < 8 ? 95.0F : 38.0F};
    }
    machine_with(keys, 24);
    assert_true(heat(&mlx_sensor_smc, "cpu") == 95);
    assert_true(heat(&mlx_sensor_smc, "max") == 95);
    machine_with(keys, 24);
    dd_sysctl_remove("hw.perflevel0.name");
    dd_sysctl_text("hw.perflevel0.name", "Super");
    assert_true(heat(&mlx_sensor_smc, "cpu") == (8 * 95.0 + 16 * 38.0) / 24);
}

/*  oshi#3529: an M1 Ultra's 109 sensors, the hottest core last */
static void every_core_of_an_ultra_counts(void **unused)
{
    (void)unused;
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    smc_key_t keys[109];
    char names[109][5];
    for (size_t i = 0; i < 109; i++) {
        snprintf(names[i], sizeof names[i], "Tp%c%c", digits[i / 60], digits[i % 60]);
        keys[i] = (smc_key_t){names[i], i == 108 ? 97.0F : 50.0F};
    }
    machine_with(keys, 109);
    assert_true(heat(&mlx_sensor_smc, "max") == 97);
    machine_with(keys, 109);
    assert_true(fabs(heat(&mlx_sensor_smc, "cpu") - (108 * 50.0 + 97) / 109) < 1e-9);
}

/*  M1 with macOS 26: the controller says 0 for the GPU, the HID sensors know. */
static void gpu_from_hid_where_the_controller_says_0(void **unused)
{
    (void)unused;
    static const smc_key_t keys[] = {{"Tp01", 55.0F}, {"Tg05", 0.0F}, {"Tg0D", 0.0F}};
    mlx_error_t err = {0};
    machine_with(keys, MLX_COUNT(keys));
    assert_null(read_one(&mlx_sensor_hid, 1, &err)); /* and has no sensor for it */
    dd.hid[dd.hid_count].product = "GPU MTR Temp Sensor1";
    dd.hid[dd.hid_count++].celsius = 48;
    dd.hid[dd.hid_count].product = "pACC MTR Temp Sensor2";
    dd.hid[dd.hid_count++].celsius = 61;
    mlx_readings_t *r = read_all();
    const mlx_value_t *t = topic(r, "sensor.temperature");
    is_real(t, "cpu", 55); /* the controller's, not counted twice */
    is_real(t, "gpu", 48);
    is_real(topic(r, "sensor.gpu.0"), "temperature", 48);
    mlx_readings_destroy(&r);
}

/*  Keys of other generations, in the order in which their controllers list them. */
static const struct {
    const char *chip;
    smc_key_t keys[8];
    double cpu, gpu; /* NaN: absent */
} chips[] = {
    /* performance cores and GPU have keys of their own; the efficiency cores alone would be cold */
    {"Apple M3 Max",
     {{"TB0T", 31},
      {"Te05", 40},
      {"Tf04", 80},
      {"Tf14", 66},
      {"Tf28", 70},
      {"Tf4E", 84},
      {"Ts0P", 33}},
     68,
     68},
    {"Apple M4 Pro", {{"Te09", 50}, {"Tf04", 90}, {"Tg0G", 61}, {"Tp0e", 70}}, 60, 61},
    {"Apple M5", {{"Tg1k", 55}, {"Tp00", 0}, {"Tp04", 71}, {"Tp0y", 73}}, 72, 55},
    {"Apple M2", {{"Tp1h", 41}, {"TVA0", 99}, {"Tg0f", 14}}, 41, NAN},
};

static void keys_of_other_chips(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MLX_COUNT(chips); i++) {
        static const char *const fields[] = {"cpu", "gpu"};
        const double right[] = {chips[i].cpu, chips[i].gpu};
        size_t count = 0;
        while (count < MLX_COUNT(chips[i].keys) && chips[i].keys[count].key)
            count++;
        for (size_t k = 0; k < MLX_COUNT(fields); k++) {
            machine_with(chips[i].keys, count);
            dd_sysctl_remove("machdep.cpu.brand_string");
            dd_sysctl_text("machdep.cpu.brand_string", chips[i].chip);
            double celsius = heat(&mlx_sensor_smc, fields[k]);
            if (isnan(right[k]) ? !isnan(celsius) : !(fabs(celsius - right[k]) < 1e-4))
                fail_msg("%s: %s is %g, not %g", chips[i].chip, fields[k], celsius, right[k]);
        }
    }
    /* where the SMC has both, the HID sensors are not asked */
    mlx_error_t err = {0};
    machine_with(chips[0].keys, 7);
    dd_sysctl_remove("machdep.cpu.brand_string");
    dd_sysctl_text("machdep.cpu.brand_string", "Apple M3 Max");
    assert_null(read_one(&mlx_sensor_hid, 1, &err));
    assert_non_null(strstr(err.text, "AppleSMC has the same"));
}

/*  A fixed reference is no temperature: on an idle machine it would be the hottest. */
static void what_others_are_calibrated_by(void **unused)
{
    (void)unused;
    static const struct {
        const char *product;
        double celsius;
    } hid[] = {{"PMU tcal", 51.85},   {"PMU tdie4", 33},          {"PMU2 tcal", 51.82},
               {"PMU2 tdie5", 35},    {"PMU tdev1", -22.15},      {"PMU tdev4", -9200},
               {"NAND CH0 temp", 32}, {"gas gauge battery", 30.9}};
    mlx_error_t err = {0};
    dd_machine_vm();
    for (size_t i = 0; i < MLX_COUNT(hid); i++) {
        dd.hid[dd.hid_count].product = hid[i].product;
        dd.hid[dd.hid_count++].celsius = hid[i].celsius;
    }
    mlx_readings_t *r = read_one(&mlx_sensor_hid, 1, &err);
    assert_non_null(r);
    is_real(topic(r, "sensor.temperature"), "max", 35);
    is_real(topic(r, "sensor.temperature"), "cpu", 33);
    assert_int_equal(mlx_value_size(mlx_value_get(topic(r, "sensor.temperature"), "sensor")), 4);
    mlx_readings_destroy(&r);
}

/*  Every way in which a controller writes a number. */
static void values_of_all_types(void **unused)
{
    (void)unused;
    static const struct {
        const char *type, *bytes;
        uint32_t size;
        double value; /* NaN: no number */
    } rows[] = {
        {"flt ", "\0\0\x80\x41", 4, 16}, {"ioft", "\0\x80\x2a\0\0\0\0\0", 8, 42.5},
        {"sp78", "\x3c\x80", 2, 60.5},   {"sp87", "\x1e\x40", 2, 60.5},
        {"sp96", "\x0f\x20", 2, 60.5},   {"spa5", "\x07\x90", 2, 60.5},
        {"spb4", "\x03\xc8", 2, 60.5},   {"sp5a", "\x78\x80", 2, 30.125},
        {"spf0", "\x00\x3c", 2, 60},     {"fpe2", "\x00\xf2", 2, 60.5},
        {"fp88", "\x3c\x80", 2, 60.5},   {"si8 ", "\x32", 1, 50},
        {"si16", "\x00\x32", 2, 50},     {"ui16", "\x00\x32", 2, 50},
        {"sp79", "\x3c\x80", 2, NAN}, /* 17 bits */
        {"sp7g", "\x3c\x80", 2, NAN},    {"fpe2", "\0\0\0\xf2", 4, NAN},
        {"flag", "\x32", 1, NAN},        {"{jst", "\x32\x32\x32\x32", 4, NAN},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        dd_machine_m4();
        dd_node("AppleSMC", "AppleSMC", "AppleSMCKeysEndpoint", -1);
        dd_smc_bytes("Tp01", rows[i].type, rows[i].bytes, rows[i].size);
        dd_smc_bytes("#KEY", "ui32", "\0\0\0\2", 4);
        double celsius = heat(&mlx_sensor_smc, "cpu");
        if (isnan(rows[i].value) ? !isnan(celsius) : celsius != rows[i].value)
            fail_msg("%s: %g, not %g", rows[i].type, celsius, rows[i].value);
    }
}

/*  Counters in every unit, batches of other lengths, and one that is set back. */
static const struct {
    const char *unit;
    int64_t a_batch;
    double seconds; /* between batches */
} counters[] = {
    {"mJ", 20000, 1},     {"uJ", 20000000, 1}, {"nJ", 20000000000, 1},
    {"J", 20, 1},         {"mJ ", 10000, .5},  {"mJ", 60000, 3},
    {"uJ", 100000000, 5}, {"mJ", 180000, 9},   {"nJ", 6600000000, .33},
};

static void batches_of_other_lengths_and_units(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MLX_COUNT(counters); i++)
        for (int back = 0; back < 2; back++) {
            int64_t values[LOOKS];
            double watts[LOOKS];
            for (int k = 0; k < LOOKS; k++) {
                values[k] = counters[i].a_batch * (int64_t)(k / counters[i].seconds);
                if (back && k >= 40) /* a driver that was started anew counts from 0 */
                    values[k] -= counters[i].a_batch * (int64_t)(40 / counters[i].seconds);
            }
            dd_machine_vm();
            dd_energy_series("CPU Energy", counters[i].unit, values, LOOKS);
            double energy = watch("cpu", LOOKS, 1, watts);
            for (int k = 20; k < LOOKS; k++)
                if (!(watts[k] > 9 && watts[k] < 24))
                    fail_msg("%s, %g s, look %d: %g W", counters[i].unit, counters[i].seconds, k,
                             watts[k]);
            double right = 20.0 * (LOOKS - 1);
            assert_true(energy > right - 20 * (2 * counters[i].seconds + 1) && energy <= right);
        }
}

/*  Counters move in batches: what came in less than one says nothing of the power. */
static void no_power_before_a_whole_batch(void **unused)
{
    (void)unused;
    mlx_energy_t energy;
    mlx_energy_start(&energy, 0);
    mlx_energy_move(&energy, 5, 1000000);
    assert_true(isnan(mlx_energy_watts(&energy, 1000000)));
    mlx_energy_move(&energy, 5, 2000000);
    assert_true(fabs(mlx_energy_watts(&energy, 2000000) - 5) < 1e-9);
}

static void no_part_is_that_hot_or_cold(void **unused)
{
    (void)unused;
    static const double real[] = {15.5, 60, 150}, not_real[] = {-40, 0, 15, 150.5, 3000, NAN};
    for (size_t i = 0; i < MLX_COUNT(real); i++)
        assert_true(mlx_heat_is_real(MLX_HEAT_CPU, real[i]));
    for (size_t i = 0; i < MLX_COUNT(not_real); i++)
        assert_false(mlx_heat_is_real(MLX_HEAT_CPU, not_real[i]));
    assert_true(mlx_heat_is_real(MLX_HEAT_OTHER, 5)); /* the air may be cold */
    assert_false(mlx_heat_is_real(MLX_HEAT_OTHER, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(energy_in_batches),
        TEST(energy_in_batches_of_two_dies),
        TEST(counters_that_stand_still),
        TEST(no_power_before_a_whole_batch),
        TEST(no_part_is_that_hot_or_cold),
        TEST(a_counter_that_stops_and_goes_on),
        TEST(gpu_state_n_is_entry_n),
        TEST(half_of_the_cores_switched_off),
        TEST(all_cores_switched_off),
        TEST(ts_keys_are_cores_only_where_cores_are_super),
        TEST(every_core_of_an_ultra_counts),
        TEST(gpu_from_hid_where_the_controller_says_0),
        TEST(keys_of_other_chips),
        TEST(what_others_are_calibrated_by),
        TEST(values_of_all_types),
        TEST(batches_of_other_lengths_and_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
