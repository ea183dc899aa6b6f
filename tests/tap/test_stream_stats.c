/*  The figures of a request, from what passed: counts, rates, first token, ends of every kind. */
#include "common/runtime/stream_stats.h"
#include "tests/tap/support.h"

#include <math.h>

#define SECOND 1000000

typedef struct {
    mlx_stream_stats_t *stats;
    int64_t now;
} clocked_t;

static void feed_request(void *arg, const char *data, size_t len)
{
    clocked_t *c = arg;
    mlx_stream_stats_request(c->stats, data, len);
}

static void feed_reply(void *arg, const char *data, size_t len)
{
    clocked_t *c = arg;
    mlx_stream_stats_reply(c->stats, data, len, c->now);
}

static void put_number(mlx_buf_t *out, const char *name, double value)
{
    if (!isnan(value))
        mlx_buf_printf(out, " %s=%.6g", name, value);
}

/*  What is known, in a fixed order; what is absent is left out. Owned by the caller. */
static char *summary(const mlx_stream_stats_t *stats, int64_t now)
{
    mlx_stream_figures_t f;
    mlx_stream_stats_figures(stats, now, &f);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_buf_printf(&out, "%s %s %s", f.api, f.model, mlx_stream_outcome_name(f.outcome));
    if (f.status >= 0)
        mlx_buf_printf(&out, " %d", f.status);
    if (f.streamed)
        mlx_buf_puts(&out, " streamed");
    if (f.prompt_tokens >= 0)
        mlx_buf_printf(&out, " prompt=%d", (int)f.prompt_tokens);
    if (f.generated_tokens >= 0)
        mlx_buf_printf(&out, " tokens=%d%s", (int)f.generated_tokens,
                       f.server_counted ? " (server)" : "");
    put_number(&out, "ttft", f.ttft_s);
    put_number(&out, "live", f.live_rate);
    put_number(&out, "prompt_rate", f.prompt_rate);
    put_number(&out, "rate", f.generation_rate);
    if (f.server_timed)
        mlx_buf_puts(&out, " (server)");
    put_number(&out, "load", f.load_s);
    put_number(&out, "total", f.total_s);
    if (*f.done_reason)
        mlx_buf_printf(&out, " %s", f.done_reason);
    return mlx_buf_take(&out);
}

typedef struct {
    const char *fixture;
    const char *path;
    const char *want;
} recorded_t;

/*  The request is sent at 1 s, the whole reply comes at 1.25 s. */
static const recorded_t recorded[] = {
    {"generate-stream", "/api/generate",
     "generate tiny-random ok 200 streamed prompt=53 tokens=24 (server) ttft=0.25 "
     "prompt_rate=3084.26 rate=1117.32 (server) load=0.00141995 total=0.0427711 length"},
    {"chat-stream", "/api/chat",
     "chat tiny-random ok 200 streamed prompt=53 tokens=24 (server) ttft=0.25 "
     "prompt_rate=3504.83 rate=1076.07 (server) load=0.00128271 total=0.0400461 length"},
    {"generate-nonstream", "/api/generate",
     "generate tiny-random ok 200 prompt=53 tokens=24 (server) prompt_rate=49905.8 "
     "rate=1258.48 (server) load=0.00102587 total=0.0229099 length"},
    {"chat-nonstream", "/prefix/api/chat",
     "chat tiny-random ok 200 prompt=53 tokens=24 (server) prompt_rate=38461.5 rate=1295.77 "
     "(server) load=0.00127798 total=0.0225222 length"},
    {"load-only", "/api/generate", "generate tiny-random ok 200 load"},
    {"unload", "/api/generate", "generate tiny-random ok 200 unload"},
    {"err-unknown-model-generate", "/api/generate", "generate nosuch error 404"},
    {"err-missing-model", "/api/generate", "generate  error 404"},
    {"err-bad-json", "/api/generate", "generate  error 400"},
    {"v1-chat-stream", "/v1/chat/completions",
     "chat_completions tiny-random ok 200 streamed tokens=12 ttft=0.25 length"},
    {"v1-chat-stream-usage", "/v1/chat/completions",
     "chat_completions tiny-random ok 200 streamed prompt=53 tokens=12 (server) ttft=0.25 "
     "length"},
};

