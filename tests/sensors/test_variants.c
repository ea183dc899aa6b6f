/*  The kinds of what people reported (test_reports.c), in the spellings of other machines. */
#include "rig.h"
#include "services/sampler/cpu_kinds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GPU "sensor.gpu.0"
#define MEM "sensor.memory"
#define TEMP "sensor.temperature"
#define POWER "sensor.power"
#define KIB 1024.0
#define BAT "sys/class/power_supply/"
#define MEMINFO "MemTotal: 32000000 kB\nMemFree: 20000000 kB\nMemAvailable: 24000000 kB\n"

/* ---- memory ---- */

typedef struct {
    const char *path, *text;
} file_t;

/*  Limits wherever they are: our groups, files below sys/fs/cgroup, and what follows; limit 0:
 *  there is none. */
static const struct {
    const char *groups;
    file_t files[6];
    double limit, left;
    const char *bound;
} limits[] = {
    /* the leaf has none, an ancestor has */
    {"0::/a.slice/b.service\n",
     {{"a.slice/b.service/memory.max", "max\n"},
      {"a.slice/b.service/memory.current", "1000\n"},
      {"a.slice/memory.max", "8000000000\n"},
      {"a.slice/memory.current", "3000000000\n"}},
     8e9,
     5e9,
     "cgroup v2"},
    /* what the kernel begins to take back counts before what it kills for */
    {"0::/a.slice\n",
     {{"a.slice/memory.max", "8000000000\n"},
      {"a.slice/memory.high", "6000000000\n"},
      {"a.slice/memory.current", "3000000000\n"}},
     6e9,
     3e9,
     "cgroup v2"},
    {"0::/a.slice\n",
     {{"a.slice/memory.max", "max\n"},
      {"a.slice/memory.high", "4000000000\n"},
      {"a.slice/memory.current", "5000000000\n"}},
     4e9,
     0,
     "cgroup v2"},
    /* a namespace: our group is the root, others are above it */
    {"0::/\n",
     {{"memory.max", "2000000000\n"}, {"memory.current", "500000000\n"}},
     2e9,
     1.5e9,
     "cgroup v2"},
    {"0::/../sibling\n",
     {{"memory.max", "2000000000\n"}, {"memory.current", "500000000\n"}},
     2e9,
     1.5e9,
     "cgroup v2"},
    /* dots in a name lead nowhere */
    {"0::/a..b\n",
     {{"a..b/memory.max", "2000000000\n"}, {"a..b/memory.current", "0\n"}},
     2e9,
     2e9,
     "cgroup v2"},
    /* hybrid: version 1 has the controller, version 2 is beside it */
    {"9:memory:/x\n0::/x\n",
     {{"memory/x/memory.limit_in_bytes", "3000000000\n"},
      {"memory/x/memory.usage_in_bytes", "1000000000\n"},
      {"unified/x/cgroup.procs", "1\n"}},
     3e9,
     2e9,
     "cgroup v1"},
    /* no number, and above the machine: none */
    {"0::/a\n",
     {{"a/memory.max", "-1\n"}, {"a/memory.current", "5\n"}},
     0,
     24000000 * KIB,
     "machine"},
    {"0::/a\n",
     {{"a/memory.max", "99000000000\n"}, {"a/memory.current", "5\n"}},
     0,
     24000000 * KIB,
     "machine"},
    {"nonsense\n", {{"memory.max", "max\n"}}, 0, 24000000 * KIB, "machine"},
};

static void test_limits_of_groups(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(limits); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        rig_open_empty(&rig, "memory");
        rig_plant(&rig, "proc/meminfo", MEMINFO);
        rig_plant(&rig, "proc/self/cgroup", limits[i].groups);
        for (const file_t *file = limits[i].files; file->path; file++) {
            MLX_CLEANUP(mlx_free_p) char *path = mlx_format("sys/fs/cgroup/%s", file->path);
            rig_plant(&rig, path, file->text);
        }
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, MEM, "available", limits[i].left);
        assert_string_equal(rig_str(&rig, MEM, "available_bound"), limits[i].bound);
        if (limits[i].limit > 0)
            check(&rig, MEM, "limit", limits[i].limit);
        else
            check_absent(&rig, MEM, "limit");
    }
}

