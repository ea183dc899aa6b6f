/*  Overview, menu, status and top: what people see for given messages. Pure functions, time given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/view/menu_view.h"
#include "common/view/overview_state.h"
#include "screens.h"
#include "tools/mlxctl/status_view.h"
#include "tools/mlxctl/top_view.h"

/*  A value that was old when its message was made is not shown; a quick one beside it is. */
static void test_a_held_value_goes_stale(void **unused)
{
    (void)unused;
    mlx_overview_t *overview = mlx_overview_new("vm");
    for (double age = 10; age <= 40; age += 30) {
        mlx_value_t *d = mlx_value_map();
        mlx_value_set_real(d, "total", 21);
        mlx_value_set_real(d, "battery", 0.5);
        mlx_value_t *held = mlx_value_set(d, "held", mlx_value_list());
        mlx_value_t *note = mlx_value_append(held, mlx_value_map());
        mlx_value_set_str(note, "field", "battery");
        mlx_value_set_real(note, "age", age);
        put(overview, "sensor.power", d, 0);
        const mlx_value_t *power = mlx_overview_get(overview, "sensor.power", NOW, NULL);
        assert_non_null(mlx_value_get(power, "total"));
        assert_int_equal(mlx_value_get(power, "battery") != NULL, age < 20);
        assert_int_equal(mlx_value_size(mlx_value_get(power, "missing")), age > 20);
    }
    mlx_overview_destroy(&overview);
}

/*  Who asks is said once each, and only while it is so. */
static void who_asks_is_said_once(void **state)
{
    static const char *const names[] = {"chat.py", "curl", "chat.py", "a", "b"};
    (void)state;
    for (size_t count = 0; count <= MLX_COUNT(names); count++) {
        mlx_overview_t *overview = mlx_overview_new("vm");
        mlx_value_t *d = mlx_value_map();
        mlx_value_t *running = mlx_value_set(d, "running", mlx_value_list());
        for (size_t i = 0; i < count; i++)
            mlx_value_set_str(mlx_value_append(running, mlx_value_map()), "client", names[i]);
        put(overview, "runtime.ollama.x.activity", d, 0);
        MLX_CLEANUP(mlx_free_p) char *said = mlx_overview_clients(overview, NOW);
        const char *want = count == 0   ? NULL
                           : count == 1 ? "chat.py"
                           : count <= 3 ? "chat.py, curl"
                           : count == 4 ? "chat.py, curl, a"
                                        : "chat.py, curl, a and 1 more";
        if (want)
            assert_string_equal(said, want);
        else
            assert_null(said);
        mlx_overview_destroy(&overview);
    }
}

static const char *item(const mlx_menu_t *menu, const char *id)
{
    for (size_t i = 0; i < mlx_menu_count(menu); i++)
        if (strcmp(mlx_menu_at(menu, i)->id, id) == 0)
            return mlx_menu_at(menu, i)->text;
    return NULL;
}

static void menu_is_the_seeds(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(true);
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_string_equal(mlx_menu_title(menu), "42 tok/s");
    assert_string_equal(mlx_menu_badge(menu), "42");
    assert_string_equal(item(menu, "model"), "Current Model: deepseek-r1:14b");
    assert_string_equal(item(menu, "performance"), "Performance: 42.3 tok/s");
    assert_string_equal(item(menu, "memory"), "Memory: 14.2 GB / 48.0 GB (30%)");
    assert_string_equal(item(menu, "gpu"), "GPU Usage: 67%");
    assert_string_equal(item(menu, "temperature"), "Temperature: 48\u00b0C");
    assert_string_equal(item(menu, "cache"), "Cache: 21.5 GB (43.0 GB saved)");
    assert_string_equal(item(menu, "benchmark"), "Run Benchmark");
    assert_string_equal(item(menu, "history"), "View History");
    assert_string_equal(item(menu, "preferences"), "Preferences");
    assert_int_equal(mlx_menu_level(menu), MLX_LEVEL_BUSY);
    assert_int_equal(mlx_menu_percentage(menu), 30);
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&overview);
}