static void expect_recorded(const recorded_t *r, const mlx_buf_t *request, const mlx_buf_t *reply,
                            const cut_plan_t *plan)
{
    const fixture_t *f = fixture(r->fixture);
    clocked_t c = {mlx_stream_stats_new(r->path, 0), SECOND};
    assert_non_null(c.stats);
    feed_cut(plan, request->data, request->len, feed_request, &c);
    mlx_stream_stats_sent(c.stats, c.now);
    mlx_stream_stats_head(c.stats, f->status, f->type, "");
    c.now += SECOND / 4;
    feed_cut(plan, reply->data, reply->len, feed_reply, &c);
    mlx_stream_stats_end(c.stats, MLX_STREAM_OK, c.now);
    MLX_CLEANUP(mlx_free_p) char *got = summary(c.stats, c.now);
    assert_string_equal(got, r->want);
    mlx_stream_stats_destroy(&c.stats);
}

static void recorded_exchanges_at_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(recorded); i++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t request = {0};
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
        fixture_request_body(fixture(recorded[i].fixture), &request);
        fixture_body(fixture(recorded[i].fixture), &reply);
        for (size_t at = 0; at < reply.len; at++)
            expect_recorded(&recorded[i], &request, &reply, &(cut_plan_t){.first = at});
        for (uint64_t seed = 0; seed < 50; seed++)
            expect_recorded(&recorded[i], &request, &reply,
                            &(cut_plan_t){.seed = seed, .piece = seed == 0});
    }
}

typedef struct {
    const char *name;
    const char *path;
    const char *type;
    const char *reply;
    const char *want;
} api_case_t;

#define NDJSON "application/x-ndjson"
#define SSE "text/event-stream; charset=utf-8"
#define JSON "application/json"

