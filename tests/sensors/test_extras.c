/*  What monitors of GPUs show beside the usual: NPUs, kinds of cores, batteries' age, why clocks
 *  are held down, and what the memory controllers move. */
#include "rig.h"
#include "watch.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GPU "sensor.gpu.0"
#define KFD "sys/class/kfd/kfd"
#define NPU "sensor.npu.0"
#define ACCEL "sys/class/accel/accel0/device/"

static void plant_npu(rig_t *rig, const char *driver)
{
    MLX_CLEANUP(mlx_free_p)
    char *uevent = mlx_format("DRIVER=%s\nPCI_SLOT_NAME=0000:00:0b.0\n", driver);
    rig_open_empty(rig, "npu");
    rig_plant(rig, ACCEL "uevent", uevent);
    rig_plant(rig, ACCEL "power/runtime_status", "active\n");
}

static void test_intel_npu(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_npu(&rig, "intel_vpu");
    rig_plant(&rig, ACCEL "npu_busy_time_us", "5000000\n");
    rig_plant(&rig, ACCEL "npu_memory_utilization", "1073741824\n");
    rig_plant(&rig, ACCEL "npu_current_frequency_mhz", "1400\n");
    rig_plant(&rig, ACCEL "npu_max_frequency_mhz", "1850\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, NPU, "name"), "Intel NPU");
    assert_string_equal(rig_str(&rig, NPU, "vendor"), "intel");
    assert_string_equal(rig_str(&rig, NPU, "id"), "accel:0000:00:0b.0");
    check_absent(&rig, NPU, "utilization");
    assert_non_null(strstr(rig_why(&rig, NPU, "utilization"), "second reading"));
    check(&rig, NPU, "memory_used", 1073741824);
    check(&rig, NPU, "frequency", 1400e6);
    check(&rig, NPU, "frequency_max", 1850e6);
    rig_write(&rig, ACCEL "npu_busy_time_us", "5500000\n");
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, NPU, "utilization", 0.25);
    rig_write(&rig, ACCEL "npu_busy_time_us", "10\n"); /* begins again */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, NPU, "utilization");
    rig_write(&rig, ACCEL "npu_busy_time_us", "9000010\n"); /* more than there was time */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, NPU, "utilization", 1);
}

static void test_a_sleeping_npu_is_not_asked(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_npu(&rig, "intel_vpu");
    rig_plant(&rig, ACCEL "npu_busy_time_us", "7\n");
    rig_write(&rig, ACCEL "power/runtime_status", "suspended\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, NPU, "name"), "Intel NPU");
    assert_non_null(strstr(rig_why(&rig, NPU, "utilization"), "suspended"));
    rig_write(&rig, ACCEL "power/runtime_status", "active\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_write(&rig, ACCEL "npu_busy_time_us", "500007\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, NPU, "utilization", 0.5);
}

/*  AMD's driver counts for each client. */
static void test_amd_npu(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_npu(&rig, "amdxdna");
    static const char fdinfo[] =
        "drm-driver:\tamdxdna\ndrm-client-id:\t4\ndrm-pdev:\t0000:00:0b.0\n"
        "drm-total-memory:\t1024 KiB\ndrm-engine-npu-amdxdna:\t%s ns\n";
    rig_plant_link(&rig, "proc/77/fd/5", "/dev/accel/accel0");
    rig_plant(&rig, "proc/77/comm", "onnx\n");
    MLX_CLEANUP(mlx_free_p) char *before = mlx_format(fdinfo, "1000000000");
    rig_plant(&rig, "proc/77/fdinfo/5", before);
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    MLX_CLEANUP(mlx_free_p) char *after = mlx_format(fdinfo, "1400000000");
    rig_write(&rig, "proc/77/fdinfo/5", after);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, NPU, "name"), "AMD NPU");
    assert_int_equal(rig_items(&rig, NPU, "processes"), 1);
    check(&rig, NPU, "utilization", 0.4);
    const mlx_value_t *process = rig_item(&rig, NPU, "processes", 0);
    int64_t value = 0;
    assert_string_equal(mlx_value_str(process, "program"), "onnx");
    assert_true(mlx_value_int(process, "memory", &value) && value == 1048576);
}

static void test_no_npu(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "npu");
    assert_null(rig.state);
    assert_non_null(strstr(rig.err.text, "no NPU"));
}