static void idle_and_offline_menus(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(false);
    mlx_menu_t *idle = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_string_equal(mlx_menu_title(idle), "idle");
    assert_string_equal(item(idle, "performance"), "Performance: idle (last 40.5 tok/s)");
    assert_string_equal(item(idle, "model"), "Current Model: deepseek-r1:14b");
    mlx_overview_t *nothing = mlx_overview_new("vm");
    mlx_menu_t *offline = mlx_menu_new(&(mlx_menu_options_t){0}, nothing, NOW);
    assert_string_equal(mlx_menu_title(offline), "offline");
    assert_int_equal(mlx_menu_level(offline), MLX_LEVEL_OFFLINE);
    assert_string_equal(item(offline, "memory"), "Memory: not available");
    assert_string_equal(item(offline, "model"), "Current Model: not available");
    assert_string_equal(item(offline, "performance"), "Performance: not available");
    assert_false(mlx_menu_equal(idle, offline));
    for (size_t i = 0; i < mlx_menu_count(offline); i++)
        if (strcmp(mlx_menu_at(offline, i)->id, "benchmark") == 0)
            assert_false(mlx_menu_at(offline, i)->enabled); /* there is nothing to measure */
    mlx_menu_destroy(&idle);
    mlx_menu_destroy(&offline);
    mlx_overview_destroy(&overview);
    mlx_overview_destroy(&nothing);
}

static void old_values_count_as_absent(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("vm");
    put_memory(overview, 20000001); /* the limit is 20 s, as the page has it too */
    assert_true(isnan(mlx_overview_headline(overview, NOW).memory_used));
    put_memory(overview, MLX_OVERVIEW_STALE_US + 1);
    assert_true(isnan(mlx_overview_headline(overview, NOW).memory_used));
    put_memory(overview, MLX_OVERVIEW_STALE_US);
    assert_int_equal((int)(mlx_overview_headline(overview, NOW).memory_used / 1e9), 14);
    mlx_overview_destroy(&overview);
}

static void another_host_does_not_count(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("elsewhere");
    put_memory(overview, 0);
    assert_true(isnan(mlx_overview_headline(overview, NOW).memory_used));
    mlx_overview_destroy(&overview);
}

static void a_service_that_is_down_warns(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(true);
    assert_false(mlx_status_live(overview, NOW)); /* no processor reading yet */
    put_health(overview, "sampler", "down");
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_int_equal(mlx_menu_level(menu), MLX_LEVEL_WARNING);
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&overview);
}

/*  As a service says it itself. */
static void put_own_health(mlx_overview_t *overview, const char *name, int64_t age_us)
{
    char topic[64];
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", "up");
    snprintf(topic, sizeof topic, "service.%s.health", name);
    mlx_message_t message = {.topic = topic,
                             .host = "vm",
                             .src = (char *)name,
                             .boot = "0",
                             .seq = 1,
                             .t = NOW - age_us,
                             .d = d};
    mlx_overview_put(overview, &message);
    mlx_value_destroy(&d);
}

static char *status_of(const mlx_overview_t *overview)
{
    mlx_buf_t text = {0};
    mlx_status_text(overview, NOW, &text);
    return mlx_buf_take(&text);
}

static char *top_of(const mlx_overview_t *overview, int rows, int columns)
{
    mlx_top_t *top = mlx_top_new();
    mlx_canvas_t *canvas = mlx_canvas_new(rows, columns, true);
    mlx_top_draw(top, overview, NULL, NOW, canvas);
    mlx_buf_t text = {0};
    mlx_canvas_dump(canvas, &text);
    mlx_canvas_destroy(&canvas);
    mlx_top_destroy(&top);
    return mlx_buf_take(&text);
}

static void models_at_work_have_their_own_speed(void **state)
{
    (void)state;
    mlx_overview_t *overview = two_models();
    mlx_headline_t now = mlx_overview_headline(overview, NOW);
    assert_int_equal(now.models_busy, 2);
    assert_int_equal(now.requests, 3);
    char *status = status_of(overview), *top = top_of(overview, 24, 80);
    MUST_HOLD(status, "192.0 tok/s  2 models", "alpha:1b  128.0 tok/s (2 requests)",
              "beta:2b  64.0 tok/s\n", "request:  64.0 tok/s, 310 tokens, for 5.1s");
    MUST_HOLD(top, "2 models \u00b7 192.0 tok/s", "128.0", "request: 310 tokens, 5.1s");
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_string_equal(mlx_menu_title(menu), "2 models \u00b7 192 tok/s");
    assert_string_equal(item(menu, "model"), "Current Model: 2 models");
    assert_string_equal(item(menu, "work1"), "  alpha:1b: 128.0 tok/s, 2 requests");
    assert_string_equal(item(menu, "work2"), "  beta:2b: 64.0 tok/s");
    mlx_menu_destroy(&menu);
    free(status);
    free(top);
    mlx_overview_destroy(&overview);
}

