/*  How the double behaves over time: pace, keep-alive, queues, clients that leave, its child. */
#include "proto/base.h"

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

#define CHAT(options)                                                                              \
    "{\"model\":\"tiny-random\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," options "}"

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/*  A loop's condition: true until the deadline, which fails the test. */
static bool waiting(double *deadline)
{
    if (*deadline == 0)
        *deadline = now_s() + 10;
    if (now_s() > *deadline)
        fail_msg("waited ten seconds in vain");
    nap();
    return true;
}

static mlx_play_t *play_new(const char *rate)
{
    return mlx_play_new((const char *[]){"--rate", rate, "--load-ms", "0", NULL});
}

/*  Read from FD until COUNT lines came in all; their text goes to OUT. */
static void read_lines(int fd, size_t count, mlx_buf_t *out)
{
    char data[4096];
    size_t lines = 0;
    while (lines < count) {
        ssize_t got = recv(fd, data, sizeof(data), 0);
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++)
            lines += data[i] == '\n' && i > 0 && data[i - 1] == '}';
        mlx_buf_append(out, data, (size_t)got);
    }
}

static void assert_near(double value, double expected, double share)
{
    if (value < expected * (1 - share) || value > expected * (1 + share))
        fail_msg("%g is not within %g %% of %g", value, share * 100, expected);
}

/*  The client's clock and the final counts both say the pace that was asked for. */
static void test_pace(void **state)
{
    mlx_play_t *play = play_new("150");
    mlx_buf_t text = {0};
    int fd = mlx_play_dial(mlx_play_port(play));
    (void)state;
    mlx_play_send(fd, "POST", "/api/chat", CHAT("\"options\":{\"num_predict\":200}"));
    read_lines(fd, 1, &text);
    double first = now_s();
    read_lines(fd, 200, &text);
    assert_near(199 / (now_s() - first), 150, 0.05);
    close(fd);

    const char *final = strstr(mlx_buf_str(&text), "\"done\":true");
    long long count = 0;
    long long ns = 0;
    assert_non_null(final);
    assert_int_equal(sscanf(strstr(final, "\"eval_count\""), "\"eval_count\":%lld", &count), 1);
    assert_int_equal(sscanf(strstr(final, "\"eval_duration\""), "\"eval_duration\":%lld", &ns), 1);
    assert_int_equal(count, 200);
    assert_near((double)(count - 1) * 1e9 / (double)ns, 150, 0.05);
    mlx_buf_clear(&text);
    mlx_play_destroy(&play);
}

/*  Noise moves tokens, not the pace; pieces of two tokens make fewer pieces, not fewer tokens. */
static void test_noise_and_pairs(void **state)
{
    mlx_play_t *play = mlx_play_new(
        (const char *[]){"--rate", "400", "--noise", "--multi", "3", "--load-ms", "0", NULL});
    (void)state;
    mlx_play_reply_t reply =
        mlx_play_fetch(play, "POST", "/api/chat", CHAT("\"options\":{\"num_predict\":160}"));
    size_t pieces = 0;
    for (const char *at = mlx_buf_str(&reply.body); (at = strstr(at, "\"done\":false")); at++)
        pieces++;
    assert_int_equal(pieces, 120);
    assert_non_null(strstr(mlx_buf_str(&reply.body), "\"eval_count\":160"));
    mlx_play_free(&reply);
    mlx_play_destroy(&play);
}

/*  Models in /api/ps; the first one's expiry goes to EXPIRES. */
static size_t loaded(const mlx_play_t *play, char expires[40])
{
    mlx_value_t *ps = mlx_play_json(mlx_play_port(play), "GET", "/api/ps", NULL);
    const mlx_value_t *list = mlx_value_get(ps, "models");
    size_t count = mlx_value_size(list);
    if (expires && count)
        snprintf(expires, 40, "%s", mlx_value_str(mlx_value_at(list, 0), "expires_at"));
    mlx_value_destroy(&ps);
    return count;
}

static void generate(const mlx_play_t *play, const char *keep_alive)
{
    char *body = mlx_format("{\"model\":\"tiny-random\",\"prompt\":\"x\",\"keep_alive\":%s,"
                            "\"options\":{\"num_predict\":2}}",
                            keep_alive);
    mlx_play_reply_t reply = mlx_play_fetch(play, "POST", "/api/generate", body);
    assert_int_equal(reply.status, 200);
    mlx_play_free(&reply);
    free(body);
}

