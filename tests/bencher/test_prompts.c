/*  The prompts, built in and a person's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/prompt_file.h"
#include "services/bencher/prompts.h"

static void ten_of_different_kinds(void **state)
{
    mlx_prompts_t *prompts = mlx_prompts_builtin();
    size_t longest = 0, shortest = SIZE_MAX;
    (void)state;
    assert_int_equal(mlx_prompts_count(prompts), 10);
    for (size_t i = 0; i < 10; i++) {
        size_t size = mlx_prompts_size(prompts, i);
        longest = size > longest ? size : longest;
        shortest = size < shortest ? size : shortest;
        assert_true(mlx_prompts_tokens(prompts, i) >= 32);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(mlx_prompts_name(prompts, i), mlx_prompts_name(prompts, k));
    }
    assert_true(longest > 20 * shortest);
    mlx_prompts_destroy(&prompts);
}

static void a_nonce_of_equal_length_comes_first(void **state)
{
    mlx_prompts_t *prompts = mlx_prompts_builtin();
    MLX_CLEANUP(mlx_free_p) char *a = mlx_prompts_text(prompts, 1, 100000, 7);
    MLX_CLEANUP(mlx_free_p) char *b = mlx_prompts_text(prompts, 1, 100000, 99999999);
    (void)state;
    assert_int_equal(strlen(a), strlen(b));
    assert_int_equal(strncmp(a, "00000007 ", 9), 0);
    assert_string_equal(a + 9, b + 9);
    mlx_prompts_destroy(&prompts);
}

static void a_long_text_is_cut_at_a_blank(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_append(list, mlx_value_new_str("one two three"));
    mlx_value_append(list, mlx_value_new_str("\xc3\xa4\xc3\xa4\xc3\xa4"));
    mlx_prompts_t *prompts = mlx_prompts_own(list, NULL);
    MLX_CLEANUP(mlx_free_p) char *a = mlx_prompts_text(prompts, 0, 10, 1);
    MLX_CLEANUP(mlx_free_p) char *b = mlx_prompts_text(prompts, 1, 3, 1);
    (void)state;
    assert_string_equal(a, "00000001 one two");
    assert_string_equal(b, "00000001 \xc3\xa4");
    mlx_prompts_destroy(&prompts);
}

static void bad_lists_are_refused(void **state)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    (void)state;
    assert_null(mlx_prompts_own(list, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_null(mlx_prompts_own(NULL, &err));
    mlx_value_append(list, mlx_value_new_int(3));
    assert_null(mlx_prompts_own(list, &err));
    assert_non_null(strstr(err.text, "prompt 1"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *nul = mlx_value_list();
    mlx_value_append(nul, mlx_value_new_strn("a\0b", 3));
    assert_null(mlx_prompts_own(nul, &err));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *many = mlx_value_list();
    for (int i = 0; i <= MLX_PROMPTS_MAX; i++)
        mlx_value_append(many, mlx_value_new_str("x"));
    assert_null(mlx_prompts_own(many, &err));
}

static void sets_are_told_apart(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *a = mlx_value_list(), *b = mlx_value_list();
    mlx_value_append(a, mlx_value_new_str("one"));
    mlx_value_append(b, mlx_value_new_str("two"));
    mlx_prompts_t *x = mlx_prompts_own(a, NULL), *y = mlx_prompts_own(b, NULL);
    (void)state;
    assert_string_not_equal(mlx_prompts_set(x), mlx_prompts_set(y));
    assert_string_equal(mlx_prompts_name(x, 0), "prompt_1");
    mlx_prompts_destroy(&x);
    mlx_prompts_destroy(&y);
    mlx_value_destroy(&b);
}

static void a_file_has_one_a_line(void **state)
{
    static const char text[] = "# mine\n\nfirst\r\nsecond\\nline \\\\ \\x\n\nlast";
    char path[] = "/tmp/mlx-prompts-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_prompt_file_read(path, NULL);
    assert_int_equal(mlx_value_size(list), 3);
    assert_string_equal(mlx_value_as_str(mlx_value_at(list, 0), NULL), "first");
    assert_string_equal(mlx_value_as_str(mlx_value_at(list, 1), NULL), "second\nline \\ \\x");
    assert_string_equal(mlx_value_as_str(mlx_value_at(list, 2), NULL), "last");
    assert_int_equal(truncate(path, 7), 0);
    mlx_error_t err = {0};
    assert_null(mlx_prompt_file_read(path, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    unlink(path);
    assert_null(mlx_prompt_file_read(path, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_of_different_kinds),
        cmocka_unit_test(a_nonce_of_equal_length_comes_first),
        cmocka_unit_test(a_long_text_is_cut_at_a_blank),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(sets_are_told_apart),
        cmocka_unit_test(a_file_has_one_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
