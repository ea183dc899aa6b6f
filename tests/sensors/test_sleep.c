/*  What sleeps is not woken, and what could sleep is not kept awake: not one call of NVIDIA's
 *  library, not one file of a suspended device's driver. */
#include "case.h"
#include "watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GPU "sensor.gpu.0"
#define TEMP "sensor.temperature"
#define ASLEEP "nvidia-asleep.json"
#define STATUS "sys/bus/pci/devices/0000:01:00.0/power/runtime_status"
#define BUSY "0.utilization=83\n0.processes=1\n0.power=95000\n"
#define IDLE "0.utilization=0\n0.processes=0\n0.power=9000\n"

static void sample(rig_t *rig, int times, double seconds)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(rig_sample(rig, seconds), 0);
}

/*  bottom#1291, gpu-usage-waybar#41 */
static void test_a_sleeping_nvidia_gpu_is_not_asked(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open_nvml(&rig, ASLEEP, BUSY);
    assert_int_equal(rig_probe(&rig), 0);
    sample(&rig, 90, 1);
    assert_int_equal(case_calls(&rig), 0);
    assert_int_equal(mlx_readings_count(rig.readings), 1);
    assert_string_equal(rig_str(&rig, GPU, "vendor"), "nvidia");
    check_absent(&rig, GPU, "utilization");
    assert_non_null(strstr(rig_why(&rig, GPU, "power"), "suspended"));
    rig_write(&rig, STATUS, "active\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "utilization", 0.83);
    assert_string_equal(rig_str(&rig, GPU, "id"), "nvml:GPU-00000000-1111-2222-3333-444444444444");
    static const char *const resting[] = {"suspending\n", "suspended\n", "resuming\n"};
    for (size_t i = 0; i < MLX_COUNT(resting); i++) {
        rig_write(&rig, STATUS, resting[i]);
        assert_int_equal(rig_sample(&rig, 1), 0);
        size_t before = case_calls(&rig); /* the session was ended */
        sample(&rig, 30, 1);
        assert_int_equal(case_calls(&rig), before);
        check_absent(&rig, GPU, "utilization");
        assert_string_equal(rig_str(&rig, GPU, "name"), "NVIDIA Double 0");
    }
    rig_write(&rig, STATUS, "active\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "power", 95);
    assert_int_equal(mlx_readings_count(rig.readings), 1);
}

static void test_power_state_tells_too(void **state)
{
    (void)state;
    static const char *const states[] = {"D3cold\n", "D3hot\n"};
    for (size_t i = 0; i < MLX_COUNT(states); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        case_open_nvml(&rig, ASLEEP, BUSY);
        rig_remove(&rig, STATUS);
        rig_plant(&rig, "sys/bus/pci/devices/0000:01:00.0/power_state", states[i]);
        assert_int_equal(rig_probe(&rig), 0);
        sample(&rig, 5, 1);
        assert_int_equal(case_calls(&rig), 0);
        rig_write(&rig, "sys/bus/pci/devices/0000:01:00.0/power_state", "D0\n");
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, GPU, "power", 95);
    }
}

static void plant_second(const rig_t *rig, const char *status)
{
    rig_plant(rig, "sys/bus/pci/devices/0000:02:00.0/vendor", "0x10de\n");
    rig_plant(rig, "sys/bus/pci/devices/0000:02:00.0/class", "0x030200\n");
    rig_plant(rig, "sys/bus/pci/devices/0000:02:00.0/power/runtime_status", status);
}

static void test_one_of_two_sleeps(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open_nvml(&rig, ASLEEP, "gpus=2\n" BUSY "1.utilization=7\n1.power=30000\n");
    plant_second(&rig, "active\n");
    assert_int_equal(rig_probe(&rig), 0);
    sample(&rig, 5, 1);
    assert_int_equal(mlx_readings_count(rig.readings), 2);
    check(&rig, GPU, "utilization", 0.07);
    assert_string_equal(rig_str(&rig, GPU, "name"), "NVIDIA Double 1");
    check_absent(&rig, "sensor.gpu.1", "power");
    assert_non_null(strstr(rig_why(&rig, "sensor.gpu.1", "power"), "suspended"));
    rig_write(&rig, STATUS, "active\n");
    sample(&rig, 1, 1);
    check(&rig, "sensor.gpu.1", "power", 95);
    check(&rig, GPU, "power", 30);
}

/*  Asking an idle GPU every second keeps it from falling asleep. */
static void test_an_idle_gpu_is_given_time_to_fall_asleep(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open_nvml(&rig, ASLEEP, IDLE);
    rig_write(&rig, STATUS, "active\n");
    assert_int_equal(rig_probe(&rig), 0);
    sample(&rig, 14, 1);
    check(&rig, GPU, "power", 9);
    sample(&rig, 4, 1);
    check_absent(&rig, GPU, "power");
    assert_non_null(strstr(rig_why(&rig, GPU, "power"), "left alone"));
    size_t before = case_calls(&rig);
    sample(&rig, 16, 1);
    assert_int_equal(case_calls(&rig), before);
    sample(&rig, 4, 1); /* it did not sleep: a display hangs on it */
    check(&rig, GPU, "power", 9);
    sample(&rig, 25, 1);
    check(&rig, GPU, "power", 9); /* the next try comes later */
    case_set_nvml(&rig, BUSY);
    sample(&rig, 100, 1);
    check(&rig, GPU, "power", 95);
}

static void test_a_gpu_that_may_not_suspend_is_asked_always(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open_nvml(&rig, ASLEEP, IDLE);
    rig_write(&rig, STATUS, "active\n");
    rig_write(&rig, "sys/bus/pci/devices/0000:01:00.0/power/control", "on\n");
    assert_int_equal(rig_probe(&rig), 0);
    for (int i = 0; i < 200; i++) {
        sample(&rig, 1, 1);
        check(&rig, GPU, "power", 9);
    }
}

static void test_another_drivers_gpu_is_left_to_it(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    case_open_nvml(&rig, ASLEEP, "init=9\n");
    rig_plant_link(&rig, "sys/bus/pci/devices/0000:01:00.0/driver",
                   "../../../bus/pci/drivers/nouveau");
    assert_int_equal(rig_probe(&rig), -1);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
    rig.env.nvml_library = "libmlx-no-such-library.so";
    assert_int_equal(rig_probe(&rig), -1);
    assert_non_null(strstr(rig.err.text, "no NVIDIA driver library"));
}

static void test_a_sleeping_card_is_not_touched(void **state)
{
    (void)state;
    static const struct {
        const char *machine, *card, *process;
    } rows[] = {
        {"amd-desktop", "card1", "4242"},
        {"amd-apu", "card0", NULL},
        {"intel-laptop", "card0", "2002"},
        {"intel-arc", "card0", "777"},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        rig_open(&rig, rows[i].machine, "drm");
        MLX_CLEANUP(mlx_free_p) char *device = mlx_format("sys/class/drm/%s/device", rows[i].card);
        MLX_CLEANUP(mlx_free_p) char *status = mlx_format("%s/power/runtime_status", device);
        MLX_CLEANUP(mlx_free_p)
        char *account = rows[i].process ? mlx_format("proc/%s/fdinfo", rows[i].process) : NULL;
        rig_plant(&rig, status, "suspended\n");
        watch_t of_device;
        watch_t of_process;
        watch_start(&of_device, &rig, device);
        watch_start(&of_process, &rig, account ? account : "proc");
        assert_int_equal(rig_probe(&rig), 0);
        sample(&rig, 70, 1);
        assert_int_equal(watch_opened(&of_device, NULL),
                         watch_opened(&of_device, "uevent") + watch_opened(&of_device, "power") +
                             watch_opened(&of_device, "power_state"));
        assert_int_equal(watch_opened(&of_process, NULL), 0);
        check_absent(&rig, GPU, "utilization");
        assert_non_null(strstr(rig_why(&rig, GPU, "temperature"), "suspended"));
        rig_write(&rig, status, "active\n");
        sample(&rig, 2, 1);
        assert_null(rig_why(&rig, GPU, "frequency"));
        size_t before = watch_read(&of_device, NULL);
        assert_true(before > 0);
        rig_write(&rig, status, "suspended\n");
        sample(&rig, 70, 1);
        assert_int_equal(watch_read(&of_device, NULL), before);
        watch_end(&of_device);
        watch_end(&of_process);
    }
}

/*  truenas#3042, FanControl#3004 */
static void test_a_disk_is_asked_once_a_minute(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    watch_t disk;
    watch_t processor;
    case_open(&rig, "drivetemp.json", "hwmon");
    watch_start(&disk, &rig, "sys/class/hwmon/hwmon0");
    watch_start(&processor, &rig, "sys/class/hwmon/hwmon1");
    size_t asked = 0;
    for (int i = 0; i < 2 * 130; i++) { /* the kernel joins events that nobody collects */
        size_t before = watch_read(&disk, "temp1_input");
        size_t of_processor = watch_read(&processor, "temp1_input");
        sample(&rig, 1, 0.5);
        asked += watch_read(&disk, "temp1_input") > before;
        assert_true(watch_read(&processor, "temp1_input") > of_processor);
    }
    assert_int_equal(asked, 3); /* at once, and after each minute */
    const mlx_value_t *item = rig_item(&rig, TEMP, "sensor", 0);
    double value = NAN;
    assert_true(mlx_value_real(item, "celsius", &value) && value == 31);
    assert_true(mlx_value_real(item, "age", &value) && value > 0 && value < 60);
    assert_null(mlx_value_get(rig_item(&rig, TEMP, "sensor", 1), "age"));
    check(&rig, TEMP, "cpu", 45);
    watch_end(&disk);
    watch_end(&processor);
}

static void test_a_disk_that_moves_nothing_is_not_asked(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    watch_t disk;
    case_open(&rig, "drivetemp.json", "hwmon");
    rig_plant(&rig, "sys/class/hwmon/hwmon0/device/block/sdb/stat", " 5 0 7 1 9 0 3 1 0 0 0\n");
    assert_int_equal(rig_probe(&rig), 0);
    sample(&rig, 2, 1);
    watch_start(&disk, &rig, "sys/class/hwmon/hwmon0");
    sample(&rig, 600, 1);
    assert_int_equal(watch_read(&disk, "temp1_input"), 0);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 1); /* what it said is the past */
    rig_write(&rig, "sys/class/hwmon/hwmon0/device/block/sdb/stat", "6 0 7 1 9 0 3 1 0 0 0\n");
    sample(&rig, 61, 1);
    assert_true(watch_read(&disk, "temp1_input") > 0);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 2);
    watch_end(&disk);
}

