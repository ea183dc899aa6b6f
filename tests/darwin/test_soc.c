/*  GPUs and the SoC's power, frequencies and busy times on the canned machines. */
#include "check.h"

#include <math.h>
#include <string.h>

static void gpu_of_apple_silicon(void **unused)
{
    (void)unused;
    dd_machine_m1();
    mlx_readings_t *r = read_all();
    const mlx_value_t *gpu = topic(r, "sensor.gpu.0");
    is_text(gpu, "name", "Apple M1");
    is_text(gpu, "vendor", "apple");
    is_text(gpu, "backend", "ioaccel");
    is_text(gpu, "id", "ioaccel:0");
    is_real(gpu, "utilization", 0.42);
    is_int(gpu, "memory_used", GIB);
    is_int(gpu, "memory_total", 16 * GIB);
    is_real(gpu, "power", 1.0);                                    /* 2000 mJ in 2 s */
    is_real(gpu, "frequency", (100 * 400e6 + 300 * 1200e6) / 400); /* the table's 0 is off */
    is_real(gpu, "temperature", 45);
    assert_null(topic(r, "sensor.gpu.1"));
    mlx_readings_destroy(&r);
}

static void gpu_residency_is_the_second_source(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_m1();
    mlx_readings_t *r = read_one(&mlx_sensor_ioreport, 2, &err);
    is_real(topic(r, "sensor.gpu.0"), "utilization", 0.4);
    mlx_readings_destroy(&r);
    dd_machine_m4();
    r = read_one(&mlx_sensor_ioreport, 2, &err);
    is_real(topic(r, "sensor.gpu.0"), "utilization", 0);
    is_missing(topic(r, "sensor.gpu.0"), "frequency"); /* off all the time: none, not 0 */
    mlx_readings_destroy(&r);
}

static void two_accelerators(void **unused)
{
    (void)unused;
    dd_machine_intel();
    mlx_readings_t *r = read_all();
    const mlx_value_t *first = topic(r, "sensor.gpu.0");
    const mlx_value_t *second = topic(r, "sensor.gpu.1");
    is_text(first, "name", "Intel UHD Graphics 630");
    is_text(first, "vendor", "intel");
    is_real(first, "utilization", 0.07);
    is_missing(first, "memory_used");
    is_int(first, "memory_total", 32 * GIB);
    is_text(second, "name", "AMD Radeon Pro 5500M");
    is_text(second, "vendor", "amd");
    is_text(second, "id", "ioaccel:1");
    is_real(second, "utilization", 0.93);
    is_int(second, "memory_used", 3 * GIB);
    is_int(second, "memory_total", 8 * GIB);
    /* Whose sensor TG0P is, nobody knows. */
    assert_null(mlx_value_get(first, "temperature"));
    assert_null(mlx_value_get(second, "temperature"));
    mlx_readings_destroy(&r);
}

