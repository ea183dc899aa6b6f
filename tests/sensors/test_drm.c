/*  AMD and Intel GPUs of recorded machines. */
#include "rig.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GPU "sensor.gpu.0"

static void check_process(const rig_t *rig, size_t index, int64_t pid, int64_t memory)
{
    const mlx_value_t *item = rig_item(rig, GPU, "processes", index);
    int64_t value = -1;
    assert_true(mlx_value_int(item, "pid", &value) && value == pid);
    assert_true(mlx_value_int(item, "memory", &value) && value == memory);
}

static void test_amd_card(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(mlx_readings_count(rig.readings), 1);
    assert_string_equal(rig_str(&rig, GPU, "name"), "AMD GPU 1002:744C");
    assert_string_equal(rig_str(&rig, GPU, "vendor"), "amd");
    assert_string_equal(rig_str(&rig, GPU, "backend"), "amdgpu");
    assert_string_equal(rig_str(&rig, GPU, "id"), "drm:0000:03:00.0");
    check(&rig, GPU, "utilization", 0.67);
    check(&rig, GPU, "memory_used", 19327352832.0); /* VRAM alone: this is a card */
    check(&rig, GPU, "memory_total", 25753026560.0);
    check(&rig, GPU, "frequency", 2304e6);
    check(&rig, GPU, "memory_frequency", 1249e6);
    check(&rig, GPU, "power", 118);
    check(&rig, GPU, "power_limit", 339);
    check(&rig, GPU, "temperature", 52);
    check(&rig, GPU, "fan", 61.0 / 255);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 1);
    check_process(&rig, 0, 4242, 18350080LL * 1024);
    check_absent(&rig, GPU, "energy");
    assert_non_null(rig_why(&rig, GPU, "throttle")); /* it has no table of metrics */
}

static void test_amd_card_with_a_product_name(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "drm");
    rig_write(&rig, "sys/class/drm/card1/device/product_name", "Instinct MI210\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "name"), "Instinct MI210");
}

static void test_amd_processor_graphics_count_main_memory(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-apu", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "utilization", 1);
    check(&rig, GPU, "memory_used", 134217728.0 + 42949672960.0);
    check(&rig, GPU, "memory_total", 536870912.0 + 50331648000.0);
    check(&rig, GPU, "power", 54.01);
    check_absent(&rig, GPU, "fan");
    assert_non_null(rig_why(&rig, GPU, "fan"));
    /* without the larger part the smaller one would mislead */
    rig_write(&rig, "sys/class/drm/card0/device/mem_info_gtt_used", "?\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "memory_used");
    check(&rig, GPU, "memory_total", 536870912.0 + 50331648000.0);
}

static void write_i915(const rig_t *rig, const char *path, int client, double render, double video,
                       double copy)
{
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("pos:\t0\ndrm-driver:\ti915\ndrm-client-id:\t%d\n"
                            "drm-pdev:\t0000:00:02.0\ndrm-resident-system0:\t1024 KiB\n"
                            "drm-engine-render:\t%.0f ns\ndrm-engine-video:\t%.0f ns\n"
                            "drm-engine-capacity-video:\t2\ndrm-engine-copy:\t%.0f ns\n",
                            client, render, video, copy);
    rig_write(rig, path, text);
}

static void test_intel_graphics_by_their_clients(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "backend"), "i915");
    check(&rig, GPU, "frequency", 650e6);
    check_absent(&rig, GPU, "utilization"); /* a rate needs two samples */
    /* process 1001 has the same client open twice; stolen memory is part of system memory */
    check(&rig, GPU, "memory_used", (81920.0 + 524288.0) * 1024);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 2);
    check_process(&rig, 0, 1001, 81920 * 1024);
    check_process(&rig, 1, 2002, 524288 * 1024);
    check_absent(&rig, GPU, "memory_total");
    assert_non_null(rig_why(&rig, GPU, "memory_total"));

    /* in 2 s: render 0.5 s + 0.1 s; video 1.6 s on two engines; copy none */
    write_i915(&rig, "proc/1001/fdinfo/12", 3, 4.5e9, 0, 1e8);
    write_i915(&rig, "proc/1001/fdinfo/13", 3, 4.5e9, 0, 1e8);
    write_i915(&rig, "proc/2002/fdinfo/5", 9, 1.1e9, 3.6e9, 0);
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, GPU, "utilization", 1.6 / 2 / 2);
    /* next: render is the busiest, 1.2 s + 0.4 s of 2 s */
    write_i915(&rig, "proc/1001/fdinfo/12", 3, 5.7e9, 0, 1e8);
    write_i915(&rig, "proc/1001/fdinfo/13", 3, 5.7e9, 0, 1e8);
    write_i915(&rig, "proc/2002/fdinfo/5", 9, 1.5e9, 3.6e9, 0);
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, GPU, "utilization", 1.6 / 2);
    /* accounts are written late: more than all of the time is all of it */
    write_i915(&rig, "proc/2002/fdinfo/5", 9, 9e9, 3.6e9, 0);
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, GPU, "utilization", 1);
}

