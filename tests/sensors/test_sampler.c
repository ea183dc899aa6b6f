/*  The sampler's pacing, back-off and merging, with scripted back ends and a scripted clock. */
#include "services/sampler/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*  What a scripted back end does, and what was done to it. */
typedef struct {
    bool present, failing;
    int64_t cost_us;
    int probes, samples, closes;
} script_t;

static script_t scripts[2];
static int64_t spent_us; /* the cost clock */

static int probe(script_t *script, void **state, mlx_error_t *err)
{
    script->probes++;
    if (!script->present)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no such thing");
    *state = script;
    return 0;
}

static int probe_a(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    assert_string_equal(env->proc_root, "/p");
    return probe(&scripts[0], state, err);
}

static int probe_b(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    assert_string_equal(env->sys_root, "/s");
    return probe(&scripts[1], state, err);
}

static int sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    script_t *script = state;
    script->samples++;
    spent_us += script->cost_us;
    mlx_value_t *data = mlx_readings_topic(out, "sensor.power");
    mlx_value_set_real(data, script == &scripts[0] ? "cpu" : "dram", (double)now_us);
    mlx_value_set_real(data, "total", script == &scripts[0] ? 1 : 2);
    if (script->failing)
        return mlx_error_set(err, MLX_ERR_FAILED, "it broke");
    return 0;
}

static void close_script(void **state)
{
    ((script_t *)*state)->closes++;
    *state = NULL;
}

static const mlx_sensor_backend_t back_a = {.name = "a",
                                            .min_period_s = 0.1,
                                            .probe = probe_a,
                                            .sample = sample,
                                            .close = close_script,
                                            .topic = "sensor.power",
                                            .fields = "cpu"};
static const mlx_sensor_backend_t back_b = {.name = "b",
                                            .min_period_s = 5,
                                            .probe = probe_b,
                                            .sample = sample,
                                            .close = close_script,
                                            .topic = "sensor.power",
                                            .fields = "dram"};
static const mlx_sensor_backend_t *const backends[] = {&back_a, &back_b};

typedef struct {
    mlx_sampler_t *sampler;
    int64_t now_us;
    mlx_value_t *power; /* what was published of sensor.power in the last tick */
    int published, errors, found, lost;
} rig_t;

static int64_t cost_us(void)
{
    return spent_us;
}

static void on_publish(void *arg, const char *topic, const mlx_value_t *d)
{
    rig_t *rig = arg;
    rig->published++;
    if (strcmp(topic, "sensor.power") == 0)
        rig->power = mlx_value_copy(d);
}

static void on_presence(void *arg, const char *backend, const char *reason)
{
    rig_t *rig = arg;
    assert_true(strlen(backend) == 1);
    rig->found += !reason;
    rig->lost += reason != NULL;
}

static void on_error(void *arg, const char *backend, const mlx_error_t *err)
{
    rig_t *rig = arg;
    assert_true(strlen(backend) == 1);
    assert_string_equal(err->text, "it broke");
    rig->errors++;
}

static void start(rig_t *rig, double rate_hz)
{
    *rig = (rig_t){.now_us = 5000000};
    memset(scripts, 0, sizeof scripts);
    scripts[0].present = scripts[1].present = true;
    spent_us = 0;
    mlx_sampler_options_t options = {
        .backends = backends,
        .count = 2,
        .env = {"/p", "/s", "/n"},
        .rate_hz = rate_hz,
        .cost_us = cost_us,
        .publish = on_publish,
        .on_presence = on_presence,
        .on_error = on_error,
        .arg = rig,
    };
    rig->sampler = mlx_sampler_new(&options);
}

static void end(rig_t *rig)
{
    mlx_sampler_destroy(&rig->sampler);
    assert_null(rig->sampler);
    mlx_value_destroy(&rig->power);
}

/*  COUNT ticks, each the period and up to 30 ms of jitter after the last. */
static void tick(rig_t *rig, int count)
{
    static const int64_t jitter[] = {0, 30000, -30000, 12000, -12000};
    for (int i = 0; i < count; i++) {
        mlx_value_destroy(&rig->power);
        mlx_sampler_tick(rig->sampler, rig->now_us + jitter[i % 5]);
        rig->now_us += mlx_sampler_period_ms(rig->sampler) * 1000;
    }
}

static double reading(const rig_t *rig, const char *field)
{
    double value = -1;
    mlx_value_real(rig->power, field, &value);
    return value;
}

static void test_each_back_end_has_its_pace(void **state)
{
    (void)state;
    rig_t rig;
    start(&rig, 1);
    tick(&rig, 20);
    assert_int_equal(scripts[0].samples, 20);
    assert_int_equal(scripts[1].samples, 4); /* every 5 s */
    assert_int_equal(rig.published, 20);
    assert_int_equal(rig.found, 2);
    assert_int_equal(rig.lost + rig.errors, 0);
    /* the slow one's last value stays in the message between its samples */
    assert_true(reading(&rig, "dram") > 0);
    assert_true(reading(&rig, "total") == 1); /* the first in the table is trusted */
    assert_null(mlx_sampler_degraded(rig.sampler));
    end(&rig);
    assert_int_equal(scripts[0].closes, 1);
    assert_int_equal(scripts[1].closes, 1);
}

/*  The age that the last message gives for FIELD; 0: of its own time. */
static double age(const rig_t *rig, const char *field)
{
    const mlx_value_t *held = mlx_value_get(rig->power, "held");
    double seconds = 0;
    for (size_t i = 0; i < mlx_value_size(held); i++)
        if (strcmp(mlx_value_str(mlx_value_at(held, i), "field"), field) == 0)
            assert_true(mlx_value_real(mlx_value_at(held, i), "age", &seconds));
    return seconds;
}

