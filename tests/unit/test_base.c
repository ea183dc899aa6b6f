/*  Allocation, buffers, errors, suggestions: the ground that everything stands on */
#include "common/base/file.h"
#include "common/base/loopback.h"
#include "common/base/suggest.h"
#include "proto/buf.h"
#include "proto/error.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_buffer(void **state)
{
    (void)state;
    mlx_buf_t buf = {0};
    assert_string_equal(mlx_buf_str(&buf), "");
    mlx_buf_consume(&buf, 3);
    mlx_buf_reset(&buf);
    mlx_buf_puts(&buf, "hello");
    mlx_buf_putc(&buf, ' ');
    mlx_buf_printf(&buf, "%d%s", 42, "!");
    mlx_buf_append(&buf, "", 0);
    assert_string_equal(mlx_buf_str(&buf), "hello 42!");
    assert_int_equal(buf.len, 9);
    mlx_buf_consume(&buf, 6);
    assert_string_equal(mlx_buf_str(&buf), "42!");
    mlx_buf_consume(&buf, 99);
    assert_string_equal(mlx_buf_str(&buf), "");
    mlx_buf_append(&buf, "a\0b", 3);
    assert_int_equal(buf.len, 3);
    mlx_buf_clear(&buf);
    assert_null(buf.data);
}

static void test_buffer_grows_and_is_taken(void **state)
{
    (void)state;
    mlx_buf_t buf = {0};
    for (int i = 0; i < 10000; i++)
        mlx_buf_printf(&buf, "%04d", i);
    assert_int_equal(buf.len, 40000);
    char *text = mlx_buf_take(&buf);
    assert_int_equal(strlen(text), 40000);
    assert_string_equal(text + 39996, "9999");
    assert_int_equal(buf.len, 0);
    free(text);
    text = mlx_buf_take(&buf);
    assert_string_equal(text, "");
    free(text);
}

