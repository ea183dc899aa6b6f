/*  What is drawn from the bus: others at work, heat, power and energy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/catalogue.h"
#include "services/bencher/conditions.h"

enum {
    SECOND = 1000000
};

typedef struct {
    mlx_bench_target_t target;
    mlx_conditions_t *conditions;
    mlx_value_t *result;
    mlx_value_t *warnings;
    int64_t now_us;
} rig_t;

static int setup(void **state)
{
    rig_t *rig = mlx_alloc(1, sizeof *rig);
    rig->target = (mlx_bench_target_t){.runtime = mlx_runtime_backend("ollama"),
                                       .topic = "runtime.ollama.here.",
                                       .model = "tiny:latest",
                                       .local = true};
    rig->conditions = mlx_conditions_new(&rig->target);
    rig->result = mlx_value_map();
    rig->warnings = mlx_value_list();
    rig->now_us = 1000 * (int64_t)SECOND;
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_t *rig = *state;
    mlx_conditions_destroy(&rig->conditions);
    mlx_value_destroy(&rig->result);
    mlx_value_destroy(&rig->warnings);
    mlx_free_p(&rig);
    return 0;
}

/*  Takes D. */
static void tell(rig_t *rig, const char *topic, mlx_value_t *d)
{
    char name[200];
    snprintf(name, sizeof name, "%s", topic);
    mlx_error_t err = {0};
    if (mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s: %s", topic, err.text);
    mlx_message_t message = {.topic = name, .t = rig->now_us, .d = d};
    mlx_conditions_message(rig->conditions, &message, rig->now_us);
    mlx_value_destroy(&d);
}

static mlx_value_t *activity(bool busy, int requests, const char *model)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "busy", busy);
    mlx_value_set_int(d, "requests", requests);
    mlx_value_set_str(d, "model", model);
    return d;
}

static mlx_value_t *one(const char *key, double value)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, key, value);
    return d;
}

static void begin(rig_t *rig)
{
    mlx_conditions_begin(rig->conditions, rig->now_us);
}

static double written(rig_t *rig, int64_t tokens, const char *key)
{
    double value = (double)NAN;
    mlx_conditions_end(rig->conditions, rig->now_us);
    mlx_conditions_write(rig->conditions, tokens, rig->result, rig->warnings);
    mlx_value_real(rig->result, key, &value);
    return value;
}

static bool warned(const rig_t *rig, const char *text)
{
    for (size_t i = 0; i < mlx_value_size(rig->warnings); i++)
        if (strstr(mlx_value_as_str(mlx_value_at(rig->warnings, i), NULL), text))
            return true;
    return false;
}

static void our_own_request_is_no_contention(void **state)
{
    rig_t *rig = *state;
    begin(rig);
    tell(rig, "runtime.ollama.here.activity", activity(true, 1, "tiny"));
    rig->now_us += 10 * SECOND;
    assert_true(fabs(written(rig, 1, "contention")) < 1e-9);
    assert_false(mlx_conditions_shared(rig->conditions));
    assert_int_equal(mlx_value_size(rig->warnings), 0);
}

static void others_are_seen_for_as_long_as_they_work(void **state)
{
    rig_t *rig = *state;
    tell(rig, "runtime.ollama.here.activity", activity(true, 2, "tiny"));
    rig->now_us += 50 * SECOND; /* before the prompts: no part of it */
    begin(rig);
    rig->now_us += SECOND;
    tell(rig, "runtime.ollama.here.activity", activity(true, 1, "tiny:latest"));
    rig->now_us += 5 * SECOND;
    tell(rig, "runtime.ollama.here.activity", activity(true, 1, "other"));
    rig->now_us += 2 * SECOND;
    tell(rig, "runtime.ollama.here.activity", activity(false, 0, "other"));
    tell(rig, "runtime.llamacpp.x.activity", activity(true, 1, NULL));
    rig->now_us += SECOND;
    tell(rig, "runtime.llamacpp.x.activity", activity(false, 0, NULL));
    rig->now_us += SECOND;
    assert_true(fabs(written(rig, 1, "contention") - 0.4) < 1e-9);
    assert_true(warned(rig, "others used models during 40 %"));
    assert_true(mlx_conditions_shared(rig->conditions));
}

