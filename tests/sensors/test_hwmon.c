/*  Temperatures, fans, energy and power supplies of recorded machines. */
#include "rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEMP "sensor.temperature"
#define POWER "sensor.power"

static void check_sensor(const rig_t *rig, size_t index, const char *source, const char *label,
                         double celsius)
{
    const mlx_value_t *item = rig_item(rig, TEMP, "sensor", index);
    double value = NAN;
    assert_true(mlx_value_real(item, "celsius", &value) && value == celsius);
    assert_string_equal(mlx_value_str(item, "source"), source);
    assert_string_equal(mlx_value_str(item, "label"), label);
}

static void check_fan(const rig_t *rig, size_t index, const char *label, double rpm)
{
    const mlx_value_t *item = rig_item(rig, TEMP, "fan", index);
    double value = NAN;
    assert_true(mlx_value_real(item, "rpm", &value) && value == rpm);
    assert_string_equal(mlx_value_str(item, "label"), label);
}

static void test_chips_of_a_desktop(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 61.375);
    check(&rig, TEMP, "gpu", 52);
    /* the mainboard's SYSTIN is not wired and reads -62: left out */
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 9);
    check_sensor(&rig, 0, "nvme", "Composite", 38.85);
    check_sensor(&rig, 2, "k10temp", "Tctl", 61.375);
    check_sensor(&rig, 5, "nct6799", "CPUTIN", 36);
    check_sensor(&rig, 8, "amdgpu", "mem", 70);
    assert_int_equal(rig_items(&rig, TEMP, "fan"), 3);
    check_fan(&rig, 0, "nct6799 fan1", 0); /* standing still is a reading */
    check_fan(&rig, 1, "nct6799 fan2", 1187);
    mlx_sensor_derive(rig.readings);
    check(&rig, TEMP, "max", 70);
    /* Tdie is the real one where a model has both */
    rig_write(&rig, "sys/class/hwmon/hwmon1/temp3_label", "Tdie\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 58.25);
}

static void test_chips_of_a_laptop(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 55);
    check_absent(&rig, TEMP, "gpu");
    /* one acpitz only: its zone and its chip are the same thing; the WLAN zone has no value */
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 7);
    check_sensor(&rig, 0, "acpitz", "acpitz temp1", 47.05);
    check_sensor(&rig, 4, "INT3400 Thermal", "INT3400 Thermal", 20);
    check_fan(&rig, 0, "thinkpad fan1", 2314);
    /* without coretemp the package's thermal zone answers */
    rig_remove(&rig, "sys/class/hwmon/hwmon1/name");
    rig_write(&rig, "sys/class/thermal/thermal_zone3/temp", "57000\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 57);
}

static void test_two_packages_count_by_the_hotter(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "hwmon");
    rig_write(&rig, "sys/class/hwmon/hwmon1/temp2_label", "Package id 1\n");
    rig_write(&rig, "sys/class/hwmon/hwmon1/temp2_input", "71500\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 71.5);
}

static void test_chips_of_an_asahi_mac(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "asahi-mac", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "cpu", 52);
    check(&rig, TEMP, "gpu", 44);
    check(&rig, POWER, "total", 11.25);
    check(&rig, POWER, "cpu", 3.5);
    check_fan(&rig, 0, "Fan", 1712);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 6);
}

static void test_a_suspended_device_is_left_asleep(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "hwmon");
    rig_write(&rig, "sys/class/hwmon/hwmon3/device/power/runtime_status", "suspended\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, TEMP, "gpu");
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 6);
    rig_write(&rig, "sys/class/hwmon/hwmon3/device/power/runtime_status", "active\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, TEMP, "gpu", 52);
}

static void test_chips_come_and_go(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "asahi-mac", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_remove(&rig, "sys/class/hwmon/hwmon1/temp1_input");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 5);
    rig_write(&rig, "sys/class/hwmon/hwmon1/temp1_input", "40000\n");
    assert_int_equal(rig_sample(&rig, 61), 0); /* found at the next look around */
    assert_int_equal(rig_items(&rig, TEMP, "sensor"), 6);
}

