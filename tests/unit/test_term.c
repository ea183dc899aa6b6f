/*  Terminals, tables, progress */
#include "common/cli/progress.h"
#include "common/cli/table.h"
#include "common/cli/term.h"

#include "fake_env.h"
#include "pty.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const mlx_term_t box_term = {.tty = true, .utf8 = true, .columns = 80, .rows = 24};
static const mlx_term_t file = {.columns = 80, .rows = 24};

static int use_utf8(void **state)
{
    (void)state;
    setenv("LC_ALL", "C.UTF-8", 1);
    return setlocale(LC_CTYPE, "") ? 0 : -1;
}

static void test_look(void **state)
{
    (void)state;
    pty_t pty = pty_open(123, 45);
    assert_true(pty.inner >= 0);
    mlx_term_t term = mlx_term_look(pty.inner, FAKE_ENV("TERM=xterm"));
    assert_true(term.tty && term.color && term.utf8);
    assert_int_equal(term.columns, 123);
    assert_int_equal(term.rows, 45);
    assert_false(mlx_term_look(pty.inner, FAKE_ENV("TERM=dumb")).color);
    assert_false(mlx_term_look(pty.inner, FAKE_ENV("X=1")).color);
    assert_false(mlx_term_look(pty.inner, FAKE_ENV("TERM=linux")).utf8);
    assert_false(mlx_term_look(pty.inner, FAKE_ENV("TERM=linux-16color")).utf8);
    assert_false(mlx_term_look(pty.inner, FAKE_ENV("TERM=xterm", "NO_COLOR=1")).color);
    assert_true(mlx_term_look(pty.inner, FAKE_ENV("TERM=xterm", "NO_COLOR=")).color);
    pty_close(&pty);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    term = mlx_term_look(fds[1], FAKE_ENV("TERM=xterm"));
    assert_false(term.tty || term.color || term.utf8);
    assert_int_equal(term.columns, 80);
    assert_true(mlx_term_look(fds[1], FAKE_ENV("CLICOLOR_FORCE=1")).color);
    assert_false(mlx_term_look(fds[1], FAKE_ENV("CLICOLOR_FORCE=0")).color);
    assert_false(mlx_term_look(fds[1], FAKE_ENV("CLICOLOR_FORCE=1", "NO_COLOR=1")).color);
    close(fds[0]);
    close(fds[1]);
}

static void test_style(void **state)
{
    (void)state;
    mlx_term_t term = {.color = true};
    assert_string_equal(mlx_term_style(&term, MLX_STYLE_BAD), "\033[31m");
    term.color = false;
    assert_string_equal(mlx_term_style(&term, MLX_STYLE_BAD), "");
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(mlx_term_width("abc"), 3);
    assert_int_equal(mlx_term_width("caf\u00e9"), 4);
    assert_int_equal(mlx_term_width("cafe\u0301"), 4);
    assert_int_equal(mlx_term_width("\u6a21\u578b"), 4);
    assert_int_equal(mlx_term_width("a\xff"), 2);
    assert_int_equal(mlx_term_width(""), 0);
}

static void assert_clean(const char *s, size_t width, const char *expected)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_term_clean(s, width);
    assert_string_equal(text, expected);
}

static void test_clean(void **state)
{
    (void)state;
    assert_clean("a\033[2Jb\n\xff\xc2\x9bz", 0, "a?[2Jb???z");
    assert_clean("safe\u202etxt.exe\u2066", 0, "safe?txt.exe?"); /* shown backwards */
    assert_clean("caf\u00e9", 4, "caf\u00e9");
    assert_clean("caf\u00e9s", 4, "caf\u2026");
    assert_clean("\u6a21\u578b\u6a21", 4, "\u6a21\u2026");
    assert_clean("abc", 1, "\u2026");
}

static mlx_table_t *models(void)
{
    mlx_table_t *table = mlx_table_new("MLX Cache Status");
    mlx_table_column(table, "Model", MLX_ALIGN_LEFT);
    mlx_table_column(table, "Size", MLX_ALIGN_RIGHT);
    mlx_table_column(table, "Used By", MLX_ALIGN_LEFT);
    mlx_table_row(table, (const char *[]){"deepseek-r1:14b", "9.0 GB", "mlx-hub, unified-mlx"});
    mlx_table_row(table, (const char *[]){"\u6a21\u578b", "12.7 GB", NULL});
    mlx_table_footer(table, "Total: 21.7 GB | Saved: 43.0 GB (2 duplicates avoided)");
    return table;
}

