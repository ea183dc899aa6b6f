/*  Memory and processors of recorded machines. Expected values are worked out from the trees by
 *  hand: amounts in kB times 1024, tick differences over their sum. */
#include "rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MEM "sensor.memory"
#define CPU "sensor.cpu"

static void test_memory_of_a_desktop(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "memory");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "total", 65690172.0 * 1024);
    check(&rig, MEM, "available", 49152000.0 * 1024);
    check(&rig, MEM, "used", (65690172.0 - 49152000) * 1024);
    check(&rig, MEM, "free", 20480000.0 * 1024);
    check(&rig, MEM, "cached", (524288.0 + 26214400 + 1048576) * 1024);
    check(&rig, MEM, "compressed", 262144.0 * 1024);
    check(&rig, MEM, "swap_total", 8388604.0 * 1024);
    check(&rig, MEM, "swap_used", (8388604.0 - 7340028) * 1024);
    check(&rig, MEM, "pressure", 0.025);
    check(&rig, MEM, "pressure_full", 0.0125);
    check_absent(&rig, MEM, "limit");
    check_absent(&rig, MEM, "wired");
    check_absent(&rig, MEM, "pressure_level");
    check_absent(&rig, MEM, "missing");
}

static void test_memory_without_psi_says_why(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "memory");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "total", 4028440.0 * 1024);
    check(&rig, MEM, "swap_total", 0);
    check_absent(&rig, MEM, "compressed");
    check_absent(&rig, MEM, "pressure");
    assert_non_null(strstr(rig_why(&rig, MEM, "pressure"), "pressure stall"));
    assert_non_null(rig_why(&rig, MEM, "pressure_full"));
}

static void test_the_lowest_limit_of_the_groups_above_holds(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "container", "memory");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 4294967296.0);
    check(&rig, MEM, "total", 65690172.0 * 1024);
    rig_write(&rig, "sys/fs/cgroup/app/worker/memory.max", "1073741824\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 1073741824.0);
    rig_write(&rig, "sys/fs/cgroup/app/worker/memory.max", "max\n");
    rig_write(&rig, "sys/fs/cgroup/app/memory.max", "max\n");
    rig_write(&rig, "sys/fs/cgroup/memory.max", "99999999999999\n"); /* above what is there */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, MEM, "limit");
}

static void test_a_group_outside_our_view_leaves_the_root(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "container", "memory");
    rig_write(&rig, "proc/self/cgroup", "0::/../../../proc\n");
    rig_write(&rig, "proc/memory.max", "4096\n"); /* where that path would lead */
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 8589934592.0);
    rig_write(&rig, "proc/self/cgroup", "0::/\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "limit", 8589934592.0);
}

static void test_memory_of_an_old_kernel_has_no_used(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "memory");
    rig_write(&rig, "proc/meminfo", "MemTotal:     1000 kB\nMemFree:       400 kB\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, MEM, "free", 409600);
    check_absent(&rig, MEM, "used");
    check_absent(&rig, MEM, "cached");
    assert_non_null(strstr(rig_why(&rig, MEM, "used"), "MemAvailable"));
}

static void test_memory_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "MemTotal: 0 kB\n",
        "MemTotal: -5 kB\n",
        "MemTotal: 99999999999999999999 kB\n",
        "MemTotal: 9007199254740993000 kB\n",
        "MemTotal: 1000\n",
        "MemTotal:\n",
        "XMemTotal: 1000 kB\n",
        "hello\n",
    };
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "memory");
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        rig_write(&rig, "proc/meminfo", bad[i]);
        assert_int_equal(rig_sample(&rig, 1), -1);
        assert_int_equal(rig.err.code, MLX_ERR_FAILED);
    }
    rig_write(&rig, "proc/meminfo",
              "MemTotal: 1000 kB\nMemAvailable: 2000 kB\nSwapTotal: 5 kB\n"
              "SwapFree: 7 kB\nCached: -1 kB\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, MEM, "available");
    check_absent(&rig, MEM, "used");
    check_absent(&rig, MEM, "swap_used");
    check_absent(&rig, MEM, "cached");
}

static void test_pressure_that_cannot_be_is_absent(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "some avg10=101.00 avg60=0\n", "some avg10=-1.00 avg60=0\n", "some avg10= avg60=0\n",
        "some avg10=nan avg60=0\n",    "some avg10=1e1 avg60=0\n",   "some\n",
        "full avg10=1.00 avg60=0\n",
    };
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "memory");
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        rig_write(&rig, "proc/pressure/memory", bad[i]);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check_absent(&rig, MEM, "pressure");
        assert_non_null(rig_why(&rig, MEM, "pressure"));
    }
}

static void test_no_proc_is_not_found(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "memory");
    rig_remove(&rig, "proc/meminfo");
    assert_int_equal(rig_probe(&rig), -1);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
    rig.backend = rig_backend("cpu");
    rig_remove(&rig, "proc/stat");
    assert_int_equal(rig_probe(&rig), -1);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
}

