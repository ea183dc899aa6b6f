/*  mlxctl doctor: what it makes of what the bus says. A pure function, time given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "put.h"
#include "tools/mlxctl/doctor.h"

static const char *const daemons[] = {"sampler", "watcher",  "bencher",
                                      "cached",  "recorder", "gateway"};

static void put_health(mlx_overview_t *overview, const char *name, const char *state,
                       const char *reason, int64_t age_us)
{
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("service.%s.health", name);
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", state);
    mlx_value_set_str(d, "reason", reason);
    put(overview, topic, d, age_us);
}

static void put_runtime(mlx_overview_t *overview, bool reachable, const char *source,
                        const char *reason)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", reachable);
    mlx_value_set_str(d, "kind", "ollama");
    mlx_value_set_str(d, "url", "http://127.0.0.1:11434");
    mlx_value_set_str(d, "reason", reachable ? NULL : reason);
    mlx_value_t *models = mlx_value_set(d, "models", mlx_value_list());
    mlx_value_set_str(mlx_value_append(models, mlx_value_map()), "name", "qwen3:4b");
    put(overview, "runtime.ollama.a.models", d, 0);
    d = mlx_value_map();
    mlx_value_set_str(d, "source", source);
    mlx_value_set_str(d, "source_reason", reason);
    put(overview, "runtime.ollama.a.activity", d, 0);
}

/*  The broker's list: all daemons but LACKING (NULL: all) are connected. Caller owns it. */
static mlx_value_t *registered(const char *lacking)
{
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < MLX_COUNT(daemons); i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(item, "name", daemons[i]);
        mlx_value_set_bool(item, "connected", !lacking || strcmp(daemons[i], lacking) != 0);
    }
    return list;
}

/*  A machine where all is well. Caller owns it. */
static mlx_overview_t *healthy(void)
{
    mlx_overview_t *overview = mlx_overview_new("vm");
    for (size_t i = 0; i < MLX_COUNT(daemons); i++)
        put_health(overview, daemons[i], "up", NULL, 0);
    for (const char *const *topic =
             (const char *const[]){"sensor.memory", "sensor.cpu", "sensor.gpu.0",
                                   "sensor.temperature", "sensor.power", NULL};
         *topic; topic++)
        put(overview, *topic, mlx_value_map(), 0);
    put_runtime(overview, true, "runner", NULL);
    return overview;
}

/*  The text and remedy of the check that is not "ok"; there is exactly one. Borrowed. */
static const mlx_value_t *only_trouble(const mlx_value_t *list)
{
    const mlx_value_t *found = NULL;
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *item = mlx_value_at(list, i);
        if (strcmp(mlx_value_str(item, "level"), "ok") == 0)
            continue;
        assert_null(found);
        found = item;
    }
    assert_non_null(found);
    return found;
}

static void expect(mlx_overview_t *overview, const char *lacking, mlx_doctor_level_t level,
                   const char *text, const char *remedy)
{
    mlx_value_t *known = registered(lacking);
    mlx_value_t *list = mlx_value_list();
    mlx_doctor_look(list, overview, known, NOW);
    assert_int_equal(mlx_doctor_worst(list), level);
    if (level == MLX_DOCTOR_OK) {
        assert_int_equal(mlx_value_size(list), 13); /* 6 services, 5 sensors, a server, its speed */
    } else {
        const mlx_value_t *trouble = only_trouble(list);
        assert_non_null(strstr(mlx_value_str(trouble, "text"), text));
        if (remedy)
            assert_non_null(strstr(mlx_value_str(trouble, "remedy"), remedy));
    }
    mlx_value_destroy(&list);
    mlx_value_destroy(&known);
    mlx_overview_destroy(&overview);
}

static void test_all_is_well(void **state)
{
    (void)state;
    expect(healthy(), NULL, MLX_DOCTOR_OK, NULL, NULL);
}

static void test_services(void **state)
{
    (void)state;
    expect(healthy(), "watcher", MLX_DOCTOR_FAULT, "no model servers and no tok/s",
           "mlxctl services restart watcher");
    mlx_overview_t *overview = healthy();
    put_health(overview, "recorder", "degraded", "the disk is full", 0);
    expect(overview, NULL, MLX_DOCTOR_WARNING, "degraded: the disk is full", "restart recorder");
    overview = mlx_overview_new("vm");
    for (size_t i = 1; i < MLX_COUNT(daemons); i++)
        put_health(overview, daemons[i], "up", NULL, 0);
    put_health(overview, "sampler", "up", NULL, 21000000);
    mlx_value_t *known = registered(NULL);
    mlx_value_t *list = mlx_value_list();
    mlx_doctor_look(list, overview, known, NOW);
    assert_string_equal(mlx_value_str(mlx_value_at(list, 0), "level"), "fault");
    assert_non_null(strstr(mlx_value_str(mlx_value_at(list, 0), "text"), "silent"));
    mlx_value_destroy(&list);
    mlx_value_destroy(&known);
    mlx_overview_destroy(&overview);
}

/*  What is missing for one reason is said together, and repairs nothing. */
static void test_sensors(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"cpu", "no RAPL"}, {"battery", "no battery"}, {"package", "no RAPL"}};
    mlx_overview_t *overview = healthy();
    mlx_value_t *d = mlx_value_map();
    mlx_value_t *missing = mlx_value_set(d, "missing", mlx_value_list());
    for (size_t i = 0; i < 3; i += 2) {
        mlx_value_t *item = mlx_value_append(missing, mlx_value_map());
        mlx_value_set_str(item, "field", lines[i][0]);
        mlx_value_set_str(item, "why", lines[i][1]);
    }
    put(overview, "sensor.power", d, 0);
    expect(overview, NULL, MLX_DOCTOR_NOTE, "no cpu, package: no RAPL", NULL);
}

static void test_model_servers(void **state)
{
    (void)state;
    mlx_overview_t *overview = healthy();
    put_runtime(overview, true, NULL, "started with --no-slots");
    expect(overview, NULL, MLX_DOCTOR_WARNING, "not known: started with --no-slots", "mlxctl tap");
    overview = healthy();
    put_runtime(overview, false, NULL, "connection refused");
    expect(overview, NULL, MLX_DOCTOR_WARNING, "does not answer: connection refused", NULL);
    overview = mlx_overview_new("vm");
    for (size_t i = 0; i < MLX_COUNT(daemons); i++)
        put_health(overview, daemons[i], "up", NULL, 0);
    mlx_value_t *known = registered(NULL);
    mlx_value_t *list = mlx_value_list();
    mlx_doctor_look(list, overview, known, NOW);
    const mlx_value_t *last = mlx_value_at(list, mlx_value_size(list) - 1);
    assert_non_null(strstr(mlx_value_str(last, "text"), "none found"));
    mlx_value_destroy(&list);
    mlx_value_destroy(&known);
    mlx_overview_destroy(&overview);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_sensors),
        cmocka_unit_test(test_model_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
