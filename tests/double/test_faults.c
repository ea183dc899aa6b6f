/*  Each fault does what its name says, as often as it was armed for, and the double lives on. */
#include "proto/base.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "tests/double/play.h"

static const char CHAT[] = "{\"model\":\"tiny-random\",\"messages\":[{\"role\":\"user\","
                           "\"content\":\"hi\"}],\"options\":{\"num_predict\":20}}";

typedef struct {
    mlx_play_t *play;
} fixture_t;

static int set_up(void **state)
{
    fixture_t *fixture = mlx_alloc(1, sizeof(*fixture));
    fixture->play = mlx_play_new((const char *[]){"--rate", "500", "--load-ms", "0", NULL});
    *state = fixture;
    return 0;
}

/*  Whatever went wrong was asked for once: the next reply is whole. */
static int tear_down(void **state)
{
    fixture_t *fixture = *state;
    mlx_play_reply_t reply = mlx_play_fetch(fixture->play, "GET", "/api/version", NULL);
    int good = strcmp(mlx_buf_str(&reply.body), "{\"version\":\"0.32.15\"}") == 0;
    mlx_play_free(&reply);
    mlx_play_destroy(&fixture->play);
    free(fixture);
    return good ? 0 : -1;
}

static mlx_play_reply_t faulty(void **state, const char *fault, const char *path, const char *body)
{
    const fixture_t *fixture = *state;
    mlx_play_fault(fixture->play, fault, 1);
    return mlx_play_fetch(fixture->play, body ? "POST" : "GET", path, body);
}

static void test_half_json(void **state)
{
    mlx_play_reply_t reply = faulty(state, "half-json", "/api/tags", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 827 / 2);
    assert_non_null(strstr(mlx_buf_str(&reply.head), "Content-Length: 413\r\n"));
    mlx_play_free(&reply);
    reply = faulty(state, "half-json", "/api/chat", CHAT);
    const char *last = strrchr(mlx_buf_str(&reply.body), '\n');
    assert_non_null(last);
    assert_true(last[1] == '{');
    assert_null(strchr(last, '}'));
    mlx_play_free(&reply);
}

static void test_garbage(void **state)
{
    mlx_play_reply_t reply = faulty(state, "garbage-reply", "/api/ps", NULL);
    assert_int_equal(reply.status, 0);
    mlx_play_free(&reply);
}

static void test_huge(void **state)
{
    const fixture_t *fixture = *state;
    char data[65536];
    size_t sum = 0;
    mlx_play_fault(fixture->play, "huge-body", 1);
    int fd = mlx_play_dial(mlx_play_port(fixture->play));
    mlx_play_send(fd, "GET", "/api/ps", NULL);
    ssize_t got = recv(fd, data, sizeof(data) - 1, 0);
    assert_true(got > 0);
    data[got] = '\0';
    assert_non_null(strstr(data, "Content-Length: 1000000000\r\n"));
    while (sum < 50000000 && (got = recv(fd, data, sizeof(data), 0)) > 0)
        sum += (size_t)got;
    assert_true(sum >= 50000000);
    close(fd);
}

static void test_hang(void **state)
{
    const fixture_t *fixture = *state;
    char byte;
    mlx_play_fault(fixture->play, "hang", 1);
    int fd = mlx_play_dial(mlx_play_port(fixture->play));
    mlx_play_send(fd, "GET", "/api/ps", NULL);
    /* Later requests are answered, this one is not. */
    for (int i = 0; i < 20; i++)
        mlx_play_stat(fixture->play, "requests");
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
    close(fd);
}

static void test_refuse(void **state)
{
    const fixture_t *fixture = *state;
    mlx_play_reply_t reply = faulty(state, "refuse", "/api/ps", NULL);
    assert_int_equal(reply.status, 0);
    mlx_play_free(&reply);
    int fd = mlx_play_dial(mlx_play_port(fixture->play));
    assert_int_equal(fd, -1);
    time_t deadline = time(NULL) + 10;
    while ((fd = mlx_play_dial(mlx_play_port(fixture->play))) < 0 && time(NULL) < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_true(fd >= 0);
    close(fd);
}

static void test_reset(void **state)
{
    const fixture_t *fixture = *state;
    char data[4096];
    ssize_t got;
    size_t sum = 0;
    mlx_play_fault(fixture->play, "reset-mid-stream", 1);
    int fd = mlx_play_dial(mlx_play_port(fixture->play));
    mlx_play_send(fd, "POST", "/api/chat", CHAT);
    while ((got = recv(fd, data, sizeof(data), 0)) > 0)
        sum += (size_t)got;
    assert_int_equal(got, -1);
    assert_int_equal(errno, ECONNRESET);
    assert_true(sum > 100);
    close(fd);
}

static void test_slow(void **state)
{
    enum {
        BYTES = 6
    };
    const fixture_t *fixture = *state;
    struct timespec from;
    struct timespec to;
    char byte;
    mlx_play_fault(fixture->play, "slow-loris", 1);
    int fd = mlx_play_dial(mlx_play_port(fixture->play));
    mlx_play_send(fd, "GET", "/api/ps", NULL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < BYTES; i++)
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    assert_true(s > (BYTES - 1) * 0.05 * 0.9);
    close(fd);
}

static void test_alterations(void **state)
{
    mlx_play_reply_t reply = faulty(state, "wrong-content-type", "/api/tags", NULL);
    assert_non_null(strstr(mlx_buf_str(&reply.head), "Content-Type: text/html\r\n"));
    mlx_play_free(&reply);
    reply = faulty(state, "status-500", "/api/tags", NULL);
    assert_int_equal(reply.status, 500);
    mlx_play_free(&reply);
    reply = faulty(state, "deep-nesting", "/api/tags", NULL);
    assert_int_equal(reply.body.len, 100000);
    assert_null(mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, NULL));
    mlx_play_free(&reply);
}

static void test_close_at(void **state)
{
    const fixture_t *fixture = *state;
    char data[4096];
    ssize_t got;
    size_t sum = 0;
    mlx_play_fault(fixture->play, "close-at-byte-77", 1);
    int fd = mlx_play_dial(mlx_play_port(fixture->play));
    mlx_play_send(fd, "GET", "/api/tags", NULL);
    while ((got = recv(fd, data, sizeof(data), 0)) > 0)
        sum += (size_t)got;
    assert_int_equal(sum, 77);
    close(fd);
}

int main(void)
{
#define FAULT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_half_json), FAULT_TEST(test_garbage),     FAULT_TEST(test_huge),
        FAULT_TEST(test_hang),      FAULT_TEST(test_refuse),      FAULT_TEST(test_reset),
        FAULT_TEST(test_slow),      FAULT_TEST(test_alterations), FAULT_TEST(test_close_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