/*  Fans turn slowly: read every 5 s, and a value in between says how old it is. */
static void test_a_fan_carries_its_age(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    double age;
    rig_open(&rig, "amd-desktop", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_false(mlx_value_real(rig_item(&rig, TEMP, "fan", 1), "age", &age));
    rig_write(&rig, "sys/class/hwmon/hwmon2/fan2_input", "1500\n");
    rig_write(&rig, "sys/class/hwmon/hwmon1/temp1_input", "90000\n");
    assert_int_equal(rig_sample(&rig, 3), 0);
    check(&rig, TEMP, "cpu", 90); /* temperatures are read each time */
    check_fan(&rig, 1, "nct6799 fan2", 1187);
    assert_true(mlx_value_real(rig_item(&rig, TEMP, "fan", 1), "age", &age) && age == 3);
    assert_int_equal(rig_sample(&rig, 2), 0);
    check_fan(&rig, 1, "nct6799 fan2", 1500);
    assert_false(mlx_value_real(rig_item(&rig, TEMP, "fan", 1), "age", &age));
}

static void test_all_chips_gone_is_an_error(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-apu", "hwmon");
    assert_null(rig.state);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
    rig_close(&rig);
    rig_open(&rig, "intel-arc", "hwmon");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_non_null(rig_why(&rig, TEMP, "cpu"));
    rig_remove(&rig, "sys/class/hwmon/hwmon2/temp2_input");
    rig_remove(&rig, "sys/class/hwmon/hwmon2/temp3_input");
    rig_remove(&rig, "sys/class/hwmon/hwmon2/fan1_input");
    assert_int_equal(rig_sample(&rig, 1), -1);
    assert_int_equal(rig_probe(&rig), -1);
    mlx_readings_reset(rig.readings);
    mlx_sensor_absent(rig.backend, rig.err.text, rig.readings);
    assert_non_null(strstr(rig_why(&rig, TEMP, "max"), "no temperature or fan sensor"));
}

static void test_rapl_counts_watts(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "rapl");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "package");
    check(&rig, POWER, "energy", 0);
    rig_write(&rig, "sys/class/powercap/intel-rapl:0/energy_uj", "31359567890\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:0:0/energy_uj", "4294567890\n");
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, POWER, "package", 125.0 / 2);
    check(&rig, POWER, "cpu", 60.0 / 2);
    check(&rig, POWER, "energy", 125);
    check_absent(&rig, POWER, "dram");
    check_absent(&rig, POWER, "total");
}

static void test_rapl_wraps_and_resets(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "rapl");
    const char *package = "sys/class/powercap/intel-rapl:0/energy_uj";
    assert_int_equal(rig_sample(&rig, 1), 0);
    /* from 262100000000 over the range's end 262143328850 to 1671150: 45 J */
    rig_write(&rig, package, "1671150\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:0:0/energy_uj", "9020000000\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:0:1/energy_uj", "702500000\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:1/energy_uj", "51060000000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "package", 45);
    check(&rig, POWER, "cpu", 20);
    check(&rig, POWER, "gpu", 2.5);
    check(&rig, POWER, "total", 60);
    check(&rig, POWER, "energy", 45); /* the mmio twin of the package is not counted again */
    /* back to 0 soon after a start: a wrap would mean 262 kW */
    rig_write(&rig, package, "0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "package");
    check(&rig, POWER, "energy", 45);
    rig_write(&rig, package, "10000000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "package", 10);
    check(&rig, POWER, "energy", 55);
    /* a counter above its own range cannot have wrapped */
    rig_write(&rig, package, "999999999999999\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "package");
    rig_write(&rig, package, "5\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "package");
    check(&rig, POWER, "energy", 55);
}

static void test_rapl_of_two_packages_is_their_sum(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "rapl");
    rig_write(&rig, "sys/class/powercap/intel-rapl:1/name", "package-1\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:0:1/name", "dram\n");
    assert_int_equal(rig_probe(&rig), 0);
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_write(&rig, "sys/class/powercap/intel-rapl:0/energy_uj", "262110000000\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:1/energy_uj", "51005000000\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:0:1/energy_uj", "701000000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "package", 15);
    check(&rig, POWER, "dram", 1);
    /* one of the two unreadable: half a machine's power is not an answer */
    rig_write(&rig, "sys/class/powercap/intel-rapl:1/energy_uj", "garbage\n");
    rig_write(&rig, "sys/class/powercap/intel-rapl:0/energy_uj", "262120000000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "package");
}

static void test_a_counter_that_stands_still_is_no_power(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "rapl");
    assert_int_equal(rig_sample(&rig, 1), 0);
    rig_write(&rig, "sys/class/powercap/intel-rapl:0/energy_uj", "31359567890\n");
    for (int i = 0; i < 12; i++)
        assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, POWER, "package");
    check_absent(&rig, POWER, "cpu");
    assert_non_null(strstr(rig_why(&rig, POWER, "package"), "has not moved"));
    check(&rig, POWER, "energy", 125); /* the sum stays */
    rig_write(&rig, "sys/class/powercap/intel-rapl:0/energy_uj", "31379567890\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, POWER, "package", 20);
}

static void test_rapl_that_only_root_may_read_says_so(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "rapl");
    static const char *const files[] = {"intel-rapl:0", "intel-rapl:0:0"};
    for (size_t i = 0; i < MLX_COUNT(files); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%s/class/powercap/%s/energy_uj", rig.sys, files[i]);
        assert_int_equal(chmod(path, 0), 0);
    }
    assert_int_equal(chmod(rig.root, 0755), 0);
    uid_t self = geteuid();
    if (self == 0)
        assert_int_equal(seteuid(65534), 0); /* root may read everything */
    int rc = rig_probe(&rig);
    if (self == 0)
        assert_int_equal(seteuid(self), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
    assert_string_equal(rig.err.text, "energy_uj is readable by root only");
    assert_non_null(strstr(rig.err.hint, "udev"));
    rig_close(&rig);
    rig_open(&rig, "vm", "rapl");
    assert_null(rig.state);
    assert_non_null(strstr(rig.err.text, "no RAPL"));
    mlx_sensor_absent(rig.backend, rig.err.text, rig.readings);
    assert_non_null(rig_why(&rig, POWER, "package"));
}

static void test_rapl_counters_that_vanish(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "rapl");
    rig_remove(&rig, "sys/class/powercap/intel-rapl:0/energy_uj");
    rig_remove(&rig, "sys/class/powercap/intel-rapl:0:0/energy_uj");
    assert_int_equal(rig_sample(&rig, 1), -1);
    assert_int_equal(rig_probe(&rig), -1);
    assert_non_null(strstr(rig.err.text, "energy_uj"));
}

static void test_supply_of_a_laptop(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "intel-laptop", "supply");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, POWER, "source"), "battery");
    check(&rig, POWER, "battery", 0.73); /* the mouse's 20 % is not the machine's */
    check(&rig, POWER, "total", 9.876);
    rig_remove(&rig, "sys/class/power_supply/BAT0/power_now");
    rig_write(&rig, "sys/class/power_supply/BAT0/current_now", "500000\n");
    assert_int_equal(rig_sample(&rig, 10), 0);
    check(&rig, POWER, "total", 0.5 * 15.812);
    rig_write(&rig, "sys/class/power_supply/AC/online", "1\n");
    rig_write(&rig, "sys/class/power_supply/BAT0/status", "Charging\n");
    assert_int_equal(rig_sample(&rig, 10), 0);
    assert_string_equal(rig_str(&rig, POWER, "source"), "ac");
    check_absent(&rig, POWER, "total");
    assert_non_null(rig_why(&rig, POWER, "total"));
}