static void assert_table(mlx_table_t *table, const mlx_term_t *term, const char *expected)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_table_write(table, term, &out);
    assert_string_equal(mlx_buf_str(&out), expected);
    mlx_table_destroy(&table);
    assert_null(table);
}

static void test_boxed_table(void **state)
{
    (void)state;
    assert_table(models(), &box_term,
                 "╭────────────────────────────────────────────────────────╮\n"
                 "│ MLX Cache Status                                       │\n"
                 "├────────────────────────────────────────────────────────┤\n"
                 "│ Model               Size  Used By                      │\n"
                 "├────────────────────────────────────────────────────────┤\n"
                 "│ deepseek-r1:14b   9.0 GB  mlx-hub, unified-mlx         │\n"
                 "│ 模型             12.7 GB                               │\n"
                 "├────────────────────────────────────────────────────────┤\n"
                 "│ Total: 21.7 GB | Saved: 43.0 GB (2 duplicates avoided) │\n"
                 "╰────────────────────────────────────────────────────────╯\n");
}

static void test_plain_table(void **state)
{
    (void)state;
    assert_table(models(), &file,
                 "Model               Size  Used By\n"
                 "deepseek-r1:14b   9.0 GB  mlx-hub, unified-mlx\n"
                 "模型             12.7 GB  \n"
                 "Total: 21.7 GB | Saved: 43.0 GB (2 duplicates avoided)\n");
}

static void test_table_fits_the_terminal(void **state)
{
    (void)state;
    mlx_term_t narrow = {.tty = true, .columns = 30};
    mlx_table_t *table = mlx_table_new(NULL);
    mlx_table_column(table, "Name", MLX_ALIGN_LEFT);
    mlx_table_column(table, "N", MLX_ALIGN_RIGHT);
    mlx_table_row(table, (const char *[]){"a-very-long-name-that-does-not-fit", "1"});
    assert_table(table, &narrow,
                 "Name                         N\n"
                 "a-very-long-name-that-does\u2026  1\n");
}

/*  Where no columns fit, each row is lines of its own, and nothing is lost. */
static void test_table_in_a_narrow_terminal(void **state)
{
    (void)state;
    mlx_term_t narrow = {.tty = true, .columns = 20};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_table_t *table = mlx_table_new(NULL);
    mlx_table_column(table, "Model", MLX_ALIGN_LEFT);
    mlx_table_column(table, "Size", MLX_ALIGN_RIGHT);
    mlx_table_column(table, "Used By", MLX_ALIGN_LEFT);
    mlx_table_row(table, (const char *[]){"qwen-test:14b", "9.6 GB", "ollama, lmstudio"});
    mlx_table_row(table, (const char *[]){"solo:3b", "", "ollama"});
    mlx_table_footer(table, "2 models");
    mlx_table_write(table, &narrow, &out);
    assert_string_equal(mlx_buf_str(&out), "qwen-test:14b\n  Size: 9.6 GB\n"
                                           "  Used By: ollama, lmstudio\nsolo:3b\n"
                                           "  Used By: ollama\n2 models\n");
    mlx_table_destroy(&table);
}

static void test_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want; /* in 20 columns */
    } cases[] = {
        {"", ""},
        {"short\n", "short\n"},
        {"exactly twenty chars\n", "exactly twenty chars\n"},
        {"Cache        0 B, 0 models, 0 B saved\nnext\n",
         "Cache        0 B, 0\n  models, 0 B saved\nnext\n"},
        {"    solo-model:3b  Q4_K_M  2.1 GB\n", "    solo-model:3b\n      Q4_K_M  2.1 GB\n"},
        {"a word-that-is-longer-than-all b", "a\n  word-that-is-longer-than-all\n  b"},
        {"\033[32mok\033[0m       bus: it answers", "\033[32mok\033[0m       bus: it\n  answers"},
        {"48 \u00b0C 48 \u00b0C 48 \u00b0C 48", "48 \u00b0C 48 \u00b0C 48 \u00b0C 48"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_free_p) char *got = mlx_term_wrap(cases[i].text, 20);
        assert_string_equal(got, cases[i].want);
    }
}

static void test_table_without_rows(void **state)
{
    (void)state;
    mlx_table_t *table = mlx_table_new(NULL);
    mlx_table_column(table, "Model", MLX_ALIGN_LEFT);
    mlx_table_footer(table, "none");
    assert_table(table, &box_term, "╭───────╮\n│ Model │\n├───────┤\n│ none  │\n╰───────╯\n");
}

