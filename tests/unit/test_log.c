/*  Log lines: forms, levels, escaping, repeats */
#include "common/base/log.h"

#include "common/base/json.h"
#include "fake_env.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/*  The logger's clock is a plain function, so the test's time is a file variable. */
static int64_t now_us;

static int64_t fake_clock(void)
{
    return now_us;
}

typedef struct {
    int fds[2];
    mlx_log_t *log;
    char text[16384];
} fixture_t;

static int open_pipe(void **state)
{
    fixture_t *self = mlx_alloc(1, sizeof *self);
    assert_int_equal(pipe(self->fds), 0);
    assert_int_equal(fcntl(self->fds[0], F_SETFL, O_NONBLOCK), 0);
    now_us = INT64_C(1795591910123456);
    *state = self;
    return 0;
}

static int close_pipe(void **state)
{
    fixture_t *self = *state;
    mlx_log_destroy(&self->log);
    close(self->fds[0]);
    close(self->fds[1]);
    free(self);
    return 0;
}

static mlx_log_t *open_log(fixture_t *self, const char *level, const char *format)
{
    mlx_log_destroy(&self->log);
    self->log = mlx_log_new(&(mlx_log_options_t){.name = "watcher",
                                                 .level = level,
                                                 .format = format,
                                                 .fd = self->fds[1],
                                                 .env = FAKE_ENV("X=1"),
                                                 .wall_us = fake_clock});
    return self->log;
}

static const char *written(fixture_t *self)
{
    ssize_t len = read(self->fds[0], self->text, sizeof self->text - 1);
    self->text[len > 0 ? len : 0] = '\0';
    return self->text;
}

static void test_plain(void **state)
{
    mlx_log(open_log(*state, NULL, NULL), MLX_LOG_WARNING, "port %d", 7);
    assert_string_equal(written(*state), "2026-11-25T07:31:50.123Z warning watcher: port 7\n");
}

static void test_journal(void **state)
{
    mlx_log_t *log = open_log(*state, "debug", "journal");
    mlx_log(log, MLX_LOG_ERROR, "a");
    mlx_log(log, MLX_LOG_WARNING, "b");
    mlx_log(log, MLX_LOG_INFO, "c");
    mlx_log(log, MLX_LOG_DEBUG, "d");
    assert_string_equal(written(*state), "<3>a\n<4>b\n<6>c\n<7>d\n");
}

static void test_json(void **state)
{
    mlx_log_t *log = open_log(*state, NULL, "json");
    mlx_log_repeated(log, MLX_LOG_ERROR, "bad reply", "\"quoted\"\n\xff");
    const char *line = written(*state);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_json_parse(line, strlen(line), &err);
    assert_string_equal(mlx_value_str(map, "time"), "2026-11-25T07:31:50.123Z");
    assert_string_equal(mlx_value_str(map, "level"), "error");
    assert_string_equal(mlx_value_str(map, "name"), "watcher");
    assert_string_equal(mlx_value_str(map, "kind"), "bad reply");
    assert_string_equal(mlx_value_str(map, "text"), "\"quoted\"\n\xef\xbf\xbd");
    assert_null(mlx_value_get(map, "repeats"));
}

static void test_levels(void **state)
{
    mlx_log_t *log = open_log(*state, "warning", "journal");
    assert_true(mlx_log_wants(log, MLX_LOG_ERROR));
    assert_false(mlx_log_wants(log, MLX_LOG_INFO));
    mlx_log(log, MLX_LOG_INFO, "a");
    mlx_log_repeated(log, MLX_LOG_DEBUG, "kind", "b");
    mlx_log(log, MLX_LOG_WARNING, "c");
    assert_string_equal(written(*state), "<4>c\n");
}

static void test_nothing_forges_a_line(void **state)
{
    mlx_log_t *log = open_log(*state, NULL, "journal");
    mlx_log(log, MLX_LOG_INFO, "%s",
            "a\n<3>b\r\x1b[2J\x7f\xc2\x9b"
            "1m caf\xc3\xa9");
    assert_string_equal(written(*state), "<6>a\\n<3>b\\x0d\\x1b[2J\\x7f\\u009b1m caf\xc3\xa9\n");
    char longest[8192];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    mlx_log(log, MLX_LOG_INFO, "%s", longest);
    assert_int_equal(strlen(written(*state)), 3 + 4096 + 3 + 1);
}

