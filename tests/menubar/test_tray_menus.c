/*  The tray's submenus for real: requests, other machines, the last benchmark, preferences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "rig.h"
#include "screen.h"

static int setup(void **state)
{
    *state = rig_new();
    return 0;
}

static int teardown(void **state)
{
    rig_destroy((rig_t **)state);
    return 0;
}

static mlx_value_t *alert(void)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", "firing");
    mlx_value_set_str(d, "summary", "GPU at 92 degrees");
    return d;
}

static mlx_value_t *activity_of(const char *client, int64_t tokens)
{
    mlx_value_t *d = screen_activity(RIG_MODEL, 42.3);
    mlx_value_t *running = mlx_value_set(d, "running", mlx_value_list());
    mlx_value_t *request = mlx_value_append(running, mlx_value_map());
    mlx_value_set_str(request, "client", client);
    mlx_value_set_real(request, "tokens_per_second", 42.3);
    mlx_value_set_int(request, "tokens", tokens);
    return d;
}

static mlx_value_t *result_of(double first, double last)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "model", RIG_MODEL);
    if (isnan(last)) {
        mlx_value_set_real(mlx_value_set(d, "tokens_per_second", mlx_value_map()), "mean", first);
        return d;
    }
    mlx_value_t *points = mlx_value_set(d, "points", mlx_value_list());
    for (int i = 0; i < 3; i++) {
        mlx_value_t *point = mlx_value_append(points, mlx_value_map());
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("%d tokens", 1024 << i);
        mlx_value_set_str(point, "name", name);
        mlx_value_set_real(mlx_value_set(point, "tokens_per_second", mlx_value_map()), "mean",
                           first + (last - first) / 2 * i);
    }
    return d;
}

/*  Is CHILD in the submenu that starts with PARENT? */
static bool holds(rig_t *rig, const char *parent, const char *child)
{
    const char *label = "", *key;
    int32_t number = rig_find(rig, parent, NULL), wanted = rig_find(rig, child, NULL), got = -1;
    uint32_t revision;
    bool held = false;
    if (number < 0 || wanted < 0)
        return false;
    sd_bus_message *m = rig_call(rig, MENU, "GetLayout", "iias", number, 1, 1, "children-display");
    sd_bus_message_read(m, "u", &revision);
    sd_bus_message_enter_container(m, 'r', "ia{sv}av");
    sd_bus_message_read(m, "i", &got);
    assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
    assert_true(sd_bus_message_read(m, "{sv}", &key, "s", &label) > 0);
    assert_string_equal(label, "submenu");
    sd_bus_message_exit_container(m);
    sd_bus_message_enter_container(m, 'a', "v");
    while (sd_bus_message_enter_container(m, 'v', "(ia{sv}av)") > 0) {
        sd_bus_message_enter_container(m, 'r', "ia{sv}av");
        sd_bus_message_read(m, "i", &got);
        held = held || got == wanted;
        sd_bus_message_skip(m, "a{sv}av");
        sd_bus_message_exit_container(m);
        sd_bus_message_exit_container(m);
    }
    return held;
}

static void requests_and_machines_have_submenus(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    rig_publish(rig, "runtime.ollama.local.activity", activity_of("chat_1.py", 310));
    UNTIL(rig,
          holds(rig, "Used by: chat__1.py", "chat__1.py, " RIG_MODEL ": 42.3 tok/s, 310 tokens"));
    int layouts = rig->layouts;
    rig_publish(rig, "runtime.ollama.local.activity", activity_of("chat_1.py", 350));
    UNTIL(rig,
          holds(rig, "Used by: chat__1.py", "chat__1.py, " RIG_MODEL ": 42.3 tok/s, 350 tokens"));
    assert_int_equal(rig->layouts, layouts); /* a text changed, no more */
    mlx_bus_options_t options = {.run_dir = rig->dir, .host = "mini", .src = "sampler"};
    mlx_bus_t *mini = mlx_bus_new(rig->loop, &options, NULL);
    mlx_value_t *memory = mlx_value_map();
    mlx_value_set_int(memory, "used", 3000000000);
    mlx_value_set_int(memory, "total", 8000000000);
    mlx_bus_publish(mini, "sensor.memory", memory);
    UNTIL(rig, holds(rig, "mini: idle", "Memory: 3.0 GB / 8.0 GB (38%)"));
    assert_false(holds(rig, "mini: idle", "Memory: 14.2 GB"));
    mlx_value_destroy(&memory);
    mlx_bus_destroy(&mini);
}

