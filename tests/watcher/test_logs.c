/*  Lines of logs as the servers write them, one by one and as stories. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/watcher/ended_once.h"
#include "services/watcher/logs/log_story.h"
#include "services/watcher/logs/log_wrap.h"

#define WALL 1700000000000000
#define SLOT "slot print_timing: id  2 | task 12 | "

static void read_as(const char *kind, const char *line, mlx_log_fact_t *out)
{
    mlx_log_grammar(kind)->read(line, out);
}

static void says_nothing(const char *kind, const char *line)
{
    mlx_log_fact_t fact;
    read_as(kind, line, &fact);
    if (fact.what != MLX_LOG_NOTHING)
        fail_msg("%s: %d", line, (int)fact.what);
}

/* ---- llama-server ---- */

static void reads_llama_with_and_without_its_prefixes(void **state)
{
    (void)state;
    static const char *const before[] = {"", "0.20.824.355 I ", "[51234] 10.13.175.674 I "};
    for (size_t i = 0; i < MLX_COUNT(before); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *line = mlx_format("%s" SLOT "prompt eval time =     762.56 ms /     8 tokens ( ...",
                                before[i]);
        mlx_log_fact_t fact;
        read_as("llamacpp", line, &fact);
        assert_int_equal(fact.what, MLX_LOG_READ);
        assert_int_equal(fact.child, i == 2 ? 51234 : 0);
        assert_int_equal(fact.slot, 2);
        assert_int_equal(fact.task, 12);
        assert_true(fact.tokens == 8);
        assert_true(fabs(fact.seconds - 0.76256) < 1e-9);
    }
}

/*  Old and new words for the same thing. */
static void reads_llama_of_several_years(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mlx_log_what_t what;
        double tokens, done, total, cached, held;
    } lines[] = {
        {"       eval time =    6310.56 ms /    40 tokens (", MLX_LOG_MADE, 40, NAN, NAN, NAN, NAN},
        {"       eval time =    6310.56 ms /    40 runs (", MLX_LOG_MADE, 40, NAN, NAN, NAN, NAN},
        {"n_gen =    100, tg =   6.00 t/s, tg_3s =   6.05 t/s", MLX_LOG_MAKING, 100, NAN, NAN, NAN,
         NAN},
        {"n_decoded =    117, tg =   5.92 t/s", MLX_LOG_MAKING, 117, NAN, NAN, NAN, NAN},
        {"prompt processing, n_tokens =  36864, progress = 0.25, t =  21.09 s / 1748.02 tokens per "
         "second",
         MLX_LOG_PROMPT, NAN, 36864, 147456, NAN, NAN},
        {"prompt processing progress, n_tokens = 512, batch.n_tokens = 512, progress = 0.5",
         MLX_LOG_PROMPT, NAN, 512, 1024, NAN, NAN},
        {"new prompt, n_ctx_slot = 4096, n_keep = 0, task.n_tokens = 812", MLX_LOG_PROMPT, NAN, NAN,
         812, NAN, NAN},
        {"cached n_tokens = 640, memory_seq_rm [640, end)", MLX_LOG_PROMPT, NAN, NAN, NAN, 640,
         NAN},
        {"processing task, is_child = 0", MLX_LOG_STARTED, NAN, NAN, NAN, NAN, NAN},
        {"stop processing: n_tokens = 71, truncated = 0", MLX_LOG_ENDED, NAN, NAN, NAN, NAN, 71},
        {"stop processing: n_past = 71, truncated = 0", MLX_LOG_ENDED, NAN, NAN, NAN, NAN, 71},
        {"total time =    7073.12 ms /    48 tokens", MLX_LOG_NOTHING, NAN, NAN, NAN, NAN, NAN},
        {"", MLX_LOG_NAMED, NAN, NAN, NAN, NAN, NAN},
    };
    for (size_t i = 0; i < MLX_COUNT(lines); i++) {
        MLX_CLEANUP(mlx_free_p) char *line = mlx_format(SLOT "%s", lines[i].text);
        const double want[] = {lines[i].tokens, lines[i].done, lines[i].total, lines[i].cached,
                               lines[i].held};
        mlx_log_fact_t fact;
        read_as("llamacpp", line, &fact);
        const double got[] = {fact.tokens, fact.done, fact.total, fact.cached, fact.held};
        if (fact.what != lines[i].what)
            fail_msg("%s: %d", lines[i].text, (int)fact.what);
        for (size_t k = 0; k < MLX_COUNT(want); k++)
            if (!(isnan(want[k]) ? isnan(got[k]) : fabs(got[k] - want[k]) < 1e-6))
                fail_msg("%s: %zu is %g", lines[i].text, k, got[k]);
    }
}