static void gpu_keys_of_wrong_type_or_missing(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_vm();
    int node = dd_node("IOAccelerator", "AppleParavirtGPU", "AppleParavirtGPU", -1);
    CFMutableDictionaryRef stats = dd_dict();
    dd_dict_put(stats, "Device Utilization %", dd_text("42"));
    dd_dict_put(stats, "In use system memory", dd_real(1.5));
    dd_property(node, "PerformanceStatistics", stats);
    dd_property(node, "model", dd_number(7));
    mlx_readings_t *r = read_one(&mlx_sensor_ioaccel, 1, &err);
    const mlx_value_t *gpu = topic(r, "sensor.gpu.0");
    is_missing(gpu, "utilization");
    is_missing(gpu, "memory_used");
    assert_null(mlx_value_get(gpu, "name"));
    mlx_readings_destroy(&r);
    dd_machine_vm();
    node = dd_node("IOAccelerator", "X", "X", -1);
    dd_property(node, "PerformanceStatistics", dd_text("none"));
    assert_null(read_one(&mlx_sensor_ioaccel, 1, &err));
    dd_machine_m1();
    dd.fail_matching = true;
    assert_null(read_one(&mlx_sensor_ioaccel, 1, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void energy_in_every_unit(void **unused)
{
    (void)unused;
    dd_machine_m1();
    mlx_readings_t *r = read_all();
    const mlx_value_t *power = topic(r, "sensor.power");
    is_real(power, "cpu", 2.5); /* mJ */
    is_real(power, "gpu", 1.0); /* "mJ   " */
    is_real(power, "ane", 0);   /* measured, and nothing used */
    is_real(power, "dram", 0.5);
    is_real(power, "package", 4.0);
    is_real(power, "energy", 8.0);
    is_real(power, "total", 21.5); /* PSTR */
    is_text(power, "source", "battery");
    is_real(power, "battery", 0.8);
    mlx_readings_destroy(&r);
    dd_machine_m4();
    r = read_all();
    power = topic(r, "sensor.power");
    is_real(power, "cpu", 4.0); /* uJ */
    is_real(power, "gpu", 1.5); /* nJ */
    is_missing(power, "ane");   /* in a unit nobody knows */
    is_missing(power, "dram");
    assert_null(mlx_value_get(power, "total"));
    mlx_readings_destroy(&r);
    dd_machine_m5();
    r = read_all();
    is_real(topic(r, "sensor.power"), "cpu", 1.5); /* two dies */
    mlx_readings_destroy(&r);
}

static void energy_counts_on(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_m1();
    mlx_readings_t *r = read_one(&mlx_sensor_ioreport, 1, &err);
    assert_int_equal(mlx_readings_count(r), 0); /* a rate needs two samples */
    mlx_readings_destroy(&r);
    dd_machine_m1();
    r = read_one(&mlx_sensor_ioreport, 3, &err);
    is_real(topic(r, "sensor.power"), "package", 4.0); /* stood still since: the value holds */
    is_real(topic(r, "sensor.power"), "energy", 8.0);
    mlx_readings_destroy(&r);
}

static void cores_and_clusters_in_hertz(void **unused)
{
    (void)unused;
    dd_machine_m1();
    mlx_readings_t *r = read_all();
    const mlx_value_t *cpu = topic(r, "sensor.cpu");
    assert_int_equal(mlx_value_size(mlx_value_get(cpu, "core")), 4);
    is_int(item(cpu, "core", 0), "id", 0);
    is_real(item(cpu, "core", 0), "utilization", 0.5);
    is_real(item(cpu, "core", 0), "frequency", 600e6);
    is_real(item(cpu, "core", 1), "utilization", 0);
    assert_null(mlx_value_get(item(cpu, "core", 1), "frequency")); /* idle: none, not 0 */
    is_real(item(cpu, "core", 2), "utilization", 0.75);
    is_real(item(cpu, "core", 2), "frequency", (250 * 2000e6 + 500 * 3200e6) / 750);
    assert_int_equal(mlx_value_size(mlx_value_get(cpu, "cluster")), 2);
    is_text(item(cpu, "cluster", 0), "name", "Performance");
    is_int(item(cpu, "cluster", 0), "cores", 2);
    is_real(item(cpu, "cluster", 0), "utilization", 0.75);
    is_text(item(cpu, "cluster", 1), "name", "Efficiency");
    is_real(item(cpu, "cluster", 1), "utilization", 0.25);
    is_real(item(cpu, "cluster", 1), "frequency", 600e6);
    mlx_readings_destroy(&r);
}

static void cores_in_kilohertz_and_more_states_than_table(void **unused)
{
    (void)unused;
    dd_machine_m4();
    mlx_readings_t *r = read_all();
    const mlx_value_t *cpu = topic(r, "sensor.cpu");
    /* E: five states over a table of three, half of the time in the fifth. */
    assert_null(mlx_value_get(item(cpu, "core", 0), "frequency"));
    is_real(item(cpu, "core", 0), "utilization", 0.8);
    /* P: five over five. */
    is_real(item(cpu, "core", 1), "frequency", (2000e6 + 4500e6) / 2);
    mlx_readings_destroy(&r);
}

static void renamed_clusters_and_places_without_a_core(void **unused)
{
    (void)unused;
    dd_machine_m5();
    mlx_readings_t *r = read_all();
    const mlx_value_t *cpu = topic(r, "sensor.cpu");
    assert_int_equal(mlx_value_size(mlx_value_get(cpu, "core")), 2);
    is_text(item(cpu, "cluster", 0), "name", "Super");
    is_int(item(cpu, "cluster", 0), "cores", 1);
    is_real(item(cpu, "cluster", 0), "frequency", 4600e6);
    is_text(item(cpu, "cluster", 1), "name", "Performance");
    is_int(item(cpu, "cluster", 1), "cores", 1);
    is_real(item(cpu, "cluster", 1), "frequency", 3000e6);
    mlx_readings_destroy(&r);
}

static void no_frequency_table_no_frequency(void **unused)
{
    (void)unused;
    dd_machine_m1();
    for (int i = 0; i < dd.node_count; i++)
        if (strcmp(dd.nodes[i].name, "pmgr") == 0)
            dd.nodes[i].name = "other";
    mlx_readings_t *r = read_all();
    const mlx_value_t *cpu = topic(r, "sensor.cpu");
    is_real(item(cpu, "core", 2), "utilization", 0.75);
    assert_null(mlx_value_get(item(cpu, "core", 2), "frequency"));
    assert_null(mlx_value_get(cpu, "frequency"));
    is_missing(topic(r, "sensor.gpu.0"), "frequency");
    mlx_readings_destroy(&r);
}

/*  The registry's tables replaced by BYTES, for the machine whose clusters are found by
 *  acc-clusters. */
static mlx_readings_t *with_table(const char *key, CFTypeRef consumed)
{
    mlx_error_t err = {0};
    dd_machine_m5();
    dd_node_t *pmgr = NULL;
    for (int i = 0; i < dd.node_count; i++)
        if (strcmp(dd.nodes[i].name, "pmgr") == 0)
            pmgr = &dd.nodes[i];
    assert_non_null(pmgr);
    for (size_t i = 0; i < pmgr->count; i++)
        if (strcmp(pmgr->keys[i], key) == 0) {
            CFRelease(pmgr->values[i]);
            pmgr->values[i] = consumed;
        }
    return read_one(&mlx_sensor_ioreport, 2, &err);
}

static void hostile_frequency_tables(void **unused)
{
    (void)unused;
    static const uint8_t cut[] = {5, 2, 0, 0, 0, 0, 0}, many[8 * 200] = {0};
    static const uint32_t one[] = {4000000, 1}, two[] = {1000000, 1, 4000000, 1};
    const struct {
        const char *key;
        CFTypeRef value;
        double super_hertz; /* NaN: absent */
    } cases[] = {
        {"acc-clusters", dd_text("05020000"), NAN},
        {"acc-clusters", dd_data(cut, sizeof cut), NAN},
        {"acc-clusters", dd_data(many, sizeof many), NAN},
        {"voltage-states5-sram", dd_number(5), NAN},
        {"voltage-states5-sram", dd_data(cut, sizeof cut), NAN},
        {"voltage-states5-sram", dd_data(many, sizeof many), NAN},
        {"voltage-states5-sram", dd_data(one, sizeof one), NAN}, /* the time is in the second */
        {"voltage-states5-sram", dd_data(two, sizeof two), 4000e6},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        /* A table found by its fixed name is taken whatever acc-clusters says. */
        bool by_cluster = strcmp(cases[i].key, "acc-clusters") == 0;
        mlx_readings_t *r = with_table(cases[i].key, cases[i].value);
        assert_non_null(r);
        const mlx_value_t *cpu = topic(r, "sensor.cpu");
        size_t which = by_cluster ? 1 : 0; /* MCPU's table is found through the clusters only */
        is_real(item(cpu, "cluster", which), "utilization", 0.5);
        if (isnan(cases[i].super_hertz))
            assert_null(mlx_value_get(item(cpu, "cluster", which), "frequency"));
        else
            is_real(item(cpu, "cluster", which), "frequency", cases[i].super_hertz);
        mlx_readings_destroy(&r);
    }
}

static void channels_that_make_no_sense(void **unused)
{
    (void)unused;
    static const char *const states[] = {"IDLE", "V0P0"};
    static const int64_t backwards[] = {-600, -600};
    mlx_error_t err = {0};
    dd_machine_m1();
    dd_states("CPU Stats", "CPU Core Performance States", "ECPU7", states, backwards, 2);
    dd_states("CPU Stats", "CPU Core Performance States", "ECPU8", NULL, NULL, 0);
    dd_states("CPU Stats", "CPU Core Performance States", "XCPU0", states, backwards, 2);
    dd_energy("CPU Energy of a name longer than any channel has had in any macOS so far", "mJ", 0,
              9);
    dd_energy("DRAM1", "a unit longer than any", 0, 9000);
    dd_energy("DRAM2", "mJ", 9000, 0); /* a counter that went back */
    mlx_readings_t *r = read_one(&mlx_sensor_ioreport, 2, &err);
    assert_non_null(r);
    assert_int_equal(mlx_value_size(mlx_value_get(topic(r, "sensor.cpu"), "core")), 4);
    is_real(topic(r, "sensor.power"), "cpu", 2.5);
    is_real(topic(r, "sensor.power"), "dram", 0.5);
    mlx_readings_destroy(&r);
}

static void ioreport_absent_or_failing(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    dd_machine_m1();
    dd.no_ioreport = true;
    assert_null(read_one(&mlx_sensor_ioreport, 2, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    dd.no_ioreport = false;
    dd.fail_subscription = true;
    assert_null(read_one(&mlx_sensor_ioreport, 2, &err));
    dd.fail_subscription = false;
    dd.fail_delta = true;
    assert_null(read_one(&mlx_sensor_ioreport, 2, &err));
    dd_machine_intel(); /* the library without a channel */
    assert_null(read_one(&mlx_sensor_ioreport, 2, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gpu_of_apple_silicon),
        TEST(gpu_residency_is_the_second_source),
        TEST(two_accelerators),
        TEST(gpu_keys_of_wrong_type_or_missing),
        TEST(energy_in_every_unit),
        TEST(energy_counts_on),
        TEST(cores_and_clusters_in_hertz),
        TEST(cores_in_kilohertz_and_more_states_than_table),
        TEST(renamed_clusters_and_places_without_a_core),
        TEST(no_frequency_table_no_frequency),
        TEST(hostile_frequency_tables),
        TEST(channels_that_make_no_sense),
        TEST(ioreport_absent_or_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
