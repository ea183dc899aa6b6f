/*  NVIDIA's library, played by libfake-nvml.so: every call may say no, GPUs may be lost. */
#include "common/base/held.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GPU "sensor.gpu.0"

#define GOOD                                                                                       \
    "0.utilization=83\n0.memory=9000000000\n0.memory_v2=8500000000\n0.temperature=61\n"            \
    "0.power=251300\n0.limit=700000\n0.energy=123456789\n0.graphics=1980\n0.sm=1\n0.mem=2619\n"    \
    "0.fan=45\n0.fan_min=30\n0.fan_max=100\n0.reasons=5\n0.processes=2\n0.graphics_processes=2\n"  \
    "0.encoder=12\n0.decoder=34\n0.tx=1000000\n0.rx=5000000\n0.use=77\n"

static void configure(const rig_t *rig, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/nvml", rig->root);
    assert_int_equal(setenv("MLX_FAKE_NVML", path, 1), 0);
    rig_write(rig, "nvml", text);
}

static void start(rig_t *rig, const char *text)
{
    rig_open(rig, "vm", "nvml");
    assert_null(rig->state);
    configure(rig, text);
    rig->env.nvml_library = FAKE_NVML;
    (void)rig_probe(rig);
}

static void test_every_field(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD);
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "name"), "NVIDIA Double 0");
    assert_string_equal(rig_str(&rig, GPU, "vendor"), "nvidia");
    assert_string_equal(rig_str(&rig, GPU, "backend"), "nvml");
    assert_string_equal(rig_str(&rig, GPU, "id"), "nvml:GPU-00000000-1111-2222-3333-444444444444");
    check(&rig, GPU, "utilization", 0.83);
    check(&rig, GPU, "memory_used", 8500000000.0);
    check(&rig, GPU, "memory_total", 85520809984.0);
    check(&rig, GPU, "frequency", 1980e6);
    check(&rig, GPU, "memory_frequency", 2619e6);
    check(&rig, GPU, "power", 251.3);
    check(&rig, GPU, "power_limit", 700);
    check(&rig, GPU, "energy", 123456.789);
    check(&rig, GPU, "temperature", 61);
    check(&rig, GPU, "fan", 0.45);
    check(&rig, GPU, "fan_min", 0.3);
    check(&rig, GPU, "fan_max", 1);
    check(&rig, GPU, "encoder", 0.12);
    check(&rig, GPU, "decoder", 0.34);
    assert_int_equal(rig_items(&rig, GPU, "missing"), 2); /* the speeds of PCIe */
    assert_non_null(strstr(rig_why(&rig, GPU, "pcie_tx"), "second reading"));
    check_absent(&rig, GPU, "instances");
    /* bits 0 (idle: no throttle) and 2 */
    assert_int_equal(rig_items(&rig, GPU, "throttle"), 1);
    assert_string_equal(mlx_value_as_str(rig_item(&rig, GPU, "throttle", 0), NULL), "power limit");
    int64_t value = 0;
    const mlx_value_t *process = rig_item(&rig, GPU, "processes", 0);
    assert_true(mlx_value_int(process, "pid", &value) && value == 1000);
    assert_true(mlx_value_int(process, "memory", &value) && value == 1048576);
    process = rig_item(&rig, GPU, "processes", 1);
    assert_true(mlx_value_int(process, "pid", &value) && value == 1001);
    assert_null(mlx_value_get(process, "memory"));
}

