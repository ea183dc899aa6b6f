/*  The menu as text for each status bar: exact output, and names that try to be more than a
 *  name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "screen.h"
#include "tools/menubar/bar_formats.h"

static const char *const hostile[] = {
    "x | bash=/bin/sh param1=-c param2=id terminal=false",
    "x\nRun Benchmark | bash=/bin/sh",
    "x\r\n---\n~~~\nowned",
    "~~~",
    "--submenu",
    "\"quoted\" 'name' \\ <b>&amp;</b> $(id) `id`",
    "\xff\xfe broken \xc3",
    "\x1b[2J\x07",
    "\u202egnp.exe\u2028line",
    "",
};

static char *draw(const char *name, const mlx_menu_options_t *options, const char *model,
                  double rate, bool stream)
{
    mlx_overview_t *overview = screen_new(model, rate);
    mlx_menu_t *menu = mlx_menu_new(options, overview, SCREEN_NOW);
    mlx_buf_t out = {0};
    mlx_bar_format_find(name)->write(
        &out, menu, &(mlx_bar_options_t){.program = "/opt/my apps/mlx-menubar", .stream = stream});
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&overview);
    return mlx_buf_take(&out);
}

static char *draw_seed(const char *name, bool stream)
{
    return draw(name, &(mlx_menu_options_t){0}, "deepseek-r1:14b", 42.3, stream);
}

static void every_format_is_exact(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool stream;
        const char *text;
    } cases[] = {
        {"plain", true,
         "42 tok/s | Current Model: deepseek-r1:14b | Performance: 42.3 tok/s | "
         "Memory: 14.2 GB / 48.0 GB (30%) | GPU Usage: 67% | Temperature: 48\u00b0C | "
         "Cache: 21.5 GB (43.0 GB saved)\n"},
        {"short", true, "42 tok/s\n"},
        {"waybar", true,
         "{\"text\":\"42 tok/s\",\"alt\":\"busy\",\"tooltip\":\"Current Model: deepseek-r1:14b\\n"
         "Performance: 42.3 tok/s\\nMemory: 14.2 GB / 48.0 GB (30%)\\nGPU Usage: 67%\\n"
         "Temperature: 48\u00b0C\\nCache: 21.5 GB (43.0 GB saved)\",\"class\":\"busy\","
         "\"percentage\":30}\n"},
        {"i3blocks", true,
         "{\"full_text\":\"42 tok/s\",\"short_text\":\"42\",\"color\":\"#23894a\"}\n"},
        {"swiftbar", true,
         "~~~\n"
         "42 tok/s | emojize=false symbolize=false\n"
         "---\n"
         "Current Model: deepseek-r1:14b | emojize=false symbolize=false\n"
         "Performance: 42.3 tok/s | emojize=false symbolize=false\n"
         "Memory: 14.2 GB / 48.0 GB (30%) | emojize=false symbolize=false\n"
         "GPU Usage: 67% | emojize=false symbolize=false\n"
         "Temperature: 48\u00b0C | emojize=false symbolize=false\n"
         "Cache: 21.5 GB (43.0 GB saved) | emojize=false symbolize=false\n"
         "---\n"
         "Run Benchmark | emojize=false symbolize=false bash=\"/opt/my apps/mlx-menubar\" "
         "param1=--do param2=benchmark terminal=false\n"
         "View History | emojize=false symbolize=false bash=\"/opt/my apps/mlx-menubar\" "
         "param1=--do param2=history terminal=false\n"
         "Preferences | emojize=false symbolize=false bash=\"/opt/my apps/mlx-menubar\" "
         "param1=--do param2=preferences terminal=false\n"},
        {"xbar", false,
         "42 tok/s | emojize=false ansi=false\n"
         "---\n"
         "Current Model: deepseek-r1:14b | emojize=false ansi=false\n"
         "Performance: 42.3 tok/s | emojize=false ansi=false\n"
         "Memory: 14.2 GB / 48.0 GB (30%) | emojize=false ansi=false\n"
         "GPU Usage: 67% | emojize=false ansi=false\n"
         "Temperature: 48\u00b0C | emojize=false ansi=false\n"
         "Cache: 21.5 GB (43.0 GB saved) | emojize=false ansi=false\n"
         "---\n"
         "Run Benchmark | emojize=false ansi=false shell=\"/opt/my apps/mlx-menubar\" "
         "param1=--do param2=benchmark terminal=false refresh=true\n"
         "View History | emojize=false ansi=false shell=\"/opt/my apps/mlx-menubar\" "
         "param1=--do param2=history terminal=false refresh=true\n"
         "Preferences | emojize=false ansi=false shell=\"/opt/my apps/mlx-menubar\" "
         "param1=--do param2=preferences terminal=false refresh=true\n"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char *text = draw_seed(cases[i].name, cases[i].stream);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

static void json_has_everything(void **state)
{
    (void)state;
    char *text = draw_seed("json", true);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    mlx_value_t *value = mlx_json_parse(text, strlen(text), NULL);
    int64_t percentage = 0;
    assert_string_equal(mlx_value_str(value, "title"), "42 tok/s");
    assert_string_equal(mlx_value_str(value, "badge"), "42");
    assert_string_equal(mlx_value_str(value, "level"), "busy");
    assert_true(mlx_value_int(value, "percentage", &percentage) && percentage == 30);
    const mlx_value_t *items = mlx_value_get(value, "items");
    assert_int_equal(mlx_value_size(items), 11);
    assert_string_equal(mlx_value_str(mlx_value_at(items, 0), "id"), "model");
    assert_string_equal(mlx_value_str(mlx_value_at(items, 6), "kind"), "separator");
    assert_string_equal(mlx_value_str(mlx_value_at(items, 10), "action"), "quit");
    mlx_value_destroy(&value);
    free(text);
}

static void offline_is_said(void **state)
{
    (void)state;
    mlx_overview_t *nothing = mlx_overview_new(SCREEN_HOST);
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, nothing, SCREEN_NOW);
    mlx_buf_t out = {0};
    mlx_bar_format_find("i3blocks")->write(&out, menu, &(mlx_bar_options_t){0});
    mlx_bar_format_find("waybar")->write(&out, menu, &(mlx_bar_options_t){0});
    assert_non_null(strstr(mlx_buf_str(&out), "{\"full_text\":\"offline\",\"short_text\":\"-\","));
    assert_non_null(strstr(mlx_buf_str(&out), "\"class\":\"offline\"}")); /* no percentage */
    mlx_buf_reset(&out);
    mlx_bar_format_find("xbar")->write(&out, menu, &(mlx_bar_options_t){0});
    assert_null(strstr(mlx_buf_str(&out), "param2=benchmark")); /* there is nothing to measure */
    assert_non_null(strstr(mlx_buf_str(&out), "shell=\"mlx-menubar\""));
    mlx_buf_clear(&out);
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&nothing);
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void hostile_names_stay_names(void **state)
{
    (void)state;
    static const char *const bars[] = {"swiftbar", "xbar"};
    for (size_t bar = 0; bar < MLX_COUNT(bars); bar++) {
        char *seed = draw_seed(bars[bar], false);
        for (size_t i = 0; i < MLX_COUNT(hostile); i++) {
            char *text = draw(bars[bar], &(mlx_menu_options_t){.notice = hostile[i]}, hostile[i],
                              42.3, false);
            /* One line more, the notice; on each exactly one "|", the one we wrote. */
            assert_int_equal(lines_of(text), lines_of(seed) + 1);
            assert_null(strstr(text, "~~~"));
            assert_null(strstr(text, "\n--s"));
            for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                char *bar_at = strchr(line, '|');
                assert_true(bar_at || strcmp(line, "---") == 0);
                if (bar_at) {
                    assert_null(strchr(bar_at + 1, '|'));
                    assert_memory_equal(bar_at, "| emojize=false", 15);
                }
            }
            free(text);
        }
        free(seed);
    }
}

