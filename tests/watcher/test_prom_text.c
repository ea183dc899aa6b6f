#include "common/runtime/prom_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buf.h"

typedef struct {
    mlx_prom_sample_t samples[32];
    size_t count;
} seen_t;

static void on_sample(void *arg, const mlx_prom_sample_t *sample)
{
    seen_t *seen = arg;
    if (seen->count < MLX_COUNT(seen->samples))
        seen->samples[seen->count++] = *sample;
}

static void reads_samples(void **state)
{
    (void)state;
    static const char text[] = "# HELP a what\n# TYPE a counter\n\n"
                               "a 1\n"
                               "  b:c_d{} -2.5e3 1700000000\r\n"
                               "e{x=\"1\",y=\"two, }\\\"\\\\\\n\",} NaN\n"
                               "f{le=\"+Inf\"}+Inf # {trace=\"x\"} 1\n"
                               "g { z = \"9\" } 7";
    seen_t seen = {.count = 0};
    size_t bad;
    assert_int_equal(mlx_prom_parse(text, strlen(text), on_sample, &seen, &bad), 5);
    assert_int_equal(bad, 0);
    assert_string_equal(seen.samples[0].name, "a");
    assert_true(seen.samples[0].value == 1);
    assert_string_equal(seen.samples[1].name, "b:c_d");
    assert_true(seen.samples[1].value == -2500);
    assert_true(isnan(seen.samples[2].value));
    char value[32];
    assert_true(mlx_prom_label(&seen.samples[2], "y", value, sizeof value));
    assert_string_equal(value, "two, }\"\\\n");
    assert_true(mlx_prom_label(&seen.samples[2], "x", value, sizeof value));
    assert_string_equal(value, "1");
    assert_false(mlx_prom_label(&seen.samples[2], "z", value, sizeof value));
    assert_false(mlx_prom_label(&seen.samples[0], "x", value, sizeof value));
    assert_true(isinf(seen.samples[3].value));
    assert_true(mlx_prom_label(&seen.samples[4], "z", value, sizeof value));
    assert_string_equal(value, "9");
    char tiny[3];
    assert_true(mlx_prom_label(&seen.samples[2], "y", tiny, sizeof tiny));
    assert_string_equal(tiny, "tw");
}

static void counts_and_skips_what_is_none(void **state)
{
    (void)state;
    static const char text[] = "ok 1\n"
                               "9bad 1\n"
                               "no_value\n"
                               "no_number x\n"
                               "open{a=\"1\n"
                               "open{a=\"1\\\n"
                               "open{a=\"1\"\n"
                               "open{a} 1\n"
                               "{} 1\n"
                               "<html><body>404</body></html>\n"
                               "number 1x\n"
                               "ok 2\n";
    seen_t seen = {.count = 0};
    size_t bad;
    assert_int_equal(mlx_prom_parse(text, strlen(text), on_sample, &seen, &bad), 2);
    assert_int_equal(bad, 10);
    assert_true(seen.samples[1].value == 2);
}

static void is_bounded(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (int i = 0; i < 200; i++)
        mlx_buf_putc(&text, 'n');
    mlx_buf_puts(&text, " 1\nlabels{a=\"");
    for (int i = 0; i < 10000; i++)
        mlx_buf_putc(&text, 'v');
    mlx_buf_puts(&text, "\"} 1\nvalue ");
    for (int i = 0; i < 100; i++)
        mlx_buf_putc(&text, '1');
    seen_t seen = {.count = 0};
    size_t bad;
    assert_int_equal(mlx_prom_parse(text.data, text.len, on_sample, &seen, &bad), 0);
    assert_int_equal(bad, 3);
    assert_int_equal(mlx_prom_parse("", 0, on_sample, &seen, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_samples),
        cmocka_unit_test(counts_and_skips_what_is_none),
        cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