/*  Who computes and who draws, each once, with its name and its share of the GPU. */
static void test_processes(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD);
    rig_plant(&rig, "proc/1000/comm", "llama-server\n");
    rig_plant(&rig, "proc/1001/comm", "\xff\x1b[31m\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 3);
    double use = 0;
    int64_t pid = 0;
    const mlx_value_t *process = rig_item(&rig, GPU, "processes", 0);
    assert_string_equal(mlx_value_str(process, "program"), "llama-server");
    assert_true(mlx_value_real(process, "utilization", &use) && use == 0.77);
    assert_null(mlx_value_get(process, "instance"));
    process = rig_item(&rig, GPU, "processes", 1);
    assert_string_equal(mlx_value_str(process, "program"), "??[31m");
    process = rig_item(&rig, GPU, "processes", 2);
    assert_true(mlx_value_int(process, "pid", &pid) && pid == 2000);
    assert_null(mlx_value_str(process, "program"));
    configure(&rig, GOOD "0.processes.rc=3\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(rig_items(&rig, GPU, "processes"), 2);

    /* The question for the shares costs milliseconds: asked every 5 s, told with its age. */
    const char *topic;
    configure(&rig, GOOD "0.use=20\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    process = rig_item(&rig, GPU, "processes", 0);
    assert_true(mlx_value_real(process, "utilization", &use) && use == 0.77);
    assert_true(mlx_held_age(mlx_readings_at(rig.readings, 0, &topic), "processes") == 2);
    assert_int_equal(rig_sample(&rig, 3), 0);
    process = rig_item(&rig, GPU, "processes", 0);
    assert_true(mlx_value_real(process, "utilization", &use) && use == 0.2);
}

/*  The driver takes milliseconds to answer: asked four times a minute, told with its age. */
static void test_energy_is_asked_seldom(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    const char *topic;
    start(&rig, GOOD);
    assert_int_equal(rig_sample(&rig, 1), 0);
    configure(&rig, GOOD "0.energy=200000000\n");
    assert_int_equal(rig_sample(&rig, 14), 0);
    check(&rig, GPU, "energy", 123456.789);
    assert_true(mlx_held_age(mlx_readings_at(rig.readings, 0, &topic), "energy") == 14);
    mlx_readings_t *merged = mlx_readings_new();
    mlx_readings_merge_held(merged, rig.readings, 2);
    assert_true(mlx_held_age(mlx_readings_at(merged, 0, &topic), "energy") == 16);
    assert_true(mlx_held_age(mlx_readings_at(merged, 0, &topic), "power") == 2);
    mlx_readings_destroy(&merged);
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "energy", 200000);
    assert_true(mlx_held_age(mlx_readings_at(rig.readings, 0, &topic), "energy") == 0);
}

/*  PCIe is counted in bytes: a speed needs two looks, and a counter that begins again gives
 *  none. */
static void test_pcie(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD);
    assert_int_equal(rig_sample(&rig, 1), 0);
    configure(&rig, GOOD "0.tx=3000000\n0.rx=25000000\n");
    assert_int_equal(rig_sample(&rig, 2), 0);
    check(&rig, GPU, "pcie_tx", 1e6);
    check(&rig, GPU, "pcie_rx", 1e7);
    check_absent(&rig, GPU, "missing");
    configure(&rig, GOOD "0.tx=5\n0.rx=5\n");
    assert_int_equal(rig_sample(&rig, 1), 0); /* asked every 8 s: what was said, and when */
    check(&rig, GPU, "pcie_tx", 1e6);
    const char *topic;
    assert_true(mlx_held_age(mlx_readings_at(rig.readings, 0, &topic), "pcie_tx") == 1);
    assert_int_equal(rig_sample(&rig, 7), 0);
    check_absent(&rig, GPU, "pcie_tx");
    check_absent(&rig, GPU, "pcie_rx");
    configure(&rig, GOOD "0.tx=8005\n0.rx=5\n");
    assert_int_equal(rig_sample(&rig, 8), 0);
    check(&rig, GPU, "pcie_tx", 1000);
    check(&rig, GPU, "pcie_rx", 0);
    configure(&rig, GOOD "0.tx.rc=3\n");
    assert_int_equal(rig_sample(&rig, 8), 0);
    check_absent(&rig, GPU, "pcie_tx");
    assert_non_null(strstr(rig_why(&rig, GPU, "pcie_tx"), "not supported"));
}

/*  An H200 counts in 32 bits and passes their end every few seconds, or many times a second: the
 *  speed is that of a short moment, known at the first look, and right where the counter passes
 *  its end. */
static void test_pcie_in_32_bits(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD "0.step=1280000000\n"); /* 64 GB/s: round the end three times in four looks */
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "pcie_tx", 64e9);
    check_absent(&rig, GPU, "missing");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_sample(&rig, 8), 0);
        check(&rig, GPU, "pcie_tx", 64e9);
        check(&rig, GPU, "pcie_rx", 64e9);
    }
}