static void hostile_names_keep_json_and_markup_whole(void **state)
{
    (void)state;
    static const char *const bars[] = {"waybar", "json", "i3blocks"};
    for (size_t bar = 0; bar < MLX_COUNT(bars); bar++)
        for (size_t i = 0; i < MLX_COUNT(hostile); i++) {
            char *text = draw(bars[bar], &(mlx_menu_options_t){0}, hostile[i], 42.3, true);
            assert_int_equal(lines_of(text), 1);
            mlx_error_t err = {0};
            mlx_value_t *value = mlx_json_parse(text, strlen(text), &err);
            if (!value)
                fail_msg("%s: %s", err.text, text);
            const char *tooltip = mlx_value_str(value, "tooltip");
            if (tooltip) {
                assert_null(strpbrk(tooltip, "<>"));
                assert_int_equal(lines_of(tooltip), 5);
            }
            mlx_value_destroy(&value);
            free(text);
        }
}

static void programs_that_cannot_be_quoted_are_left_to_the_path(void **state)
{
    (void)state;
    static const char *const programs[] = {"/a\"b/x", "/a|b/x", "/a\nb/x", "/a\\b/x", NULL};
    mlx_overview_t *overview = screen_new("m", 1);
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, SCREEN_NOW);
    for (size_t i = 0; i < MLX_COUNT(programs); i++) {
        mlx_buf_t out = {0};
        mlx_bar_format_find("swiftbar")
            ->write(&out, menu, &(mlx_bar_options_t){.program = programs[i]});
        assert_non_null(strstr(mlx_buf_str(&out), "bash=\"mlx-menubar\" param1"));
        assert_null(strstr(mlx_buf_str(&out), "/x\""));
        mlx_buf_clear(&out);
    }
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&overview);
}