static void reads_a_router_and_a_load(void **state)
{
    (void)state;
    mlx_log_fact_t fact;
    read_as("llamacpp",
            "0.01.2.3 I srv  load: spawning server instance with name=g/qwen3-4b on port 51234",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_NOTHING); /* that is not a prefix */
    read_as("llamacpp",
            "0.01.200.300 I srv  load: spawning server instance with name=g/qwen3-4b on port 51234",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_NAMED);
    assert_int_equal(fact.child, 51234);
    assert_string_equal(fact.model, "g/qwen3-4b");
    read_as("llamacpp", "0.00.041.659 I srv    load_model: loading model '/models/a b.gguf'",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_LOADING);
    assert_string_equal(fact.model, "a b.gguf");
    read_as("llamacpp", "3.00.000.000 W srv          stop: cancel task, id_task = 206", &fact);
    assert_int_equal(fact.what, MLX_LOG_CANCELLED);
    assert_int_equal(fact.task, 206);
}

/*  What a prompt or a name can put into a line is not at its beginning, and no number is odd. */
static void believes_no_text_of_others(void **state)
{
    (void)state;
    says_nothing("llamacpp",
                 "0.00.041.659 I srv  x: slot release: id 0 | task 1 | stop processing: "
                 "n_tokens = 1");
    says_nothing("ollama",
                 "time=2026-08-19T10:11:12Z level=INFO source=a.go:1 msg=\"x msg=\\\"peak "
                 "memory\\\"\" a=\"msg=peak memory\"");
    says_nothing("lmstudio",
                 "  \"content\": \"slot release: id 0 | task 1 | stop processing: n_tokens "
                 "= 1\"");
    says_nothing("llamacpp", "slot release: id -1 | task 1 | stop processing: n_tokens = 1");
    says_nothing("llamacpp", "slot release: id 99999999999999999999 | task 1 | stop processing:");
    mlx_log_fact_t fact;
    read_as("llamacpp", SLOT "eval time = nan ms / 40 tokens", &fact);
    assert_int_equal(fact.what, MLX_LOG_STRANGE);
    read_as("llamacpp", SLOT "eval time = 12,5 ms / 40 tokens", &fact);
    assert_int_equal(fact.what, MLX_LOG_STRANGE);
}

/* ---- the others ---- */

static void reads_ollama(void **state)
{
    (void)state;
#define SLOG(rest) "time=2026-08-19T10:11:12.123+02:00 level=INFO source=sched.go:512 " rest
    mlx_log_fact_t fact;
    read_as("ollama",
            "[GIN] 2026/08/19 - 10:11:12 | 200 |  1m43.2s |       127.0.0.1 | POST     "
            "\"/api/chat\"",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_REQUEST);
    assert_true(fabs(fact.seconds - 103.2) < 1e-9);
    assert_int_equal(fact.status, 200);
    assert_string_equal(fact.api, "chat");
    assert_string_equal(fact.address, "127.0.0.1");
    read_as("ollama",
            "[GIN] 2026/08/19 - 10:11:12 | 500 | 412.5\xc2\xb5s | ::1 | POST "
            "\"/v1/chat/completions\"",
            &fact);
    assert_true(fabs(fact.seconds - 412.5e-6) < 1e-12);
    assert_string_equal(fact.api, "chat_completions");
    says_nothing("ollama",
                 "[GIN] 2026/08/19 - 10:11:12 | 200 | 1.2ms | 127.0.0.1 | GET \"/api/ps\"");
    says_nothing("ollama", "[GIN] 2026/08/19 - 10:11:12 | 200 | 1.2ms | 127.0.0.1 | POST "
                           "\"/api/show\"");
    read_as("ollama", SLOG("msg=\"cache hit\" total=812 matched=640 cached=640 left=172"), &fact);
    assert_int_equal(fact.what, MLX_LOG_STARTED);
    assert_true(fact.total == 812 && fact.cached == 640);
    read_as("ollama", SLOG("msg=\"Prompt processing progress\" processed=100 total=172"), &fact);
    assert_int_equal(fact.what, MLX_LOG_PROMPT);
    assert_true(fact.tokens == 100 && fact.prompt == 172);
    read_as("ollama", SLOG("msg=\"starting mlx runner subprocess\" model=qwen3:4b port=9"), &fact);
    assert_int_equal(fact.what, MLX_LOG_LOADING);
    assert_string_equal(fact.model, "qwen3:4b");
    read_as("ollama", SLOG("msg=\"cache hit\" all=812"), &fact);
    assert_int_equal(fact.what, MLX_LOG_STRANGE);
}