static void alarms_are_told_in_words(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(true);
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", "firing");
    mlx_value_set_str(d, "summary", "GPU 0 is above 90 C");
    put(overview, "alert.hot", d, 3600000000); /* said once, an hour ago */
    put_health(overview, "watcher", "down");
    d = mlx_value_map();
    mlx_value_set_str(d, "state", "firing");
    mlx_value_set_str(d, "summary", "m:1b is loaded twice");
    mlx_value_set_str(d, "remedy", "ollama stop m:1b");
    put(overview, "finding.two_copies", d, 3600000000);
    d = mlx_value_map();
    mlx_value_set_str(d, "state", "resolved");
    mlx_value_set_str(d, "summary", "swap grew");
    put(overview, "finding.swapping", d, 0);
    char *status = status_of(overview), *top = top_of(overview, 24, 80);
    MUST_HOLD(status, "! GPU 0 is above 90 C\n", "! watcher is down");
    MUST_HOLD(status, "! m:1b is loaded twice; ollama stop m:1b\n");
    assert_null(strstr(status, "swap grew"));
    MUST_HOLD(top, "! GPU 0 is above 90 C", "! watcher is down");
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_int_equal(mlx_menu_level(menu), MLX_LEVEL_WARNING);
    assert_string_equal(item(menu, "warning1"), "\u26a0 GPU 0 is above 90 C");
    MUST_HOLD(mlx_menu_tooltip(menu), "GPU 0 is above 90 C", "watcher is down");
    mlx_menu_destroy(&menu);
    free(status);
    free(top);
    mlx_overview_destroy(&overview);
}

static void amber_has_its_reason(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(false);
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "used", 47500000000);
    mlx_value_set_int(d, "total", 48000000000);
    put(overview, "sensor.memory", d, 0);
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_int_equal(mlx_menu_level(menu), MLX_LEVEL_WARNING);
    assert_string_equal(item(menu, "warning1"), "\u26a0 memory is nearly full: 99%");
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&overview);
}

static void silence_is_told_with_its_cause(void **state)
{
    (void)state;
    static const struct {
        int64_t bus, sampler; /* seconds since they were heard */
        mlx_link_t link;
        const char *text;
    } cases[] = {
        {1, 2, MLX_LINK_LIVE, ""},
        {7, 7, MLX_LINK_LOST, "no data for 7 s: the bus does not answer"},
        {7, 1, MLX_LINK_PARTLY, "no data from bus for 7 s"},
        {1, 9, MLX_LINK_PARTLY, "no data from sampler for 9 s"},
        {90, 95, MLX_LINK_LOST, "no data for 1m 30s: the bus does not answer"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_overview_t *overview = mlx_overview_new("vm");
        put_own_health(overview, "bus", cases[i].bus * 1000000);
        put_own_health(overview, "sampler", cases[i].sampler * 1000000);
        mlx_connection_t link = mlx_overview_connection(overview, NOW);
        assert_int_equal(link.state, cases[i].link);
        assert_string_equal(link.text, cases[i].text);
        mlx_overview_destroy(&overview);
    }
    mlx_overview_t *nothing = mlx_overview_new("vm");
    assert_int_equal(mlx_overview_connection(nothing, NOW).state, MLX_LINK_NONE);
    mlx_overview_destroy(&nothing);
}

/*  Who fell silent on another host, or is a program that has ended since, keeps nothing from being
 *  live here. */
static void silence_of_others_is_none_of_ours(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int64_t age_s;
        mlx_link_t link;
    } cases[] = {{"vm", 30, MLX_LINK_PARTLY}, {"vm", 70, MLX_LINK_LIVE}, {"db", 30, MLX_LINK_LIVE}};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_overview_t *overview = mlx_overview_new("vm");
        mlx_value_t *d = mlx_value_map();
        const mlx_message_t message = {.topic = (char *)"sensor.memory",
                                       .host = (char *)cases[i].host,
                                       .src = (char *)"script",
                                       .boot = (char *)"0",
                                       .seq = 1,
                                       .t = NOW,
                                       .d = d};
        mlx_overview_hear(overview, &message, NOW - cases[i].age_s * 1000000);
        put_own_health(overview, "bus", 1000000);
        assert_int_equal(mlx_overview_connection(overview, NOW).state, cases[i].link);
        mlx_value_destroy(&d);
        mlx_overview_destroy(&overview);
    }
}