static void test_a_drive_asleep_is_not_asked(void **state)
{
    (void)state;
    static const struct {
        const char *file, *asleep, *awake;
    } rows[] = {
        {"device/power/runtime_status", "suspended\n", "active\n"},
        {"device/device/power/runtime_status", "suspended\n", "active\n"},
        {"device/device/power_state", "D3cold\n", "D0\n"},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        watch_t drive;
        case_open(&rig, "drivetemp.json", "hwmon");
        rig_write(&rig, "sys/class/hwmon/hwmon0/name", "nvme\n");
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("sys/class/hwmon/hwmon0/%s", rows[i].file);
        rig_plant(&rig, path, rows[i].asleep);
        assert_int_equal(rig_probe(&rig), 0);
        watch_start(&drive, &rig, "sys/class/hwmon/hwmon0");
        sample(&rig, 200, 1);
        assert_int_equal(watch_read(&drive, "temp1_input"), 0);
        assert_int_equal(rig_items(&rig, TEMP, "sensor"), 1);
        rig_write(&rig, path, rows[i].awake);
        sample(&rig, 61, 1);
        assert_int_equal(rig_items(&rig, TEMP, "sensor"), 2);
        watch_end(&drive);
    }
}

/*  hwmon's files of a GPU start its idle time again as well. */
/*  How old the field of the summary says to be. */
static double age_of(const rig_t *rig, const char *field)
{
    double age = 0;
    for (size_t i = 0; i < rig_items(rig, TEMP, "held"); i++) {
        const mlx_value_t *note = rig_item(rig, TEMP, "held", i);
        if (strcmp(mlx_value_str(note, "field"), field) == 0)
            mlx_value_real(note, "age", &age);
    }
    return age;
}