static void test_the_cache_of_zfs(void **state)
{
    (void)state;
    static const struct {
        const char *arc;
        double gives;
    } rows[] = {
        {"c_min 4 0\nsize 4 4000000000\n", 4e9}, /* all of it may go */
        {"size 4 4000000000\n", 0},
        {"c_min 4 5000000000\nsize 4 4000000000\n", 0},
        {"", 0},
        {"c_min 4\nsize 4\n", 0},
        {"c_min 4 1000000000\nc_max 4 9\nsize 4 4000000000\nmemory_all_bytes 4 7\n", 3e9},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        rig_open_empty(&rig, "memory");
        rig_plant(&rig, "proc/meminfo", MEMINFO);
        rig_plant(&rig, "proc/spl/kstat/zfs/arcstats", rows[i].arc);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, MEM, "available", 24000000 * KIB + rows[i].gives);
    }
}

/* ---- batteries ---- */

static void plant_supply(const rig_t *rig, const char *name, const file_t *files)
{
    for (; files->path; files++) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format(BAT "%s/%s", name, files->path);
        rig_plant(rig, path, files->text);
    }
}

static void test_a_battery_that_counts_charge(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    static const file_t by_charge[] = {{"type", "Battery\n"},
                                       {"status", "Discharging\n"},
                                       {"charge_now", "2000000\n"},
                                       {"charge_full", "4000000\n"},
                                       {"charge_full_design", "5000000\n"},
                                       {"voltage_min_design", "10000000\n"},
                                       {"voltage_now", "11000000\n"},
                                       {"current_now", "-1000000\n"},
                                       {"power_now", "0\n"},
                                       {NULL, NULL}};
    rig_open_empty(&rig, "supply");
    plant_supply(&rig, "BAT1", by_charge);
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "battery", 0.5); /* no "capacity": what it holds of what it can */
    check(&rig, POWER, "battery_power", 11);
    check(&rig, POWER, "battery_health", 0.8);
    check(&rig, POWER, "battery_time", 20.0 / 11 * 3600);
    /* a second one that counts energy, four times as large and full */
    static const file_t by_energy[] = {
        {"type", "Battery\n"},         {"status", "Not charging\n"},   {"capacity", "100\n"},
        {"energy_now", "160000000\n"}, {"energy_full", "160000000\n"}, {NULL, NULL}};
    plant_supply(&rig, "BAT0", by_energy);
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "battery", (0.5 * 40 + 160) / 200);
    assert_string_equal(rig_str(&rig, POWER, "battery_state"), "discharging");
    check(&rig, POWER, "battery_power", 11);
}

static void test_a_battery_that_does_not_know(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    static const file_t unknown[] = {
        {"type", "Battery\n"}, {"status", "Unknown\n"}, {"capacity", "80\n"}, {NULL, NULL}};
    rig_open_empty(&rig, "supply");
    plant_supply(&rig, "BAT0", unknown);
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "battery", 0.8);
    assert_null(rig_str(&rig, POWER, "battery_state"));
    assert_non_null(rig_why(&rig, POWER, "battery_state"));
    assert_null(rig_str(&rig, POWER, "source"));
    rig_write(&rig, BAT "BAT0/capacity", "-1\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "battery");
}

/* ---- GPUs ---- */

static void plant_card(const rig_t *rig, int card, const char *driver, const char *slot)
{
    MLX_CLEANUP(mlx_free_p) char *uevent = mlx_format("sys/class/drm/card%d/device/uevent", card);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("DRIVER=%s\nPCI_ID=10DE:1180\nPCI_SLOT_NAME=%s\n", driver, slot);
    rig_plant(rig, uevent, text);
}

static void test_cards_of_older_drivers(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "drm");
    plant_card(&rig, 0, "nouveau", "0000:01:00.0");
    rig_plant(&rig, "sys/class/drm/card0/device/hwmon/hwmon4/temp1_input", "51000\n");
    rig_plant(&rig, "sys/class/drm/card0/device/hwmon/hwmon4/power1_input", "23000000\n");
    plant_card(&rig, 1, "radeon", "0000:02:00.0");
    rig_plant(&rig, "sys/class/drm/card1/device/power/runtime_status", "suspended\n");
    rig_plant(&rig, "sys/class/drm/card1/device/hwmon/hwmon5/temp1_input", "44000\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "vendor"), "nvidia");
    check(&rig, GPU, "temperature", 51);
    check(&rig, GPU, "power", 23);
    check_absent(&rig, GPU, "utilization");
    assert_non_null(rig_why(&rig, GPU, "utilization"));
    check_absent(&rig, "sensor.gpu.1", "temperature"); /* it sleeps */
}