static void test_two_batteries_count_by_their_size(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "asahi-mac", "supply");
    assert_int_equal(rig_sample(&rig, 10), 0);
    assert_string_equal(rig_str(&rig, POWER, "source"), "ac");
    check(&rig, POWER, "battery", 0.88);
    check_absent(&rig, POWER, "total"); /* charging: what flows in is not what is used */
    rig_write(&rig, "sys/class/power_supply/hidpp_battery_0", "no folder\n");
    rig_write(&rig, "sys/class/power_supply/macsmc-ac/type", "Battery\n");
    rig_write(&rig, "sys/class/power_supply/macsmc-ac/capacity", "50\n");
    rig_write(&rig, "sys/class/power_supply/macsmc-ac/energy_full", "20000000\n");
    rig_write(&rig, "sys/class/power_supply/macsmc-ac/status", "Discharging\n");
    rig_write(&rig, "sys/class/power_supply/macsmc-ac/power_now", "-4000000\n");
    assert_int_equal(rig_sample(&rig, 10), 0);
    check(&rig, POWER, "battery", (0.88 * 58 + 0.5 * 20) / 78);
    assert_string_equal(rig_str(&rig, POWER, "source"), "battery");
    check(&rig, POWER, "total", 4);
}

static void test_a_desktop_has_no_supply(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "amd-desktop", "supply");
    assert_null(rig.state);
    assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
    rig_close(&rig);
    rig_open(&rig, "asahi-mac", "supply");
    rig_remove(&rig, "sys/class/power_supply/macsmc-battery/type");
    assert_int_equal(rig_sample(&rig, 10), 0);
    check_absent(&rig, POWER, "battery");
    assert_string_equal(rig_why(&rig, POWER, "battery"), "no battery");
    rig_remove(&rig, "sys/class/power_supply/macsmc-ac/type");
    assert_int_equal(rig_sample(&rig, 10), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chips_of_a_desktop),
        cmocka_unit_test(test_chips_of_a_laptop),
        cmocka_unit_test(test_two_packages_count_by_the_hotter),
        cmocka_unit_test(test_chips_of_an_asahi_mac),
        cmocka_unit_test(test_a_suspended_device_is_left_asleep),
        cmocka_unit_test(test_chips_come_and_go),
        cmocka_unit_test(test_a_fan_carries_its_age),
        cmocka_unit_test(test_all_chips_gone_is_an_error),
        cmocka_unit_test(test_rapl_counts_watts),
        cmocka_unit_test(test_rapl_wraps_and_resets),
        cmocka_unit_test(test_rapl_of_two_packages_is_their_sum),
        cmocka_unit_test(test_a_counter_that_stands_still_is_no_power),
        cmocka_unit_test(test_rapl_that_only_root_may_read_says_so),
        cmocka_unit_test(test_rapl_counters_that_vanish),
        cmocka_unit_test(test_supply_of_a_laptop),
        cmocka_unit_test(test_two_batteries_count_by_their_size),
        cmocka_unit_test(test_a_desktop_has_no_supply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
