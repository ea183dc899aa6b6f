/*  Memory, processors, heat, battery on the canned machines: values, units, what is absent. */
#include "check.h"

#include <string.h>

static void memory_as_activity_monitor(void **unused)
{
    (void)unused;
    dd_machine_m1();
    mlx_readings_t *r = read_all();
    const mlx_value_t *memory = topic(r, "sensor.memory");
    /* active + inactive + wired + speculative + compressor - purgeable - external */
    const int64_t used = (3000 + 2000 + 1500 + 200 + 700 - 100 - 900) * 16384;
    is_int(memory, "total", 16 * GIB);
    is_int(memory, "used", used);
    is_int(memory, "available", 16 * GIB - used);
    is_int(memory, "free", (1000 - 200) * 16384);
    is_int(memory, "cached", (100 + 900) * 16384);
    is_int(memory, "wired", 1500 * 16384);
    is_int(memory, "compressed", 700 * 16384);
    is_int(memory, "swap_total", 2 * GIB);
    is_int(memory, "swap_used", GIB);
    is_text(memory, "pressure_level", "normal");
    is_missing(memory, "gpu_limit");
    mlx_readings_destroy(&r);
}

static void memory_limits_and_pressure(void **unused)
{
    (void)unused;
    dd_machine_m4();
    dd_sysctl_int("kern.memorystatus_vm_pressure_level", 4, 4);
    mlx_readings_t *r = read_all();
    is_int(topic(r, "sensor.memory"), "gpu_limit", (int64_t)49152 << 20);
    is_text(topic(r, "sensor.memory"), "pressure_level", "critical");
    mlx_readings_destroy(&r);
    dd_sysctl_int("kern.memorystatus_vm_pressure_level", 3, 4); /* no such level */
    r = read_all();
    is_missing(topic(r, "sensor.memory"), "pressure_level");
    mlx_readings_destroy(&r);
}

static void memory_that_cannot_be_read_is_absent(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_vm();
    dd.fail_vm = true;
    dd_sysctl_remove("vm.swapusage");
    mlx_readings_t *r = read_one(&mlx_sensor_mach, 2, &err);
    assert_non_null(r);
    is_missing(topic(r, "sensor.memory"), "used");
    is_missing(topic(r, "sensor.memory"), "swap_total");
    mlx_readings_destroy(&r);
    dd.fail_vm = false;
    dd.vm_words = 33; /* a kernel from before the fields we need */
    r = read_one(&mlx_sensor_mach, 2, &err);
    is_missing(topic(r, "sensor.memory"), "used");
    mlx_readings_destroy(&r);
    dd.fail_vm = dd.fail_processors = true;
    assert_null(read_one(&mlx_sensor_mach, 1, &err));
    dd.page_size = 0;
    assert_null(read_one(&mlx_sensor_mach, 1, &err));
}

/*  Two samples of mach with ticks of the double moved on in between. */
static mlx_readings_t *busy_vm(void)
{
    mlx_error_t err = {0};
    void *state = NULL;
    mlx_readings_t *r = mlx_readings_new();
    dd_machine_vm();
    dd.ticks[1][0] = UINT32_MAX - 9; /* wraps */
    assert_int_equal(mlx_sensor_mach.probe(&state, &check_nowhere, &err), 0);
    assert_int_equal(mlx_sensor_mach.sample(state, 0, r, &err), 0);
    is_int(topic(r, "sensor.cpu"), "cores", 4);
    assert_null(mlx_value_get(topic(r, "sensor.cpu"), "utilization"));
    assert_null(mlx_value_get(topic(r, "sensor.cpu"), "core"));
    for (int i = 0; i < 4; i++)
        dd.ticks[i][2] += 50; /* idle */
    dd.ticks[0][1] += 30;     /* system */
    dd.ticks[0][3] += 20;     /* nice */
    dd.ticks[1][0] += 50;     /* user, over the wrap */
    mlx_readings_reset(r);
    assert_int_equal(mlx_sensor_mach.sample(state, 1000000, r, &err), 0);
    mlx_sensor_mach.close(&state);
    return r;
}

static void processors_by_ticks(void **unused)
{
    (void)unused;
    mlx_readings_t *r = busy_vm();
    const mlx_value_t *cpu = topic(r, "sensor.cpu");
    is_text(cpu, "name", "Apple processor");
    is_real(cpu, "utilization", 100.0 / 300);
    is_real(cpu, "user", 70.0 / 300);
    is_real(cpu, "system", 30.0 / 300);
    is_real(cpu, "load1", 1);
    is_real(cpu, "load5", 2);
    is_real(cpu, "load15", 0.5);
    assert_int_equal(mlx_value_size(mlx_value_get(cpu, "core")), 4);
    is_int(item(cpu, "core", 1), "id", 1);
    is_real(item(cpu, "core", 0), "utilization", 0.5);
    is_real(item(cpu, "core", 1), "utilization", 0.5);
    is_real(item(cpu, "core", 2), "utilization", 0);
    mlx_readings_destroy(&r);
}