static void test_an_account_without_a_slot(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "drm");
    plant_card(&rig, 0, "xe", "0000:03:00.0");
    rig_plant_link(&rig, "sys/class/drm/renderD128/device", "../../../devices/0000:03:00.0");
    rig_plant_link(&rig, "proc/77/fd/5", "/dev/dri/renderD128");
    rig_plant(&rig, "proc/77/fdinfo/5",
              "drm-driver:\txe\ndrm-client-id:\t9\ndrm-total-vram0:\t1024 KiB\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 1);
    check(&rig, GPU, "memory_used", 1024 * KIB);
}

/* ---- temperatures ---- */

static void test_thousandths_and_degrees(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double celsius; /* NAN: no reading */
    } rows[] = {
        {"45000\n", 45}, {"45\n", 45},      {"-5000\n", -5},   {"0\n", 0},
        {"250\n", 0.25}, {"126000\n", NAN}, {"-70000\n", NAN}, {"", NAN},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        double celsius = NAN;
        rig_open_empty(&rig, "hwmon");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/name", "board\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/temp1_input", "30000\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/temp2_type", "4\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/temp2_crit", "100000\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/temp2_input", rows[i].text);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        assert_int_equal(rig_items(&rig, TEMP, "sensor"), isnan(rows[i].celsius) ? 1 : 2);
        if (!isnan(rows[i].celsius))
            assert_true(mlx_value_real(rig_item(&rig, TEMP, "sensor", 1), "celsius", &celsius) &&
                        celsius == rows[i].celsius);
    }
}

static void test_a_drive_with_several_sensors(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "hwmon");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/name", "nvme\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/temp1_input", "40850\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/temp1_label", "Composite\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/temp2_input", "47850\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/temp2_label", "Sensor 1\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/temp3_input", "65261850\n"); /* not there: 65535 K */
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan1_input", "0\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 2);
    assert_int_equal(rig_items(&rig, TEMP, "fan"), 1); /* it stands: that is a reading */
    mlx_sensor_derive(rig.readings);
    check_absent(&rig, TEMP, "cpu");
    check_absent(&rig, TEMP, "gpu");
}

/* ---- kinds of cores ---- */

static void test_cores_of_arm(void **state)
{
    (void)state;
    static const struct {
        const char *capacities; /* one a core; "-": it is off and does not say */
        const char *kinds;      /* of each, "." none */
        size_t count;
    } rows[] = {
        /* a GB10: ten large cores of two top clocks, ten small ones of two */
        {"997 1008 1024 718 731", "PPPEE", 2},
        {"1024 1024 867 318", "PPME", 3},
        {"446 - 1024", "E.P", 2},
        {"1024 1000 950", "...", 0},
        {"1024 700 500 300 100", ".....", 0}, /* more kinds than have names */
        {"0 -5", "..", 0},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        rig_open_empty(&rig, "cpu");
        MLX_CLEANUP(mlx_free_p) char *words = mlx_strdup(rows[i].capacities);
        char *rest = NULL;
        int core = 0;
        for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            MLX_CLEANUP(mlx_free_p)
            char *path = mlx_format("sys/devices/system/cpu/cpu%d/%s", core++,
                                    *word == '-' && !word[1] ? "online" : "cpu_capacity");
            rig_plant(&rig, path, word);
        }
        mlx_cpu_kinds_t *kinds = mlx_alloc(1, sizeof *kinds);
        mlx_cpu_kinds_open(kinds, rig.sys);
        assert_int_equal(kinds->count, rows[i].count);
        for (int k = 0; k < core; k++)
            if (rows[i].kinds[k] != '.')
                assert_int_equal(kinds->names[kinds->kind[k]][0], rows[i].kinds[k]);
        mlx_cpu_kinds_close(kinds);
        free(kinds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_of_groups),
        cmocka_unit_test(test_the_cache_of_zfs),
        cmocka_unit_test(test_a_battery_that_counts_charge),
        cmocka_unit_test(test_a_battery_that_does_not_know),
        cmocka_unit_test(test_cards_of_older_drivers),
        cmocka_unit_test(test_an_account_without_a_slot),
        cmocka_unit_test(test_cores_of_arm),
        cmocka_unit_test(test_thousandths_and_degrees),
        cmocka_unit_test(test_a_drive_with_several_sensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