static void test_strings(void **state)
{
    (void)state;
    assert_null(mlx_strdup(NULL));
    char *s = mlx_strndup("abcdef", 3);
    assert_string_equal(s, "abc");
    mlx_free_p(&s);
    assert_null(s);
    assert_true(mlx_starts_with("abc", "ab") && mlx_starts_with("abc", ""));
    assert_false(mlx_starts_with("a", "ab") || mlx_starts_with(NULL, ""));
    assert_true(mlx_ends_with("abc", "bc") && mlx_ends_with("abc", "abc") && mlx_ends_with("", ""));
    assert_false(mlx_ends_with("c", "bc") || mlx_ends_with("bcd", "bc") || mlx_ends_with(NULL, ""));
    /* As long as what is formatted in one go, and longer. */
    for (int width = 120; width < 140; width++) {
        MLX_CLEANUP(mlx_free_p) char *wide = mlx_format("%*d", width, 7);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t same = {0};
        mlx_buf_printf(&same, "%*d", width, 7);
        assert_int_equal(strlen(wide), width);
        assert_int_equal(wide[width - 1], '7');
        assert_string_equal(mlx_buf_str(&same), wide);
    }
    s = mlx_format("%s-%d", "x", 5);
    assert_string_equal(s, "x-5");
    free(s);
    int fd = open("/dev/null", O_RDONLY), copy = fd;
    mlx_close_p(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    FILE *file = fopen("/dev/null", "r");
    mlx_fclose_p(&file);
    assert_null(file);
    mlx_fclose_p(&file);
    mlx_close_p(&fd);
}

/*  Run FN in a child; its signal, or -1 when it ended well. */
static int signal_of(void (*fn)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void overflow(void)
{
    free(mlx_realloc(NULL, SIZE_MAX / 2, 4));
}

static void broken_invariant(void)
{
    mlx_panic("the test wants this: %d", 1);
}

static void test_panics_abort(void **state)
{
    (void)state;
    assert_int_equal(signal_of(overflow), SIGABRT);
    assert_int_equal(signal_of(broken_invariant), SIGABRT);
}

static void test_error(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    assert_int_equal(mlx_error_set(&err, MLX_ERR_BUSY, "%s is locked", "x"), -1);
    assert_int_equal(mlx_error_hint(&err, "wait"), -1);
    assert_int_equal(mlx_error_prefix(&err, "model %d", 3), -1);
    assert_int_equal(err.code, MLX_ERR_BUSY);
    assert_string_equal(err.text, "model 3: x is locked");
    assert_string_equal(err.hint, "wait");
    /* An error may quote itself; a new one has no old hint. */
    mlx_error_set(&err, MLX_ERR_FAILED, "again: %s", err.text);
    assert_string_equal(err.text, "again: model 3: x is locked");
    assert_string_equal(err.hint, "");
    /* Nobody has to be interested. */
    assert_int_equal(mlx_error_set(NULL, MLX_ERR_FAILED, "x"), -1);
    assert_int_equal(mlx_error_hint(NULL, "x"), -1);
    assert_int_equal(mlx_error_prefix(NULL, "x"), -1);
}

static void test_error_stays_one_printable_line(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_error_set(&err, MLX_ERR_USAGE, "a\nb\033[2J");
    mlx_error_hint(&err, "c\td\x7f");
    assert_string_equal(err.text, "a?b?[2J");
    assert_string_equal(err.hint, "c?d?");
    /* U+009B begins a sequence as ESC [ does; what only has its second byte is a letter. */
    mlx_error_hint(&err, "\xc2\x9b"
                         "2J \xc3\x9b \xc2");
    assert_string_equal(err.hint, "??2J \xc3\x9b ?");
    char longest[2048];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    mlx_error_set(&err, MLX_ERR_USAGE, "%s", longest);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    mlx_error_prefix(&err, "%s", longest);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void test_error_names(void **state)
{
    (void)state;
    static const mlx_code_t codes[] = {MLX_OK,
                                       MLX_ERR_FAILED,
                                       MLX_ERR_USAGE,
                                       MLX_ERR_NOT_FOUND,
                                       MLX_ERR_UNAVAILABLE,
                                       MLX_ERR_DATA_LOSS,
                                       MLX_ERR_BUSY,
                                       MLX_ERR_INTERRUPTED};
    for (size_t i = 0; i < MLX_COUNT(codes); i++)
        assert_int_equal(mlx_error_code(mlx_error_name(codes[i])), codes[i]);
    assert_int_equal(mlx_error_code("nonsense"), MLX_ERR_FAILED);
    assert_int_equal(mlx_error_code(NULL), MLX_ERR_FAILED);
    assert_string_equal(mlx_error_name((mlx_code_t)99), "failed");
}

static void report_to_stdout(void)
{
    mlx_error_t err = {0};
    mlx_error_set(&err, MLX_ERR_BUSY, "it is locked");
    mlx_error_hint(&err, "wait");
    dup2(STDOUT_FILENO, STDERR_FILENO);
    int status = mlx_error_report("prog", &err);
    err.hint[0] = '\0';
    err.code = MLX_OK;
    _exit(status == 75 && mlx_error_report("prog", &err) == 1 ? 75 : 1);
}

static void test_error_report(void **state)
{
    (void)state;
    int fds[2], status = 0;
    char text[256] = {0};
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        report_to_stdout();
    }
    close(fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 75);
    assert_true(read(fds[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "prog: it is locked; wait\nprog: it is locked\n");
    close(fds[0]);
}

static const char *suggestion(const char *word)
{
    static const char *const words[] = {"status", "stats",           "add",
                                        "link",   "sampler.rate_hz", "unlink"};
    mlx_suggest_t near = {.word = word};
    for (size_t i = 0; i < MLX_COUNT(words); i++)
        mlx_suggest_try(&near, words[i]);
    return near.best ? near.best : "";
}

static void test_suggestions(void **state)
{
    (void)state;
    assert_string_equal(suggestion("statsu"), "status");
    assert_string_equal(suggestion("stat"), "status");
    assert_string_equal(suggestion("stast"), "stats");
    assert_string_equal(suggestion("ad"), "add");
    assert_string_equal(suggestion("lnik"), "link");
    assert_string_equal(suggestion("sampler.rate"), "sampler.rate_hz");
    assert_string_equal(suggestion("xyz"), "");
    assert_string_equal(suggestion(""), "");
    char longest[300];
    memset(longest, 's', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_string_equal(suggestion(longest), "");
}

static void assert_not_read(const char *path, size_t max, mlx_code_t code, const char *part)
{
    mlx_error_t err = {0};
    assert_null(mlx_file_read(path, max, NULL, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.text, part) || !strstr(err.text, path))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void test_loopback(void **state)
{
    (void)state;
    static const char *const ours[] = {"localhost", "LocalHost", "127.0.0.1",        "127.255.0.9",
                                       "::1",       "[::1]",     "[0:0:0:0:0:0:0:1]"};
    static const char *const others[] = {"",
                                         "127.",
                                         "127.example.org",
                                         "localhost.example.org",
                                         "127.0.0.1.example.org",
                                         "0.0.0.0",
                                         "[::]",
                                         "[",
                                         "[]",
                                         "::ffff:127.0.0.1",
                                         "1.127.0.0",
                                         "2130706433",
                                         "localhos"};
    static const char *const our_urls[] = {"http://127.0.0.1", "https://localhost:8080/a@b",
                                           "HTTP://[::1]/", "http://127.0.0.2?a",
                                           "http://localhost#@evil.example"};
    static const char *const other_urls[] = {"",
                                             "http://",
                                             "ftp://localhost",
                                             "localhost:80",
                                             "http://localhost@evil.example/",
                                             "http://localhost:x@evil.example/",
                                             "http://[::1].evil.example/",
                                             "http://[::1",
                                             "http://127.0.0.1.evil.example",
                                             "http://localhost\\@evil.example",
                                             "http://evil.example/http://localhost"};
    for (size_t i = 0; i < MLX_COUNT(ours); i++)
        assert_true(mlx_loopback_host(ours[i], strlen(ours[i])));
    for (size_t i = 0; i < MLX_COUNT(others); i++)
        assert_false(mlx_loopback_host(others[i], strlen(others[i])));
    assert_false(mlx_loopback_host("localhost\0evil", 14));
    for (size_t i = 0; i < MLX_COUNT(our_urls); i++)
        assert_true(mlx_loopback_url(our_urls[i]));
    for (size_t i = 0; i < MLX_COUNT(other_urls); i++)
        assert_false(mlx_loopback_url(other_urls[i]));
}

static void test_file_read(void **state)
{
    (void)state;
    char dir[] = "/tmp/mlx-test-base-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 5000; i++)
        fputs("0123456789", file);
    fclose(file);
    size_t len = 0;
    mlx_error_t err = {0};
    char *text = mlx_file_read(path, 50000, &len, &err);
    assert_non_null(text);
    assert_int_equal(len, 50000);
    assert_int_equal(strlen(text), 50000);
    free(text);
    assert_not_read(path, 49999, MLX_ERR_USAGE, "larger than 49999 bytes");
    unlink(path);
    assert_not_read(path, 1, MLX_ERR_NOT_FOUND, "No such file");
    assert_not_read(dir, 1, MLX_ERR_USAGE, "not a regular file");
    /* Nobody writes into this pipe: reading it must not wait. */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_not_read(path, 1, MLX_ERR_USAGE, "not a regular file");
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer),      cmocka_unit_test(test_buffer_grows_and_is_taken),
        cmocka_unit_test(test_strings),     cmocka_unit_test(test_panics_abort),
        cmocka_unit_test(test_error),       cmocka_unit_test(test_error_stays_one_printable_line),
        cmocka_unit_test(test_error_names), cmocka_unit_test(test_error_report),
        cmocka_unit_test(test_suggestions), cmocka_unit_test(test_file_read),
        cmocka_unit_test(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
