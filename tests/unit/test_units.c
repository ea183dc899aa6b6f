/*  Figures out and in */
#include "common/base/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_format(void **state)
{
    (void)state;
    static const struct {
        double value;
        mlx_unit_t unit;
        const char *text;
    } cases[] = {
        {0, MLX_UNIT_BYTES, "0 B"},
        {999, MLX_UNIT_BYTES, "999 B"},
        {1000, MLX_UNIT_BYTES, "1.0 kB"},
        {9.0e9, MLX_UNIT_BYTES, "9.0 GB"},
        {999.96e6, MLX_UNIT_BYTES, "1.0 GB"},
        {-2.5e6, MLX_UNIT_BYTES, "-2.5 MB"},
        {0.29, MLX_UNIT_RATIO, "29%"},
        {42.34, MLX_UNIT_TOKENS_PER_SECOND, "42.3 tok/s"},
        {61.23e9, MLX_UNIT_BYTES_PER_SECOND, "61.2 GB/s"},
        {48.4, MLX_UNIT_CELSIUS, "48\u00b0C"},
        {9.94, MLX_UNIT_WATTS, "9.9 W"},
        {35.2, MLX_UNIT_WATTS, "35 W"},
        {1.41e9, MLX_UNIT_HERTZ, "1.4 GHz"},
        {0.25, MLX_UNIT_SECONDS, "250 ms"},
        {5.04, MLX_UNIT_SECONDS, "5.0s"},
        {59, MLX_UNIT_SECONDS, "59s"},
        {260, MLX_UNIT_SECONDS, "4m 20s"},
        {7500, MLX_UNIT_SECONDS, "2h 5m"},
        {200000, MLX_UNIT_SECONDS, "2d 7h"},
        {(double)NAN, MLX_UNIT_WATTS, "n/a"},
        {(double)INFINITY, MLX_UNIT_BYTES, "n/a"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(cases[i].value, cases[i].unit);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {
        {"0", 0},
        {"1500", 1500},
        {"1500B", 1500},
        {"4.7GB", 4700000000},
        {"4.7 gb", 4700000000},
        {"16GiB", 17179869184},
        {"1 MiB", 1048576},
        {"2k", 2000},
        {"1T", 1000000000000},
        {"1.5ki", 1536},
        {"9P", 9000000000000000},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        int64_t bytes = -1;
        mlx_error_t err = {0};
        assert_int_equal(mlx_parse_size(cases[i].text, &bytes, &err), 0);
        assert_true(bytes == cases[i].bytes);
    }
    static const char *const wrong[] = {"",      "GB",  "-1",  "1x",    "1GBs", "1 G B",
                                        "9300P", "inf", "nan", "1e400", ".",    "1i"};
    for (size_t i = 0; i < MLX_COUNT(wrong); i++) {
        int64_t bytes = -1;
        mlx_error_t err = {0};
        assert_int_equal(mlx_parse_size(wrong[i], &bytes, &err), -1);
        assert_int_equal(err.code, MLX_ERR_USAGE);
        assert_int_equal(bytes, -1);
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {{"90", 90},       {"1.5s", 1.5},      {"500ms", 0.5},      {"2m", 120},
                 {"1h 30m", 5400}, {"1h30m10s", 5410}, {"7d", 7 * 86400.0}, {"0", 0}};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        double seconds = -1;
        mlx_error_t err = {0};
        assert_int_equal(mlx_parse_duration(cases[i].text, &seconds, &err), 0);
        assert_true(seconds == cases[i].seconds);
    }
    static const char *const wrong[] = {"", "s", "-1s", "1x", "1h 30", "1 2", "ms", "1hh", "."};
    for (size_t i = 0; i < MLX_COUNT(wrong); i++) {
        double seconds = -1;
        mlx_error_t err = {0};
        assert_int_equal(mlx_parse_duration(wrong[i], &seconds, &err), -1);
        assert_int_equal(err.code, MLX_ERR_USAGE);
        assert_true(seconds == -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
