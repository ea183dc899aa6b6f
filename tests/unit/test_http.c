/*  The HTTP client against a real server that misbehaves on purpose */
#include "common/http/http.h"

#include "http_server.h"

#include <arpa/inet.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/*  What a call said, copied because replies are borrowed. */
typedef struct {
    mlx_loop_t *loop;
    int calls;
    int wanted;
    mlx_http_reply_t reply;
    char body[8192];
    char location[256];
    char content_type[64];
    char twice[16];
    mlx_buf_t streamed;
    int pieces;
    size_t stop_after;
    long head_status;
    bool refuse_head;
    mlx_http_t *http;
    mlx_http_call_t *victim;
} seen_t;

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    seen_t *seen = arg;
    seen->calls++;
    seen->reply = *reply;
    snprintf(seen->body, sizeof seen->body, "%s", reply->body);
    snprintf(seen->location, sizeof seen->location, "%s", reply->location);
    snprintf(seen->content_type, sizeof seen->content_type, "%s", reply->content_type);
    const char *twice = mlx_http_header(reply, "x-twice");
    snprintf(seen->twice, sizeof seen->twice, "%s", twice ? twice : "");
    if (seen->loop && seen->calls >= seen->wanted)
        mlx_loop_stop(seen->loop);
}

static bool on_head(void *arg, const mlx_http_reply_t *head)
{
    seen_t *seen = arg;
    seen->head_status = head->status;
    return !seen->refuse_head;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    seen_t *seen = arg;
    seen->pieces++;
    mlx_buf_append(&seen->streamed, data, len);
    return !seen->stop_after || seen->streamed.len < seen->stop_after;
}

static void on_deadline(void *arg)
{
    (void)arg;
    mlx_panic("the test's deadline passed");
}

static void run_loop(mlx_loop_t *loop)
{
    mlx_timer_t *deadline = mlx_loop_after(loop, HTTP_SERVER_DEADLINE_MS, on_deadline, NULL);
    mlx_loop_run(loop);
    mlx_loop_cancel(loop, &deadline);
}

/*  One request by both ways of running it; the answers must agree. */
static void fetch(http_server_t *server, const char *path, mlx_http_request_t request, seen_t *seen,
                  bool in_loop)
{
    request.url = path[0] == '/' ? http_server_url(server, path) : path;
    if (!in_loop) {
        mlx_http_run(&request, on_reply, seen);
    } else {
        seen->loop = mlx_loop_new();
        seen->wanted = 1;
        mlx_http_t *http = mlx_http_new(seen->loop);
        assert_non_null(mlx_http_start(http, &request, on_reply, seen));
        assert_int_equal(seen->calls, 0);
        run_loop(seen->loop);
        mlx_http_destroy(&http);
        mlx_loop_destroy(&seen->loop);
    }
    assert_int_equal(seen->calls, 1);
}

#define BOTH_WAYS(name) for (int name = 0; name < 2; name++)

static void test_simple_get(void **state)
{
    BOTH_WAYS(in_loop)
    {
        seen_t seen = {0};
        fetch(*state, "/hello", (mlx_http_request_t){0}, &seen, in_loop);
        assert_string_equal(seen.reply.error.text, "");
        assert_int_equal(seen.reply.status, 200);
        assert_string_equal(seen.body, "hello");
        assert_int_equal(seen.reply.body_len, 5);
        assert_string_equal(seen.content_type, "text/plain");
        assert_string_equal(seen.location, "");
        assert_string_equal(seen.twice, "b");
        assert_true(seen.reply.first_byte_s >= 0 && seen.reply.first_byte_s < 5);
        assert_true(seen.reply.total_s >= seen.reply.first_byte_s);
        assert_false(seen.reply.refused);
    }
}

static void assert_part(const char *text, const char *part, bool wanted)
{
    if ((strstr(text, part) != NULL) != wanted)
        fail_msg("\"%s\" %s \"%s\"", text, wanted ? "lacks" : "holds", part);
}

