/*  What people reported of their Linux machines, with the right values (README.md lists the
 *  reports; those of Macs are in tests/darwin/test_reports.c). */
#include "case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GPU "sensor.gpu.0"
#define MEM "sensor.memory"
#define TEMP "sensor.temperature"
#define KIB 1024.0
#define GIB (1024.0 * 1024 * 1024)

static void is_about(double got, double right, double off)
{
    if (!(fabs(got - right) <= off))
        fail_msg("%.4g where %.4g is right", got, right);
}

/*  nvtop#411, nvtop#466, gpud#1170 */
static void test_a_gpu_without_memory_of_its_own_shares_the_machines(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "0.memory.rc=3\n0.memory_v2.rc=3\n",
        "0.memory.rc=3\n0.memory_v2.rc=25\n", /* a library that does not know version 2 */
    };
    for (size_t i = 0; i < MLX_COUNT(answers); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("0.utilization=94\n0.processes=1\n%s", answers[i]);
        case_open_nvml(&rig, "gb10.json", text);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, GPU, "utilization", 0.94);
        check(&rig, GPU, "memory_total", 125517824 * KIB);
        check(&rig, GPU, "memory_used", (125517824 - 39845888) * KIB);
        assert_true(mlx_readings_has(rig.readings, GPU, "unified"));
    }
}

static const mlx_value_t *process(const rig_t *rig, int64_t pid)
{
    for (size_t i = 0; i < rig_items(rig, GPU, "processes"); i++) {
        const mlx_value_t *item = rig_item(rig, GPU, "processes", i);
        int64_t is;
        if (mlx_value_int(item, "pid", &is) && is == pid)
            return item;
    }
    fail_msg("process %lld is not listed", (long long)pid);
    return NULL;
}

static void holds(const rig_t *rig, int64_t pid, double bytes)
{
    double memory = NAN;
    mlx_value_real(process(rig, pid), "memory", &memory);
    is_about(memory, bytes, 0.5);
}

/*  nvtop#492, amdgpu_top#87 */
static void test_a_process_on_an_apu_holds_all_its_memory(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        double kib;
    } rows[] = {
        {"drm-memory-vram:\t5348 KiB\ndrm-memory-gtt: \t25258000 KiB\ndrm-memory-cpu: \t0 KiB\n",
         5348 + 25258000},
        {"drm-resident-vram:\t100 KiB\ndrm-total-vram:\t900 KiB\ndrm-memory-vram:\t100 KiB\n"
         "drm-resident-gtt:\t2000 KiB\ndrm-total-gtt:\t3000 KiB\n",
         2100},
        {"drm-total-gtt:\t3000 KiB\ndrm-total-vram:\t5 KiB\n", 3005},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        case_open(&rig, "apu-old-kernel.json", "drm");
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("drm-driver:\tamdgpu\ndrm-client-id:\t55\n"
                                "drm-pdev:\t0000:c5:00.0\n%s",
                                rows[i].lines);
        rig_write(&rig, "proc/777/fdinfo/7", text);
        assert_int_equal(rig_sample(&rig, 1), 0);
        holds(&rig, 777, rows[i].kib * KIB);
        check(&rig, GPU, "memory_used", 155189248.0 + 25864192000.0);
        check(&rig, GPU, "memory_total", 536870912.0 + 51539607552.0);
        assert_true(mlx_readings_has(rig.readings, GPU, "unified"));
    }
}

static void plant_client(const rig_t *rig, int pid, int64_t kib)
{
    MLX_CLEANUP(mlx_free_p) char *fd = mlx_format("proc/%d/fd/7", pid);
    MLX_CLEANUP(mlx_free_p) char *account = mlx_format("proc/%d/fdinfo/7", pid);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("drm-driver:\tamdgpu\ndrm-client-id:\t%d\ndrm-pdev:\t0000:c5:00.0\n"
                            "drm-memory-vram:\t%lld KiB\n",
                            pid, (long long)kib);
    rig_plant_link(rig, fd, "/dev/dri/renderD128");
    rig_plant(rig, account, text);
}

static void test_many_clients_are_all_listed(void **state)
{
    (void)state;
    static const int counts[] = {300, 700};
    for (size_t i = 0; i < MLX_COUNT(counts); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        case_open(&rig, "apu-old-kernel.json", "drm");
        for (int pid = 1000; pid < 999 + counts[i]; pid++)
            plant_client(&rig, pid, 1024);
        plant_client(&rig, 999 + counts[i], 18 << 20);
        assert_int_equal(rig_sample(&rig, 1), 0);
        assert_int_equal(rig_items(&rig, GPU, "processes"), counts[i] + 1);
        holds(&rig, 999 + counts[i], 18 * GIB);
        holds(&rig, 1000, 1024 * KIB);
    }
}