/*  Each line of a reply passes half a second after the one before. */
static const api_case_t api_cases[] = {
    {"thinking and tool calls count", "/api/chat", NDJSON,
     "{\"model\":\"m\",\"message\":{\"content\":\"\",\"thinking\":\"a\"}}\n"
     "{\"message\":{\"content\":\"b\"}}\n"
     "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{}}]}}\n"
     "{\"message\":{\"content\":\"\"},\"done\":true}\n",
     "chat m ok 200 streamed tokens=3 ttft=0.5 rate=2"},
    {"the server's count corrects ours", "/api/generate", NDJSON,
     "{\"response\":\"a\"}\n{\"response\":\"b\"}\n"
     "{\"response\":\"\",\"done\":true,\"eval_count\":7,\"eval_duration\":3500000000}\n",
     "generate  ok 200 streamed tokens=7 (server) ttft=0.5 rate=1.71429 (server)"},
    {"no division by a zero duration", "/api/generate", NDJSON,
     "{\"response\":\"a\"}\n"
     "{\"eval_count\":1,\"eval_duration\":0,\"prompt_eval_count\":0,\"prompt_eval_duration\":0}\n",
     "generate  ok 200 streamed tokens=1 (server) ttft=0.5"},
    {"an error inside a stream", "/api/chat", NDJSON,
     "{\"message\":{\"content\":\"a\"}}\n{\"error\":\"runner died\"}\n",
     "chat  error 200 streamed tokens=1 ttft=0.5"},
    {"wrong types say nothing", "/api/chat", NDJSON,
     "{\"model\":7,\"message\":[],\"eval_count\":\"x\",\"done_reason\":{}}\n[1]\nnull\n{\"a\n\n"
     "{\"eval_count\":-5,\"eval_duration\":-1,\"error\":null,\"message\":{\"content\":[1]}}\n",
     "chat  ok 200 streamed"},
    {"no newline at the end", "/api/generate", NDJSON, "{\"response\":\"a\"}\n{\"response\":\"b\"}",
     "generate  ok 200 streamed tokens=2 ttft=0.5 rate=2"},
    {"compat: reasoning, tool calls, comments, carriage returns", "/v1/chat/completions", SSE,
     ": keep-alive\r\ndata: "
     "{\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n"
     "data:{\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}\r\nevent: x\r\nid: 1\r\n\r\n"
     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\r\n"
     "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\r\n"
     "data: [DONE]\r\n",
     "chat_completions m ok 200 streamed tokens=2 ttft=1.5 rate=0.5 stop"},
    {"llama-server's own clock", "/v1/chat/completions", SSE,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n"
     "data: {\"choices\":[],\"usage\":{\"completion_tokens\":5,\"prompt_tokens\":9},"
     "\"timings\":{\"prompt_n\":4,\"prompt_ms\":2,\"predicted_n\":5,\"predicted_ms\":50}}\n",
     "chat_completions  ok 200 streamed prompt=4 tokens=5 (server) ttft=0.5 prompt_rate=2000 "
     "rate=80 (server)"},
    {"usage in every chunk", "/v1/completions", SSE,
     "data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"completion_tokens\":3}}\n"
     "data: {\"choices\":[{\"text\":\"b\"}],\"usage\":{\"completion_tokens\":6}}\n"
     "data: {\"choices\":[{\"text\":\"c\"}]}\n",
     "completions  ok 200 streamed tokens=7 ttft=0.5 rate=6"},
    {"zero usage until the end", "/v1/completions", SSE,
     "data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":0,"
     "\"completion_tokens\":0}}\n"
     "data: {\"choices\":[{\"text\":\"b\"}],\"usage\":{\"prompt_tokens\":0,"
     "\"completion_tokens\":0}}\n",
     "completions  ok 200 streamed tokens=2 ttft=0.5 rate=2"},
    {"one token has no rate", "/api/generate", NDJSON,
     "{\"response\":\"a\"}\n"
     "{\"response\":\"\",\"done\":true,\"eval_count\":1,\"eval_duration\":25000000}\n",
     "generate  ok 200 streamed tokens=1 (server) ttft=0.5"},
    {"the first token's time is the prompt's", "/api/generate", NDJSON,
     "{\"response\":\"a\"}\n"
     "{\"response\":\"\",\"done\":true,\"eval_count\":2,\"eval_duration\":25000000}\n",
     "generate  ok 200 streamed tokens=2 (server) ttft=0.5 rate=40 (server)"},
    {"llama-server completion", "/completion", SSE,
     "data: {\"content\":\"a\",\"stop\":false}\n"
     "data: {\"content\":\"\",\"stop\":true,\"stop_type\":\"limit\",\"model\":\"m\","
     "\"timings\":{\"predicted_n\":2,\"predicted_ms\":4}}\n",
     "completions m ok 200 streamed tokens=2 (server) ttft=0.5 rate=250 (server) limit"},
    {"whole chat completion", "/v1/chat/completions", JSON,
     "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a b "
     "c\"},\"finish_reason\":\"stop\"}],"
     "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
     "chat_completions m ok 200 prompt=3 tokens=4 (server) stop"},
    {"responses", "/v1/responses", SSE,
     "event: response.created\n"
     "data: {\"type\":\"response.created\",\"response\":{\"object\":\"response\",\"model\":\"m\","
     "\"status\":\"in_progress\",\"usage\":null}}\n"
     "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n"
     "data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{\"}\n"
     "data: {\"type\":\"response.output_text.done\",\"text\":\"a\"}\n"
     "data: {\"type\":\"response.completed\",\"response\":{\"object\":\"response\","
     "\"status\":\"completed\",\"usage\":{\"input_tokens\":3,\"output_tokens\":9}}}\n",
     "responses m ok 200 streamed prompt=3 tokens=9 (server) ttft=1.5 rate=16 completed"},
    {"failed response", "/v1/responses", SSE,
     "data: {\"type\":\"response.failed\",\"response\":{\"model\":\"m\",\"error\":{}}}\n",
     "responses m error 200 streamed"},
    {"whole response", "/v1/responses", JSON,
     "{\"object\":\"response\",\"model\":\"m\",\"status\":\"completed\",\"error\":null,"
     "\"usage\":{\"input_tokens\":3,\"output_tokens\":9}}",
     "responses m ok 200 prompt=3 tokens=9 (server) completed"},
    {"messages", "/v1/messages", SSE,
     "event: message_start\n"
     "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":"
     "{\"input_tokens\":25,\"output_tokens\":1}}}\n"
     "data: {\"type\":\"ping\"}\n"
     "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":"
     "\"a\"}}\n"
     "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"b\"}}\n"
     "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\","
     "\"partial_json\":\"{\"}}\n"
     "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
     "{\"output_tokens\":15}}\n"
     "data: {\"type\":\"message_stop\"}\n",
     "messages m ok 200 streamed prompt=25 tokens=15 (server) ttft=2 rate=14 end_turn"},
    {"a message cut short has our count", "/v1/messages", SSE,
     "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":"
     "{\"input_tokens\":25,\"output_tokens\":1}}}\n"
     "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"b\"}}\n",
     "messages m ok 200 streamed prompt=25 tokens=1 ttft=1"},
    {"overloaded", "/v1/messages", SSE,
     "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n",
     "messages  error 200 streamed"},
    {"whole message", "/v1/messages", JSON,
     "\r\n {\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],"
     "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":2,\"output_tokens\":3}}",
     "messages m ok 200 prompt=2 tokens=3 (server) end_turn"},
    {"no known form", "/api/chat", "text/plain", "{\"message\":{\"content\":\"a\"}}\n",
     "chat  ok 200"},
    {"a longer name is another type", "/api/chat", "application/jsonish", "{\"model\":\"m\"}",
     "chat  ok 200"},
};