/*  As Ollama's runners of several years say it; what cannot be one is none. */
static void reads_a_prompt_that_was_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double asked, kept; /* 0: it says nothing */
    } lines[] = {
        {"msg=\"truncating input prompt\" limit=4096 prompt=16000 keep=4 new=4096", 16000, 4096},
        {"msg=\"truncating input prompt\" limit=2048 prompt=2049 keep=24 new=1037", 2049, 1037},
        {"msg=\"truncating input prompt\" limit=8192 prompt=9000 numKeep=5", 9000, 8192},
        {"msg=\"truncating input prompt\" limit=4096 prompt=4096 keep=4 new=4096", 0, 0},
        {"msg=\"truncating input prompt\" limit=4096 prompt=-9 keep=4", 0, 0},
        {"msg=\"truncating input prompt\" prompt=16000", 0, 0},
        {"msg=\"say: truncating input prompt limit=1 prompt=2\" prompt=16000", 0, 0},
        {"msg=\"truncating input prompt\" limit=1e99 prompt=1e300", 0, 0},
    };
    for (size_t i = 0; i < MLX_COUNT(lines); i++) {
        MLX_CLEANUP(mlx_free_p) char *line = mlx_format(SLOG("%s"), lines[i].text);
        mlx_log_fact_t fact;
        read_as("ollama", line, &fact);
        if ((fact.what == MLX_LOG_CUT) != (lines[i].asked > 0))
            fail_msg("%s: %d", line, (int)fact.what);
        if (lines[i].asked > 0 && (fact.prompt != lines[i].asked || fact.total != lines[i].kept))
            fail_msg("%s: %g of %g", line, fact.total, fact.prompt);
    }
}

static void reads_lmstudio_omlx_and_mlx_lm(void **state)
{
    (void)state;
    mlx_log_fact_t fact;
    read_as("lmstudio",
            "[2026-08-19 10:11:12][INFO][qwen3-4b] Running chat completion on conversation "
            "with 2 messages.",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_STARTED);
    assert_string_equal(fact.model, "qwen3-4b");
    read_as("lmstudio", "[2026-08-19 10:11:12][DEBUG] Cache reuse summary: 640/812 of prompt (79%)",
            &fact);
    assert_true(fact.what == MLX_LOG_PROMPT && fact.cached == 640);
    read_as("lmstudio", "[2026-08-19 10:11:12][INFO][LM STUDIO SERVER] Finished streaming response",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_ENDED);
    assert_string_equal(fact.model, "");
    read_as("omlx",
            "2026-08-19 10:11:12,345 - omlx.server - INFO - [r-1] - Chat completion: "
            "model=Qwen3, 212 tokens in 4.10s (51.7 tok/s), prompt: 900, finish_reason=stop",
            &fact);
    assert_int_equal(fact.what, MLX_LOG_REQUEST);
    assert_string_equal(fact.model, "Qwen3");
    assert_true(fact.tokens == 212 && fact.prompt == 900);
    read_as("omlx", "2026-08-19 10:11:12,345 - omlx.server - INFO - Completion: 5 words", &fact);
    assert_int_equal(fact.what, MLX_LOG_STRANGE);
    read_as("mlxlm", "2026-08-19 10:11:12,345 - INFO - Prompt processing progress: 2048/6144",
            &fact);
    assert_true(fact.what == MLX_LOG_PROMPT && fact.tokens == 2048 && fact.prompt == 6144);
}

