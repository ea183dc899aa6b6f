#include "services/sampler/sensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const mlx_value_t *topic_named(mlx_readings_t *readings, const char *name)
{
    for (size_t i = 0; i < mlx_readings_count(readings); i++) {
        const char *topic;
        const mlx_value_t *data = mlx_readings_at(readings, i, &topic);
        if (strcmp(topic, name) == 0)
            return data;
    }
    return NULL;
}

static void test_topics_appear_with_their_first_field(void **state)
{
    (void)state;
    mlx_readings_t *readings = mlx_readings_new();
    assert_int_equal(mlx_readings_count(readings), 0);
    mlx_value_t *memory = mlx_readings_topic(readings, "sensor.memory");
    assert_int_equal(mlx_readings_count(readings), 0);
    assert_null(mlx_readings_at(readings, 0, NULL));
    mlx_value_set_int(memory, "total", 7);
    assert_int_equal(mlx_readings_count(readings), 1);
    assert_true(mlx_readings_topic(readings, "sensor.memory") == memory);
    assert_true(mlx_readings_has(readings, "sensor.memory", "total"));
    assert_false(mlx_readings_has(readings, "sensor.memory", "used"));
    assert_false(mlx_readings_has(readings, "sensor.cpu", "total"));
    mlx_readings_destroy(&readings);
    assert_null(readings);
    mlx_readings_destroy(&readings);
}

static void test_missing_is_told_until_made_good(void **state)
{
    (void)state;
    mlx_readings_t *readings = mlx_readings_new();
    mlx_readings_missing(readings, "sensor.power", "cpu", "only to root");
    mlx_readings_missing(readings, "sensor.power", "cpu", "another reason");
    mlx_readings_missing(readings, "sensor.power", "total", "no meter");
    const mlx_value_t *data = topic_named(readings, "sensor.power");
    const mlx_value_t *missing = mlx_value_get(data, "missing");
    assert_int_equal(mlx_value_size(missing), 2);
    assert_string_equal(mlx_value_str(mlx_value_at(missing, 0), "field"), "cpu");
    assert_string_equal(mlx_value_str(mlx_value_at(missing, 0), "why"), "only to root");
    mlx_value_set_real(mlx_readings_topic(readings, "sensor.power"), "cpu", 3);
    data = topic_named(readings, "sensor.power");
    missing = mlx_value_get(data, "missing");
    assert_int_equal(mlx_value_size(missing), 1);
    assert_string_equal(mlx_value_str(mlx_value_at(missing, 0), "field"), "total");
    mlx_value_set_real(mlx_readings_topic(readings, "sensor.power"), "total", 3);
    assert_null(mlx_value_get(topic_named(readings, "sensor.power"), "missing"));
    mlx_readings_destroy(&readings);
}

static void test_gpus_keep_their_numbers(void **state)
{
    (void)state;
    mlx_readings_t *readings = mlx_readings_new();
    mlx_value_set_int(mlx_readings_gpu(readings, "nvml:a"), "power", 1);
    mlx_value_set_int(mlx_readings_gpu(readings, "drm:b"), "power", 2);
    assert_string_equal(mlx_readings_gpu_topic(readings, "nvml:a"), "sensor.gpu.0");
    mlx_readings_reset(readings);
    assert_int_equal(mlx_readings_count(readings), 0);
    /* the first one is silent for a tick: the second one stays 1 */
    mlx_value_set_int(mlx_readings_gpu(readings, "drm:b"), "power", 2);
    assert_int_equal(mlx_readings_count(readings), 1);
    assert_non_null(topic_named(readings, "sensor.gpu.1"));
    assert_string_equal(mlx_readings_gpu_topic(readings, "nvml:c"), "sensor.gpu.2");
    mlx_readings_destroy(&readings);
}

static mlx_value_t *sensor(const char *label, double celsius)
{
    mlx_value_t *item = mlx_value_map();
    mlx_value_set_str(item, "label", label);
    mlx_value_set_real(item, "celsius", celsius);
    return item;
}