static void test_hostile_cells(void **state)
{
    (void)state;
    mlx_table_t *table = mlx_table_new(NULL);
    mlx_table_column(table, "M", MLX_ALIGN_LEFT);
    mlx_table_row(table, (const char *[]){"a\nb\033[31m"});
    assert_table(table, &file, "M\na?b?[31m\n");
}

/*  The bar's clock. */
static int64_t now_us;

static int64_t fake_clock(void)
{
    return now_us;
}

static void test_progress_on_a_terminal(void **state)
{
    (void)state;
    pty_t pty = pty_open(80, 24);
    mlx_term_t term = mlx_term_look(pty.inner, FAKE_ENV("TERM=xterm"));
    char text[1024];
    now_us = 1000000;
    mlx_progress_t *bar = mlx_progress_new(&(mlx_progress_options_t){.label = "model.gguf",
                                                                     .total = 1000000000,
                                                                     .fd = pty.inner,
                                                                     .term = &term,
                                                                     .now_us = fake_clock});
    mlx_progress_update(bar, 1);
    assert_string_equal(pty_read(&pty, text, sizeof text), "");
    now_us += 1000000;
    mlx_progress_update(bar, 250000000);
    assert_string_equal(
        pty_read(&pty, text, sizeof text),
        "\rmodel.gguf   25%  [====>           ]  250.0 MB of 1.0 GB  250.0 MB/s  3.0s left\033[K");
    now_us += 50000;
    mlx_progress_update(bar, 260000000);
    assert_string_equal(pty_read(&pty, text, sizeof text), "");
    /* A pause brings the speed down gently, not to 0 at once. */
    now_us += 950000;
    mlx_progress_update(bar, 260000000);
    assert_non_null(strstr(pty_read(&pty, text, sizeof text), "182.0 MB/s"));
    now_us += 3000000;
    mlx_progress_update(bar, 1000000000);
    assert_non_null(strstr(pty_read(&pty, text, sizeof text),
                           "100%  [=============================]  1.0 GB of 1.0 GB"));
    mlx_progress_finish(&bar, true);
    assert_null(bar);
    assert_string_equal(pty_read(&pty, text, sizeof text),
                        "\r\033[Kmodel.gguf  1.0 GB in 5.0s  200.0 MB/s\n");
    mlx_progress_finish(&bar, true);
    pty_close(&pty);
}

static void test_progress_of_unknown_total(void **state)
{
    (void)state;
    pty_t pty = pty_open(40, 24);
    mlx_term_t term = mlx_term_look(pty.inner, FAKE_ENV("TERM=xterm"));
    char text[1024];
    mlx_progress_t *bar =
        mlx_progress_new(&(mlx_progress_options_t){.label = "a-very-long-file-name.gguf",
                                                   .fd = pty.inner,
                                                   .term = &term,
                                                   .now_us = fake_clock});
    now_us += 1000000;
    mlx_progress_update(bar, 5000000);
    assert_string_equal(pty_read(&pty, text, sizeof text),
                        "\ra-very-long-file-nam\u2026  5.0 MB  5.0 MB/s\033[K");
    mlx_progress_finish(&bar, false);
    assert_string_equal(pty_read(&pty, text, sizeof text), "\r\033[K");
    pty_close(&pty);
}

static void test_progress_into_a_file(void **state)
{
    (void)state;
    int fds[2];
    char text[256] = {0};
    assert_int_equal(pipe(fds), 0);
    mlx_progress_t *bar = mlx_progress_new(&(mlx_progress_options_t){.label = "f",
                                                                     .total = 3000000,
                                                                     .start = 1000000,
                                                                     .fd = fds[1],
                                                                     .term = &file,
                                                                     .now_us = fake_clock});
    for (int64_t done = 1000000; done <= 3000000; done += 100000) {
        now_us += 100000;
        mlx_progress_update(bar, done);
    }
    mlx_progress_finish(&bar, true);
    close(fds[1]);
    assert_true(read(fds[0], text, sizeof text - 1) > 0);
    /* One line, and only what came now counts for the speed. */
    assert_string_equal(text, "f  3.0 MB in 2.1s  952.4 kB/s\n");
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_style),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_boxed_table),
        cmocka_unit_test(test_plain_table),
        cmocka_unit_test(test_table_fits_the_terminal),
        cmocka_unit_test(test_table_in_a_narrow_terminal),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_table_without_rows),
        cmocka_unit_test(test_hostile_cells),
        cmocka_unit_test(test_progress_on_a_terminal),
        cmocka_unit_test(test_progress_of_unknown_total),
        cmocka_unit_test(test_progress_into_a_file),
    };
    return cmocka_run_group_tests(tests, use_utf8, NULL);
}
