/*  The kinds of what people reported (test_reports.c), in the spellings of other machines. */
#include "rig.h"
#include "services/sampler/cpu_kinds.h"
#include "services/sampler/sysfile.h"
#include "watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

/*  A container in a container has long paths in every hierarchy. */
static void test_a_group_behind_long_lines(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    char groups[8192] = "";
    for (int i = 13; i > 1; i--) {
        char line[512];
        snprintf(line, sizeof line, "%d:c%d:/docker/%0*d\n", i, i, 400, i);
        memcpy(groups + strlen(groups), line, strlen(line) + 1);
    }
    memcpy(groups + strlen(groups), "1:hugetlb,memory:/pod\n0::/\n", 28);
    rig_open_empty(&rig, "memory");
    rig_plant(&rig, "proc/meminfo", MEMINFO);
    rig_plant(&rig, "proc/self/cgroup", groups);
    rig_plant(&rig, "sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "3000000000\n");
    rig_plant(&rig, "sys/fs/cgroup/memory/pod/memory.usage_in_bytes", "1000000000\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "available", 2e9);
    check(&rig, MEM, "limit", 3e9);
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

/*  Displays, management controllers and the parts of divided GPUs take numbers too: the GPUs behind
 *  them are seen, each time the same. */
static void test_cards_behind_many_others(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "drm");
    for (int i = 0; i < 72; i++) {
        MLX_CLEANUP(mlx_free_p) char *slot = mlx_format("0000:%02x:00.0", i);
        plant_card(&rig, i, i % 9 == 8 ? "amdgpu" : "ast", slot);
    }
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, "sensor.gpu.7", "id"), "drm:0000:47:00.0");
    assert_null(rig_str(&rig, "sensor.gpu.8", "id"));
}

/*  Clients of xe count cycles, of an engine with parts; memory in more regions than others have. */
static void test_clients_that_count_cycles(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "drm");
    plant_card(&rig, 0, "xe", "0000:03:00.0");
    rig_plant_link(&rig, "proc/77/fd/5", "/dev/dri/renderD128");
    static const struct {
        long long ccs, total; /* of the first class, four engines */
        double share;         /* NAN: not known */
    } rows[] = {
        {1000, 100000, NAN},   {201000, 200000, 0.5}, {201000, 200000, NAN}, /* no time went by */
        {601000, 300000, 1},   {50, 400000, NAN},     {50, 100, NAN}, /* woken: from 0 again */
        {200050, 100100, 0.5}, {200050, 200100, 0},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format(
            "drm-driver:\txe\ndrm-client-id:\t9\ndrm-pdev:\t0000:03:00.0\n"
            "drm-total-a0:\t1 KiB\ndrm-total-b0:\t1 KiB\ndrm-total-c0:\t1 KiB\n"
            "drm-total-d0:\t1 KiB\ndrm-total-e0:\t1 KiB\ndrm-total-f0:\t1 KiB\n"
            "drm-total-system:\t0\ndrm-total-stolen:\t1 KiB\ndrm-total-vram0:\t99 KiB\n"
            "drm-resident-vram0:\t64 KiB\ndrm-shared-vram0:\t32 KiB\n"
            "drm-cycles-rcs:\t0\ndrm-total-cycles-rcs:\t%lld\n"
            "drm-cycles-ccs:\t%lld\ndrm-total-cycles-ccs:\t%lld\ndrm-engine-capacity-ccs:\t4\n",
            rows[i].total, rows[i].ccs, rows[i].total);
        if (i == 0)
            rig_plant(&rig, "proc/77/fdinfo/5", text);
        else
            rig_write(&rig, "proc/77/fdinfo/5", text);
        if (i == 0)
            assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, GPU, "memory_used", 64 * KIB);
        double busy = rig_real(&rig, GPU, "utilization");
        if (isnan(rows[i].share) ? busy > 0 : !(fabs(busy - rows[i].share) < 1e-9))
            fail_msg("row %zu: %g, not %g", i, busy, rows[i].share);
    }
}

/*  A card's energy that is set back is no power below 0, and none of thousands of watts. */
static void test_an_energy_counter_that_is_set_back(void **state)
{
    (void)state;
    static const char *const files[] = {"energy1_input", "energy2_input"};
    for (size_t i = 0; i < MLX_COUNT(files); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        MLX_CLEANUP(mlx_free_p)
        char *file = mlx_format("sys/class/drm/card0/device/hwmon/hwmon2/%s", files[i]);
        rig_open_empty(&rig, "drm");
        plant_card(&rig, 0, "xe", "0000:03:00.0");
        static const struct {
            const char *energy;
            double watts; /* NAN: not known */
        } rows[] = {
            {"4294000000\n", NAN}, {"4294900000\n", 0.9},
            {"100000\n", NAN},     {"20100000\n", 20},
            {"?\n", NAN},          {"60100000\n", NAN},
            {"75100000\n", 15},    {"9000000000000\n", NAN},
        };
        for (size_t k = 0; k < MLX_COUNT(rows); k++) {
            if (k == 0)
                rig_plant(&rig, file, rows[k].energy);
            else
                rig_write(&rig, file, rows[k].energy);
            if (k == 0)
                assert_int_equal(rig_probe(&rig), 0);
            (void)rig_sample(&rig, 1);
            double watts = rig_real(&rig, GPU, "power");
            if (isnan(rows[k].watts) ? !isnan(watts) : !(fabs(watts - rows[k].watts) < 1e-9))
                fail_msg("row %zu: %g W, not %g", k, watts, rows[k].watts);
        }
    }
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

/*  A processor of 144 cores has as many sensors and one of the package: none is left out, whatever
 *  the folder's order. */
static void test_a_sensor_of_each_core(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "hwmon");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/name", "coretemp\n");
    for (int i = 145; i >= 1; i--) {
        MLX_CLEANUP(mlx_free_p) char *base = mlx_format("sys/class/hwmon/hwmon0/temp%d", i);
        MLX_CLEANUP(mlx_free_p) char *input = mlx_format("%s_input", base);
        MLX_CLEANUP(mlx_free_p) char *label = mlx_format("%s_label", base);
        MLX_CLEANUP(mlx_free_p) char *core = mlx_format("Core %d\n", i - 2);
        rig_plant(&rig, input, i == 145 ? "88000\n" : i == 1 ? "71000\n" : "60000\n");
        rig_plant(&rig, label, i == 1 ? "Package id 0\n" : core);
    }
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 71);
    check(&rig, TEMP, "max", 88);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 145);
}