static void unwraps_journal_and_docker(void **state)
{
    (void)state;
    char text[MLX_LOG_LINE_MAX];
    int64_t wall_us = 1;
    assert_true(mlx_log_unwrap(
        MLX_LOG_JOURNAL, "{\"__REALTIME_TIMESTAMP\":\"1796041616044481\",\"MESSAGE\":\"a b\"}",
        text, &wall_us));
    assert_string_equal(text, "a b");
    assert_true(wall_us == 1796041616044481);
    assert_true(mlx_log_unwrap(MLX_LOG_JOURNAL, "{\"MESSAGE\":[97,98,300,99]}", text, &wall_us));
    assert_string_equal(text, "ab");
    assert_true(mlx_log_unwrap(MLX_LOG_DOCKER,
                               "{\"log\":\"a b\\n\",\"time\":\"2026-11-23T19:09:22.006980096Z\"}",
                               text, &wall_us));
    assert_string_equal(text, "a b");
    assert_true(wall_us == 1795460962006980);
    assert_false(mlx_log_unwrap(MLX_LOG_DOCKER, "{\"log\":7", text, &wall_us));
    assert_false(mlx_log_unwrap(MLX_LOG_JOURNAL, "Hint: You are currently not seeing messages",
                                text, &wall_us));
}

/* ---- stories ---- */

typedef struct {
    mlx_log_story_t *story;
    const mlx_log_grammar_t *format;
    int64_t now_us;
    size_t ended;
    mlx_ended_t last;
    char model[64], api[32];
    mlx_activity_t seen;
} tale_t;

static void on_ended(void *arg, const mlx_ended_t *request)
{
    tale_t *tale = arg;
    tale->ended++;
    tale->last = *request;
    snprintf(tale->model, sizeof tale->model, "%s", request->model ? request->model : "");
    snprintf(tale->api, sizeof tale->api, "%s", request->api ? request->api : "");
}

static void begin(tale_t *tale, const char *kind)
{
    *tale = (tale_t){.format = mlx_log_grammar(kind)};
    tale->story = mlx_log_story_new(tale->format, (mlx_ended_sink_t){on_ended, tale});
}

static void write_line(tale_t *tale, const char *line)
{
    mlx_log_fact_t fact;
    tale->format->read(line, &fact);
    tale->now_us += 100000;
    mlx_log_story_add(tale->story, &fact, tale->now_us, WALL + tale->now_us);
    mlx_log_story_tick(tale->story, tale->now_us);
    mlx_log_story_activity(tale->story, tale->now_us, &tale->seen);
}

static void write_all(tale_t *tale, const char *const *lines)
{
    for (; *lines; lines++)
        write_line(tale, *lines);
}

static void end(tale_t *tale)
{
    mlx_log_story_destroy(&tale->story);
}

/*  Of the real server: 40 tokens, prompt 32 of which 24 were cached; the API said 6.18 tok/s. */
static void tells_a_request_as_the_api_does(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "llamacpp");
    write_all(
        &tale,
        (const char *const[]){
            "0.13.751.139 I slot launch_slot_: id  0 | task 12 | processing task, is_child = 0",
            "0.20.824.355 I slot print_timing: id  0 | task 12 | prompt eval time =     762.56 ms "
            "/     8 "
            "tokens (   95.32 ms per token,    10.49 tokens per second)",
            "0.20.824.374 I slot print_timing: id  0 | task 12 |        eval time =    6310.56 ms "
            "/    40 "
            "tokens (  161.81 ms per token,     6.18 tokens per second)",
            NULL});
    assert_true(tale.seen.requests == 1);
    write_line(&tale,
               "0.20.824.413 I slot      release: id  0 | task 12 | stop processing: n_tokens = "
               "71, truncated = 0");
    assert_int_equal(tale.ended, 1);
    assert_true(tale.last.tokens == 40 && tale.last.prompt_tokens == 32);
    assert_true(tale.last.cached_tokens == 24 && tale.last.task == 12);
    assert_true(fabs(tale.last.rate / 6.1801190956489105 - 1) < 1e-6);
    assert_true(fabs(tale.last.prompt_rate - 10.491) < 0.001);
    assert_true(tale.last.end_us - tale.last.start_us == 7073120);
    assert_string_equal(tale.last.outcome, "ok");
    assert_true(tale.seen.tokens_total == 40 && tale.seen.prompt_tokens_total == 8);
    assert_true(tale.seen.requests == 0 && tale.seen.requests_total == 1);
    end(&tale);
}