static void test_clients_come_and_go(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_remove(&rig, "proc/2002/fdinfo/5");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 1);
    /* a descriptor used again by another client is not a negative load */
    write_i915(&rig, "proc/1001/fdinfo/12", 77, 5, 5, 5);
    write_i915(&rig, "proc/1001/fdinfo/13", 77, 5, 5, 5);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "utilization");
    /* the same client with counters going back */
    write_i915(&rig, "proc/1001/fdinfo/12", 77, 1, 1, 1);
    write_i915(&rig, "proc/1001/fdinfo/13", 77, 1, 1, 1);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "utilization");
    write_i915(&rig, "proc/2002/fdinfo/5", 9, 1, 1, 1);
    assert_int_equal(rig_sample(&rig, 16), 0); /* found at the next look around */
    assert_int_equal(rig_items(&rig, GPU, "processes"), 2);
    rig_remove(&rig, "proc/1001/fdinfo/12");
    rig_remove(&rig, "proc/1001/fdinfo/13");
    rig_remove(&rig, "proc/2002/fdinfo/5");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "utilization");
    check_absent(&rig, GPU, "memory_used");
    check_absent(&rig, GPU, "processes");
    assert_non_null(rig_why(&rig, GPU, "utilization"));
}

static void set_time(const rig_t *rig, const char *path)
{
    static const struct timespec times[2] = {{1000, 0}, {1000, 0}};
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_format("%s/%s", rig->root, path);
    assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
}

/*  What opened a device since shows in its folder of descriptors; one that shows nothing is walked
 *  over now and then all the same. */
static void test_processes_are_walked_over_when_they_change(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "drm");
    rig_plant_link(&rig, "proc/3003/fd/1", "/dev/null");
    rig_plant(&rig, "proc/3003/fdinfo/7", "");
    write_i915(&rig, "proc/3003/fdinfo/7", 300, 1, 1, 1);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 2);
    rig_plant_link(&rig, "proc/3003/fd/7", "/dev/dri/renderD128");
    assert_int_equal(rig_sample(&rig, 16), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 3);
    /* the same change, but nothing tells of it */
    rig_plant_link(&rig, "proc/4004/fd/1", "/dev/null");
    rig_plant(&rig, "proc/4004/fdinfo/7", "");
    write_i915(&rig, "proc/4004/fdinfo/7", 400, 1, 1, 1);
    set_time(&rig, "proc/4004/fd");
    assert_int_equal(rig_sample(&rig, 16), 0);
    rig_plant_link(&rig, "proc/4004/fd/7", "/dev/dri/renderD128");
    MLX_CLEANUP(mlx_free_p) char *first = mlx_format("%s/4004/fd/1", rig.proc);
    assert_int_equal(unlink(first), 0);
    set_time(&rig, "proc/4004/fd");
    assert_int_equal(rig_sample(&rig, 16), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 3);
    assert_int_equal(rig_sample(&rig, 241), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 4);
}

static void test_intel_card_on_xe(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-arc", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "backend"), "xe");
    check(&rig, GPU, "frequency", 2650e6);
    check(&rig, GPU, "temperature", 61);
    check(&rig, GPU, "power_limit", 190);
    check(&rig, GPU, "energy", 500);
    check(&rig, GPU, "memory_used", 8192.0 * 1048576); /* its own memory, not the GTT's 192 KiB */
    check_absent(&rig, GPU, "power");
    check_absent(&rig, GPU, "utilization");
    rig_write(&rig, "sys/class/drm/card0/device/hwmon/hwmon2/energy1_input", "730000000\n");
    rig_write(&rig, "proc/777/fdinfo/20",
              "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\n"
              "drm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7665183225\n"
              "drm-cycles-ccs:\t31000000\ndrm-total-cycles-ccs:\t7665183225\n"
              "drm-engine-capacity-ccs:\t4\n");
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, GPU, "power", 230.0 / 2);
    /* 30 million of 10 million cycles on four engines */
    check(&rig, GPU, "utilization", 30.0 / 10 / 4);
    /* the same values again: no cycles have passed, nothing can be said */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "utilization");
    check(&rig, GPU, "power", 0);
    rig_write(&rig, "sys/class/drm/card0/device/hwmon/hwmon2/energy1_input", "5\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "power"); /* counter restarted */
    for (int i = 0; i < 12; i++)
        assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "power"); /* it stands still: that is no 0 W */
    assert_non_null(strstr(rig_why(&rig, GPU, "power"), "has not moved"));
    rig_remove(&rig, "sys/class/drm/card0/device/hwmon/hwmon2/energy1_input");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "energy", 300); /* the package's, where the card has none */
}