static void test_what_we_send(void **state)
{
    static const char *const headers[] = {"X-Mine: 1", NULL};
    seen_t seen = {0};
    fetch(*state, "/echo",
          (mlx_http_request_t){.body = "{\"a\":1}", .body_len = 7, .headers = headers}, &seen,
          true);
    assert_part(seen.body, "POST /echo HTTP/1.1\r\n", true);
    assert_part(seen.body, "User-Agent: mlx-suite/" MLX_VERSION "\r\n", true);
    assert_part(seen.body, "X-Mine: 1\r\n", true);
    assert_part(seen.body, "Content-Type: application/json\r\n", true);
    assert_part(seen.body, "Expect", false);
    assert_part(seen.body, "Accept-Encoding", false);
    assert_part(seen.body, "\r\n\r\n{\"a\":1}", true);

    static const char *const typed[] = {"content-type: text/plain", NULL};
    seen = (seen_t){0};
    fetch(*state, "/echo",
          (mlx_http_request_t){.method = "PUT", .body = "x", .body_len = 1, .headers = typed},
          &seen, true);
    assert_part(seen.body, "PUT /echo", true);
    assert_part(seen.body, "application/json", false);

    seen = (seen_t){0};
    fetch(*state, "/echo", (mlx_http_request_t){.method = "DELETE"}, &seen, true);
    assert_part(seen.body, "DELETE /echo", true);
    assert_part(seen.body, "Content-Type", false);
}

static void test_status_is_no_error(void **state)
{
    seen_t seen = {0};
    fetch(*state, "/missing", (mlx_http_request_t){.on_data = on_data}, &seen, true);
    assert_int_equal(seen.reply.error.code, MLX_OK);
    assert_int_equal(seen.reply.status, 404);
    /* The body of a refusal is collected, not streamed. */
    assert_string_equal(seen.body, "gone");
    assert_int_equal(seen.pieces, 0);
}

static void test_redirect_is_not_followed(void **state)
{
    seen_t seen = {0};
    fetch(*state, "/redirect", (mlx_http_request_t){0}, &seen, true);
    assert_int_equal(seen.reply.status, 302);
    assert_string_equal(seen.location, http_server_url(*state, "/hello"));
}

static void test_head(void **state)
{
    seen_t seen = {0};
    fetch(*state, "/missing", (mlx_http_request_t){.method = "HEAD"}, &seen, false);
    assert_int_equal(seen.reply.status, 404);
    assert_string_equal(seen.body, "");
}

static void test_chunks_stream_as_they_come(void **state)
{
    BOTH_WAYS(in_loop)
    {
        seen_t seen = {0};
        fetch(*state, "/chunked", (mlx_http_request_t){.on_data = on_data, .on_head = on_head},
              &seen, in_loop);
        assert_string_equal(mlx_buf_str(&seen.streamed), "onetwothree");
        assert_true(seen.pieces >= 2);
        assert_int_equal(seen.head_status, 200);
        assert_string_equal(seen.body, "");
        /* The first piece came before the pause, the last after it. */
        assert_true(seen.reply.first_byte_s < seen.reply.total_s - HTTP_SERVER_PAUSE_US / 2e6);
        mlx_buf_clear(&seen.streamed);
    }
}

static void test_first_byte_is_of_the_body(void **state)
{
    seen_t seen = {0};
    fetch(*state, "/late", (mlx_http_request_t){0}, &seen, true);
    assert_true(seen.reply.first_byte_s >= HTTP_SERVER_PAUSE_US / 1e6);
    seen = (seen_t){0};
    fetch(*state, "/redirect", (mlx_http_request_t){0}, &seen, true);
    assert_true(isnan(seen.reply.first_byte_s));
}

static void assert_failed(const seen_t *seen, mlx_code_t code, const char *part)
{
    assert_int_equal(seen->reply.error.code, code);
    assert_part(seen->reply.error.text, part, true);
    assert_string_equal(seen->body, "");
    assert_int_equal(seen->reply.body_len, 0);
}

