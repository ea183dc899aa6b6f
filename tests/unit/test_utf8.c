/*  Text from outside made safe to show, whatever the locale */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"

static void lines_are_safe(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t max;
        const char *out;
    } cases[] = {
        {"", 0, ""},
        {"deepseek-r1:14b", 0, "deepseek-r1:14b"},
        {"a\nb\tc\x7f", 0, "a?b?c?"},
        {"\x1b[31m", 0, "?[31m"},
        {"M\u00fcller \u65e5\u672c \U0001f600", 0, "M\u00fcller \u65e5\u672c \U0001f600"},
        {"\xff\xc3", 0, "??"},           /* no UTF-8; and one cut in the middle */
        {"\xc0\xaf", 0, "??"},           /* overlong */
        {"\xed\xa0\x80", 0, "???"},      /* a surrogate */
        {"\xf4\x90\x80\x80", 0, "????"}, /* beyond the last character */
        {"\xc2\x85\u200e\u202eabc\u2066\u2028\ufeff", 0, "???abc???"},
        {"abcdef", 6, "abcdef"},
        {"abcdefg", 6, "abcde\u2026"},
        {"\u00e4\u00f6\u00fc\u00df", 3, "\u00e4\u00f6\u2026"},
        {"ab", 1, "\u2026"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char *out = mlx_utf8_line(cases[i].in, cases[i].max);
        assert_string_equal(out, cases[i].out);
        free(out);
    }
}

static void sequences_end_where_the_text_ends(void **state)
{
    (void)state;
    static const unsigned char euro[] = {0xe2, 0x82, 0xac};
    assert_int_equal(mlx_utf8_sequence(euro, 3), 3);
    assert_int_equal(mlx_utf8_sequence(euro, 2), 0);
    assert_int_equal(mlx_utf8_sequence(euro, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_safe),
        cmocka_unit_test(sequences_end_where_the_text_ends),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