static void test_repeats_are_counted(void **state)
{
    mlx_log_t *log = open_log(*state, NULL, "journal");
    for (int i = 0; i < 1000; i++)
        mlx_log_repeated(log, MLX_LOG_WARNING, "bad frame", "number %d", i);
    mlx_log_repeated(log, MLX_LOG_WARNING, "other", "x");
    assert_string_equal(written(*state), "<4>bad frame: number 0\n<4>other: x\n");
    now_us += INT64_C(59000000);
    mlx_log_sum_up(log);
    assert_string_equal(written(*state), "");
    now_us += 1000000;
    mlx_log_sum_up(log);
    assert_string_equal(written(*state), "<4>bad frame: 999 more in 60 s\n");
    mlx_log_repeated(log, MLX_LOG_WARNING, "bad frame", "again");
    mlx_log_repeated(log, MLX_LOG_WARNING, "bad frame", "again");
    now_us += INT64_C(61000000);
    mlx_log_repeated(log, MLX_LOG_WARNING, "bad frame", "and again");
    assert_string_equal(written(*state), "<4>bad frame: again\n<4>bad frame: 1 more in 61 s\n"
                                         "<4>bad frame: and again\n");
    mlx_log_repeated(log, MLX_LOG_WARNING, "bad frame", "lost?");
    fixture_t *self = *state;
    mlx_log_destroy(&self->log);
    assert_string_equal(written(*state), "<4>bad frame: 1 more in 0 s\n");
}

static void test_many_kinds_stay_bounded(void **state)
{
    mlx_log_t *log = open_log(*state, NULL, "journal");
    for (int i = 0; i < 200; i++) {
        char kind[32];
        snprintf(kind, sizeof kind, "kind %d", i);
        now_us++;
        mlx_log_repeated(log, MLX_LOG_INFO, kind, "x");
        mlx_log_repeated(log, MLX_LOG_INFO, kind, "x");
    }
    const char *text = written(*state);
    /* The oldest was summed up when its place was needed; nothing was lost. */
    assert_non_null(strstr(text, "<6>kind 0: 1 more in 0 s\n"));
    assert_null(strstr(text, "<6>kind 199: 1 more"));
    assert_non_null(strstr(text, "<6>kind 199: x\n"));
}

static void *log_much(void *arg)
{
    for (int i = 0; i < 200; i++) {
        mlx_log_repeated(arg, MLX_LOG_WARNING, "flood", "x");
        mlx_log_sum_up(arg);
    }
    mlx_log(arg, MLX_LOG_INFO, "a whole line");
    return NULL;
}

static void test_threads_share_it(void **state)
{
    mlx_log_t *log = open_log(*state, NULL, "journal");
    pthread_t threads[4];
    for (size_t i = 0; i < MLX_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, log), 0);
    for (size_t i = 0; i < MLX_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    fixture_t *self = *state;
    mlx_log_destroy(&self->log);
    const char *text = written(self);
    assert_non_null(strstr(text, "<4>flood: x\n"));
    assert_non_null(strstr(text, "<4>flood: 799 more in 0 s\n"));
    int lines = 0;
    for (const char *at = text; (at = strstr(at, "<6>a whole line\n")); at++)
        lines++;
    assert_int_equal(lines, 4);
}

static void test_clock_set_back(void **state)
{
    mlx_log_t *log = open_log(*state, NULL, "journal");
    mlx_log_repeated(log, MLX_LOG_INFO, "k", "first");
    now_us -= INT64_C(3600) * 1000000;
    mlx_log_repeated(log, MLX_LOG_INFO, "k", "second");
    assert_string_equal(written(*state), "<6>k: first\n<6>k: second\n");
}

static void test_finds_the_journal(void **state)
{
    fixture_t *self = *state;
    struct stat st;
    char right[64], wrong[64];
    assert_int_equal(fstat(self->fds[1], &st), 0);
    snprintf(right, sizeof right, "JOURNAL_STREAM=%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    snprintf(wrong, sizeof wrong, "JOURNAL_STREAM=%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino + 1);
    assert_int_equal(mlx_log_detect(self->fds[1], FAKE_ENV(right)), MLX_LOG_JOURNAL);
    assert_int_equal(mlx_log_detect(self->fds[1], FAKE_ENV(wrong)), MLX_LOG_PLAIN);
    assert_int_equal(mlx_log_detect(self->fds[1], FAKE_ENV("JOURNAL_STREAM=x")), MLX_LOG_PLAIN);
    assert_int_equal(mlx_log_detect(self->fds[1], FAKE_ENV("X=1")), MLX_LOG_PLAIN);
}

#define ON_PIPE(test) cmocka_unit_test_setup_teardown(test, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_PIPE(test_plain),
        ON_PIPE(test_journal),
        ON_PIPE(test_json),
        ON_PIPE(test_levels),
        ON_PIPE(test_nothing_forges_a_line),
        ON_PIPE(test_repeats_are_counted),
        ON_PIPE(test_many_kinds_stay_bounded),
        ON_PIPE(test_clock_set_back),
        ON_PIPE(test_threads_share_it),
        ON_PIPE(test_finds_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
