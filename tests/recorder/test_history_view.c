/*  What mlxctl history prints: plot with gaps, CSV, JSON lines; and the times it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/json.h"
#include "common/base/moment.h"
#include "tools/mlxctl/history_view.h"
#include "tools/mlxctl/spread_view.h"

#define T0 INT64_C(1767225600000000) /* 2026-01-01 */
#define MINUTE INT64_C(60000000)

static mlx_value_t *reply(const char *json)
{
    mlx_error_t err = {0};
    mlx_value_t *value = mlx_json_parse(json, strlen(json), &err);
    if (!value)
        fail_msg("%s", err.text);
    return value;
}

/*  Points in the first and the last third of the range, none between. */
static mlx_value_t *with_gap(int n)
{
    mlx_value_t *value = mlx_value_map();
    mlx_value_set_str(value, "series", "studio/sensor.cpu/utilization");
    mlx_value_set_str(value, "unit", "ratio");
    mlx_value_t *points = mlx_value_set(value, "points", mlx_value_list());
    for (int i = 0; i < n; i++) {
        if (i > n / 3 && i < 2 * n / 3)
            continue;
        mlx_value_t *point = mlx_value_append(points, mlx_value_list());
        mlx_value_append(point, mlx_value_new_int(T0 + i * 60 * MINUTE / n));
        mlx_value_append(point, mlx_value_new_real(0.1));
        mlx_value_append(point, mlx_value_new_real(1));
        mlx_value_append(point, mlx_value_new_real(i < n / 2 ? 1 : 0.5));
        mlx_value_append(point, mlx_value_new_int(10));
    }
    return value;
}

static void a_gap_is_empty_in_the_plot(void **state)
{
    (void)state;
    int n = mlx_history_plot_points(43, false);
    assert_int_equal(n, 30);
    assert_int_equal(mlx_history_plot_points(43, true), 60);
    mlx_value_t *value = with_gap(n);
    mlx_buf_t out = {0};
    mlx_history_plot(&out, value, T0, T0 + 60 * MINUTE, 43, false);
    const char *text = mlx_buf_str(&out);
    assert_non_null(strstr(text, "studio/sensor.cpu/utilization\n"));
    assert_non_null(strstr(text, "min 10%  mean 76%  max 100%\n"));
    assert_non_null(strstr(text, "        100% ###########\n")); /* half height does not reach up */
    assert_non_null(strstr(text, "          0% ###########         ##########\n"));
    mlx_buf_clear(&out);
    mlx_value_destroy(&value);
}

static void events_are_marked(void **state)
{
    (void)state;
    mlx_value_t *value = with_gap(30);
    const char *text = "[{\"t\":1767225600000000,\"kind\":\"model\",\"text\":\"m loaded\"},"
                       "{\"t\":1767227400000000,\"kind\":\"gap\",\"text\":\"x\\u001b[2J\"},"
                       "{\"t\":1,\"kind\":\"gap\",\"text\":\"too early\"},7,{}]";
    mlx_value_set(value, "events", reply(text));
    mlx_buf_t out = {0};
    mlx_history_plot(&out, value, T0, T0 + 60 * MINUTE, 43, false);
    assert_non_null(strstr(mlx_buf_str(&out), "\n             a              b\n"));
    assert_non_null(strstr(mlx_buf_str(&out), " model: m loaded\n"));
    assert_null(strchr(mlx_buf_str(&out), 0x1b));
    assert_null(strstr(mlx_buf_str(&out), "early"));
    mlx_buf_clear(&out);
    mlx_value_destroy(&value);
}

static void nothing_recorded_is_said(void **state)
{
    (void)state;
    mlx_value_t *value = reply("{\"series\":\"a/b/c\",\"points\":[]}");
    mlx_buf_t out = {0};
    mlx_history_plot(&out, value, T0, T0 + MINUTE, 80, true);
    assert_non_null(strstr(mlx_buf_str(&out), "a/b/c: nothing was recorded then"));
    mlx_buf_clear(&out);
    mlx_value_destroy(&value);
}

static void hostile_replies_are_drawn_somehow(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "{}", "{\"series\":\"x\",\"points\":[1,null,[],[\"a\"],[-1,1,1,1,1],[1e300,1,1,1,1]]}",
        "{\"series\":\"x\",\"rows\":[1,[],[1],[1,2],[1,2,3]]}",
        "{\"count\":-1,\"buckets\":[1,[],[\"a\"],[-1,1e300,1e300],[5,1,-1],[1e300,2,3]],"
        "\"points\":[1,{},{\"t\":-1,\"count\":1e300,\"p50\":1e300}]}",
        "{\"count\":1,\"buckets\":[[0,1e-9,1],[1e300,1e301,1]]}"};
    for (size_t i = 0; i < MLX_COUNT(replies); i++) {
        mlx_value_t *value = reply(replies[i]);
        mlx_buf_t out = {0};
        mlx_history_plot(&out, value, T0, T0 + MINUTE, 1, false);
        mlx_history_csv(&out, value);
        mlx_history_rows(&out, value, true);
        mlx_history_rows(&out, value, false);
        mlx_spread_histogram(&out, value, &(mlx_term_t){.columns = 1});
        mlx_spread_table(&out, value, &(mlx_term_t){.columns = 1});
        mlx_spread_csv(&out, value, i % 2 == 0);
        assert_true(out.len > 0);
        mlx_buf_clear(&out);
        mlx_value_destroy(&value);
    }
}