static void test_keep_alive(void **state)
{
    mlx_play_t *play = play_new("1000");
    char expires[40];
    double deadline = 0;
    (void)state;
    generate(play, "-1");
    assert_int_equal(loaded(play, expires), 1);
    assert_true(strtol(expires, NULL, 10) > 2300);
    generate(play, "\"1h\"");
    assert_int_equal(loaded(play, expires), 1);
    assert_true(strtol(expires, NULL, 10) < 2300);
    generate(play, "0");
    assert_int_equal(loaded(play, NULL), 0);
    generate(play, "\"100ms\"");
    assert_int_equal(loaded(play, NULL), 1);
    while (loaded(play, NULL) && waiting(&deadline))
        continue;
    mlx_play_destroy(&play);
}

static void test_client_leaves(void **state)
{
    mlx_play_t *play = play_new("100");
    mlx_buf_t text = {0};
    double deadline = 0;
    int fd = mlx_play_dial(mlx_play_port(play));
    (void)state;
    mlx_play_send(fd, "POST", "/api/chat", CHAT("\"options\":{\"num_predict\":100000}"));
    read_lines(fd, 3, &text);
    assert_int_equal(mlx_play_stat(play, "generating"), 1);
    close(fd);
    while (mlx_play_stat(play, "generating") && waiting(&deadline))
        continue;
    assert_int_equal(mlx_play_stat(play, "stopped"), 1);
    assert_int_equal(mlx_play_stat(play, "aborted"), 1);
    mlx_buf_clear(&text);
    mlx_play_destroy(&play);
}

/*  With one slot the second client waits; with two both are served. */
static void test_slots(void **state)
{
    (void)state;
    for (int slots = 1; slots <= 2; slots++) {
        char number[2] = {(char)('0' + slots), '\0'};
        mlx_play_t *play = mlx_play_new(
            (const char *[]){"--rate", "100", "--parallel", number, "--load-ms", "0", NULL});
        mlx_buf_t text = {0};
        int first = mlx_play_dial(mlx_play_port(play));
        int second = mlx_play_dial(mlx_play_port(play));
        mlx_play_send(first, "POST", "/api/chat", CHAT("\"options\":{\"num_predict\":100000}"));
        read_lines(first, 1, &text);
        mlx_play_send(second, "POST", "/api/chat", CHAT("\"options\":{\"num_predict\":100000}"));
        if (slots == 2)
            read_lines(second, 1, &text);
        read_lines(first, 20, &text);
        assert_int_equal(mlx_play_stat(play, "generating"), slots);
        close(first);
        read_lines(second, 1, &text);
        close(second);
        mlx_buf_clear(&text);
        mlx_play_destroy(&play);
    }
}

/*  The port in the command line of PID's child, and that line with spaces; 0: no child. */
static int child_port(pid_t parent, char line[512])
{
    char *command = mlx_format("ps -o args= --ppid %d", (int)parent);
    FILE *ps = popen(command, "r");
    int port = 0;
    assert_non_null(ps);
    if (fgets(line, 512, ps)) {
        const char *at = strstr(line, "--port ");
        port = at ? (int)strtol(at + 7, NULL, 10) : 0;
    }
    pclose(ps);
    free(command);
    return port;
}

static int64_t decoded_by(int port, bool *processing)
{
    int64_t decoded = -1;
    mlx_value_t *slots = mlx_play_json(port, "GET", "/slots", NULL);
    const mlx_value_t *slot = mlx_value_at(slots, 0);
    *processing = false;
    mlx_value_bool(slot, "is_processing", processing);
    mlx_value_int(mlx_value_at(mlx_value_get(slot, "next_token"), 0), "n_decoded", &decoded);
    mlx_value_destroy(&slots);
    return decoded;
}

static bool listens(int port)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_play_dial(port);
    return fd >= 0;
}

static void test_runner(void **state)
{
    char line[512];
    char dir[] = "/tmp/mlx-test-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    setenv("TMPDIR", dir, 1);
    mlx_play_t *play =
        mlx_play_new((const char *[]){"--runner", "--rate", "100", "--load-ms", "0", NULL});
    assert_int_equal(child_port(mlx_play_pid(play), line), 0);
    mlx_buf_t text = {0};
    int fd = mlx_play_dial(mlx_play_port(play));
    mlx_play_send(fd, "POST", "/api/chat", CHAT("\"options\":{\"num_predict\":100000}"));
    read_lines(fd, 5, &text);
    int port = child_port(mlx_play_pid(play), line);
    assert_true(port > 0);
    assert_non_null(strstr(line, "/llama-server --model /opt/ol/models/blobs/sha256-92d81e19"));
    assert_non_null(strstr(line, " --host 127.0.0.1 -c 2048 -np 1"));

    bool processing = false;
    double start = now_s();
    int64_t before = decoded_by(port, &processing);
    assert_true(processing);
    read_lines(fd, 100, &text);
    assert_near((double)(decoded_by(port, &processing) - before) / (now_s() - start), 100, 0.05);

    /* A child that dies is reaped, and the next request has a new one. */
    double deadline = 0;
    close(fd);
    while (mlx_play_stat(play, "generating") && waiting(&deadline))
        continue;
    char *end = mlx_format("pkill -KILL -P %d", (int)mlx_play_pid(play));
    assert_int_equal(system(end), 0);
    free(end);
    while (loaded(play, NULL) && waiting(&deadline))
        continue;
    assert_int_equal(child_port(mlx_play_pid(play), line), 0);
    generate(play, "-1");
    port = child_port(mlx_play_pid(play), line);
    assert_true(port > 0);

    /* Nothing is left when the parent is killed: no child, no file. */
    deadline = 0;
    mlx_play_kill(play);
    while (listens(port) && waiting(&deadline))
        continue;
    assert_int_equal(rmdir(dir), 0);
    unsetenv("TMPDIR");
    mlx_buf_clear(&text);
    mlx_play_destroy(&play);
}