static void thermal_state_by_name(void **unused)
{
    (void)unused;
    static const char *const names[] = {"nominal", "moderate", "heavy", "trapping", "sleeping"};
    for (uint64_t level = 0; level < 6; level++) {
        dd_machine_m1();
        dd.thermal_level = level;
        mlx_readings_t *r = read_all();
        const mlx_value_t *t = topic(r, "sensor.temperature");
        if (level < 5)
            is_text(t, "thermal_state", names[level]);
        else
            is_missing(t, "thermal_state");
        mlx_readings_destroy(&r);
    }
    dd_machine_vm();
    mlx_readings_t *r = read_all();
    is_missing(topic(r, "sensor.temperature"), "thermal_state");
    mlx_readings_destroy(&r);
}

static void temperatures_and_fans(void **unused)
{
    (void)unused;
    dd_machine_m1();
    mlx_readings_t *r = read_all();
    const mlx_value_t *t = topic(r, "sensor.temperature");
    is_real(t, "cpu", 50); /* (60 + 50 + 40) / 3: the zero is not a reading */
    is_real(t, "gpu", 45);
    is_real(t, "max", 60);
    assert_int_equal(mlx_value_size(mlx_value_get(t, "sensor")), 5);
    is_text(item(t, "sensor", 0), "label", "CPU Tp01");
    is_text(item(t, "sensor", 0), "source", "smc");
    is_real(item(t, "sensor", 0), "celsius", 60);
    assert_int_equal(mlx_value_size(mlx_value_get(t, "fan")), 2);
    is_text(item(t, "fan", 0), "label", "fan 0");
    is_real(item(t, "fan", 0), "rpm", 0);
    is_real(item(t, "fan", 1), "rpm", 1350);
    mlx_readings_destroy(&r);
}

static void temperatures_of_intel(void **unused)
{
    (void)unused;
    dd_machine_intel();
    mlx_readings_t *r = read_all();
    const mlx_value_t *t = topic(r, "sensor.temperature");
    is_real(t, "cpu", 60.5);
    is_real(t, "gpu", 50);
    is_real(item(t, "fan", 0), "rpm", 2000.5);
    is_missing(topic(r, "sensor.power"), "total");
    mlx_readings_destroy(&r);
}

static void processors_that_come_and_go(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    void *state = NULL;
    mlx_readings_t *r = mlx_readings_new();
    dd_machine_vm();
    assert_int_equal(mlx_sensor_mach.probe(&state, &check_nowhere, &err), 0);
    assert_int_equal(mlx_sensor_mach.sample(state, 0, r, &err), 0);
    dd.core_count = 2;
    mlx_readings_reset(r);
    assert_int_equal(mlx_sensor_mach.sample(state, 1000000, r, &err), 0);
    is_int(topic(r, "sensor.cpu"), "cores", 2);
    assert_null(mlx_value_get(topic(r, "sensor.cpu"), "utilization"));
    dd.core_count = 0;
    mlx_readings_reset(r);
    assert_int_equal(mlx_sensor_mach.sample(state, 2000000, r, &err), 0);
    is_missing(topic(r, "sensor.cpu"), "utilization");
    is_int(topic(r, "sensor.memory"), "total", 8 * GIB);
    mlx_sensor_mach.close(&state);
    mlx_readings_destroy(&r);
}

static void sysctls_of_odd_sizes(void **unused)
{
    (void)unused;
    static const char name[] = "a chip whose name is longer than any of Apple's: 64 bytes";
    mlx_error_t err = {0};
    dd_machine_vm();
    dd_sysctl_bytes("hw.memsize", "\1\2", 2);
    dd_sysctl_bytes("vm.loadavg", "\1\2", 2);
    dd_sysctl_bytes("machdep.cpu.brand_string", name, 10); /* no NUL at its end */
    mlx_readings_t *r = read_one(&mlx_sensor_mach, 2, &err);
    is_missing(topic(r, "sensor.memory"), "total");
    is_missing(topic(r, "sensor.cpu"), "load1");
    is_text(topic(r, "sensor.cpu"), "name", "a chip wh");
    mlx_readings_destroy(&r);
}