static void replay(mlx_stream_stats_t *stats, const char *reply, int64_t *now)
{
    while (*reply) {
        size_t line = strcspn(reply, "\n");
        line += reply[line] == '\n';
        *now += SECOND / 2;
        mlx_stream_stats_reply(stats, reply, line, *now);
        reply += line;
    }
}

static void every_api(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(api_cases); i++) {
        const api_case_t *c = &api_cases[i];
        int64_t now = SECOND;
        MLX_CLEANUP(mlx_stream_stats_destroy)
        mlx_stream_stats_t *stats = mlx_stream_stats_new(c->path, now);
        mlx_stream_stats_sent(stats, now);
        mlx_stream_stats_head(stats, 200, c->type, "");
        replay(stats, c->reply, &now);
        mlx_stream_stats_end(stats, MLX_STREAM_OK, now);
        MLX_CLEANUP(mlx_free_p) char *got = summary(stats, now);
        if (strcmp(got, c->want) != 0)
            fail_msg("%s: got %s instead of %s", c->name, got, c->want);
    }
}

static void other_paths_are_not_measured(void **state)
{
    (void)state;
    const char *const paths[] = {"", "/", "/api/ps", "/api/embedded", "/v1/models", "/api/chats"};
    for (size_t i = 0; i < MLX_COUNT(paths); i++)
        assert_null(mlx_stream_stats_new(paths[i], 0));
}

static mlx_stream_stats_t *streaming(int64_t now)
{
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/api/generate", now);
    mlx_stream_stats_sent(stats, now);
    mlx_stream_stats_head(stats, 200, NDJSON, "");
    return stats;
}

static void say_token(mlx_stream_stats_t *stats, int64_t now)
{
    const char *line = "{\"response\":\"a\"}\n";
    mlx_stream_stats_reply(stats, line, strlen(line), now);
}

static double live_rate(const mlx_stream_stats_t *stats, int64_t now)
{
    mlx_stream_figures_t f;
    mlx_stream_stats_figures(stats, now, &f);
    return f.live_rate;
}

static void live_rate_follows_the_stream(void **state)
{
    (void)state;
    const int64_t start = 12345678, period = 20000; /* 50 tokens/s */
    MLX_CLEANUP(mlx_stream_stats_destroy) mlx_stream_stats_t *stats = streaming(start);
    assert_true(isnan(live_rate(stats, start + SECOND)));
    int64_t now = start;
    for (int i = 0; i < 500; i++, now += period) {
        say_token(stats, now);
        double rate = live_rate(stats, now);
        if (now - start < SECOND / 4)
            assert_true(isnan(rate));
        else
            assert_float_equal(rate, 50, 1.5);
    }
    for (int i = 0; i < 500; i++, now += period / 2) /* now 100 tokens/s */
        say_token(stats, now);
    assert_float_equal(live_rate(stats, now), 100, 2);
    assert_float_equal(live_rate(stats, now + SECOND), 50, 3); /* half the window is silent */
    assert_float_equal(live_rate(stats, now + 3 * SECOND), 0, 0);
    say_token(stats, now + 60 * SECOND);
    assert_float_equal(live_rate(stats, now + 60 * SECOND), 0.5, 0.05);
}