static void check_cluster(const rig_t *rig, size_t index, const char *name, int64_t cores,
                          double utilization, double hertz)
{
    const mlx_value_t *item = rig_item(rig, "sensor.cpu", "cluster", index);
    int64_t count = 0;
    double value = 0;
    assert_string_equal(mlx_value_str(item, "name"), name);
    assert_true(mlx_value_int(item, "cores", &count) && count == cores);
    assert_true(mlx_value_real(item, "utilization", &value) && fabs(value - utilization) < 1e-9);
    assert_true(mlx_value_real(item, "frequency", &value) && fabs(value - hertz) < 1);
}

#define CPU "sys/devices/system/cpu/"

static void plant_hybrid(rig_t *rig)
{
    rig_open_empty(rig, "cpu");
    rig_plant(rig, "proc/stat",
              "cpu  0 0 0 400 0 0 0 0\ncpu0 0 0 0 100 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0\n"
              "cpu2 0 0 0 100 0 0 0 0\ncpu3 0 0 0 100 0 0 0 0\nintr 1\n");
    rig_plant(rig, CPU "cpu0/cpufreq/scaling_cur_freq", "5000000\n");
    rig_plant(rig, CPU "cpu1/cpufreq/scaling_cur_freq", "4000000\n");
    rig_plant(rig, CPU "cpu2/cpufreq/scaling_cur_freq", "2000000\n");
    rig_plant(rig, CPU "cpu3/cpufreq/scaling_cur_freq", "1000000\n");
}

static void load_hybrid(rig_t *rig)
{
    assert_int_equal(rig_probe(rig), 0);
    assert_int_equal(rig_sample(rig, 1), 0);
    rig_write(rig, "proc/stat",
              "cpu  150 0 0 650 0 0 0 0\ncpu0 100 0 0 100 0 0 0 0\ncpu1 50 0 0 150 0 0 0 0\n"
              "cpu2 0 0 0 200 0 0 0 0\ncpu3 0 0 0 200 0 0 0 0\nintr 1\n");
    assert_int_equal(rig_sample(rig, 1), 0);
}

static void test_kinds_of_cores(void **state)
{
    (void)state;
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_hybrid(&rig);
        rig_plant(&rig, "sys/devices/cpu_core/cpus", "0-1\n");
        rig_plant(&rig, "sys/devices/cpu_atom/cpus", "2,3\n");
        load_hybrid(&rig);
        assert_int_equal(rig_items(&rig, "sensor.cpu", "cluster"), 2);
        check_cluster(&rig, 0, "P", 2, 0.75, 4.5e9);
        check_cluster(&rig, 1, "E", 2, 0, 1.5e9);
        assert_string_equal(mlx_value_str(rig_item(&rig, "sensor.cpu", "core", 3), "cluster"), "E");
    }
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_hybrid(&rig);
        rig_plant(&rig, CPU "cpu0/cpu_capacity", "381\n");
        rig_plant(&rig, CPU "cpu1/cpu_capacity", "381\n");
        rig_plant(&rig, CPU "cpu2/cpu_capacity", "381\n");
        rig_plant(&rig, CPU "cpu3/cpu_capacity", "1024\n");
        load_hybrid(&rig);
        check_cluster(&rig, 0, "P", 1, 0, 1e9);
        check_cluster(&rig, 1, "E", 3, 0.5, 11e9 / 3);
    }
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_hybrid(&rig);
    rig_plant(&rig, "sys/devices/cpu_core/cpus", "0-3\n");
    rig_plant(&rig, "sys/devices/cpu_atom/cpus", "\n");
    load_hybrid(&rig);
    check_absent(&rig, "sensor.cpu", "cluster");
}

static void test_a_processor_that_heat_holds_down(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_hybrid(&rig);
    rig_plant(&rig, CPU "cpu0/thermal_throttle/package_throttle_count", "17\n");
    load_hybrid(&rig);
    assert_true(mlx_readings_has(rig.readings, "sensor.cpu", "throttle"));
    assert_int_equal(rig_items(&rig, "sensor.cpu", "throttle"), 0);
    rig_write(&rig, CPU "cpu0/thermal_throttle/package_throttle_count", "18\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(mlx_value_as_str(rig_item(&rig, "sensor.cpu", "throttle", 0), NULL),
                        "temperature");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, "sensor.cpu", "throttle"), 0);
}