static void test_the_chip_of_a_gpu_that_may_sleep_is_asked_once_a_minute(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    watch_t gpu;
    rig_open(&rig, "amd-desktop", "hwmon");
    rig_plant(&rig, "sys/class/hwmon/hwmon3/device/power/control", "auto\n");
    assert_int_equal(rig_probe(&rig), 0);
    watch_start(&gpu, &rig, "sys/class/hwmon/hwmon3");
    size_t asked = 0;
    for (int i = 0; i < 119; i++) {
        size_t before = watch_read(&gpu, "temp1_input");
        sample(&rig, 1, 1);
        asked += watch_read(&gpu, "temp1_input") > before;
    }
    assert_int_equal(asked, 2);
    /* the summary says how old it is, and the hottest is a sensor that is read each time */
    check(&rig, TEMP, "gpu", 52);
    assert_true(age_of(&rig, "gpu") == 58);
    check(&rig, TEMP, "max", 61.375);
    assert_true(age_of(&rig, "max") == 0);
    watch_end(&gpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sleeping_nvidia_gpu_is_not_asked),
        cmocka_unit_test(test_power_state_tells_too),
        cmocka_unit_test(test_one_of_two_sleeps),
        cmocka_unit_test(test_an_idle_gpu_is_given_time_to_fall_asleep),
        cmocka_unit_test(test_a_gpu_that_may_not_suspend_is_asked_always),
        cmocka_unit_test(test_another_drivers_gpu_is_left_to_it),
        cmocka_unit_test(test_a_sleeping_card_is_not_touched),
        cmocka_unit_test(test_a_disk_is_asked_once_a_minute),
        cmocka_unit_test(test_a_disk_that_moves_nothing_is_not_asked),
        cmocka_unit_test(test_a_drive_asleep_is_not_asked),
        cmocka_unit_test(test_the_chip_of_a_gpu_that_may_sleep_is_asked_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
