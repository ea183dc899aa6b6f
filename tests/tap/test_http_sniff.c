/*  The passive HTTP parser: what it reports must not depend on how the bytes are cut. */
#include "proto/buf.h"
#include "services/watcher/http_sniff.h"
#include "tests/tap/support.h"

typedef struct {
    mlx_buf_t trace;
    mlx_sniff_next_t next; /* answer to every head */
} probe_t;

static mlx_sniff_next_t on_head(void *arg, const mlx_sniff_head_t *head)
{
    probe_t *probe = arg;
    mlx_buf_printf(&probe->trace, "<%s %s %d %s %s>", head->method, head->path, head->status,
                   head->content_type, head->encoding);
    return probe->next;
}

static void on_body(void *arg, const char *data, size_t len)
{
    probe_t *probe = arg;
    assert_true(len > 0);
    mlx_buf_append(&probe->trace, data, len);
}

static void on_end(void *arg)
{
    probe_t *probe = arg;
    mlx_buf_puts(&probe->trace, "|");
}

static const mlx_sniff_events_t events = {on_head, on_body, on_end, NULL};

typedef struct {
    const char *name;
    mlx_sniff_side_t side;
    mlx_sniff_next_t next;
    const char *input;
    const char *trace; /* "!" at the end: gave up; "." or "~": end of stream was clean or not */
} case_t;

#define Q MLX_SNIFF_REQUESTS
#define R MLX_SNIFF_RESPONSES
#define NEXT MLX_SNIFF_BODY