/*  The line comes before the request, and stands until the next one. */
static void keeps_what_was_cut(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "ollama");
    write_line(&tale, SLOG("msg=\"Listening on 127.0.0.1:11434\""));
    assert_true(tale.seen.cut.t_us == 0);
    write_line(&tale,
               SLOG("msg=\"truncating input prompt\" limit=4096 prompt=16000 keep=4 new=4096"));
    write_line(&tale, "slot launch_slot_: id  0 | task 12 | processing task, is_child = 0");
    assert_true(tale.seen.cut.asked == 16000 && tale.seen.cut.kept == 4096);
    assert_true(tale.seen.cut.t_us > WALL);
    end(&tale);
}

static void tells_what_was_cancelled_and_what_was_not_seen_to_begin(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "llamacpp");
    write_all(
        &tale,
        (const char *const[]){
            "slot launch_slot_: id  0 | task 206 | processing task, is_child = 0",
            "slot x: id  0 | task 206 | new prompt, n_ctx_slot = 2048, n_keep = 0, task.n_tokens = "
            "31",
            "srv          stop: cancel task, id_task = 206",
            "slot      release: id  0 | task 206 | stop processing: n_tokens = 33, truncated = 0",
            NULL});
    assert_string_equal(tale.last.outcome, "client_abort");
    assert_true(tale.last.tokens == 3);
    write_all(
        &tale,
        (const char *const[]){
            SLOT "eval time = 1000.00 ms / 11 tokens (",
            "slot      release: id  2 | task 12 | stop processing: n_tokens = 20, truncated = 0",
            NULL});
    assert_int_equal(tale.ended, 2);
    assert_true(tale.last.tokens == 11 && tale.last.rate == 10);
    assert_true(tale.seen.tokens_total == 3); /* what it made before is not ours to count */
    end(&tale);
}

/*  Progress, a speed, then the same request's end: its tokens are in the total once. */
static void shows_what_runs(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "llamacpp");
    write_line(&tale, "slot launch_slot_: id  1 | task 3 | processing task, is_child = 0");
    write_line(&tale,
               "slot print_timing: id  1 | task 3 | prompt processing, n_tokens =  512, progress "
               "= 0.25, t = 5.12 s / 100.00 tokens per second");
    assert_true(tale.seen.list[0].prompt_total == 2048 && tale.seen.list[0].prompt_done == 512);
    assert_true(tale.seen.list[0].prompt_tokens_per_second == 100);
    assert_true(isnan(tale.seen.tokens_per_second) && tale.seen.generating == 0);
    write_line(&tale,
               "slot print_timing: id  1 | task 3 | prompt eval time = 9.00 ms / 2048 tokens (");
    write_line(&tale,
               "slot print_timing: id  1 | task 3 | n_gen = 100, tg = 6.00 t/s, tg_3s = 6.50 t/s");
    assert_true(tale.seen.tokens_per_second == 6.5 && tale.seen.tokens_total == 100);
    assert_true(isnan(tale.seen.list[0].prompt_total)); /* it is read */
    write_line(&tale, "slot print_timing: id  1 | task 3 | eval time = 9.00 ms / 117 tokens (");
    write_line(&tale,
               "slot release: id  1 | task 3 | stop processing: n_tokens = 9, truncated = 1");
    assert_true(tale.seen.tokens_total == 117);
    assert_true(isnan(tale.last.prompt_tokens) || tale.last.prompt_tokens >= 2048);
    write_line(&tale, "slot launch_slot_: id  1 | task 4 | processing task, is_child = 0");
    write_line(&tale,
               "slot print_timing: id  1 | task 4 | n_gen = 50, tg = 6.00 t/s, tg_3s = 6.50 t/s");
    write_line(&tale, "0.00.001.361 I srv          init: initializing ..."); /* killed */
    assert_true(tale.seen.tokens_total == 167 && tale.seen.requests == 0);
    end(&tale);
}