/*  Of more than fit it is the lowest that stay. */
static void test_the_lowest_numbers_stay(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    unsigned numbers[5];
    rig_open_empty(&rig, "hwmon");
    for (int i = 0; i < 40; i++) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("sys/x/card%d", (i * 7 + 3) % 40);
        rig_plant(&rig, path, "");
    }
    assert_int_equal(mlx_sysfile_numbers(numbers, 5, "card", "", "%s/x", rig.sys), 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(numbers[i], i);
}

/*  A shelf of disks: the 28th is sdab. Nobody asks it while it moves nothing. */
static void test_a_disk_behind_the_letters(void **state)
{
    (void)state;
    static const char *const names[] = {"sdab", "sdaaa"};
    for (size_t i = 0; i < MLX_COUNT(names); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        watch_t disk;
        rig_open_empty(&rig, "hwmon");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/name", "drivetemp\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon0/temp1_input", "31000\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon1/name", "k10temp\n");
        rig_plant(&rig, "sys/class/hwmon/hwmon1/temp1_input", "45000\n");
        MLX_CLEANUP(mlx_free_p)
        char *stat = mlx_format("sys/class/hwmon/hwmon0/device/block/%s/stat", names[i]);
        rig_plant(&rig, stat, "5 0 7 1 9 0 3 1 0 0 0\n");
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        watch_start(&disk, &rig, "sys/class/hwmon/hwmon0");
        for (int k = 0; k < 300; k++)
            assert_int_equal(rig_sample(&rig, 1), 0);
        assert_int_equal(watch_read(&disk, "temp1_input"), 0);
        watch_end(&disk);
    }
}

/* ---- kinds of cores ---- */

static const char *cluster_of(const rig_t *rig, size_t core)
{
    return mlx_value_str(rig_item(rig, "sensor.cpu", "core", core), "cluster");
}

/*  A core that is switched on later is not taken for a fast one; one that nobody lists has no kind,
 *  and both threads of a core are of its kind. */
static void test_hybrid_cores_that_come_later(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "cpu");
    rig_plant(&rig, "sys/devices/cpu_core/cpus", "0-1\n"); /* one core, two threads */
    rig_plant(&rig, "sys/devices/cpu_atom/cpus", "2\n");
    rig_plant(&rig, "proc/stat",
              "cpu  4 0 0 40 0 0 0 0\ncpu0 1 0 0 10 0 0 0 0\ncpu1 1 0 0 10 0 0 0 0\n"
              "cpu2 1 0 0 10 0 0 0 0\nintr 1\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(cluster_of(&rig, 1), "P");
    assert_string_equal(cluster_of(&rig, 2), "E");
    rig_write(&rig, "sys/devices/cpu_atom/cpus", "2-3\n");
    rig_write(&rig, "proc/stat",
              "cpu  4 0 0 40 0 0 0 0\ncpu0 1 0 0 10 0 0 0 0\ncpu1 1 0 0 10 0 0 0 0\n"
              "cpu2 1 0 0 10 0 0 0 0\ncpu3 1 0 0 10 0 0 0 0\ncpu9 1 0 0 10 0 0 0 0\nintr 1\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(cluster_of(&rig, 3), "E");
    assert_null(cluster_of(&rig, 4));
    int64_t cores = 0;
    assert_true(mlx_value_int(rig_item(&rig, "sensor.cpu", "cluster", 0), "cores", &cores) &&
                cores == 2);
    assert_true(mlx_value_int(rig_item(&rig, "sensor.cpu", "cluster", 1), "cores", &cores) &&
                cores == 2);
}

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
        cmocka_unit_test(test_hybrid_cores_that_come_later),
        cmocka_unit_test(test_a_group_behind_long_lines),
        cmocka_unit_test(test_cards_behind_many_others),
        cmocka_unit_test(test_clients_that_count_cycles),
        cmocka_unit_test(test_an_energy_counter_that_is_set_back),
        cmocka_unit_test(test_a_sensor_of_each_core),
        cmocka_unit_test(test_the_lowest_numbers_stay),
        cmocka_unit_test(test_a_disk_behind_the_letters),
        cmocka_unit_test(test_thousandths_and_degrees),
        cmocka_unit_test(test_a_drive_with_several_sensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