static void test_an_older_reading_tells_its_age(void **state)
{
    (void)state;
    rig_t rig;
    start(&rig, 1);
    tick(&rig, 1);
    assert_null(mlx_value_get(rig.power, "held"));
    for (int i = 1; i < 5; i++) {
        tick(&rig, 1);
        assert_true(age(&rig, "dram") == i);
        assert_true(age(&rig, "cpu") == 0);
        assert_true(age(&rig, "total") == 0); /* the quick one's */
    }
    tick(&rig, 1);
    assert_true(age(&rig, "dram") == 0);
    /* a back end that its own cost slows down ages too */
    scripts[0].cost_us = 300000;
    tick(&rig, 1); /* 75 ms in the mean: again after 8 s */
    for (int i = 1; i < 8; i++) {
        tick(&rig, 1);
        assert_true(age(&rig, "cpu") == i);
    }
    end(&rig);
}

static void test_rates(void **state)
{
    (void)state;
    rig_t rig;
    start(&rig, 10);
    assert_int_equal(mlx_sampler_period_ms(rig.sampler), 100);
    tick(&rig, 100);
    assert_int_equal(scripts[0].samples, 100);
    assert_int_equal(scripts[1].samples, 2);
    end(&rig);
    start(&rig, 0.1);
    assert_int_equal(mlx_sampler_period_ms(rig.sampler), 10000);
    tick(&rig, 6);
    assert_int_equal(scripts[0].samples, 6);
    assert_int_equal(scripts[1].samples, 6);
    end(&rig);
}

static void test_a_costly_back_end_slows_itself(void **state)
{
    (void)state;
    rig_t rig;
    start(&rig, 1);
    scripts[0].cost_us = 30000; /* 3 % of a second: every 3 s is 1 % */
    tick(&rig, 30);
    assert_int_equal(scripts[0].samples, 10);
    scripts[0].cost_us = 9000; /* below the bound again: back to every tick */
    tick(&rig, 30);
    int before = scripts[0].samples;
    tick(&rig, 10);
    assert_int_equal(scripts[0].samples - before, 10);
    end(&rig);
}

static void test_what_is_not_there_is_looked_for_less_and_less(void **state)
{
    (void)state;
    rig_t rig;
    start(&rig, 1);
    scripts[0].present = false;
    int probes[8];
    static const int after[] = {1, 2, 4, 8, 16, 32, 64, 124}; /* ticks */
    int done = 0;
    for (size_t i = 0; i < MLX_COUNT(after); i++) {
        tick(&rig, after[i] - done);
        done = after[i];
        probes[i] = scripts[0].probes;
    }
    /* looked for at 0, 1, 3, 7, 15, 31, 63 and then every 60 s */
    static const int expected[] = {1, 2, 3, 4, 5, 6, 7, 8};
    assert_memory_equal(probes, expected, sizeof probes);
    assert_int_equal(rig.lost, 1); /* told once */
    assert_int_equal(rig.errors, 0);
    assert_int_equal(mlx_value_size(mlx_value_get(rig.power, "missing")), 1);
    assert_null(mlx_sampler_degraded(rig.sampler)); /* it never was there */
    scripts[0].present = true;
    tick(&rig, 61);
    assert_true(scripts[0].samples > 0);
    assert_int_equal(rig.found, 2);
    assert_null(mlx_value_get(rig.power, "missing"));
    end(&rig);
}

static void test_what_fails_is_closed_and_comes_back(void **state)
{
    (void)state;
    rig_t rig;
    start(&rig, 1);
    tick(&rig, 3);
    assert_true(reading(&rig, "total") == 1);
    scripts[0].failing = true;
    tick(&rig, 1);
    assert_int_equal(scripts[0].closes, 1);
    assert_int_equal(rig.errors, 1);
    assert_string_equal(mlx_sampler_degraded(rig.sampler), "a: it broke");
    assert_true(reading(&rig, "cpu") == -1); /* not the value it had set before it failed */
    assert_true(reading(&rig, "total") == 2);
    const mlx_value_t *missing = mlx_value_get(rig.power, "missing");
    assert_string_equal(mlx_value_str(mlx_value_at(missing, 0), "why"), "it broke");
    tick(&rig, 14); /* again after 1, 2, 4 and 8 s */
    assert_int_equal(scripts[0].samples, 3 + 4);
    scripts[0].present = false;
    tick(&rig, 1);
    scripts[0].failing = false;
    assert_non_null(strstr(mlx_sampler_degraded(rig.sampler), "no such thing"));
    scripts[0].present = true;
    tick(&rig, 20);
    assert_null(mlx_sampler_degraded(rig.sampler));
    assert_true(reading(&rig, "total") == 1);
    assert_int_equal(scripts[0].closes, 4);
    /* a new failure starts at 1 s again */
    scripts[0].failing = true;
    int before = scripts[0].probes;
    tick(&rig, 2);
    assert_int_equal(scripts[0].probes - before, 1);
    /* and its absence is told again, once */
    assert_int_equal(rig.lost, 1);
    scripts[0].present = false;
    tick(&rig, 20);
    assert_int_equal(rig.lost, 2);
    end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_back_end_has_its_pace),
        cmocka_unit_test(test_an_older_reading_tells_its_age),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_a_costly_back_end_slows_itself),
        cmocka_unit_test(test_what_is_not_there_is_looked_for_less_and_less),
        cmocka_unit_test(test_what_fails_is_closed_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