static void test_broken_replies(void **state)
{
    static const struct {
        const char *path;
        mlx_code_t code;
        const char *part;
        mlx_http_fault_t fault;
    } cases[] = {
        {"/half", MLX_ERR_FAILED, "GET http://127.0.0.1", MLX_HTTP_FAULT_OTHER},
        {"/garbage", MLX_ERR_FAILED, "HTTP/0.9", MLX_HTTP_FAULT_NOT_HTTP},
        {"/nothing", MLX_ERR_UNAVAILABLE, "Empty reply", MLX_HTTP_FAULT_UNANSWERED},
        {"/gigabyte", MLX_ERR_FAILED, "larger than allowed", MLX_HTTP_FAULT_OTHER},
        {"/endless-chunks", MLX_ERR_FAILED, "larger than allowed", MLX_HTTP_FAULT_OTHER},
        {"/endless-headers", MLX_ERR_FAILED, "headers are larger than allowed",
         MLX_HTTP_FAULT_OTHER},
    };
    BOTH_WAYS(in_loop)
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        seen_t seen = {0};
        fetch(*state, cases[i].path, (mlx_http_request_t){.max_body = 1000000}, &seen, in_loop);
        assert_failed(&seen, cases[i].code, cases[i].part);
        assert_false(seen.reply.refused);
        assert_int_equal(seen.reply.fault, cases[i].fault);
    }
}

static void test_http_is_not_tls(void **state)
{
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("https%s", strchr(http_server_url(*state, "/hello"), ':'));
    BOTH_WAYS(in_loop)
    {
        seen_t seen = {0};
        fetch(NULL, url, (mlx_http_request_t){0}, &seen, in_loop);
        assert_int_not_equal(seen.reply.error.code, 0);
        assert_int_equal(seen.reply.fault, MLX_HTTP_FAULT_NOT_TLS);
    }
}

static void test_gigabyte_needs_little_memory(void **state)
{
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    seen_t seen = {0};
    fetch(*state, "/gigabyte", (mlx_http_request_t){0}, &seen, true);
    assert_failed(&seen, MLX_ERR_FAILED, "larger than allowed");
    getrusage(RUSAGE_SELF, &after);
    /* 16 MiB are allowed; a growing buffer holds up to twice that, thrice while it moves. */
    assert_true(after.ru_maxrss - before.ru_maxrss < INT64_C(100) * 1024);
}

static void test_stream_bound(void **state)
{
    seen_t seen = {.stop_after = 40u << 20};
    mlx_http_request_t request = {.on_data = on_data, .timeout_ms = -1};
    fetch(*state, "/gigabyte", request, &seen, true);
    assert_failed(&seen, MLX_ERR_FAILED, "larger than allowed");
    assert_true(seen.streamed.len <= 16u << 20);
    mlx_buf_clear(&seen.streamed);

    seen = (seen_t){.stop_after = 40u << 20};
    request.unbounded_stream = true;
    fetch(*state, "/gigabyte", request, &seen, true);
    assert_failed(&seen, MLX_ERR_INTERRUPTED, "stopped");
    assert_true(seen.streamed.len >= 40u << 20);
    mlx_buf_clear(&seen.streamed);
}

static void test_stopping_closes_the_connection(void **state)
{
    http_server_t *server = *state;
    BOTH_WAYS(in_loop)
    {
        int before = http_server_count(server, HTTP_SERVER_HUNG_UP);
        seen_t seen = {.stop_after = 1};
        fetch(server, "/endless-chunks",
              (mlx_http_request_t){.on_data = on_data, .unbounded_stream = true}, &seen, in_loop);
        assert_failed(&seen, MLX_ERR_INTERRUPTED, "stopped");
        assert_int_equal(seen.pieces, 1);
        http_server_wait(server, HTTP_SERVER_HUNG_UP, before + 1);
        mlx_buf_clear(&seen.streamed);
    }
}

static void test_head_can_refuse(void **state)
{
    seen_t seen = {.refuse_head = true};
    fetch(*state, "/hello", (mlx_http_request_t){.on_data = on_data, .on_head = on_head}, &seen,
          true);
    assert_failed(&seen, MLX_ERR_INTERRUPTED, "stopped");
    assert_int_equal(seen.pieces, 0);
}