static void a_benchmark_is_shown_where_it_cannot_be_cancelled(void **state)
{
    (void)state;
    mlx_menu_options_t options = {.bench = MLX_BENCH_ELSEWHERE, .bench_note = "prompt 3 of 10"};
    char *text = draw("swiftbar", &options, "m", 1, true);
    assert_non_null(strstr(text, "\nBenchmark runs (prompt 3 of 10) | emojize=false "
                                 "symbolize=false\n"));
    free(text);
    options.bench = MLX_BENCH_OURS;
    text = draw("swiftbar", &options, "m", 1, true);
    assert_non_null(strstr(text, "\nCancel Benchmark (prompt 3 of 10) | emojize=false "
                                 "symbolize=false\n"));
    free(text);
}

static void fahrenheit_where_asked(void **state)
{
    (void)state;
    char *text = draw("plain", &(mlx_menu_options_t){.fahrenheit = true}, "m", NAN, true);
    assert_non_null(strstr(text, "Temperature: 118\u00b0F"));
    free(text);
}

static void a_warning_is_coloured(void **state)
{
    (void)state;
    mlx_overview_t *overview = screen_new("m", 1);
    screen_put(overview, "service.sampler.health", screen_health("down"));
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, SCREEN_NOW);
    mlx_buf_t out = {0};
    mlx_bar_format_find("xbar")->write(&out, menu, &(mlx_bar_options_t){0});
    assert_non_null(
        strstr(mlx_buf_str(&out), "1 tok/s | emojize=false ansi=false color=#cf5f14\n"));
    mlx_buf_clear(&out);
    mlx_menu_destroy(&menu);
    mlx_overview_destroy(&overview);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_exact),
        cmocka_unit_test(json_has_everything),
        cmocka_unit_test(offline_is_said),
        cmocka_unit_test(hostile_names_stay_names),
        cmocka_unit_test(hostile_names_keep_json_and_markup_whole),
        cmocka_unit_test(programs_that_cannot_be_quoted_are_left_to_the_path),
        cmocka_unit_test(a_benchmark_is_shown_where_it_cannot_be_cancelled),
        cmocka_unit_test(fahrenheit_where_asked),
        cmocka_unit_test(a_warning_is_coloured),
    };
    return cmocka_run_group_tests_name("bar_formats", tests, NULL, NULL);
}