static void a_dead_bus_leaves_nothing_live(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("vm");
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "used", 14200000000);
    mlx_value_set_int(d, "total", 48000000000);
    mlx_message_t message = {.topic = (char *)"sensor.memory",
                             .host = (char *)"vm",
                             .src = (char *)"sampler",
                             .boot = (char *)"0",
                             .seq = 1,
                             .t = INT64_MAX, /* anybody's number */
                             .d = d};
    mlx_overview_hear(overview, &message, NOW - 7000000);
    mlx_value_destroy(&d);
    put_own_health(overview, "bus", 7000000);
    put_own_health(overview, "sampler", 7000000);
    assert_true(mlx_overview_headline(overview, NOW).sensors_late);
    char *status = status_of(overview), *top = top_of(overview, 24, 80);
    MUST_HOLD(status, "! no data for 7 s: the bus does not answer\n", "(30%)  (not live)");
    MUST_HOLD(top, "! no data for 7 s: the bus does not answer");
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, NOW);
    assert_string_equal(mlx_menu_title(menu), "no data");
    assert_int_equal(mlx_menu_level(menu), MLX_LEVEL_OFFLINE);
    assert_string_equal(item(menu, "connection"),
                        "\u26a0 no data for 7 s: the bus does not answer");
    assert_string_equal(item(menu, "memory"), "Memory: 14.2 GB / 48.0 GB (30%) (not live)");
    mlx_menu_destroy(&menu);
    free(status);
    free(top);
    mlx_overview_destroy(&overview);
}

static void short_topics_are_read_to_their_end(void **state)
{
    (void)state;
    static const char *const topics[] = {"a", "s.b", "service", "service.", "alert.x"};
    mlx_overview_t *overview = mlx_overview_new("vm");
    mlx_value_t *d = mlx_value_map();
    for (size_t i = 0; i < MLX_COUNT(topics); i++) {
        mlx_message_t message = {.topic = (char *)topics[i],
                                 .host = (char *)"vm",
                                 .src = (char *)"stranger",
                                 .boot = (char *)"0",
                                 .seq = 1,
                                 .t = NOW,
                                 .d = d};
        mlx_overview_hear(overview, &message, NOW);
    }
    mlx_value_destroy(&d);
    assert_int_equal(mlx_overview_connection(overview, NOW).state, MLX_LINK_NONE);
    assert_false(mlx_overview_headline(overview, NOW).sensors_late);
    mlx_overview_destroy(&overview);
}

static void small_windows_hold_whole_figures(void **state)
{
    (void)state;
    static const int sizes[][2] = {{24, 59}, {20, 50}, {16, 40}};
    mlx_overview_t *overview = two_models();
    for (size_t i = 0; i < MLX_COUNT(sizes); i++) {
        char *text = top_of(overview, sizes[i][0], sizes[i][1]);
        MUST_HOLD(text, "2 models \u00b7 192.0 tok/s", "14.2 GB / 48.0 GB", "alpha:1b", "128.0",
                  "q quit");
        free(text);
    }
    mlx_overview_destroy(&overview);
}

static void status_names_what_is_missing_and_why(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(true);
    mlx_value_t *d = mlx_value_map();
    mlx_value_t *note =
        mlx_value_append(mlx_value_set(d, "missing", mlx_value_list()), mlx_value_map());
    mlx_value_set_str(note, "field", "package");
    mlx_value_set_str(note, "why", "energy_uj is root's\x1b[2J");
    put(overview, "sensor.power", d, 0);
    mlx_buf_t text = {0};
    mlx_status_text(overview, NOW, &text);
    assert_non_null(strstr(text.data, "42.3 tok/s  deepseek-r1:14b  (from runner)"));
    assert_non_null(strstr(text.data, "14.2 GB / 48.0 GB (30%)"));
    assert_non_null(strstr(text.data, "Power        not available (energy_uj is root's?[2J)"));
    assert_non_null(strstr(text.data, "tok/s from: runner"));
    assert_null(strchr(text.data, '\x1b'));
    mlx_buf_clear(&text);
    mlx_value_t *value = mlx_overview_value(overview, NOW);
    double rate = 0;
    assert_true(mlx_value_real(mlx_value_get(value, "headline"), "tokens_per_second", &rate));
    assert_null(mlx_value_get(mlx_value_get(value, "headline"), "power"));
    mlx_value_destroy(&value);
    mlx_overview_destroy(&overview);
}

int main(void)
{
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_held_value_goes_stale),
        cmocka_unit_test(menu_is_the_seeds),
        cmocka_unit_test(idle_and_offline_menus),
        cmocka_unit_test(old_values_count_as_absent),
        cmocka_unit_test(another_host_does_not_count),
        cmocka_unit_test(a_service_that_is_down_warns),
        cmocka_unit_test(models_at_work_have_their_own_speed),
        cmocka_unit_test(alarms_are_told_in_words),
        cmocka_unit_test(amber_has_its_reason),
        cmocka_unit_test(silence_is_told_with_its_cause),
        cmocka_unit_test(who_asks_is_said_once),
        cmocka_unit_test(silence_of_others_is_none_of_ours),
        cmocka_unit_test(a_dead_bus_leaves_nothing_live),
        cmocka_unit_test(short_topics_are_read_to_their_end),
        cmocka_unit_test(small_windows_hold_whole_figures),
        cmocka_unit_test(status_names_what_is_missing_and_why),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