static size_t warnings_with(const rig_t *rig, const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < mlx_value_size(rig->warnings); i++)
        count += strstr(mlx_value_as_str(mlx_value_at(rig->warnings, i), NULL), text) != NULL;
    return count;
}

static void waiting_is_contention_and_is_said_once(void **state)
{
    rig_t *rig = *state;
    begin(rig);
    tell(rig, "runtime.ollama.here.activity", activity(true, 2, "tiny"));
    rig->now_us += 2 * SECOND;
    tell(rig, "runtime.ollama.here.activity", activity(true, 1, "tiny"));
    rig->now_us += 8 * SECOND;
    mlx_conditions_queued(rig->conditions, 4);
    assert_true(fabs(written(rig, 1, "contention") - 0.4) < 1e-9);
    assert_int_equal(warnings_with(rig, "others"), 1);
    assert_true(warned(rig, "waited 4.0 s for their turn"));
}

static void a_shared_gpu_and_a_crowded_processor_are_told(void **state)
{
    rig_t *rig = *state;
    begin(rig);
    for (int i = 0; i < 4; i++) {
        mlx_value_t *gpu = one("utilization", 0.9);
        mlx_value_t *list = mlx_value_set(gpu, "processes", mlx_value_list());
        for (int pid = 70; pid < 73; pid++) {
            mlx_value_t *process = mlx_value_append(list, mlx_value_map());
            mlx_value_set_int(process, "pid", pid);
            mlx_value_set_real(process, "utilization", pid == 72 ? 0.01 : 0.4);
        }
        tell(rig, "sensor.gpu.0", gpu);
        tell(rig, "sensor.cpu", one("pressure", 0.5));
        rig->now_us += SECOND;
    }
    written(rig, 1, "power");
    assert_true(warned(rig, "process 70 used 40 %, process 71 used 40 % of its time"));
    assert_true(warned(rig, "tasks waited for a processor core 50 %"));
}

static void energy_is_that_of_counters(void **state)
{
    rig_t *rig = *state;
    begin(rig);
    for (int i = 0; i <= 10; i++, rig->now_us += SECOND) {
        mlx_value_t *gpu = one("energy", 5000 + 100.0 * i);
        mlx_value_set_real(gpu, "power", 1); /* a reading that the counter beats */
        tell(rig, "sensor.gpu.0", gpu);
        tell(rig, "sensor.power", one("package", 50));
    }
    /* 150 W over 11 s, 330 tokens. */
    assert_true(fabs(written(rig, 330, "joules_per_token") - 5) < 1e-6);
    assert_string_equal(mlx_value_str(rig->result, "power_scope"), "parts");
}

/*  A counter that is asked now and then: only the moments count at which it was. */
static void energy_is_that_of_its_own_moments(void **state)
{
    rig_t *rig = *state;
    begin(rig);
    for (int i = 0; i <= 10; i++, rig->now_us += SECOND) {
        int asked = i - i % 5;
        mlx_value_t *gpu = one("energy", 5000 + 100.0 * asked);
        if (i > asked) {
            mlx_value_t *held = mlx_value_set(gpu, "held", mlx_value_list());
            mlx_value_t *note = mlx_value_append(held, mlx_value_map());
            mlx_value_set_str(note, "field", "energy");
            mlx_value_set_real(note, "age", i - asked);
        }
        tell(rig, "sensor.gpu.0", gpu);
        if (i == 9)
            break; /* 4 s after it was asked last */
    }
    rig->now_us += SECOND;
    /* 100 W over 10 s, 200 tokens. */
    assert_true(fabs(written(rig, 200, "joules_per_token") - 5) < 1e-6);
}