static void test_timeouts(void **state)
{
    http_server_t *server = *state;
    BOTH_WAYS(in_loop)
    {
        seen_t seen = {0};
        fetch(server, "/silent", (mlx_http_request_t){.timeout_ms = 150}, &seen, in_loop);
        assert_failed(&seen, MLX_ERR_UNAVAILABLE, "timed out after");
        assert_int_equal(seen.reply.status, 0);
        seen = (seen_t){0};
        fetch(server, "/stall", (mlx_http_request_t){.stall_timeout_ms = 100}, &seen, in_loop);
        assert_failed(&seen, MLX_ERR_UNAVAILABLE, "the connection stalled");
        assert_int_equal(seen.reply.status, 200);
        seen = (seen_t){0};
        fetch(server, "/silent", (mlx_http_request_t){.stall_timeout_ms = 100}, &seen, in_loop);
        assert_failed(&seen, MLX_ERR_UNAVAILABLE, "the connection stalled");
    }
    http_server_wait(server, HTTP_SERVER_HUNG_UP, 6);
    /* Data that keeps coming is not a stall. */
    seen_t seen = {0};
    fetch(server, "/late", (mlx_http_request_t){.stall_timeout_ms = 5000}, &seen, true);
    assert_string_equal(seen.body, "late");
}

static void test_nothing_listens(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    /* Bound but not listening: refuses, and nobody else gets the port. */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    BOTH_WAYS(in_loop)
    {
        seen_t seen = {0};
        fetch(NULL, url, (mlx_http_request_t){0}, &seen, in_loop);
        assert_failed(&seen, MLX_ERR_UNAVAILABLE, "connect");
        assert_true(seen.reply.refused);
    }
    close(fd);
}

static void test_unfit_requests(void **state)
{
    static const char *const split[] = {"X-A: 1\r\nX-Injected: 2", NULL};
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/",          "http://",
                                       "no url at all",      "http://127.0.0.1:1/a\r\nb", ""};
    for (size_t i = 0; i < MLX_COUNT(urls); i++) {
        seen_t seen = {0};
        fetch(NULL, urls[i], (mlx_http_request_t){0}, &seen, true);
        assert_failed(&seen, MLX_ERR_USAGE, "GET ");
    }
    seen_t seen = {0};
    fetch(*state, "/echo", (mlx_http_request_t){.headers = split}, &seen, true);
    assert_failed(&seen, MLX_ERR_USAGE, "line break");
}

static void test_errors_hold_no_secrets(void **state)
{
    http_server_t *server = *state;
    char url[128];
    const char *plain = http_server_url(server, "/half");
    snprintf(url, sizeof url, "http://me:hush@%s?token=hush#hush", plain + strlen("http://"));
    seen_t seen = {0};
    fetch(server, url, (mlx_http_request_t){0}, &seen, true);
    assert_part(seen.reply.error.text, "/half", true);
    assert_part(seen.reply.error.text, "hush", false);
}

static void test_no_proxy_for_ourselves(void **state)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    seen_t seen = {0};
    fetch(*state, "/hello", (mlx_http_request_t){0}, &seen, true);
    assert_string_equal(seen.body, "hello");
    seen = (seen_t){0};
    fetch(NULL, "http://example.invalid/", (mlx_http_request_t){0}, &seen, true);
    assert_part(seen.reply.error.text, "127.0.0.1", true);
    unsetenv("http_proxy");
}

static void test_connections_are_reused(void **state)
{
    http_server_t *server = *state;
    int before = http_server_count(server, HTTP_SERVER_ACCEPTED);
    mlx_loop_t *loop = mlx_loop_new();
    mlx_http_t *http = mlx_http_new(loop);
    for (int i = 0; i < 10; i++) {
        seen_t seen = {.loop = loop, .wanted = 1};
        mlx_http_start(http, &(mlx_http_request_t){.url = http_server_url(server, "/hello")},
                       on_reply, &seen);
        run_loop(loop);
        assert_string_equal(seen.body, "hello");
    }
    assert_int_equal(http_server_count(server, HTTP_SERVER_ACCEPTED) - before, 1);
    mlx_http_destroy(&http);
    mlx_loop_destroy(&loop);
}

static void test_many_at_once(void **state)
{
    seen_t seen = {.loop = mlx_loop_new(), .wanted = 50};
    mlx_http_t *http = mlx_http_new(seen.loop);
    for (int i = 0; i < 50; i++)
        mlx_http_start(http, &(mlx_http_request_t){.url = http_server_url(*state, "/hello")},
                       on_reply, &seen);
    run_loop(seen.loop);
    assert_int_equal(seen.calls, 50);
    mlx_http_destroy(&http);
    mlx_loop_destroy(&seen.loop);
}