static void joins_ollamas_line_with_its_runners(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "ollama");
    write_all(
        &tale,
        (const char *const[]){
            "slot launch_slot_: id  0 | task 5 | processing task, is_child = 0",
            "slot print_timing: id  0 | task 5 | prompt eval time = 500.00 ms / 8 tokens (",
            "slot print_timing: id  0 | task 5 | eval time = 1000.00 ms / 51 tokens (",
            "slot      release: id  0 | task 5 | stop processing: n_tokens = 58, truncated = 0",
            NULL});
    assert_int_equal(tale.ended, 0);
    write_line(&tale,
               "[GIN] 2026/08/19 - 10:11:12 | 200 | 1.75s | 127.0.0.1 | POST \"/api/generate\"");
    assert_int_equal(tale.ended, 1);
    assert_string_equal(tale.api, "generate");
    assert_true(tale.last.status == 200 && tale.last.rate == 50);
    assert_true(fabs(tale.last.queue_s - 0.25) < 1e-9);
    assert_true(tale.last.start_us == tale.last.end_us - 1750000);
    write_line(&tale,
               "[GIN] 2026/08/19 - 10:11:12 | 503 | 2ms | 127.0.0.1 | POST \"/api/generate\"");
    assert_int_equal(tale.ended, 2);
    assert_string_equal(tale.last.outcome, "error");
    write_all(
        &tale,
        (const char *const[]){
            "slot launch_slot_: id  0 | task 9 | processing task, is_child = 0",
            "slot print_timing: id  0 | task 9 | eval time = 1000.00 ms / 51 tokens (",
            "slot      release: id  0 | task 9 | stop processing: n_tokens = 58, truncated = 0",
            NULL});
    for (int i = 0; i < 11; i++)
        write_line(&tale, "");
    assert_int_equal(tale.ended, 3); /* it is told without the line, too */
    end(&tale);
}

static void follows_mlx_engines(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "ollama");
    write_line(&tale, SLOG("msg=\"cache hit\" total=812 matched=640 cached=640 left=172"));
    write_line(&tale, SLOG("msg=\"Prompt processing progress\" processed=86 total=172"));
    assert_true(tale.seen.list[0].prompt_done == 726 && tale.seen.list[0].prompt_total == 812);
    assert_true(tale.seen.list[0].prompt_cached == 640);
    write_line(&tale, SLOG("msg=\"peak memory\" size=\"4.2 GiB\""));
    write_line(&tale, "[GIN] 2026/08/19 - 10:11:12 | 200 | 4s | 127.0.0.1 | POST \"/api/chat\"");
    assert_int_equal(tale.ended, 1);
    assert_true(tale.last.prompt_tokens == 812 && isnan(tale.last.tokens));
    end(&tale);
    begin(&tale, "mlxlm");
    write_line(&tale, "2026-08-19 10:11:12,345 - INFO - Prompt processing progress: 2048/6144");
    assert_true(tale.seen.requests == 1 && tale.seen.list[0].prompt_done == 2048);
    write_line(&tale, "2026-08-19 10:11:12,345 - INFO - Prompt processing progress: 6144/6144");
    assert_true(tale.seen.requests == 0);
    end(&tale);
}