static void test_cpu_of_a_desktop(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "cpu");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, CPU, "name"), "AMD Ryzen 9 7950X 16-Core Processor");
    check_absent(&rig, CPU, "utilization"); /* a rate needs two samples */
    check(&rig, CPU, "cores", 2);
    check(&rig, CPU, "load1", 1.75);
    check(&rig, CPU, "load5", 2.5);
    check(&rig, CPU, "load15", 3.25);
    check(&rig, CPU, "pressure", 0.12);
    check(&rig, CPU, "frequency", (4491570e3 + 5101230e3) / 2);
    /* 200 ticks on: 100 user + 10 nice, 30 system + 4 irq + 6 softirq, 40 idle, 10 iowait */
    rig_write(&rig, "proc/stat",
              "cpu  400100 1010 100030 3000040 20010 5004 3006 0 0 0\n"
              "cpu0 200100 510 50030 1500000 10000 2504 1506 0 0 0\n"
              "cpu1 200000 500 50000 1500040 10010 2500 1500 0 0 0\nintr 1\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, CPU, "utilization", 150.0 / 200);
    check(&rig, CPU, "user", 110.0 / 200);
    check(&rig, CPU, "system", 40.0 / 200);
    check(&rig, CPU, "iowait", 10.0 / 200);
    double value = 0;
    const mlx_value_t *core = rig_item(&rig, CPU, "core", 0);
    assert_true(mlx_value_real(core, "utilization", &value) && value == 1);
    assert_true(mlx_value_real(core, "frequency", &value) && value == 4491570e3);
    core = rig_item(&rig, CPU, "core", 1);
    assert_true(mlx_value_real(core, "id", &value) && value == 1);
    assert_true(mlx_value_real(core, "utilization", &value) && value == 0);
}

static void test_counters_going_back_are_no_negative_load(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "cpu");
    rig_write(&rig, "proc/stat", "cpu 100 0 100 1000 50 0 0 0 0 0\ncpu0 100 0 100 1000 50 0 0 0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    /* iowait goes back by 20, as the kernel warns it may; 50 user, 50 idle */
    rig_write(&rig, "proc/stat", "cpu 150 0 100 1050 30 0 0 0 0 0\ncpu0 150 0 100 1050 30 0 0 0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, CPU, "utilization", 0.5);
    check(&rig, CPU, "iowait", 0);
    /* everything restarts: no time has gone by that could be divided by */
    rig_write(&rig, "proc/stat", "cpu 1 0 1 1 1 0 0 0 0 0\ncpu0 1 0 1 1 1 0 0 0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, CPU, "utilization");
    rig_write(&rig, "proc/stat", "cpu 2 0 1 4 1 0 0 0 0 0\ncpu0 2 0 1 4 1 0 0 0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, CPU, "utilization", 0.25);
}

static void test_steal_counts_as_taken(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "cpu");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_why(&rig, CPU, "frequency"),
                        "no cpufreq driver (a virtual machine has none)");
    assert_non_null(rig_why(&rig, CPU, "pressure"));
    rig_write(&rig, "proc/stat",
              "cpu  1000 0 500 40075 100 0 10 415 0 0\n"
              "cpu0 1000 0 500 40075 100 0 10 415 0 0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, CPU, "utilization", 0.25);
    check(&rig, CPU, "user", 0);
}

static void test_processors_come_and_go(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "cpu");
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_write(&rig, "proc/stat",
              "cpu  400100 1000 100000 3000000 20000 5000 3000 0 0 0\n"
              "cpu1 200000 500 50000 1500100 10000 2500 1500 0 0 0\n"
              "cpu7 5 5 5 5 5 5 5 5 0 0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, CPU, "cores", 2);
    check(&rig, CPU, "frequency", 5101230e3);
    double value = -1;
    const mlx_value_t *core = rig_item(&rig, CPU, "core", 0);
    assert_true(mlx_value_real(core, "id", &value) && value == 1);
    assert_true(mlx_value_real(core, "utilization", &value) && value == 0);
    core = rig_item(&rig, CPU, "core", 1);
    assert_true(mlx_value_real(core, "id", &value) && value == 7);
    assert_null(mlx_value_get(core, "utilization")); /* new: no span yet */
    assert_null(mlx_value_get(core, "frequency"));
}

static void test_cpu_names(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "asahi-mac", "cpu"); /* ARM names no model: the device tree's machine */
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, CPU, "name"), "Apple MacBook Pro (13-inch, M1, 2020)");
    rig_write(&rig, "proc/cpuinfo", "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, CPU, "name"), "POWER9, altivec supported");
    rig_remove(&rig, "proc/cpuinfo");
    rig_remove(&rig, "sys/firmware/devicetree/base/model");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, CPU, "name");
    assert_non_null(rig_why(&rig, CPU, "name"));
}

static void test_cpu_lines_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "cpu\n",
        "cpu  1 2 3\n",
        "cpu  1 2 3 4 5 6 7 -8\n",
        "cpu  1 2 3 4 5 6 7 99999999999999999999\n",
        "cpu0 1 2 3 4 5 6 7 8\n",
        "intr 1\n",
    };
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "cpu");
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        rig_write(&rig, "proc/stat", bad[i]);
        assert_int_equal(rig_sample(&rig, 1), -1);
    }
    rig_write(&rig, "proc/loadavg", "1.0 nonsense\n");
    rig_write(&rig, "proc/stat", "cpu 1 2 3 4 5 6 7 8\ncpu99999999999 1 2 3 4 5 6 7 8\ncpuX 1\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, CPU, "cores");
    check_absent(&rig, CPU, "load1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_of_a_desktop),
        cmocka_unit_test(test_memory_without_psi_says_why),
        cmocka_unit_test(test_the_lowest_limit_of_the_groups_above_holds),
        cmocka_unit_test(test_a_group_outside_our_view_leaves_the_root),
        cmocka_unit_test(test_memory_of_an_old_kernel_has_no_used),
        cmocka_unit_test(test_memory_that_cannot_be_is_refused),
        cmocka_unit_test(test_pressure_that_cannot_be_is_absent),
        cmocka_unit_test(test_no_proc_is_not_found),
        cmocka_unit_test(test_cpu_of_a_desktop),
        cmocka_unit_test(test_counters_going_back_are_no_negative_load),
        cmocka_unit_test(test_steal_counts_as_taken),
        cmocka_unit_test(test_processors_come_and_go),
        cmocka_unit_test(test_cpu_names),
        cmocka_unit_test(test_cpu_lines_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