#define BAT "sys/class/power_supply/BAT0/"
#define POWER "sensor.power"

static void plant_battery(rig_t *rig, const char *status)
{
    rig_open_empty(rig, "supply");
    rig_plant(rig, BAT "type", "Battery\n");
    rig_plant(rig, BAT "status", status);
    rig_plant(rig, BAT "capacity", "50\n");
    rig_plant(rig, BAT "power_now", "20000000\n");
    rig_plant(rig, BAT "energy_now", "40000000\n");
    rig_plant(rig, BAT "energy_full", "80000000\n");
    rig_plant(rig, BAT "energy_full_design", "100000000\n");
    rig_plant(rig, BAT "cycle_count", "312\n");
    assert_int_equal(rig_probe(rig), 0);
    assert_int_equal(rig_sample(rig, 1), 0);
}

static void test_battery(void **state)
{
    (void)state;
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_battery(&rig, "Discharging\n");
        assert_string_equal(rig_str(&rig, POWER, "battery_state"), "discharging");
        check(&rig, POWER, "battery_power", 20);
        check(&rig, POWER, "battery_time", 7200);
        check(&rig, POWER, "battery_health", 0.8);
        check(&rig, POWER, "battery_cycles", 312);
        check(&rig, POWER, "total", 20);
    }
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_battery(&rig, "Charging\n");
        assert_string_equal(rig_str(&rig, POWER, "battery_state"), "charging");
        check(&rig, POWER, "battery_power", 20);
        check(&rig, POWER, "battery_time", 7200);
        check_absent(&rig, POWER, "total");
    }
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_battery(&rig, "Not charging\n");
    assert_string_equal(rig_str(&rig, POWER, "battery_state"), "idle");
    check_absent(&rig, POWER, "battery_power");
    assert_non_null(strstr(rig_why(&rig, POWER, "battery_time"), "neither"));
    rig_write(&rig, BAT "status", "Full\n");
    rig_remove(&rig, BAT "energy_full_design");
    rig_write(&rig, BAT "cycle_count", "0\n");
    assert_int_equal(rig_sample(&rig, 10), 0);
    assert_string_equal(rig_str(&rig, POWER, "battery_state"), "full");
    check_absent(&rig, POWER, "battery_health");
    check_absent(&rig, POWER, "battery_cycles"); /* firmware that does not count */
}

static const char *reason(const rig_t *rig, size_t index)
{
    return mlx_value_as_str(rig_item(rig, "sensor.gpu.0", "throttle", index), NULL);
}