static void on_must_not(void *arg, const mlx_http_reply_t *reply)
{
    (void)arg;
    (void)reply;
    fail_msg("an aborted call was answered");
}

static void test_abort_and_destroy_are_silent(void **state)
{
    http_server_t *server = *state;
    int before = http_server_count(server, HTTP_SERVER_HUNG_UP);
    seen_t seen = {.loop = mlx_loop_new(), .wanted = 1};
    mlx_http_t *http = mlx_http_new(seen.loop);
    mlx_http_request_t silent = {.url = http_server_url(server, "/stall"),
                                 .stall_timeout_ms = 60000};
    mlx_http_call_t *call = mlx_http_start(http, &silent, on_must_not, NULL);
    mlx_http_start(http, &silent, on_must_not, NULL);
    mlx_http_start(http, &(mlx_http_request_t){.url = http_server_url(server, "/late")}, on_reply,
                   &seen);
    run_loop(seen.loop);
    assert_string_equal(seen.body, "late");
    mlx_http_abort(http, &call);
    assert_null(call);
    mlx_http_abort(http, &call);
    http_server_wait(server, HTTP_SERVER_HUNG_UP, before + 1);
    mlx_http_destroy(&http);
    assert_null(http);
    http_server_wait(server, HTTP_SERVER_HUNG_UP, before + 2);
    mlx_http_destroy(&http);
    mlx_loop_destroy(&seen.loop);
}

/*  From inside curl: abort another call, which itself starts a new one before. */
static bool on_data_meddle(void *arg, const char *data, size_t len)
{
    (void)data;
    (void)len;
    seen_t *seen = arg;
    static char url[256];
    if (seen->victim) {
        mlx_http_abort(seen->http, &seen->victim);
        snprintf(url, sizeof url, "%s", seen->location);
        mlx_http_start(seen->http, &(mlx_http_request_t){.url = url}, on_reply, seen);
    }
    return true;
}

static void test_callbacks_may_start_and_abort(void **state)
{
    http_server_t *server = *state;
    int before = http_server_count(server, HTTP_SERVER_HUNG_UP);
    seen_t seen = {.loop = mlx_loop_new(), .wanted = 2};
    seen.http = mlx_http_new(seen.loop);
    seen.victim =
        mlx_http_start(seen.http, &(mlx_http_request_t){.url = http_server_url(server, "/stall")},
                       on_must_not, NULL);
    snprintf(seen.location, sizeof seen.location, "%s", http_server_url(server, "/hello"));
    mlx_http_start(seen.http,
                   &(mlx_http_request_t){.url = http_server_url(server, "/chunked"),
                                         .on_data = on_data_meddle},
                   on_reply, &seen);
    run_loop(seen.loop);
    assert_int_equal(seen.calls, 2);
    http_server_wait(server, HTTP_SERVER_HUNG_UP, before + 1);
    mlx_http_destroy(&seen.http);
    mlx_loop_destroy(&seen.loop);
}

#define ON_SERVER(test) cmocka_unit_test_setup_teardown(test, http_server_start, http_server_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SERVER(test_simple_get),
        ON_SERVER(test_what_we_send),
        ON_SERVER(test_status_is_no_error),
        ON_SERVER(test_redirect_is_not_followed),
        ON_SERVER(test_head),
        ON_SERVER(test_chunks_stream_as_they_come),
        ON_SERVER(test_first_byte_is_of_the_body),
        ON_SERVER(test_broken_replies),
        ON_SERVER(test_gigabyte_needs_little_memory),
        ON_SERVER(test_stream_bound),
        ON_SERVER(test_stopping_closes_the_connection),
        ON_SERVER(test_head_can_refuse),
        ON_SERVER(test_timeouts),
        ON_SERVER(test_http_is_not_tls),
        cmocka_unit_test(test_nothing_listens),
        ON_SERVER(test_unfit_requests),
        ON_SERVER(test_errors_hold_no_secrets),
        ON_SERVER(test_no_proxy_for_ourselves),
        ON_SERVER(test_connections_are_reused),
        ON_SERVER(test_many_at_once),
        ON_SERVER(test_abort_and_destroy_are_silent),
        ON_SERVER(test_callbacks_may_start_and_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