/*  LM Studio's own lines and its engine's are of one request. */
static void tells_an_apps_request_once(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "lmstudio");
    write_all(
        &tale,
        (const char *const[]){
            "[2026-08-19 10:11:12][INFO][qwen3-4b] Running chat completion on conversation with 2 "
            "messages.",
            "slot launch_slot_: id  0 | task 5 | processing task, is_child = 0",
            "slot print_timing: id  0 | task 5 | prompt eval time = 500.00 ms / 8 tokens (",
            "slot print_timing: id  0 | task 5 | eval time = 1000.00 ms / 51 tokens (",
            "slot      release: id  0 | task 5 | stop processing: n_tokens = 58, truncated = 0",
            "[2026-08-19 10:11:12][INFO][qwen3-4b] Finished streaming response", NULL});
    assert_int_equal(tale.ended, 1);
    assert_string_equal(tale.model, "qwen3-4b");
    assert_true(tale.last.tokens == 51 && tale.last.rate == 50);
    end(&tale);
}

static void fails_closed_on_an_unknown_version(void **state)
{
    (void)state;
    tale_t tale;
    begin(&tale, "llamacpp");
    write_line(&tale, SLOT "eval time = 1.5 seconds for 40 tokens");
    assert_false(mlx_log_story_strange(tale.story)); /* once may be a torn line */
    write_line(&tale, SLOT "eval time = 1.5 seconds for 40 tokens");
    assert_true(mlx_log_story_strange(tale.story));
    assert_false(tale.seen.available);
    write_line(&tale, SLOT "eval time = 1000.00 ms / 11 tokens (");
    write_line(&tale,
               "slot release: id  2 | task 12 | stop processing: n_tokens = 9, truncated = 1");
    assert_int_equal(tale.ended, 0);
    write_line(&tale, "0.00.001.361 I srv          init: initializing ...");
    assert_false(mlx_log_story_strange(tale.story)); /* another may have been started */
    end(&tale);
}

/* ---- slots and log ---- */

static void a_request_is_told_once(void **state)
{
    (void)state;
    tale_t tale = {0};
    mlx_ended_once_t *once = mlx_ended_once_new((mlx_ended_sink_t){on_ended, &tale});
    mlx_ended_t log, slots;
    mlx_ended_clear(&log);
    mlx_ended_clear(&slots);
    log.task = slots.task = 7;
    log.source = "log";
    slots.source = "slots";
    mlx_ended_once_live(once, &slots, true, 1000000);
    assert_int_equal(tale.ended, 0);
    mlx_ended_once_log(once, &log, 1200000);
    mlx_ended_once_tick(once, 9000000);
    assert_int_equal(tale.ended, 1);
    assert_string_equal(tale.last.source, "log");
    log.task = slots.task = 8;
    mlx_ended_once_log(once, &log, 9100000);
    mlx_ended_once_live(once, &slots, true, 9300000);
    mlx_ended_once_tick(once, 19000000);
    assert_int_equal(tale.ended, 2);
    for (int i = 0; i < 5; i++) { /* a log that says nothing is not waited for */
        slots.task = 100 + i;
        mlx_ended_once_live(once, &slots, true, 20000000);
        mlx_ended_once_tick(once, i < 3 ? 22000000 : 20000001);
        assert_int_equal(tale.ended, 3 + i);
    }
    mlx_ended_once_destroy(&once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_llama_with_and_without_its_prefixes),
        cmocka_unit_test(reads_llama_of_several_years),
        cmocka_unit_test(reads_a_router_and_a_load),
        cmocka_unit_test(believes_no_text_of_others),
        cmocka_unit_test(reads_ollama),
        cmocka_unit_test(reads_a_prompt_that_was_cut),
        cmocka_unit_test(keeps_what_was_cut),
        cmocka_unit_test(reads_lmstudio_omlx_and_mlx_lm),
        cmocka_unit_test(unwraps_journal_and_docker),
        cmocka_unit_test(tells_a_request_as_the_api_does),
        cmocka_unit_test(tells_what_was_cancelled_and_what_was_not_seen_to_begin),
        cmocka_unit_test(shows_what_runs),
        cmocka_unit_test(joins_ollamas_line_with_its_runners),
        cmocka_unit_test(follows_mlx_engines),
        cmocka_unit_test(tells_an_apps_request_once),
        cmocka_unit_test(fails_closed_on_an_unknown_version),
        cmocka_unit_test(a_request_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