static void every_type_of_smc_number(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_intel();
    dd.smc_count = 0;
    dd_smc_bytes("TC0a", "sp78", "\xff\x80", 2); /* -0.5: no temperature */
    dd_smc_bytes("TC1a", "ui8 ", "\x29", 1);
    dd_smc_bytes("TC2a", "ui16", "\0\x2a", 2);
    dd_smc_bytes("TC3a", "ui32", "\0\0\0\x2b", 4);
    dd_smc_bytes("TC4a", "flt ", "\0\0\xc0\x7f", 4);     /* NaN */
    dd_smc_bytes("TC5a", "flt ", "\0\0\x80\x7f\0\0", 6); /* a size that is not the type's */
    dd_smc_bytes("F1Ac", "sp78", "\xff\0", 2);           /* -1 rpm */
    dd_smc_bytes("#KEY", "ui32", "\0\0\0\x8", 4);
    mlx_readings_t *r = read_one(&mlx_sensor_smc, 1, &err);
    const mlx_value_t *t = topic(r, "sensor.temperature");
    assert_int_equal(mlx_value_size(mlx_value_get(t, "sensor")), 3);
    is_real(t, "cpu", 42);
    assert_null(mlx_value_get(t, "fan"));
    mlx_readings_destroy(&r);
}