static void test_why_intel_graphics_are_held_down(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open_empty(&rig, "drm");
    rig_plant(&rig, "sys/class/drm/card0/device/uevent",
              "DRIVER=i915\nPCI_SLOT_NAME=0000:00:02.0\n");
    rig_plant(&rig, "sys/class/drm/card0/gt_act_freq_mhz", "900\n");
    rig_plant(&rig, "sys/class/drm/card0/gt/gt0/throttle_reason_pl1", "1\n");
    rig_plant(&rig, "sys/class/drm/card0/gt/gt0/throttle_reason_thermal", "0\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, "sensor.gpu.0", "throttle"), 1);
    assert_string_equal(reason(&rig, 0), "power limit");
    rig_write(&rig, "sys/class/drm/card0/gt/gt0/throttle_reason_pl1", "0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_true(mlx_readings_has(rig.readings, "sensor.gpu.0", "throttle"));
    assert_int_equal(rig_items(&rig, "sensor.gpu.0", "throttle"), 0);
}

/*  Bytes of a gpu_metrics table: format, content, and the mask where that format has it. */
static void plant_metrics(rig_t *rig, unsigned char format, unsigned char content, size_t at,
                          uint64_t mask)
{
    unsigned char table[200] = {[2] = format, [3] = content};
    for (size_t i = 0; i < 8; i++)
        table[at + i] = (unsigned char)(mask >> (8 * i));
    rig_write_bytes(rig, "sys/class/drm/card0/device/gpu_metrics", table, sizeof table);
}

static void test_why_amd_graphics_are_held_down(void **state)
{
    (void)state;
    static const struct {
        unsigned char format, content;
        size_t at;
    } rows[] = {{1, 3, 112}, {2, 2, 120}, {2, 4, 120}, {1, 4, 112}, {3, 0, 112}};
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        rig_open_empty(&rig, "drm");
        rig_plant(&rig, "sys/class/drm/card0/device/uevent",
                  "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\nPCI_ID=1002:744C\n");
        rig_plant(&rig, "sys/class/drm/card0/device/gpu_busy_percent", "9\n");
        rig_plant(&rig, "sys/class/drm/card0/device/gpu_metrics", "");
        plant_metrics(&rig, rows[i].format, rows[i].content, rows[i].at,
                      1ULL << 4 | 1ULL << 33 | 1ULL << 34);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        if (i >= 3) {
            check_absent(&rig, "sensor.gpu.0", "throttle");
            assert_non_null(rig_why(&rig, "sensor.gpu.0", "throttle"));
            continue;
        }
        assert_int_equal(rig_items(&rig, "sensor.gpu.0", "throttle"), 2);
        assert_string_equal(reason(&rig, 0), "power limit");
        assert_string_equal(reason(&rig, 1), "temperature");
        plant_metrics(&rig, rows[i].format, rows[i].content, rows[i].at, UINT64_MAX);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check_absent(&rig, "sensor.gpu.0", "throttle");
    }
}

/*  Stands in for perf_event_open: what is read from a counter is what a test puts there. */
enum {
    COUNTERS_MAX = 16
};
static struct {
    uint64_t config;
    int cpu, feed;
} counters[COUNTERS_MAX];
static size_t counter_count;
static int refusal;

static int fake_perf(uint32_t type, uint64_t config, int cpu)
{
    int ends[2];
    assert_int_equal(type, 24);
    errno = refusal;
    if (refusal)
        return -1;
    assert_true(counter_count < COUNTERS_MAX);
    assert_int_equal(pipe(ends), 0);
    counters[counter_count].config = config;
    counters[counter_count].cpu = cpu;
    counters[counter_count++].feed = ends[1];
    return ends[0];
}

static void feed(size_t counter, uint64_t value)
{
    assert_int_equal(write(counters[counter].feed, &value, sizeof value), sizeof value);
}

static void forget_counters(void)
{
    while (counter_count)
        close(counters[--counter_count].feed);
}

#define PMU "sys/bus/event_source/devices/uncore_imc_0/"

static void plant_controller(rig_t *rig)
{
    rig_open_empty(rig, "bandwidth");
    rig->env.perf_open = fake_perf;
    rig_plant(rig, PMU "type", "24\n");
    rig_plant(rig, PMU "cpumask", "0,32\n");
    rig_plant(rig, PMU "format/event", "config:0-7\n");
    rig_plant(rig, PMU "format/umask", "config:8-15\n");
    rig_plant(rig, PMU "events/cas_count_read", "event=0x04,umask=0x03\n");
    rig_plant(rig, PMU "events/cas_count_read.scale", "6.103515625e-5\n");
    rig_plant(rig, PMU "events/cas_count_read.unit", "MiB\n");
    rig_plant(rig, PMU "events/cas_count_write", "event=0x04,umask=0x0c\n");
    rig_plant(rig, PMU "events/cas_count_write.scale", "6.103515625e-5\n");
    rig_plant(rig, PMU "events/cas_count_write.unit", "MiB\n");
}

static void test_memory_bandwidth(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    plant_controller(&rig);
    refusal = 0;
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(counter_count, 4); /* two of each socket */
    assert_int_equal(counters[0].config, 0x0304);
    assert_int_equal(counters[1].config, 0x0c04);
    assert_int_equal(counters[2].cpu, 32);
    for (size_t i = 0; i < 4; i++)
        feed(i, 1000);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, "sensor.memory", "bandwidth_read");
    feed(0, 1000 + 1000000);
    feed(1, 1000 + 500000);
    feed(2, 1000 + 3000000);
    feed(3, 1000);
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, "sensor.memory", "bandwidth_read", 4000000.0 * 64 / 2);
    check(&rig, "sensor.memory", "bandwidth_write", 500000.0 * 64 / 2);
    forget_counters();
    assert_int_equal(rig_sample(&rig, 1), -1); /* hang-up: no counter any more */
}