static void the_last_benchmark_is_told(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    rig_publish(rig, "bench.result", result_of(40.25, NAN));
    UNTIL(rig, rig_find(rig, "Last Benchmark: 40.2 tok/s, " RIG_MODEL, NULL) > 0);
    rig_publish(rig, "bench.result", result_of(50, 30)); /* a sweep has no speed of its own */
    UNTIL(rig, rig_find(rig, "Last Benchmark: 50.0 tok/s at 1024 tokens, 30.0 tok/s at 4096 tokens",
                        NULL) > 0);
}

static char *settings(rig_t *rig)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/mlx/config.yaml", rig->dir);
    char *text = mlx_file_read(path, 65536, NULL, NULL);
    return text ? text : mlx_strdup("");
}

static void preferences_are_written_and_hold(void **state)
{
    rig_t *rig = *state;
    MLX_CLEANUP(mlx_free_p)
    char *start = mlx_format("%s/autostart/mlx-menubar.desktop", rig->dir);
    rig_start_seed(rig);
    rig_click(rig, rig_find(rig, "Show Memory", NULL));
    UNTIL(rig, strcmp(rig_text(rig, "XAyatanaLabel"), "30%") == 0);
    rig_click(rig, rig_find(rig, "Degrees Fahrenheit", NULL));
    UNTIL(rig, rig_find(rig, "Temperature: 118\u00b0F", NULL) > 0);
    rig_click(rig, rig_find(rig, "Notify of Alerts", NULL));
    MLX_CLEANUP(mlx_free_p) char *text = settings(rig);
    assert_non_null(strstr(text, "\n  title: memory\n"));
    assert_non_null(strstr(text, "\n  units: imperial\n"));
    assert_non_null(strstr(text, "\n  notifications: false\n"));
    assert_non_null(strstr(text, "  #price: 0.30\n")); /* the rest is as it was */
    rig_publish(rig, "alert.hot", alert());
    UNTIL(rig, rig_find(rig, "\u26a0 GPU at 92", NULL) > 0);
    assert_int_equal(rig->notes, 0);
    rig_click(rig, rig_find(rig, "Start at Login", NULL));
    MLX_CLEANUP(mlx_free_p) char *entry = mlx_file_read(start, 4096, NULL, NULL);
    assert_non_null(strstr(entry, "/mlx-menubar\" --format tray\n"));
    rig_click(rig, rig_find(rig, "Start at Login", NULL));
    assert_int_not_equal(access(start, F_OK), 0);
    assert_true(rig->pid > 0);
}

static void what_cannot_be_written_is_said(void **state)
{
    rig_t *rig = *state;
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_format("%s/mlx", rig->dir);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/config.yaml", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    FILE *file = fopen(path, "w");
    fputs("menubar: {units: metric}\n", file);
    fclose(file);
    rig_start_seed(rig);
    rig_click(rig, rig_find(rig, "Show GPU", NULL));
    UNTIL(rig, rig->notes == 1);
    assert_non_null(strstr(rig->note_title, "config.yaml is not written in a form"));
    MLX_CLEANUP(mlx_free_p) char *text = settings(rig);
    assert_string_equal(text, "menubar: {units: metric}\n");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(requests_and_machines_have_submenus),
        TEST(the_last_benchmark_is_told),
        TEST(preferences_are_written_and_hold),
        TEST(what_cannot_be_written_is_said),
    };
    return cmocka_run_group_tests_name("tray menus", tests, NULL, NULL);
}