/*  Ten pieces a second with three tokens each, counted by the server as it goes. */
static void live_rate_follows_the_servers_count(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/v1/completions", 0);
    mlx_stream_stats_sent(stats, 0);
    mlx_stream_stats_head(stats, 200, SSE, "");
    for (int i = 1; i <= 30; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *line = mlx_format("data: {\"choices\":[{\"text\":\"abc\"}],"
                                "\"usage\":{\"completion_tokens\":%d}}\n",
                                i * 3);
        mlx_stream_stats_reply(stats, line, strlen(line), i * SECOND / 10);
    }
    assert_float_equal(live_rate(stats, 3 * SECOND), 30, 2);
}

static void live_rate_ends_with_the_stream(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_stream_stats_destroy) mlx_stream_stats_t *stats = streaming(0);
    for (int i = 0; i <= 100; i++)
        say_token(stats, i * 10000);
    assert_float_equal(live_rate(stats, SECOND), 100, 1);
    mlx_stream_stats_end(stats, MLX_STREAM_CLIENT_ABORT, SECOND);
    mlx_stream_stats_end(stats, MLX_STREAM_OK, 2 * SECOND);
    say_token(stats, 2 * SECOND);
    MLX_CLEANUP(mlx_free_p) char *got = summary(stats, 3 * SECOND);
    assert_string_equal(got, "generate  client_abort 200 streamed tokens=101 ttft=0 rate=100");
}

static void a_line_too_long_is_passed_over(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_stream_stats_destroy) mlx_stream_stats_t *stats = streaming(0);
    MLX_CLEANUP(mlx_free_p) char *piece = mlx_alloc(64 * 1024, 1);
    memset(piece, 'x', 64 * 1024);
    say_token(stats, 0);
    mlx_stream_stats_reply(stats, "{\"response\":\"", 13, 0);
    for (int i = 0; i < 32; i++)
        mlx_stream_stats_reply(stats, piece, 64 * 1024, 0);
    mlx_stream_stats_reply(stats, "\"}\n", 3, 0);
    say_token(stats, SECOND);
    mlx_stream_stats_end(stats, MLX_STREAM_OK, SECOND);
    MLX_CLEANUP(mlx_free_p) char *got = summary(stats, SECOND);
    assert_string_equal(got, "generate  ok 200 streamed tokens=2 ttft=0 rate=1");
}

static void a_request_too_long_is_passed_over(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *pad = mlx_alloc(MLX_STREAM_MAX_REQUEST + 1, 1);
    memset(pad, 'x', MLX_STREAM_MAX_REQUEST);
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/api/generate", 0);
    const char *start = "{\"model\":\"m\",\"prompt\":\"";
    mlx_stream_stats_request(stats, start, strlen(start));
    mlx_stream_stats_request(stats, pad, MLX_STREAM_MAX_REQUEST);
    mlx_stream_stats_request(stats, "\"}", 2);
    mlx_stream_stats_sent(stats, 0);
    MLX_CLEANUP(mlx_free_p) char *got = summary(stats, 0);
    assert_string_equal(got, "generate  running");
}

/*  The model's name in the figures after a request that names START and then COUNT times an e
 *  acute. */
static void model_shown(const char *start, int count, mlx_stream_figures_t *f)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_buf_printf(&body, "{\"model\":\"%s", start);
    for (int i = 0; i < count; i++)
        mlx_buf_puts(&body, "\xc3\xa9");
    mlx_buf_puts(&body, "\"}");
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/api/generate", 0);
    mlx_stream_stats_request(stats, body.data, body.len);
    mlx_stream_stats_sent(stats, 0);
    mlx_stream_stats_figures(stats, 0, f);
}