/*  ComfyUI#14938 */
static void test_a_container_has_what_its_limit_leaves(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open(&rig, "cgroup2-container.json", "memory");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 96636764160.0);
    check(&rig, MEM, "available", 96636764160.0 - 60000000000.0);
    assert_string_equal(rig_str(&rig, MEM, "available_bound"), "cgroup v2");
    check(&rig, MEM, "limit_used", 60000000000.0);
    check(&rig, MEM, "total", 1056450248 * KIB);
    rig_write(&rig, "sys/fs/cgroup/memory.current", "97000000000\n"); /* above it for a moment */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "available", 0);
    rig_write(&rig, "sys/fs/cgroup/memory.max", "max\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "available", 880426716 * KIB);
    assert_string_equal(rig_str(&rig, MEM, "available_bound"), "machine");
}

static void test_limits_of_version_1(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open(&rig, "cgroup2-container.json", "memory");
    rig_remove(&rig, "sys/fs/cgroup/memory.max");
    rig_write(&rig, "proc/self/cgroup",
              "12:cpu,cpuacct:/docker/abc\n11:hugetlb,memory:/docker/abc\n1:name=systemd:/x\n");
    /* what a container sees: its own group is the root, the path is the host's */
    rig_plant(&rig, "sys/fs/cgroup/memory/memory.limit_in_bytes", "8589934592\n");
    rig_plant(&rig, "sys/fs/cgroup/memory/memory.usage_in_bytes", "5589934592\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 8589934592.0);
    check(&rig, MEM, "available", 3e9);
    assert_string_equal(rig_str(&rig, MEM, "available_bound"), "cgroup v1");
    /* on the host: the lowest of the groups above, and what the fullest of them leaves */
    rig_plant(&rig, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "4000000000\n");
    rig_plant(&rig, "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "100000000\n");
    rig_write(&rig, "sys/fs/cgroup/memory/memory.usage_in_bytes", "8489934592\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 4e9);
    check(&rig, MEM, "available", 1e8);
    rig_write(&rig, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    rig_write(&rig, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes",
              "9223372036854771712\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, MEM, "limit");
    check(&rig, MEM, "available", 880426716 * KIB);
}

/*  openzfs#10255, htop#1002, btop#150 */
static void test_the_cache_of_zfs_is_available(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    const double given = 15032385536.0 - 1037041664.0;
    case_open(&rig, "zfs.json", "memory");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "available", 9017753 * KIB + given);
    is_about(rig_real(&rig, MEM, "available") / GIB, 21.6, 0.05);
    check(&rig, MEM, "used", (32505856.0 - 9017753) * KIB - given);
    is_about(rig_real(&rig, MEM, "used") / GIB, 9.4, 0.05);
    static const char *const odd[] = {
        "size 4 900000000\nc_min 4 1037041664\n",   /* at its minimum */
        "size 4 99000000000\nc_min 4 1037041664\n", /* of the host, larger than this container */
        "size 4 15032385536\n",                     /* no minimum told */
        "size 4 -5\nc_min 4 -9\n",                  /* nonsense */
    };
    for (size_t i = 0; i < MLX_COUNT(odd); i++) {
        rig_write(&rig, "proc/spl/kstat/zfs/arcstats", odd[i]);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, MEM, "available", 9017753 * KIB);
    }
}

/*  netdata#23673 */
static void test_a_faulty_input_is_no_reading(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open(&rig, "nct6793-fault.json", "hwmon");
    static const char *const values[] = {"127000\n", "41000\n"};
    for (size_t i = 0; i < MLX_COUNT(values); i++) {
        rig_write(&rig, "sys/class/hwmon/hwmon0/temp2_input", values[i]);
        assert_int_equal(rig_sample(&rig, 1), 0);
        mlx_sensor_derive(rig.readings);
        check(&rig, TEMP, "max", 57);
        check(&rig, TEMP, "cpu", 57);
        assert_int_equal(rig_items(&rig, TEMP, "sensor"), 1);
    }
    rig_write(&rig, "sys/class/hwmon/hwmon0/temp2_fault", "0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 2); /* no fault: listed */
}

static void test_absurd_values_are_no_readings(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open(&rig, "nct6793-fault.json", "hwmon");
    rig_remove(&rig, "sys/class/hwmon/hwmon0/temp2_fault");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan1_input", "65535\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan2_input", "1200\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan2_min", "600\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan2_max", "2400\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan3_input", "900\n");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/fan3_fault", "1\n");
    static const char *const absurd[] = {"127000\n", "127500\n", "255000\n", "-128000\n"};
    for (size_t i = 0; i < MLX_COUNT(absurd); i++) {
        rig_write(&rig, "sys/class/hwmon/hwmon0/temp2_input", absurd[i]);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        mlx_sensor_derive(rig.readings);
        check(&rig, TEMP, "max", 57);
        assert_int_equal(rig_items(&rig, TEMP, "fan"), 1);
        double value = NAN;
        const mlx_value_t *fan = rig_item(&rig, TEMP, "fan", 0);
        assert_true(mlx_value_real(fan, "rpm", &value) && value == 1200);
        assert_true(mlx_value_real(fan, "min", &value) && value == 600);
        assert_true(mlx_value_real(fan, "max", &value) && value == 2400);
    }
    /* an input that nothing is wired to floats at any value */
    rig_write(&rig, "sys/class/hwmon/hwmon0/temp2_input", "112000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    mlx_sensor_derive(rig.readings);
    check(&rig, TEMP, "max", 57);
}

/*  Jetson-Nano#2, balena-jetson#142 */
static void test_jetson_nano(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open(&rig, "jetson-nano.json", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    mlx_sensor_derive(rig.readings);
    check(&rig, TEMP, "cpu", 33.5);
    check(&rig, TEMP, "gpu", 34);
    check(&rig, TEMP, "max", 41.5);
    rig_write(&rig, "sys/class/thermal/thermal_zone4/temp", "47000\n"); /* one that measures */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "max", 47);
}

static void test_spellings_of_the_processor(void **state)
{
    (void)state;
    static const struct {
        const char *chip, *label;
    } rows[] = {
        {"coretemp", "Physical id 0"},
        {"coretemp", "Core 0"},
        {"coretemp", NULL},
        {"k10temp", NULL},
        {"cpu_thermal", NULL},
        {"via_cputemp", "Core 0"},
        {"zenpower", "Tdie"},
        {"bigcore0_thermal", NULL},
        {"apm_xgene", "SoC Temperature"},
        {"ibmpowernv", "Chip 0 Core 48"},
        {"thinkpad", "CPU"},
        {"asus_ec_sensors", "CPU"},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        case_open(&rig, "nct6793-fault.json", "hwmon");
        rig_write(&rig, "sys/class/hwmon/hwmon1/name", rows[i].chip);
        if (rows[i].label)
            rig_write(&rig, "sys/class/hwmon/hwmon1/temp1_label", rows[i].label);
        else
            rig_remove(&rig, "sys/class/hwmon/hwmon1/temp1_label");
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, TEMP, "cpu", 57);
    }
    static const char *const zones[] = {"CPU-therm", "cpu-thermal", "BCPU-therm", "MCPU-therm"};
    for (size_t i = 0; i < MLX_COUNT(zones); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        case_open(&rig, "jetson-nano.json", "hwmon");
        rig_write(&rig, "sys/class/thermal/thermal_zone1/type", zones[i]);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, TEMP, "cpu", 33.5);
    }
}

static void test_the_first_input_that_reads_wins(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "drm");
    rig_plant(&rig, "sys/class/drm/card1/device/hwmon/hwmon3/power1_average", "?\n");
    rig_plant(&rig, "sys/class/drm/card1/device/hwmon/hwmon3/power1_input", "77000000\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "power", 77);
    rig_write(&rig, "sys/class/drm/card1/device/hwmon/hwmon3/power1_average", "70000000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "power", 70);
    /* a second folder of sensors, which comes first and answers nothing */
    rig_plant(&rig, "sys/class/drm/card1/device/hwmon/hwmon0/temp1_input", "?\n");
    rig_plant(&rig, "sys/class/drm/card1/device/hwmon/hwmon0/power1_average", "?\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "power", 70);
    check(&rig, GPU, "temperature", 52);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_gpu_without_memory_of_its_own_shares_the_machines),
        cmocka_unit_test(test_a_process_on_an_apu_holds_all_its_memory),
        cmocka_unit_test(test_many_clients_are_all_listed),
        cmocka_unit_test(test_a_container_has_what_its_limit_leaves),
        cmocka_unit_test(test_limits_of_version_1),
        cmocka_unit_test(test_the_cache_of_zfs_is_available),
        cmocka_unit_test(test_a_faulty_input_is_no_reading),
        cmocka_unit_test(test_absurd_values_are_no_readings),
        cmocka_unit_test(test_jetson_nano),
        cmocka_unit_test(test_spellings_of_the_processor),
        cmocka_unit_test(test_the_first_input_that_reads_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