/*  Each server's own pages move with a generation, and only its own are there. */
static void test_roles(void **state)
{
    static const char BODY[] = "{\"model\":\"tiny-random\",\"prompt\":\"x\",\"max_tokens\":7}";
    static const struct {
        const char *role;
        const char *path;
        const char *expected;
        const char *absent;
    } ROLES[] = {
        {"llama-server", "/metrics", "\nllamacpp:tokens_predicted_total 7\n", "/api/tags"},
        {"llama-server", "/slots", "\"n_predict\":7", "/api/version"},
        {"llama-server", "/props", "\"endpoint_metrics\":true", "/api/ps"},
        {"vllm", "/metrics",
         "\nvllm:generation_tokens_total{engine=\"0\",model_name=\"tiny-random:latest\"} 7.0\n",
         "/slots"},
        {"openai", "/v1/models", "\"owned_by\":\"organization_owner\"", "/metrics"},
    };
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(ROLES); i++) {
        mlx_play_t *play = mlx_play_new((const char *[]){"--as", ROLES[i].role, "--metrics",
                                                         "--rate", "1000", "--load-ms", "0", NULL});
        mlx_play_reply_t reply = mlx_play_fetch(play, "POST", "/v1/completions", BODY);
        assert_non_null(strstr(mlx_buf_str(&reply.body), "\"completion_tokens\":7"));
        mlx_play_free(&reply);
        reply = mlx_play_fetch(play, "GET", ROLES[i].path, NULL);
        assert_int_equal(reply.status, 200);
        if (!strstr(mlx_buf_str(&reply.body), ROLES[i].expected))
            fail_msg("%s %s: no '%s' in %s", ROLES[i].role, ROLES[i].path, ROLES[i].expected,
                     mlx_buf_str(&reply.body));
        mlx_play_free(&reply);
        reply = mlx_play_fetch(play, "GET", ROLES[i].absent, NULL);
        assert_int_equal(reply.status, 404);
        mlx_play_free(&reply);
        mlx_play_destroy(&play);
    }
}

/*  mlx_lm.server speaks HTTP/1.0: its streams have no chunks and end with the connection. */
static void test_old_http(void **state)
{
    mlx_play_t *play = mlx_play_new((const char *[]){"--as", "openai", "--rate", "1000", NULL});
    (void)state;
    mlx_play_reply_t reply = mlx_play_fetch(play, "POST", "/v1/chat/completions",
                                            CHAT("\"stream\":true,\"max_tokens\":5"));
    assert_int_equal(strncmp(mlx_buf_str(&reply.head), "HTTP/1.0 200 OK\r\n", 17), 0);
    assert_null(strstr(mlx_buf_str(&reply.head), "Transfer-Encoding"));
    assert_int_equal(strncmp(mlx_buf_str(&reply.body), ": keepalive ", 12), 0);
    assert_string_equal(mlx_buf_str(&reply.body) + reply.body.len - 14, "data: [DONE]\n\n");
    mlx_play_free(&reply);
    mlx_play_destroy(&play);
}

static void test_autoplay(void **state)
{
    double deadline = 0;
    mlx_play_t *play = mlx_play_new((const char *[]){"--autoplay", "--rate", "500", NULL});
    (void)state;
    while (mlx_play_stat(play, "tokens") < 20 && waiting(&deadline))
        continue;
    mlx_play_destroy(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace),       cmocka_unit_test(test_noise_and_pairs),
        cmocka_unit_test(test_keep_alive), cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_slots),      cmocka_unit_test(test_runner),
        cmocka_unit_test(test_roles),      cmocka_unit_test(test_old_http),
        cmocka_unit_test(test_autoplay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