static void smc_absent_or_failing(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_vm();
    assert_null(read_one(&mlx_sensor_smc, 1, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    dd_machine_m1();
    dd.fail_smc_open = true;
    assert_null(read_one(&mlx_sensor_smc, 1, &err));
    dd.fail_smc_open = false;
    dd.fail_smc_calls = true;
    assert_null(read_one(&mlx_sensor_smc, 1, &err));
    dd.fail_smc_calls = false;
    void *state = NULL;
    assert_int_equal(mlx_sensor_smc.probe(&state, &check_nowhere, &err), 0);
    dd.fail_smc_calls = true;
    mlx_readings_t *r = mlx_readings_new();
    assert_int_equal(mlx_sensor_smc.sample(state, 0, r, &err), -1);
    assert_null(mlx_value_get(topic(r, "sensor.temperature"), "cpu"));
    mlx_sensor_smc.close(&state);
    mlx_readings_destroy(&r);
}

static void hid_only_where_the_smc_is_silent(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_m1();
    dd.hid[dd.hid_count].product = "pACC MTR Temp Sensor0";
    dd.hid[dd.hid_count++].celsius = 70;
    assert_null(read_one(&mlx_sensor_hid, 1, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    dd.smc_count = 0;
    dd.hid[dd.hid_count].product = "eACC MTR Temp Sensor3";
    dd.hid[dd.hid_count++].celsius = 50;
    dd.hid[dd.hid_count].product = "GPU MTR Temp Sensor1";
    dd.hid[dd.hid_count++].celsius = 55;
    dd.hid[dd.hid_count].product = "NAND CH0 temp";
    dd.hid[dd.hid_count++].celsius = -1; /* no reading */
    dd.hid[dd.hid_count].product = NULL; /* a number where a name should be */
    dd.hid[dd.hid_count++].celsius = 99;
    mlx_readings_t *r = read_all();
    const mlx_value_t *t = topic(r, "sensor.temperature");
    is_real(t, "cpu", 60);
    is_real(t, "gpu", 55);
    is_real(t, "max", 70);
    is_real(topic(r, "sensor.gpu.0"), "temperature", 55);
    assert_int_equal(mlx_value_size(mlx_value_get(t, "sensor")), 3);
    is_text(item(t, "sensor", 0), "source", "hid");
    mlx_readings_destroy(&r);
    dd.fail_events = true;
    assert_null(read_one(&mlx_sensor_hid, 1, &err));
    dd.no_hid_symbols = true;
    assert_null(read_one(&mlx_sensor_hid, 1, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void virtual_machine_has_what_it_has(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_vm();
    size_t count;
    const mlx_sensor_backend_t *const *backends = mlx_sensor_backends(&count);
    assert_ptr_equal(backends[0], &mlx_sensor_mach);
    assert_int_equal(count, 7);
    for (size_t i = 1; i < count; i++) {
        assert_null(read_one(backends[i], 1, &err));
        assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    }
    mlx_readings_t *r = read_all();
    is_int(topic(r, "sensor.memory"), "total", 8 * GIB);
    assert_null(topic(r, "sensor.gpu.0"));
    is_missing(topic(r, "sensor.power"), "package");
    is_missing(topic(r, "sensor.power"), "source");
    is_missing(topic(r, "sensor.temperature"), "cpu");
    mlx_readings_destroy(&r);
}

static void battery_that_tells_nonsense(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_vm();
    int node = dd_node("AppleSmartBattery", "AppleSmartBattery", "AppleSmartBattery", -1);
    dd_property(node, "CurrentCapacity", dd_number(101));
    dd_property(node, "MaxCapacity", dd_number(100));
    dd_property(node, "ExternalConnected", dd_number(1));
    mlx_readings_t *r = read_one(&mlx_sensor_battery, 1, &err);
    is_missing(topic(r, "sensor.power"), "battery");
    is_missing(topic(r, "sensor.power"), "source");
    mlx_readings_destroy(&r);
}

static void fan_range(void **unused)
{
    (void)unused;
    dd_machine_m1();
    dd.smc_count--; /* the count of keys comes last */
    dd_smc_flt("F1Mn", 1300.0F);
    dd_smc_flt("F1Mx", 5777.0F);
    uint8_t count[4] = {0, 0, 0, (uint8_t)(dd.smc_count + 1)};
    dd_smc_bytes("#KEY", "ui32", count, 4);
    mlx_readings_t *r = read_all();
    const mlx_value_t *t = topic(r, "sensor.temperature");
    is_real(item(t, "fan", 1), "min", 1300);
    is_real(item(t, "fan", 1), "max", 5777);
    assert_null(mlx_value_get(item(t, "fan", 0), "min"));
    mlx_readings_destroy(&r);
}

static int battery_with(int64_t milliamperes, bool charging)
{
    dd_machine_vm();
    int node = dd_node("AppleSmartBattery", "AppleSmartBattery", "AppleSmartBattery", -1);
    dd_property(node, "CurrentCapacity", dd_number(80));
    dd_property(node, "MaxCapacity", dd_number(100));
    dd_property(node, "ExternalConnected", dd_truth(charging));
    dd_property(node, "IsCharging", dd_truth(charging));
    dd_property(node, "Amperage", dd_number(milliamperes));
    dd_property(node, "Voltage", dd_number(12500));
    dd_property(node, "AppleRawMaxCapacity", dd_number(4500));
    dd_property(node, "DesignCapacity", dd_number(5000));
    dd_property(node, "CycleCount", dd_number(211));
    return node;
}

static void battery_power_time_and_health(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_property(battery_with(-2000, false), "TimeRemaining", dd_number(95));
    mlx_readings_t *r = read_one(&mlx_sensor_battery, 1, &err);
    is_text(topic(r, "sensor.power"), "battery_state", "discharging");
    is_real(topic(r, "sensor.power"), "battery_power", 25);
    is_real(topic(r, "sensor.power"), "battery_time", 5700);
    is_real(topic(r, "sensor.power"), "battery_health", 0.9);
    is_int(topic(r, "sensor.power"), "battery_cycles", 211);
    mlx_readings_destroy(&r);
    dd_property(battery_with(3000, true), "TimeRemaining", dd_number(65535));
    r = read_one(&mlx_sensor_battery, 1, &err);
    is_text(topic(r, "sensor.power"), "battery_state", "charging");
    is_real(topic(r, "sensor.power"), "battery_power", 37.5);
    is_missing(topic(r, "sensor.power"), "battery_time");
    mlx_readings_destroy(&r);
    dd_property(battery_with(0, false), "FullyCharged", dd_truth(true));
    r = read_one(&mlx_sensor_battery, 1, &err);
    is_text(topic(r, "sensor.power"), "battery_state", "full");
    is_missing(topic(r, "sensor.power"), "battery_power");
    mlx_readings_destroy(&r);
}

static void gpu_client(int gpu, const char *creator, int64_t first, int64_t second)
{
    int node = dd_node("none", "AGXDeviceUserClient", "AGXDeviceUserClient", gpu);
    CFTypeRef usage = dd_array();
    for (int i = 0; i < 2; i++) {
        CFMutableDictionaryRef one = dd_dict();
        dd_dict_put(one, "accumulatedGPUTime", dd_number(i ? second : first));
        dd_array_add(usage, one);
    }
    dd_property(node, "AppUsage", usage);
    dd_property(node, "IOUserClientCreator", dd_text(creator));
}

static void who_uses_the_gpu(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    void *state = NULL;
    mlx_readings_t *r = mlx_readings_new();
    dd_machine_m1();
    int gpu = 0;
    while (strcmp(dd.nodes[gpu].class_name, "IOAccelerator") != 0)
        gpu++;
    gpu_client(gpu, "pid 512, WindowServer", 1000000, 2000000);
    gpu_client(gpu, "pid 900, ollama", 0, 500000000);
    gpu_client(gpu, "pid 900, ollama", 0, 500000000);
    gpu_client(gpu, "somebody", 1, 1);
    dd_node("none", "Other", "Other", gpu);
    assert_int_equal(mlx_sensor_ioaccel.probe(&state, &check_nowhere, &err), 0);
    assert_int_equal(mlx_sensor_ioaccel.sample(state, 1000000, r, &err), 0);
    const mlx_value_t *map = topic(r, "sensor.gpu.0");
    assert_int_equal(mlx_value_size(mlx_value_get(map, "processes")), 2);
    is_int(item(map, "processes", 1), "pid", 900);
    is_text(item(map, "processes", 1), "program", "ollama");
    assert_null(mlx_value_get(item(map, "processes", 1), "utilization"));
    gpu_client(gpu, "pid 900, ollama", 0, 1000000000); /* a third: 1 s more */
    mlx_readings_reset(r);
    assert_int_equal(mlx_sensor_ioaccel.sample(state, 3000000, r, &err), 0);
    is_real(item(topic(r, "sensor.gpu.0"), "processes", 0), "utilization", 0);
    is_real(item(topic(r, "sensor.gpu.0"), "processes", 1), "utilization", 0.5);
    mlx_sensor_ioaccel.close(&state);
    mlx_readings_destroy(&r);
}

static void memory_bandwidth(void **unused)
{
    (void)unused;
    dd_machine_m1();
    dd_bytes("DIE_0 DCS RD", 1000, 1000 + 60000000000);
    dd_bytes("DIE_1 DCS RD", 0, 20000000000);
    dd_bytes("DCS WR", 0, 10000000000);
    dd_bytes("GFX DCS RD", 0, 50000000000); /* part of the sum */
    dd_bytes("AVE0 DCS RD", 0, 2000000000);
    dd_bytes("DCS F 1", 0, 7);
    mlx_readings_t *r = read_all();
    is_real(topic(r, "sensor.memory"), "bandwidth_read", 40e9);
    is_real(topic(r, "sensor.memory"), "bandwidth_write", 5e9);
    is_real(topic(r, "sensor.gpu.0"), "media_read", 1e9);
    is_missing(topic(r, "sensor.gpu.0"), "media");
    is_real(topic(r, "sensor.gpu.0"), "power", 1); /* energy is counted beside it */
    mlx_readings_destroy(&r);
    dd_machine_m4(); /* lists them and refuses to count them */
    dd_bytes("DCS RD", 0, 1000);
    dd.refuse_amc = true;
    r = read_all();
    is_missing(topic(r, "sensor.memory"), "bandwidth_read");
    is_real(topic(r, "sensor.power"), "cpu", 4);
    mlx_readings_destroy(&r);
    dd_machine_vm();
    r = read_all();
    is_missing(topic(r, "sensor.memory"), "bandwidth_write");
    mlx_readings_destroy(&r);
}

static void recommended_working_set(void **unused)
{
    (void)unused;
    dd_machine_m4();
    dd.recommended = 51539607552;
    mlx_readings_t *r = read_all();
    is_int(topic(r, "sensor.memory"), "gpu_recommended", 51539607552);
    is_int(topic(r, "sensor.memory"), "gpu_limit", 51539607552);
    assert_int_equal(dd.metal_calls, 1); /* for two samples */
    assert_int_equal(dd.metal_devices, 0);
    mlx_readings_destroy(&r);
    dd_machine_vm();
    r = read_all();
    is_missing(topic(r, "sensor.memory"), "gpu_recommended");
    mlx_readings_destroy(&r);
    dd_machine_intel();
    dd.recommended = 1;
    r = read_all();
    is_missing(topic(r, "sensor.memory"), "gpu_recommended");
    assert_int_equal(dd.metal_calls, 0); /* would wake the other GPU */
    mlx_readings_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_as_activity_monitor),
        TEST(memory_limits_and_pressure),
        TEST(memory_that_cannot_be_read_is_absent),
        TEST(processors_by_ticks),
        TEST(thermal_state_by_name),
        TEST(temperatures_and_fans),
        TEST(temperatures_of_intel),
        TEST(processors_that_come_and_go),
        TEST(sysctls_of_odd_sizes),
        TEST(every_type_of_smc_number),
        TEST(smc_absent_or_failing),
        TEST(hid_only_where_the_smc_is_silent),
        TEST(virtual_machine_has_what_it_has),
        TEST(battery_that_tells_nonsense),
        TEST(battery_power_time_and_health),
        TEST(fan_range),
        TEST(who_uses_the_gpu),
        TEST(memory_bandwidth),
        TEST(recommended_working_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