static void test_memory_bandwidth_that_cannot_be_had(void **state)
{
    (void)state;
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_controller(&rig);
        rig_plant(&rig, "proc/sys/kernel/perf_event_paranoid", "4\n");
        refusal = EACCES;
        assert_int_equal(rig_probe(&rig), -1);
        assert_non_null(strstr(rig.err.text, "perf_event_paranoid is 4"));
    }
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_controller(&rig);
        refusal = 0;
        rig_write(&rig, PMU "events/cas_count_write", "event=0x04,bank=0x0c\n");
        assert_int_equal(rig_probe(&rig), -1); /* a term that nothing explains */
        forget_counters();
    }
    {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        plant_controller(&rig);
        rig_write(&rig, PMU "events/cas_count_write.unit", "bananas\n");
        assert_int_equal(rig_probe(&rig), -1);
        forget_counters();
    }
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "bandwidth");
    assert_null(rig.state);
    assert_non_null(strstr(rig.err.text, "no memory controller"));
}

/*  Queues of ROCm are in the compute driver's account, and so are processes of other users. */
static void test_who_computes_through_rocm(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    double share;
    int64_t bytes;
    rig_open(&rig, "amd-desktop", "drm");
    rig_plant(&rig, KFD "/topology/nodes/0/gpu_id", "0\n"); /* the processor */
    rig_plant(&rig, KFD "/topology/nodes/1/gpu_id", "47378\n");
    rig_plant(&rig, KFD "/topology/nodes/1/properties",
              "cpu_cores_count 0\nsimd_count 192\nsimd_per_cu 2\nlocation_id 768\ndomain 0\n");
    rig_plant(&rig, KFD "/topology/nodes/2/gpu_id", "555\n");
    rig_plant(&rig, KFD "/topology/nodes/2/properties", "simd_count 4\nlocation_id 9\n");
    rig_plant(&rig, KFD "/proc/4242/vram_47378", "21474836480\n"); /* more than the other account */
    rig_plant(&rig, KFD "/proc/4242/stats_47378/cu_occupancy", "72\n");
    rig_plant(&rig, KFD "/proc/5151/vram_47378", "1073741824\n");
    rig_plant(&rig, KFD "/proc/5151/vram_555", "7\n");
    rig_plant(&rig, KFD "/proc/6161/vram_47378", "0\n"); /* could, and does not */
    rig_plant(&rig, "proc/5151/comm", "python3\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 2);
    const mlx_value_t *item = rig_item(&rig, GPU, "processes", 0);
    assert_true(mlx_value_int(item, "memory", &bytes) && bytes == 21474836480);
    assert_true(mlx_value_real(item, "utilization", &share) && share == 0.75);
    item = rig_item(&rig, GPU, "processes", 1);
    assert_string_equal(mlx_value_str(item, "program"), "python3");
    assert_true(mlx_value_int(item, "memory", &bytes) && bytes == 1073741824);
    assert_false(mlx_value_real(item, "utilization", &share)); /* it has no such file */
    /* one ends, one comes */
    rig_remove(&rig, KFD "/proc/5151/vram_47378");
    rig_plant(&rig, KFD "/proc/7171/vram_47378", "4096\n");
    rig_write(&rig, KFD "/proc/4242/stats_47378/cu_occupancy", "4096\n"); /* of 96 units */
    assert_int_equal(rig_sample(&rig, 6), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 2);
    item = rig_item(&rig, GPU, "processes", 0);
    assert_false(mlx_value_real(item, "utilization", &share) && share > 1);
    /* a card that sleeps is not asked: its units are read from it */
    watch_t watch;
    watch_start(&watch, &rig, KFD "/proc/4242/stats_47378");
    rig_plant(&rig, "sys/class/drm/card1/device/power/runtime_status", "suspended\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(watch_read(&watch, "cu_occupancy"), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 0);
    watch_end(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intel_npu),
        cmocka_unit_test(test_a_sleeping_npu_is_not_asked),
        cmocka_unit_test(test_amd_npu),
        cmocka_unit_test(test_no_npu),
        cmocka_unit_test(test_kinds_of_cores),
        cmocka_unit_test(test_a_processor_that_heat_holds_down),
        cmocka_unit_test(test_battery),
        cmocka_unit_test(test_why_intel_graphics_are_held_down),
        cmocka_unit_test(test_who_computes_through_rocm),
        cmocka_unit_test(test_why_amd_graphics_are_held_down),
        cmocka_unit_test(test_memory_bandwidth),
        cmocka_unit_test(test_memory_bandwidth_that_cannot_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