static void rows_are_csv_and_json_lines(void **state)
{
    (void)state;
    mlx_value_t *value = reply("{\"series\":\"h/t/models[a \\\"b\\\",c].vram\","
                               "\"rows\":[[1767225600123000,1.5],[1767225601000000,2]]}");
    mlx_buf_t out = {0};
    mlx_history_rows_heading(&out, true);
    mlx_history_rows(&out, value, false);
    assert_string_equal(mlx_buf_str(&out),
                        "series,time,value\n"
                        "\"h/t/models[a \"\"b\"\",c].vram\",2026-01-01T00:00:00.123Z,1.5\n"
                        "\"h/t/models[a \"\"b\"\",c].vram\",2026-01-01T00:00:01.000Z,2\n");
    mlx_buf_reset(&out);
    mlx_history_rows(&out, value, true);
    char *line = strtok(out.data, "\n");
    mlx_value_t *row = reply(line);
    int64_t t;
    assert_true(mlx_value_int(row, "t", &t) && t == 1767225600123000);
    mlx_value_destroy(&row);
    mlx_buf_clear(&out);
    mlx_value_destroy(&value);
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t t;
    } good[] = {{"now", T0},
                {"90s", T0 - 90000000},
                {"2h", T0 - 120 * MINUTE},
                {"1000000d", 0},
                {"2026-01-01", T0},
                {"2025-12-31T23:00Z", T0 - 60 * MINUTE},
                {"2025-12-31 23:00:30", T0 - 60 * MINUTE + MINUTE / 2},
                {"2025-12-31T23:00:30.25Z", T0 - 60 * MINUTE + MINUTE / 2 + 250000},
                {"2026-01-01T01:00:00+01:00", T0}};
    static const char *const bad[] = {"",
                                      "soon",
                                      "2026-13-01",
                                      "2026-01-01x",
                                      "-5",
                                      "2026-13-01T00:00:00.5Z",
                                      "2026-01-01T00:00:00.5Zulu",
                                      "2026-01-01T00:00:00+01:00x",
                                      "2026-01-01T00:00:00+25:00"};
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < MLX_COUNT(good); i++) {
        int64_t t = -1;
        assert_int_equal(mlx_moment_parse(good[i].text, T0, &t, NULL), 0);
        assert_int_equal(t, good[i].t);
    }
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        mlx_error_t err = {0};
        int64_t t;
        assert_int_equal(mlx_moment_parse(bad[i], T0, &t, &err), -1);
        assert_int_equal(err.code, MLX_ERR_USAGE);
    }
}

static void times_are_written(void **state)
{
    (void)state;
    static const int64_t moments[] = {T0, T0 + 1000, 0, -1000, -86400000000 + 999000};
    static const char *const texts[] = {"2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z",
                                        "1970-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z",
                                        "1969-12-31T00:00:00.999Z"};
    for (size_t i = 0; i < MLX_COUNT(moments); i++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        int64_t t;
        mlx_moment_write(&text, moments[i]);
        assert_string_equal(mlx_buf_str(&text), texts[i]);
        assert_int_equal(mlx_moment_parse(texts[i], T0, &t, NULL), 0);
        assert_int_equal(t, moments[i]);
    }
}

static void requests_are_spread(void **state)
{
    static const char text[] =
        "{\"measure\":\"ttft\",\"unit\":\"seconds\",\"count\":30,\"min\":0.25,\"p10\":0.26,"
        "\"p50\":0.3,\"p90\":2,\"p95\":2.25,\"p99\":2.5,\"max\":3,\"mean\":1,"
        "\"buckets\":[[0.25,0.26,20],[0.26,0.27,5],[2.4,2.5,5]],"
        "\"points\":[{\"t\":1767225600000000,\"count\":30,\"min\":0.25,\"p50\":0.3}]}";
    const mlx_term_t term = {.columns = 80};
    (void)state;
    mlx_value_t *value = reply(text);
    mlx_buf_t out = {0};
    mlx_spread_histogram(&out, value, &term);
    const char *shown = mlx_buf_str(&out);
    assert_non_null(strstr(shown, "Time to the first token, 30 requests\n"));
    assert_non_null(strstr(shown, "min 250 ms  p10 260 ms  p50 300 ms  p90 2.00 s"));
    assert_non_null(strstr(shown, "  ######################################## 25\n"));
    assert_non_null(strstr(shown, "  ######## 5\n"));
    assert_non_null(strstr(shown, "  0\n")); /* what is empty between them is there */
    mlx_buf_reset(&out);
    mlx_spread_table(&out, value, &term);
    assert_non_null(strstr(mlx_buf_str(&out), "300 ms"));
    assert_non_null(strstr(mlx_buf_str(&out), "n/a"));
    mlx_buf_reset(&out);
    mlx_spread_csv(&out, value, false);
    assert_string_equal(mlx_buf_str(&out), "above,upto,count\n0.25,0.26,20\n0.26,0.27,5\n"
                                           "2.4,2.5,5\n");
    mlx_buf_reset(&out);
    mlx_spread_csv(&out, value, true);
    assert_string_equal(mlx_buf_str(&out), "time,count,min,p10,p50,p90,p95,p99,max\n"
                                           "2026-01-01T00:00:00.000Z,30,0.25,,0.3,,,,\n");
    mlx_buf_clear(&out);
    mlx_value_destroy(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(a_gap_is_empty_in_the_plot),
        cmocka_unit_test(events_are_marked),
        cmocka_unit_test(nothing_recorded_is_said),
        cmocka_unit_test(hostile_replies_are_drawn_somehow),
        cmocka_unit_test(rows_are_csv_and_json_lines),
        cmocka_unit_test(requests_are_spread),
        cmocka_unit_test(times_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