static void test_a_suspended_card_is_left_asleep(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "drm");
    rig_write(&rig, "sys/class/drm/card1/device/power/runtime_status", "suspended\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "vendor"), "amd");
    check_absent(&rig, GPU, "utilization");
    assert_non_null(strstr(rig_why(&rig, GPU, "utilization"), "suspended"));
}

static void test_a_card_pulled_out_and_put_back(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_remove(&rig, "sys/class/drm/card0/gt_act_freq_mhz");
    rig_remove(&rig, "sys/class/drm/card0/gt/gt0/rps_act_freq_mhz");
    rig_remove(&rig, "sys/class/drm/card0/device/uevent");
    assert_int_equal(rig_sample(&rig, 1), -1);
    assert_int_equal(mlx_readings_count(rig.readings), 0);
    assert_int_equal(rig_sample(&rig, 1), -1); /* looked again: nothing there */
    assert_int_equal(rig_probe(&rig), -1);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
    rig_write(&rig, "sys/class/drm/card0/device/uevent", "DRIVER=i915\n");
    rig_write(&rig, "sys/class/drm/card0/gt_act_freq_mhz", "300\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, "sensor.gpu.1", "id"), "drm:card0");
    check(&rig, "sensor.gpu.1", "frequency", 300e6);
}

static void test_a_second_card_is_found_later(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "drm");
    assert_int_equal(rig_sample(&rig, 1), 0);
    MLX_CLEANUP(mlx_free_p) char *card = mlx_format("%s/class/drm/card2", rig.sys);
    MLX_CLEANUP(mlx_free_p) char *device = mlx_format("%s/device", card);
    assert_int_equal(mkdir(card, 0700), 0);
    assert_int_equal(mkdir(device, 0700), 0);
    rig_write(&rig, "sys/class/drm/card2/device/uevent",
              "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0a:00.0\n");
    rig_write(&rig, "sys/class/drm/card2/device/gpu_busy_percent", "25\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(mlx_readings_count(rig.readings), 1);
    assert_int_equal(rig_sample(&rig, 61), 0);
    assert_int_equal(mlx_readings_count(rig.readings), 2);
    check(&rig, GPU, "utilization", 0.67);
    check(&rig, "sensor.gpu.1", "utilization", 0.25);
}

static void test_values_that_cannot_be_are_absent(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "drm");
    const char *device = "sys/class/drm/card1/device";
    static const struct {
        const char *file, *text, *field;
    } bad[] = {
        {"gpu_busy_percent", "101\n", "utilization"},
        {"mem_info_vram_used", "-1\n", "memory_used"},
        {"mem_info_vram_total", "99999999999999999999\n", "memory_total"},
        {"hwmon/hwmon3/power1_average", "0x10\n", "power"},
        {"hwmon/hwmon3/temp1_input", "2147483647\n", "temperature"},
        {"hwmon/hwmon3/pwm1", "61 62\n", "fan"},
        {"hwmon/hwmon3/freq1_input", "", "frequency"},
    };
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", device, bad[i].file);
        rig_write(&rig, path, bad[i].text);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check_absent(&rig, GPU, bad[i].field);
        assert_non_null(rig_why(&rig, GPU, bad[i].field));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amd_card),
        cmocka_unit_test(test_amd_card_with_a_product_name),
        cmocka_unit_test(test_amd_processor_graphics_count_main_memory),
        cmocka_unit_test(test_intel_graphics_by_their_clients),
        cmocka_unit_test(test_clients_come_and_go),
        cmocka_unit_test(test_processes_are_walked_over_when_they_change),
        cmocka_unit_test(test_intel_card_on_xe),
        cmocka_unit_test(test_a_suspended_card_is_left_asleep),
        cmocka_unit_test(test_a_card_pulled_out_and_put_back),
        cmocka_unit_test(test_a_second_card_is_found_later),
        cmocka_unit_test(test_values_that_cannot_be_are_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
