/*  The value tree: ownership, absence, exactness */
#include "proto/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_scalars(void **state)
{
    (void)state;
    bool b = false;
    int64_t i = 0;
    double r = 0;
    mlx_value_t *value = mlx_value_new_bool(true);
    assert_true(mlx_value_as_bool(value, &b) && b);
    assert_false(mlx_value_as_int(value, &i));
    assert_false(mlx_value_as_real(value, &r));
    assert_null(mlx_value_as_str(value, NULL));
    mlx_value_destroy(&value);
    assert_null(value);
    mlx_value_destroy(&value);

    value = mlx_value_null();
    assert_int_equal(mlx_value_type(value), MLX_NULL);
    assert_int_equal(mlx_value_type(NULL), MLX_NULL);
    assert_false(mlx_value_as_bool(value, &b));
    mlx_value_destroy(&value);
}

static void test_numbers_convert_only_without_loss(void **state)
{
    (void)state;
    static const struct {
        double real;
        bool whole;
        int64_t expected;
    } cases[] = {
        {3.0, true, 3},
        {-0.0, true, 0},
        {3.5, false, 0},
        {0x1p62, true, INT64_C(1) << 62},
        {-0x1p63, true, INT64_MIN},
        {0x1p63, false, 0},
        {1e300, false, 0},
        {(double)NAN, false, 0},
        {(double)INFINITY, false, 0},
    };
    for (size_t k = 0; k < MLX_COUNT(cases); k++) {
        int64_t i = 42;
        mlx_value_t *value = mlx_value_new_real(cases[k].real);
        assert_int_equal(mlx_value_as_int(value, &i), cases[k].whole);
        assert_true(i == (cases[k].whole ? cases[k].expected : 42));
        mlx_value_destroy(&value);
    }
    double r = 0;
    mlx_value_t *value = mlx_value_new_int(7);
    assert_true(mlx_value_as_real(value, &r));
    assert_true(r == 7.0);
    mlx_value_destroy(&value);
}

static void test_strings_may_hold_nul(void **state)
{
    (void)state;
    size_t len = 0;
    mlx_value_t *value = mlx_value_new_strn("a\0b", 3);
    const char *s = mlx_value_as_str(value, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(s, "a\0b", 4);
    mlx_value_destroy(&value);
}

static void test_what_is_no_value_stays_absent(void **state)
{
    (void)state;
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_real(map, "nan", (double)NAN);
    mlx_value_set_real(map, "inf", -(double)INFINITY);
    mlx_value_set_str(map, "null", NULL);
    assert_int_equal(mlx_value_size(map), 0);
    /* Getters leave the caller's variable alone. */
    bool b = true;
    int64_t i = 5;
    double r = 0.5;
    assert_false(mlx_value_bool(map, "x", &b));
    assert_false(mlx_value_int(map, "x", &i));
    assert_false(mlx_value_real(map, "x", &r));
    assert_true(b && i == 5 && r == 0.5);
    assert_null(mlx_value_str(map, "x"));
    assert_null(mlx_value_get(NULL, "x"));
    assert_null(mlx_value_at(NULL, 0));
    assert_null(mlx_value_key(map, 0));
    mlx_value_destroy(&map);
}

static void test_map_keeps_order_and_replaces(void **state)
{
    (void)state;
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_int(map, "a", 1);
    mlx_value_set_bool(map, "b", true);
    mlx_value_set_str(map, "c", "x");
    mlx_value_set_real(map, "a", 2.5);
    assert_int_equal(mlx_value_size(map), 3);
    assert_string_equal(mlx_value_key(map, 0), "a");
    assert_string_equal(mlx_value_key(map, 2), "c");
    assert_null(mlx_value_key(map, 3));
    double r = 0;
    assert_true(mlx_value_real(map, "a", &r) && r == 2.5);
    mlx_value_remove(map, "b");
    mlx_value_remove(map, "never there");
    assert_int_equal(mlx_value_size(map), 2);
    assert_string_equal(mlx_value_key(map, 1), "c");
    assert_ptr_equal(mlx_value_at(map, 1), mlx_value_get(map, "c"));
    mlx_value_destroy(&map);
}

static void test_containers_grow(void **state)
{
    (void)state;
    mlx_value_t *list = mlx_value_list(), *map = mlx_value_map();
    for (int k = 0; k < 1000; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k % 1000);
        mlx_value_append(list, mlx_value_new_int(k));
        mlx_value_add(map, key, mlx_value_new_int(k));
    }
    int64_t i = 0;
    assert_int_equal(mlx_value_size(list), 1000);
    assert_true(mlx_value_as_int(mlx_value_at(list, 999), &i) && i == 999);
    assert_null(mlx_value_at(list, 1000));
    assert_true(mlx_value_int(map, "k500", &i) && i == 500);
    mlx_value_destroy(&list);
    mlx_value_destroy(&map);
}

static mlx_value_t *sample(void)
{
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_int(map, "i", 1);
    mlx_value_set(map, "n", mlx_value_null());
    mlx_value_t *list = mlx_value_set(map, "l", mlx_value_list());
    mlx_value_append(list, mlx_value_new_str("x"));
    mlx_value_set_real(mlx_value_append(list, mlx_value_map()), "r", 0.5);
    return map;
}

static void test_copy_is_equal_and_apart(void **state)
{
    (void)state;
    mlx_value_t *map = sample(), *copy = mlx_value_copy(map);
    assert_true(mlx_value_equal(map, copy));
    mlx_value_append(mlx_value_get(copy, "l"), mlx_value_null());
    assert_false(mlx_value_equal(map, copy));
    assert_int_equal(mlx_value_size(mlx_value_get(map, "l")), 2);
    mlx_value_destroy(&map);
    mlx_value_destroy(&copy);
    assert_null(mlx_value_copy(NULL));
}

static void test_equality(void **state)
{
    (void)state;
    mlx_value_t *a = sample(), *b = sample();
    /* The order of keys does not matter, types and values do. */
    mlx_value_remove(b, "i");
    assert_false(mlx_value_equal(a, b));
    mlx_value_set_int(b, "i", 1);
    assert_true(mlx_value_equal(a, b));
    mlx_value_set_real(b, "i", 1);
    assert_false(mlx_value_equal(a, b));
    mlx_value_destroy(&a);
    mlx_value_destroy(&b);
    a = mlx_value_new_bool(true);
    b = mlx_value_new_bool(false);
    assert_false(mlx_value_equal(a, b));
    assert_false(mlx_value_equal(a, NULL));
    mlx_value_destroy(&b);
    b = mlx_value_null();
    assert_true(mlx_value_equal(b, NULL));
    mlx_value_destroy(&a);
    mlx_value_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_numbers_convert_only_without_loss),
        cmocka_unit_test(test_strings_may_hold_nul),
        cmocka_unit_test(test_what_is_no_value_stays_absent),
        cmocka_unit_test(test_map_keeps_order_and_replaces),
        cmocka_unit_test(test_containers_grow),
        cmocka_unit_test(test_copy_is_equal_and_apart),
        cmocka_unit_test(test_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
