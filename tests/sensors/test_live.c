/*  This machine, against what other programs and interfaces say of it. Values move while they are
 *  compared: what must be equal at any time is checked each time, the rest within a small distance
 *  and with a few attempts. */
#include "rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ATTEMPTS 100
#define MIB 1048576.0

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void open_live(rig_t *rig, const char *backend)
{
    *rig = (rig_t){.env = {"/proc", "/sys", "libnvidia-ml.so.1"},
                   .backend = rig_backend(backend),
                   .readings = mlx_readings_new()};
    assert_int_equal(rig_probe(rig), 0);
}

static void sample_live(rig_t *rig)
{
    rig->now_us = clock_us();
    assert_int_equal(rig_sample(rig, 0), 0);
}

typedef struct {
    double total, free_, shared, cached, available, swap_total, swap_used;
} free_t;

static free_t ask_free(void)
{
    FILE *pipe = popen("LC_ALL=C free -b", "re");
    assert_non_null(pipe);
    free_t f = {0};
    double used;
    char line[256];
    int rows = 0;
    while (fgets(line, sizeof line, pipe)) {
        rows += sscanf(line, "Mem: %lf %lf %lf %lf %lf %lf", &f.total, &used, &f.free_, &f.shared,
                       &f.cached, &f.available) == 6;
        rows += sscanf(line, "Swap: %lf %lf", &f.swap_total, &f.swap_used) == 2;
    }
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(rows, 2);
    return f;
}

static bool near(const rig_t *rig, const char *field, double value, double distance)
{
    return fabs(rig_real(rig, "sensor.memory", field) - value) <= distance;
}

static void test_memory_is_what_free_says(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig;
    open_live(&rig, "memory");
    bool same = false;
    for (int i = 0; i < ATTEMPTS && !same; i++) {
        free_t f = ask_free();
        sample_live(&rig);
        check(&rig, "sensor.memory", "total", f.total);
        check(&rig, "sensor.memory", "swap_total", f.swap_total);
        same = near(&rig, "available", f.available, 8 * MIB) &&
               near(&rig, "used", f.total - f.available, 8 * MIB) &&
               near(&rig, "free", f.free_, 8 * MIB) && near(&rig, "cached", f.cached, 4 * MIB) &&
               near(&rig, "swap_used", f.swap_used, 4 * MIB);
    }
    assert_true(same);
}

static void test_load_is_what_the_c_library_says(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig;
    open_live(&rig, "cpu");
    bool same = false;
    for (int i = 0; i < ATTEMPTS && !same; i++) {
        double load[3];
        assert_int_equal(getloadavg(load, 3), 3);
        sample_live(&rig);
        /* the C library has the kernel's fixed point, the file two decimals of it */
        same = fabs(rig_real(&rig, "sensor.cpu", "load1") - load[0]) < 0.011 &&
               fabs(rig_real(&rig, "sensor.cpu", "load5") - load[1]) < 0.011 &&
               fabs(rig_real(&rig, "sensor.cpu", "load15") - load[2]) < 0.011;
    }
    assert_true(same);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    check(&rig, "sensor.cpu", "cores", (double)online);
    assert_int_equal(rig_items(&rig, "sensor.cpu", "core"), online);
}

typedef struct {
    double busy, all;
} ticks_t;

static ticks_t read_ticks(void)
{
    FILE *file = fopen("/proc/stat", "re");
    assert_non_null(file);
    double v[8];
    assert_int_equal(fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3],
                            &v[4], &v[5], &v[6], &v[7]),
                     8);
    fclose(file);
    ticks_t t = {0};
    for (size_t i = 0; i < 8; i++) {
        t.all += v[i];
        t.busy += i == 3 || i == 4 ? 0 : v[i];
    }
    return t;
}

static void test_utilization_is_what_proc_says(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig;
    open_live(&rig, "cpu");
    bool same = false;
    for (int i = 0; i < ATTEMPTS && !same; i++) {
        sample_live(&rig);
        ticks_t before = read_ticks();
        ticks_t after = before;
        int64_t deadline = clock_us() + 20000000;
        while (after.all - before.all < 30 &&
               clock_us() < deadline) /* use time, so that it shows */
            after = read_ticks();
        sample_live(&rig);
        double busy = (after.busy - before.busy) / (after.all - before.all);
        /* a tick or two may fall between the two readers */
        same = fabs(rig_real(&rig, "sensor.cpu", "utilization") - busy) < 0.08;
    }
    assert_true(same);
    double parts = rig_real(&rig, "sensor.cpu", "user") + rig_real(&rig, "sensor.cpu", "system");
    assert_true(parts > 0 && parts <= rig_real(&rig, "sensor.cpu", "utilization") + 1e-9);
}

static void test_what_is_not_here_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *backend, *folder;
    } rows[] = {
        {"hwmon", "/sys/class/hwmon/hwmon0"},
        {"rapl", "/sys/class/powercap/intel-rapl:0"},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        rig_t rig = {.env = {"/proc", "/sys", "libnvidia-ml.so.1"},
                     .backend = rig_backend(rows[i].backend),
                     .readings = mlx_readings_new()};
        int rc = rig_probe(&rig);
        if (access(rows[i].folder, F_OK) && access("/sys/class/thermal/thermal_zone0", F_OK)) {
            assert_int_equal(rc, -1);
            assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
            mlx_sensor_absent(rig.backend, rig.err.text, rig.readings);
            assert_int_equal(mlx_readings_count(rig.readings), 1);
        } else {
            assert_true(rc == 0 || strstr(rig.err.text, "energy_uj"));
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_what_free_says),
        cmocka_unit_test(test_load_is_what_the_c_library_says),
        cmocka_unit_test(test_utilization_is_what_proc_says),
        cmocka_unit_test(test_what_is_not_here_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
