/*  JSON in and out: exactness, limits, refusals */
#include "common/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *rewrite(const char *text, bool pretty)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_json_parse(text, strlen(text), &err);
    assert_string_equal(err.text, "");
    assert_non_null(value);
    mlx_buf_t buf = {0};
    mlx_json_write(&buf, value, pretty);
    return mlx_buf_take(&buf);
}

static void assert_same(const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *out = rewrite(text, false);
    assert_string_equal(out, text);
}

static void assert_refused(const char *data, size_t len, const char *part)
{
    mlx_error_t err = {0};
    assert_null(mlx_json_parse(data, len, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void test_keeps_every_type(void **state)
{
    (void)state;
    assert_same("{\"s\":\"x\",\"i\":-7,\"r\":0.25,\"t\":true,\"f\":false,\"n\":null,"
                "\"l\":[1,[],{}],\"m\":{\"k\":\"v\"}}");
    assert_same("\"scalar\"");
    assert_same("12");
}

static void test_keeps_64_bit_integers_exact(void **state)
{
    (void)state;
    assert_same("[9223372036854775807,-9223372036854775808,9007199254740993]");
    assert_refused("[9223372036854775808]", 21, "integer");
}

static void test_reals_stay_reals(void **state)
{
    (void)state;
    assert_same("[1.0,0.1,1e+300,-0.0,2.5e-08,0.30000000000000004]");
}

static void test_strings(void **state)
{
    (void)state;
    assert_same("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f \xc3\xa9 \xf0\x9f\xa6\x99\"");
    MLX_CLEANUP(mlx_free_p) char *out = rewrite("\"\\u00e9\\ud83e\\udd99\\/\"", false);
    assert_string_equal(out, "\"\xc3\xa9\xf0\x9f\xa6\x99/\"");
    assert_same("\"a\\u0000b\"");
}

static void test_pretty(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *out = rewrite("{\"a\":[1,{}],\"b\":[]}", true);
    assert_string_equal(out, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

static void test_writes_bytes_that_are_no_utf8_as_replacement(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc3",
    };
    for (size_t i = 0; i < MLX_COUNT(broken); i++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
        mlx_json_write_str(&buf, broken[i], strlen(broken[i]));
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *v = mlx_json_parse(buf.data, buf.len, &err);
        assert_non_null(v);
        assert_non_null(strstr(mlx_value_as_str(v, NULL), "\xef\xbf\xbd"));
    }
}

static void test_refuses_what_is_no_json(void **state)
{
    (void)state;
    assert_refused("", 0, "line 1");
    assert_refused("{\"a\":1", 6, "line 1");
    assert_refused("{\n \"a\": nope}", 13, "line 2");
    assert_refused("[1] [2]", 7, "line 1");
    assert_refused("\"\xff\"", 3, "unable to decode byte 0xff");
    assert_refused("[1,]", 4, "line 1");
    assert_refused("]]]]", 4, "line 1");
    assert_refused("[1e999]", 7, "real");
    assert_refused("{\"a\\u0000\":1}", 13, "NUL");
}

static void test_refuses_a_key_twice(void **state)
{
    (void)state;
    assert_refused("{\"a\":1,\"a\":2}", 13, "duplicate");
}

static void test_depth_limit(void **state)
{
    (void)state;
    char deep[2 * MLX_JSON_MAX_DEPTH + 2];
    memset(deep, '[', MLX_JSON_MAX_DEPTH);
    memset(deep + MLX_JSON_MAX_DEPTH, ']', MLX_JSON_MAX_DEPTH);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *value = mlx_json_parse(deep, (size_t)2 * MLX_JSON_MAX_DEPTH, NULL);
    assert_non_null(value);
    memset(deep, '[', MLX_JSON_MAX_DEPTH + 1);
    memset(deep + MLX_JSON_MAX_DEPTH + 1, ']', MLX_JSON_MAX_DEPTH + 1);
    assert_refused(deep, sizeof deep, "column 65: nested deeper than 64");
    /* Brackets inside strings are text. */
    assert_same("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"");
}

static void test_count_limit(void **state)
{
    (void)state;
    size_t len = 2 * (size_t)MLX_JSON_MAX_VALUES + 3;
    MLX_CLEANUP(mlx_free_p) char *many = mlx_alloc(len, 1);
    for (size_t i = 0; i < len; i += 2)
        memcpy(many + i, "1,", i + 1 < len ? 2 : 1);
    many[0] = '[';
    many[len - 1] = ']';
    assert_refused(many, len, "more than 500000 values");
}

static void test_size_limit(void **state)
{
    (void)state;
    size_t len = (size_t)MLX_JSON_MAX_BYTES + 1;
    MLX_CLEANUP(mlx_free_p) char *big = mlx_alloc(len, 1);
    memset(big, ' ', len);
    big[0] = '1';
    assert_refused(big, len, "the limit is 16777216");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_json_parse(big, len - 1, NULL);
    assert_non_null(value);
}

static void test_large_map_is_not_quadratic(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
    mlx_buf_putc(&buf, '{');
    for (int i = 0; i < 200000; i++)
        mlx_buf_printf(&buf, "%s\"key%d\":%d", i ? "," : "", i, i);
    mlx_buf_putc(&buf, '}');
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_json_parse(buf.data, buf.len, &err);
    assert_int_equal(mlx_value_size(value), 200000);
    assert_string_equal(mlx_value_key(value, 199999), "key199999");
}

static void test_load(void **state)
{
    (void)state;
    char path[] = "/tmp/mlx-test-json-XXXXXX";
    MLX_CLEANUP(mlx_close_p) int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"a\":1}\n", 8), 8);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_json_load(path, &err);
    int64_t a = 0;
    assert_true(mlx_value_int(value, "a", &a));
    assert_int_equal(a, 1);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_null(mlx_json_load(path, &err));
    assert_ptr_equal(strstr(err.text, path), err.text);
    unlink(path);
    assert_null(mlx_json_load(path, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_null(mlx_json_load("/dev/zero", &err));
    assert_non_null(strstr(err.text, "not a regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_every_type),
        cmocka_unit_test(test_keeps_64_bit_integers_exact),
        cmocka_unit_test(test_reals_stay_reals),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_pretty),
        cmocka_unit_test(test_writes_bytes_that_are_no_utf8_as_replacement),
        cmocka_unit_test(test_refuses_what_is_no_json),
        cmocka_unit_test(test_refuses_a_key_twice),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_count_limit),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_large_map_is_not_quadratic),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