static void test_merge_trusts_the_first_and_joins_lists(void **state)
{
    (void)state;
    mlx_readings_t *first = mlx_readings_new();
    mlx_readings_t *second = mlx_readings_new();
    mlx_readings_t *all = mlx_readings_new();
    mlx_value_set_real(mlx_readings_topic(first, "sensor.temperature"), "cpu", 50);
    mlx_readings_item(first, "sensor.temperature", "sensor", sensor("a", 50));
    mlx_readings_missing(first, "sensor.temperature", "gpu", "not here");
    mlx_value_set_real(mlx_readings_topic(second, "sensor.temperature"), "cpu", 99);
    mlx_value_set_real(mlx_readings_topic(second, "sensor.temperature"), "gpu", 40);
    mlx_readings_item(second, "sensor.temperature", "sensor", sensor("b", 40));
    mlx_value_set_int(mlx_readings_gpu(first, "x"), "power", 1);
    mlx_value_set_int(mlx_readings_gpu(second, "y"), "power", 2);
    mlx_value_set_int(mlx_readings_gpu(second, "x"), "fan", 1);
    mlx_readings_merge_held(all, first, 0);
    mlx_readings_merge_held(all, second, 0);
    const mlx_value_t *data = topic_named(all, "sensor.temperature");
    double cpu = 0;
    assert_true(mlx_value_real(data, "cpu", &cpu) && cpu == 50);
    assert_int_equal(mlx_value_size(mlx_value_get(data, "sensor")), 2);
    assert_null(mlx_value_get(data, "missing"));
    assert_int_equal(mlx_value_size(topic_named(all, "sensor.gpu.0")), 2);
    assert_int_equal(mlx_value_size(topic_named(all, "sensor.gpu.1")), 1);
    mlx_readings_destroy(&first);
    mlx_readings_destroy(&second);
    mlx_readings_destroy(&all);
}

static void test_derive(void **state)
{
    (void)state;
    mlx_readings_t *readings = mlx_readings_new();
    mlx_sensor_derive(readings);
    assert_int_equal(mlx_readings_count(readings), 0);
    mlx_value_set_real(mlx_readings_gpu(readings, "a"), "power", 100);
    mlx_value_set_real(mlx_readings_gpu(readings, "a"), "temperature", 50);
    mlx_value_set_real(mlx_readings_gpu(readings, "b"), "power", 20.5);
    mlx_value_set_real(mlx_readings_gpu(readings, "c"), "temperature", 61);
    mlx_value_set_real(mlx_readings_topic(readings, "sensor.power"), "gpu", 3);
    mlx_readings_item(readings, "sensor.temperature", "sensor", sensor("a", 70));
    mlx_sensor_derive(readings);
    double value = 0;
    const mlx_value_t *temperature = topic_named(readings, "sensor.temperature");
    assert_true(mlx_value_real(temperature, "gpu", &value) && value == 61);
    assert_true(mlx_value_real(temperature, "max", &value) && value == 70);
    assert_true(mlx_value_real(topic_named(readings, "sensor.power"), "gpu", &value));
    assert_true(value == 120.5);
    mlx_readings_destroy(&readings);
}

static void test_absent_back_end_is_noted_field_by_field(void **state)
{
    (void)state;
    const mlx_sensor_backend_t backend = {.topic = "sensor.power", .fields = "cpu  dram package"};
    const mlx_sensor_backend_t silent = {.name = "gpu"};
    mlx_readings_t *readings = mlx_readings_new();
    mlx_sensor_absent(&backend, "only to root", readings);
    mlx_sensor_absent(&silent, "no such card", readings);
    assert_int_equal(mlx_readings_count(readings), 1);
    const mlx_value_t *missing = mlx_value_get(topic_named(readings, "sensor.power"), "missing");
    assert_int_equal(mlx_value_size(missing), 3);
    assert_string_equal(mlx_value_str(mlx_value_at(missing, 2), "field"), "package");
    mlx_readings_destroy(&readings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_appear_with_their_first_field),
        cmocka_unit_test(test_missing_is_told_until_made_good),
        cmocka_unit_test(test_gpus_keep_their_numbers),
        cmocka_unit_test(test_merge_trusts_the_first_and_joins_lists),
        cmocka_unit_test(test_derive),
        cmocka_unit_test(test_absent_back_end_is_noted_field_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