static void the_whole_machine_counts_where_it_is_known(void **state)
{
    rig_t *rig = *state;
    tell(rig, "sensor.power", one("total", 1000)); /* before: no part of it */
    begin(rig);
    tell(rig, "sensor.gpu.0", one("power", 300));
    for (int i = 0; i < 10; i++, rig->now_us += SECOND) {
        mlx_value_t *d = one("total", i % 2 ? 30 : 50);
        mlx_value_set_real(d, "package", 7);
        tell(rig, "sensor.power", d);
    }
    assert_true(fabs(written(rig, 100, "joules_per_token") - 4) < 1e-6);
    assert_string_equal(mlx_value_str(rig->result, "power_scope"), "machine");
}

static void without_power_there_is_no_energy(void **state)
{
    rig_t *rig = *state;
    begin(rig);
    tell(rig, "sensor.gpu.0", one("utilization", 0.9));
    rig->now_us += 10 * SECOND;
    assert_true(isnan(written(rig, 100, "joules_per_token")));
    assert_null(mlx_value_get(rig->result, "power"));
    assert_null(mlx_value_get(rig->result, "temperature"));
    assert_null(mlx_value_get(rig->result, "hardware"));
    /* One other runtime, or ours, must be on the bus for anything to be known of others. */
    assert_non_null(mlx_value_get(rig->result, "contention"));
}

static void heat_and_hardware_are_told(void **state)
{
    rig_t *rig = *state;
    mlx_value_t *cpu = one("utilization", 0.8);
    mlx_value_set_str(cpu, "name", "Big CPU");
    tell(rig, "sensor.cpu", cpu);
    mlx_value_t *gpu = one("temperature", 60);
    mlx_value_set_str(gpu, "name", "Fast GPU");
    tell(rig, "sensor.gpu.0", gpu);
    tell(rig, "sensor.temperature", one("max", 95)); /* before the run */
    begin(rig);
    gpu = one("temperature", 71);
    mlx_value_append(mlx_value_set(gpu, "throttle", mlx_value_list()),
                     mlx_value_new_str("thermal"));
    tell(rig, "sensor.gpu.0", gpu);
    mlx_value_t *heat = one("max", 65);
    mlx_value_set_str(heat, "thermal_state", "heavy");
    tell(rig, "sensor.temperature", heat);
    rig->now_us += SECOND;
    assert_true(fabs(written(rig, 1, "temperature") - 71) < 1e-9);
    assert_string_equal(mlx_value_str(rig->result, "hardware"), "Big CPU + Fast GPU");
    assert_string_equal(mlx_value_str(rig->result, "thermal_state"), "heavy");
    assert_true(warned(rig, "the machine was hot") && warned(rig, "the GPU's clocks"));
    assert_true(warned(rig, "the processor was 80 % busy before"));
}

static void another_machine_has_no_hardware_here(void **state)
{
    rig_t *rig = *state;
    rig->target.local = false;
    begin(rig);
    tell(rig, "sensor.power", one("total", 40));
    tell(rig, "sensor.temperature", one("max", 65));
    rig->now_us += SECOND;
    assert_true(isnan(written(rig, 1, "temperature")));
    assert_null(mlx_value_get(rig->result, "joules_per_token"));
    assert_true(warned(rig, "another machine"));
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RUN(waiting_is_contention_and_is_said_once),
        RUN(a_shared_gpu_and_a_crowded_processor_are_told),
        RUN(our_own_request_is_no_contention),
        RUN(others_are_seen_for_as_long_as_they_work),
        RUN(energy_is_that_of_its_own_moments),
        RUN(energy_is_that_of_counters),
        RUN(the_whole_machine_counts_where_it_is_known),
        RUN(without_power_there_is_no_energy),
        RUN(heat_and_hardware_are_told),
        RUN(another_machine_has_no_hardware_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