static void a_name_is_fit_to_show(void **state)
{
    (void)state;
    mlx_stream_figures_t f;
    model_shown("\\u001b[31m", 61, &f);
    assert_memory_equal(f.model, "?[31m\xc3\xa9", 7);
    assert_int_equal(strlen(f.model), 127);
    model_shown("", 70, &f);
    assert_int_equal(strlen(f.model), 126); /* never half a character */
}

static void a_compressed_reply_is_not_read(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/api/generate", 0);
    mlx_stream_stats_sent(stats, 0);
    mlx_stream_stats_head(stats, 200, NDJSON, "gzip");
    say_token(stats, 0);
    mlx_stream_stats_end(stats, MLX_STREAM_OK, 0);
    MLX_CLEANUP(mlx_free_p) char *got = summary(stats, 0);
    assert_string_equal(got, "generate  ok 200");
}

/*  What a server tells of how it came to its tokens, and what is left of the wait for the first. */
static void details_are_told_apart(void **state)
{
    static const char head[] =
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"so\"}}]}\n\n";
    static const char tail[] =
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"timings\":"
        "{\"cache_n\":32,\"prompt_n\":8,\"prompt_ms\":400,\"predicted_n\":2,\"predicted_ms\":50,"
        "\"draft_n\":10,\"draft_n_accepted\":7}}\n\n";
    (void)state;
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/v1/chat/completions", 0);
    mlx_stream_stats_sent(stats, 0);
    mlx_stream_stats_head(stats, 200, "text/event-stream", "");
    mlx_stream_stats_reply(stats, head, strlen(head), 3 * SECOND);
    mlx_stream_stats_reply(stats, tail, strlen(tail), 3 * SECOND);
    mlx_stream_stats_end(stats, MLX_STREAM_OK, 3 * SECOND);
    mlx_stream_figures_t f;
    mlx_stream_stats_figures(stats, 3 * SECOND, &f);
    assert_true(f.cached_tokens == 32 && f.draft_tokens == 10 && f.draft_accepted == 7);
    assert_int_equal(f.thinking_tokens, 1);
    assert_true(fabs(f.queued_s - 2.6) < 1e-9);
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *silent = mlx_stream_stats_new("/v1/chat/completions", 0);
    mlx_stream_stats_figures(silent, 0, &f);
    assert_true(f.cached_tokens == -1 && f.draft_tokens == -1 && isnan(f.queued_s));
}

/*  A client that asked for it is told how far its prompt is, and so are we. */
static void progress_of_a_prompt_is_seen(void **state)
{
#define PROGRESS(done, ms)                                                                         \
    "data: {\"choices\":[{\"delta\":{\"content\":null}}],\"prompt_progress\":{\"total\":2717,"     \
    "\"cache\":1024,\"processed\":" done ",\"time_ms\":" ms "}}\n\n"
    static const char first[] = PROGRESS("1536", "5120"), back[] = PROGRESS("1200", "6000");
    (void)state;
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new("/v1/chat/completions", 0);
    mlx_stream_stats_sent(stats, 0);
    mlx_stream_stats_head(stats, 200, "text/event-stream", "");
    mlx_stream_stats_reply(stats, first, strlen(first), 6 * SECOND);
    mlx_stream_stats_reply(stats, back, strlen(back), 7 * SECOND);
    mlx_stream_figures_t f;
    mlx_stream_stats_figures(stats, 7 * SECOND, &f);
    assert_true(f.progress_total == 2717 && f.progress_done == 1536 && f.cached_tokens == 1024);
    assert_true(fabs(f.prompt_rate - 100) < 1e-9 && f.generated_tokens <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_exchanges_at_every_cut),
        cmocka_unit_test(every_api),
        cmocka_unit_test(progress_of_a_prompt_is_seen),
        cmocka_unit_test(other_paths_are_not_measured),
        cmocka_unit_test(live_rate_follows_the_stream),
        cmocka_unit_test(live_rate_follows_the_servers_count),
        cmocka_unit_test(live_rate_ends_with_the_stream),
        cmocka_unit_test(a_line_too_long_is_passed_over),
        cmocka_unit_test(a_request_too_long_is_passed_over),
        cmocka_unit_test(a_name_is_fit_to_show),
        cmocka_unit_test(a_compressed_reply_is_not_read),
        cmocka_unit_test(details_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