static void test_a_divided_gpu(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD "0.mig=2\n0.utilization.rc=3\n8.memory_v2=2000000000\n"
                     "9.memory_v2.rc=4\n9.memory.rc=4\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "utilization");
    assert_non_null(strstr(rig_why(&rig, GPU, "utilization"), "partitioned (MIG)"));
    assert_int_equal(rig_items(&rig, GPU, "instances"), 2);
    int64_t value = 0;
    const mlx_value_t *part = rig_item(&rig, GPU, "instances", 0);
    assert_true(mlx_value_int(part, "number", &value) && value == 7);
    assert_true(mlx_value_int(part, "memory_used", &value) && value == 2000000000);
    assert_true(mlx_value_int(part, "memory_total", &value) && value == 85520809984);
    assert_string_equal(mlx_value_str(part, "name"), "NVIDIA Double 8");
    assert_string_equal(mlx_value_str(part, "id"), "GPU-00000008-1111-2222-3333-444444444444");
    part = rig_item(&rig, GPU, "instances", 1);
    assert_true(mlx_value_int(part, "number", &value) && value == 8);
    assert_null(mlx_value_get(part, "memory_used"));
    assert_true(mlx_value_int(rig_item(&rig, GPU, "processes", 1), "instance", &value));
    assert_int_equal(value, 8);
    configure(&rig, GOOD); /* undone */
    assert_int_equal(rig_sample(&rig, 10), 0);
    check_absent(&rig, GPU, "instances");
    check(&rig, GPU, "utilization", 0.83);
}

static void test_what_is_not_supported_is_absent(void **state)
{
    (void)state;
    static const struct {
        const char *call, *field;
    } rows[] = {
        {"utilization", "utilization"}, {"graphics", "frequency"},
        {"mem", "memory_frequency"},    {"power", "power"},
        {"limit", "power_limit"},       {"energy", "energy"},
        {"temperature", "temperature"}, {"fan", "fan"},
        {"reasons", "throttle"},        {"encoder", "encoder"},
        {"decoder", "decoder"},
    };
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD);
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format(GOOD "0.%s.rc=3\n", rows[i].call);
        configure(&rig, text);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check_absent(&rig, GPU, rows[i].field);
        for (size_t k = 0; k < MLX_COUNT(rows); k++)
            if (k != i)
                assert_true(mlx_readings_has(rig.readings, GPU, rows[k].field));
        if (strcmp(rows[i].field, "memory_frequency") != 0 &&
            strcmp(rows[i].field, "power_limit") != 0)
            assert_non_null(strstr(rig_why(&rig, GPU, rows[i].field), "not supported"));
    }
}