static const case_t cases[] = {
    {"get", Q, NEXT, "GET /api/ps HTTP/1.1\r\nHost: x\r\n\r\n", "<GET /api/ps 0  >|."},
    {"query and fragment", Q, NEXT, "GET /a?b=/c#d HTTP/1.1\r\n\r\n", "<GET /a 0  >|."},
    {"absolute form", Q, NEXT, "GET http://h:1/api/ps?x HTTP/1.1\r\n\r\n", "<GET /api/ps 0  >|."},
    {"absolute form without path", Q, NEXT, "GET http://h:1 HTTP/1.1\r\n\r\n", "<GET  0  >|."},
    {"asterisk", Q, NEXT, "OPTIONS * HTTP/1.1\r\n\r\n", "<OPTIONS  0  >|."},
    {"length", Q, NEXT, "POST /x HTTP/1.1\r\ncontent-LENGTH:\t 5 \r\n\r\nhello",
     "<POST /x 0  >hello|."},
    {"pipelined", Q, NEXT,
     "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\r\nGET /y HTTP/1.0\r\n\r\nHEAD /z "
     "HTTP/1.1\r\n\r\n",
     "<POST /x 0  >ab|<GET /y 0  >|<HEAD /z 0  >|."},
    {"chunked request", Q, NEXT,
     "POST /x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0A \t; c=\"d\"\r\n"
     "0123456789\r\n0\r\nT: v\r\nU:\r\n\r\nGET / HTTP/1.1\r\n\r\n",
     "<POST /x 0  >abc0123456789|<GET / 0  >|."},
    {"cut body", Q, NEXT, "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nab", "<POST /x 0  >ab~"},
    {"cut head", Q, NEXT, "POST /x HTTP/1.1\r\nContent-Le", "~"},
    {"connect", Q, NEXT, "CONNECT h:443 HTTP/1.1\r\n\r\n\x16\x03", "!"},
    {"h2c offer is only an offer", Q, NEXT,
     "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
     "<GET / 0  >|."},
    {"http/2 preface", Q, NEXT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!"},
    {"tls hello", Q, NEXT, "\x16\x03\x01\x02\r\n", "!"},
    {"http/0.9", Q, NEXT, "GET /\r\n", "!"},
    {"version longer", Q, NEXT, "GET / HTTP/1.11\r\n\r\n", "!"},
    {"two blanks", Q, NEXT, "GET  / HTTP/1.1\r\n\r\n", "!"},
    {"bare lf", Q, NEXT, "GET / HTTP/1.1\nHost: x\n\n", "!"},
    {"bare cr", Q, NEXT, "GET / HTTP/1.1\r\nHost: \rx\r\n\r\n", "!"},
    {"folded", Q, NEXT, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "!"},
    {"blank before colon", Q, NEXT, "GET / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", "!"},
    {"no colon", Q, NEXT, "GET / HTTP/1.1\r\nnonsense\r\n\r\n", "!"},
    {"both lengths", Q, NEXT,
     "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "!"},
    {"two lengths", Q, NEXT, "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
     "!"},
    {"list of lengths", Q, NEXT, "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n", "!"},
    {"negative length", Q, NEXT, "POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", "!"},
    {"plus length", Q, NEXT, "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", "!"},
    {"empty length", Q, NEXT, "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "!"},
    {"huge length", Q, NEXT, "POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", "!"},
    {"coded", Q, NEXT, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "!"},
    {"chunked twice", Q, NEXT,
     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "!"},
    {"chunked in 1.0", Q, NEXT, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!"},
    {"chunk size sign", R, NEXT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
     "< "
     " 200  >!"},
    {"chunk size prefix", R, NEXT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n",
     "<  200  >!"},
    {"chunk size overflow", R, NEXT,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "<  200  >!"},
    {"chunk too long", R, NEXT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
     "<  200  >ab!"},
    {"bad trailer", R, NEXT,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n folded\r\n", "<  200  >!"},
    {"cut in chunk", R, NEXT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
     "<  200  >ab~"},
    {"cut before last chunk", R, NEXT,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "<  200  >ab~"},
    {"until close", R, NEXT, "HTTP/1.0 200\r\nContent-Type: text/plain\r\n\r\nabc\r\n",
     "<  200 text/plain >abc\r\n|."},
    {"empty until close", R, NEXT, "HTTP/1.1 200 OK\r\n\r\n", "<  200  >|."},
    {"interim", R, NEXT,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No "
     "Content\r\n\r\nHTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\n"
     "Content-Length: 1\r\n\r\nx",
     "<  204  >|<  304  >|<  200  >x|."},
    {"reply to head", R, MLX_SNIFF_NO_BODY,
     "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHTTP/1.1 404 No\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     "<  200  >|<  404  >|."},
    {"stopped by the handler", R, MLX_SNIFF_STOP, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     "<  200  >!"},
    {"switching", R, NEXT, "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nGET", "!"},
    {"status too small", R, NEXT, "HTTP/1.1 099 X\r\n\r\n", "!"},
    {"status too long", R, NEXT, "HTTP/1.1 2000 X\r\n\r\n", "!"},
    {"no response", R, NEXT, "\r\nHTTP/1.1 200 X\r\n\r\n", "!"},
    {"encoding", R, NEXT,
     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: a/b\r\nContent-Length: "
     "0\r\n\r\n",
     "<  200 a/b gzip>|."},
    {"nothing", R, NEXT, "", "."},
};

typedef struct {
    mlx_http_sniff_t *sniff;
    bool alive;
} feeder_t;

static void feed(void *arg, const char *data, size_t len)
{
    feeder_t *feeder = arg;
    feeder->alive = mlx_http_sniff_feed(feeder->sniff, data, len);
}

/*  Trace of INPUT cut by PLAN. */
static char *trace(const case_t *c, const char *input, size_t len, cut_plan_t *plan)
{
    probe_t probe = {.next = c->next};
    feeder_t feeder = {mlx_http_sniff_new(c->side, &events, &probe), true};
    feed_cut(plan, input, len, feed, &feeder);
    bool clean = mlx_http_sniff_eof(feeder.sniff);
    mlx_buf_puts(&probe.trace, !feeder.alive ? "!" : clean ? "." : "~");
    mlx_http_sniff_destroy(&feeder.sniff);
    return mlx_buf_take(&probe.trace);
}

static void expect_trace(const case_t *c, cut_plan_t *plan)
{
    MLX_CLEANUP(mlx_free_p) char *got = trace(c, c->input, strlen(c->input), plan);
    if (strcmp(got, c->trace) != 0)
        fail_msg("%s, cut %s: got %s instead of %s", c->name, plan->name, got, c->trace);
}

static void every_case_at_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        expect_trace(&cases[i], &(cut_plan_t){.name = "nowhere"});
        expect_trace(&cases[i], &(cut_plan_t){.name = "everywhere", .piece = 1});
        for (size_t at = 1; at < strlen(cases[i].input); at++)
            expect_trace(&cases[i], &(cut_plan_t){.name = "once", .first = at});
    }
}

static void every_case_at_random_cuts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        for (size_t i = 0; i < MLX_COUNT(cases); i++)
            expect_trace(&cases[i], &(cut_plan_t){.name = "at random", .seed = seed});
    }
}

/*  A head of exactly LEN bytes. */
static char *head_of(size_t len)
{
    const char *start = "GET / HTTP/1.1\r\nX: ";
    char *text = mlx_alloc(len + 1, 1);
    memset(text, 'a', len);
    memcpy(text, start, strlen(start));
    memcpy(text + len - 4, "\r\n\r\n", 4);
    return text;
}

static void a_head_is_bounded(void **state)
{
    (void)state;
    const case_t c = {.side = Q, .next = NEXT};
    for (size_t over = 0; over < 2; over++) {
        size_t len = MLX_SNIFF_MAX_HEAD + over;
        MLX_CLEANUP(mlx_free_p) char *head = head_of(len);
        MLX_CLEANUP(mlx_free_p) char *got = trace(&c, head, len, &(cut_plan_t){.piece = 1000});
        assert_string_equal(got, over ? "!" : "<GET / 0  >|.");
    }
}

static void a_long_target_has_no_path(void **state)
{
    (void)state;
    const case_t c = {.side = Q, .next = NEXT};
    for (size_t over = 0; over < 2; over++) {
        size_t len = MLX_SNIFF_MAX_PATH + over;
        MLX_CLEANUP(mlx_free_p) char *path = mlx_alloc(len + 1, 1);
        memset(path, '/', len);
        MLX_CLEANUP(mlx_free_p) char *input = mlx_format("GET %s HTTP/1.1\r\n\r\n", path);
        MLX_CLEANUP(mlx_free_p) char *want = mlx_format("<GET %s 0  >|.", over ? "" : path);
        MLX_CLEANUP(mlx_free_p) char *got = trace(&c, input, strlen(input), &(cut_plan_t){0});
        assert_string_equal(got, want);
    }
}

static void a_chunk_line_is_bounded(void **state)
{
    (void)state;
    const case_t c = {.side = R, .next = NEXT};
    MLX_CLEANUP(mlx_free_p) char *pad = mlx_alloc(MLX_SNIFF_MAX_CHUNK_LINE + 1, 1);
    memset(pad, 'x', MLX_SNIFF_MAX_CHUNK_LINE);
    MLX_CLEANUP(mlx_free_p)
    char *input = mlx_format(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;%s\r\na\r\n0\r\n\r\n", pad);
    MLX_CLEANUP(mlx_free_p) char *got = trace(&c, input, strlen(input), &(cut_plan_t){0});
    assert_string_equal(got, "<  200  >!");
}

/*  Bytes after the end of a stream, or after giving up, change nothing. */
static void the_end_is_the_end(void **state)
{
    (void)state;
    probe_t probe = {.next = NEXT};
    MLX_CLEANUP(mlx_http_sniff_destroy)
    mlx_http_sniff_t *sniff = mlx_http_sniff_new(MLX_SNIFF_REQUESTS, &events, &probe);
    assert_true(mlx_http_sniff_eof(sniff));
    const char *request = "GET / HTTP/1.1\r\n\r\n";
    assert_false(mlx_http_sniff_feed(sniff, request, strlen(request)));
    assert_false(mlx_http_sniff_eof(sniff));
    assert_int_equal(probe.trace.len, 0);
}

static void recorded_replies_at_random_cuts(void **state)
{
    (void)state;
    const case_t c = {.side = R, .next = NEXT};
    for (size_t i = 0; fixtures[i].name; i++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t wire = {0};
        fixture_body(&fixtures[i], &body);
        fixture_reply(&fixtures[i], 100, &wire);
        MLX_CLEANUP(mlx_free_p)
        char *want =
            mlx_format("<  %d %s >%s|.", fixtures[i].status, fixtures[i].type, mlx_buf_str(&body));
        for (uint64_t seed = 0; seed < 100; seed++) {
            cut_plan_t plan = {.seed = seed, .piece = seed == 0};
            MLX_CLEANUP(mlx_free_p) char *got = trace(&c, wire.data, wire.len, &plan);
            assert_string_equal(got, want);
        }
        for (size_t at = 1; at < wire.len; at++) {
            MLX_CLEANUP(mlx_free_p)
            char *got = trace(&c, wire.data, wire.len, &(cut_plan_t){.first = at});
            assert_string_equal(got, want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_at_every_cut),
        cmocka_unit_test(every_case_at_random_cuts),
        cmocka_unit_test(a_head_is_bounded),
        cmocka_unit_test(a_long_target_has_no_path),
        cmocka_unit_test(a_chunk_line_is_bounded),
        cmocka_unit_test(the_end_is_the_end),
        cmocka_unit_test(recorded_replies_at_random_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