static void test_older_memory_call_fills_in(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD "0.memory_v2.rc=3\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check(&rig, GPU, "memory_used", 9000000000.0);
    check_absent(&rig, GPU, "unified");
    configure(&rig, GOOD "0.memory_v2.rc=4\n0.memory.rc=4\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "memory_used");
    check_absent(&rig, GPU, "memory_total");
    check_absent(&rig, GPU, "unified");
}

static void test_nothing_supported_still_names_the_gpu(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, "0.name.rc=3\n0.uuid.rc=3\n0.utilization.rc=3\n0.memory.rc=4\n0.memory_v2.rc=4\n"
                "0.temperature.rc=3\n0.power.rc=3\n0.limit.rc=3\n0.energy.rc=3\n0.graphics.rc=3\n"
                "0.mem.rc=3\n0.fan.rc=3\n0.reasons.rc=999\n0.processes.rc=4\n"
                "0.graphics_processes.rc=4\n0.encoder.rc=3\n0.decoder.rc=3\n0.tx.rc=3\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_string_equal(rig_str(&rig, GPU, "id"), "nvml:0");
    check_absent(&rig, GPU, "name");
    check_absent(&rig, GPU, "power");
    assert_int_equal(rig_items(&rig, GPU, "missing"), 14);
}

static void test_many_processes_are_left_out(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD "0.processes=100000\n0.graphics_processes=100000\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    check_absent(&rig, GPU, "processes");
    configure(&rig, GOOD "0.processes=0\n0.graphics_processes=0\n0.reasons=0\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_true(mlx_readings_has(rig.readings, GPU, "processes")); /* known to be none */
    assert_int_equal(rig_items(&rig, GPU, "processes"), 0);
    assert_true(mlx_readings_has(rig.readings, GPU, "throttle"));
    assert_int_equal(rig_items(&rig, GPU, "throttle"), 0);
}

static void test_two_gpus(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    start(&rig, GOOD "gpus=2\n1.utilization=7\n1.power=70000\n1.power.rc=0\n1.fan.rc=3\n");
    assert_int_equal(rig_sample(&rig, 1), 0);
    assert_int_equal(mlx_readings_count(rig.readings), 2);
    check(&rig, GPU, "utilization", 0.83);
    check(&rig, "sensor.gpu.1", "utilization", 0.07);
    check(&rig, "sensor.gpu.1", "power", 70);
    check_absent(&rig, "sensor.gpu.1", "fan");
    assert_string_equal(rig_str(&rig, "sensor.gpu.1", "name"), "NVIDIA Double 1");
    mlx_sensor_derive(rig.readings);
    check(&rig, "sensor.power", "gpu", 321.3);
    check(&rig, "sensor.temperature", "gpu", 61);
}

static void test_a_lost_gpu_ends_the_session_and_the_others_return(void **state)
{
    (void)state;
    static const int codes[] = {1, 15, 16};
    for (size_t i = 0; i < MLX_COUNT(codes); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        start(&rig, GOOD "gpus=2\n");
        assert_int_equal(rig_sample(&rig, 1), 0);
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format(GOOD "gpus=2\n0.power.rc=%d\n", codes[i]);
        configure(&rig, text);
        assert_int_equal(rig_sample(&rig, 1), -1);
        assert_int_equal(rig.err.code, MLX_ERR_UNAVAILABLE);
        assert_non_null(strstr(rig.err.text, "NVIDIA Double 0"));
        /* probed again the lost one has no handle */
        MLX_CLEANUP(mlx_free_p) char *lost = mlx_format(GOOD "gpus=2\n0.handle.rc=%d\n", codes[i]);
        configure(&rig, lost);
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check_absent(&rig, GPU, "name");
        assert_string_equal(rig_str(&rig, "sensor.gpu.1", "name"), "NVIDIA Double 1");
        configure(&rig, GOOD "gpus=2\n");
        assert_int_equal(rig_probe(&rig), 0);
        assert_int_equal(rig_sample(&rig, 1), 0);
        check(&rig, GPU, "power", 251.3);
    }
}

static void test_probes_that_find_nothing_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"init=9\n", "driver is not loaded"},
        {"init=18\n", "versions differ"},
        {"init=4\n", "no permission"},
        {"init=999\n", "999"},
        {"gpus=0\n", "reports no GPU"},
        {"count=9\n", "driver is not loaded"},
        {"0.handle.rc=15\n", "fallen off the bus"},
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        MLX_CLEANUP(rig_close) rig_t rig = {0};
        start(&rig, rows[i].text);
        assert_null(rig.state);
        assert_int_equal(rig.err.code, MLX_ERR_NOT_FOUND);
        assert_non_null(strstr(rig.err.text, rows[i].why));
    }
}

static void test_a_library_of_something_else(void **state)
{
    (void)state;
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, "vm", "nvml");
    assert_non_null(strstr(rig.err.text, "no NVIDIA driver library"));
    rig.env.nvml_library = "libm.so.6";
    assert_int_equal(rig_probe(&rig), -1);
    assert_non_null(strstr(rig.err.text, "lacks the basic NVML functions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_energy_is_asked_seldom),
        cmocka_unit_test(test_pcie),
        cmocka_unit_test(test_pcie_in_32_bits),
        cmocka_unit_test(test_a_divided_gpu),
        cmocka_unit_test(test_what_is_not_supported_is_absent),
        cmocka_unit_test(test_older_memory_call_fills_in),
        cmocka_unit_test(test_nothing_supported_still_names_the_gpu),
        cmocka_unit_test(test_many_processes_are_left_out),
        cmocka_unit_test(test_two_gpus),
        cmocka_unit_test(test_a_lost_gpu_ends_the_session_and_the_others_return),
        cmocka_unit_test(test_probes_that_find_nothing_say_why),
        cmocka_unit_test(test_a_library_of_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
