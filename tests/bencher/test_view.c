/*  What mlxctl bench prints of a result, and how it compares two. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/mlxctl/bench_html.h"
#include "tools/mlxctl/bench_view.h"

static const mlx_term_t plain = {.columns = 80, .rows = 24};

/*  Ten prompts around RATE, each off by NOISE or not. */
static mlx_value_t *result_of(const char *id, int64_t t, double rate, double noise)
{
    mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "id", id);
    mlx_value_set_str(result, "model", "tiny, \"q\"|x");
    mlx_value_set_str(result, "digest", "sha256:0123456789abcdef");
    mlx_value_set_str(result, "quantization", "Q4");
    mlx_value_set_str(result, "runtime", "ollama");
    mlx_value_set_str(result, "runtime_version", "0.32");
    mlx_value_set_str(result, "url", "http://127.0.0.1:11434");
    mlx_value_set_str(result, "prompt_set", "builtin-1");
    mlx_value_set_int(result, "t", t);
    mlx_value_set_real(result, "duration", 31.4);
    mlx_value_set_real(result, "joules_per_token", 1.25);
    mlx_value_t *speed = mlx_value_set(result, "tokens_per_second", mlx_value_map());
    mlx_value_set_real(speed, "mean", rate);
    mlx_value_set_real(speed, "low", rate - 1);
    mlx_value_set_real(speed, "high", rate + 1);
    mlx_value_t *prompts = mlx_value_set(result, "prompts", mlx_value_list());
    for (int i = 0; i < 10; i++) {
        mlx_value_t *prompt = mlx_value_append(prompts, mlx_value_map());
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("kind_%d", i);
        mlx_value_set_str(prompt, "name", name);
        mlx_value_set_int(prompt, "tokens", 100 + i);
        mlx_value_set_real(prompt, "tokens_per_second",
                           rate * (1 + 0.1 * i) * (1 + noise * (i % 3 - 1)));
        mlx_value_set_real(prompt, "ttft", 0.25);
    }
    mlx_value_append(mlx_value_set(result, "warnings", mlx_value_list()),
                     mlx_value_new_str("the processor was \x1b[31m busy"));
    return result;
}

static void text_has_the_figures(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = result_of("a", 1, 42, 0);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)state;
    mlx_bench_text(result, &plain, &out);
    const char *text = mlx_buf_str(&out);
    assert_non_null(strstr(text, "(Q4, 0123456789ab) on ollama 0.32"));
    assert_non_null(strstr(text, "kind_9"));
    assert_non_null(strstr(text, "41.0 to 43.0"));
    assert_non_null(strstr(text, "250"));
    assert_non_null(strstr(text, "1.25 J per token"));
    assert_non_null(strstr(text, "warning: the processor"));
    assert_null(strchr(text, '\x1b'));
}

/*  A sweep over one and four clients; each has 42 tokens per second, then 30. */
static mlx_value_t *sweep_of(void)
{
    static const struct {
        const char *name;
        int clients, rounds;
        double each, all;
    } at[] = {{"1 client", 1, 10, 42, 42}, {"4 clients", 4, 3, 30, 118}};
    mlx_value_t *result = result_of("s", 1, 42, 0);
    mlx_value_set_str(result, "sweep", "parallel");
    mlx_value_t *points = mlx_value_set(result, "points", mlx_value_list());
    for (size_t i = 0; i < MLX_COUNT(at); i++) {
        mlx_value_t *point = mlx_value_append(points, mlx_value_map());
        mlx_value_set_str(point, "name", at[i].name);
        mlx_value_set_int(point, "clients", at[i].clients);
        for (int k = 0; k < 2; k++) {
            mlx_value_t *map = mlx_value_set(
                point, k ? "total_tokens_per_second" : "tokens_per_second", mlx_value_map());
            mlx_value_set_int(map, "count", at[i].rounds);
            mlx_value_set_real(map, "mean", k ? at[i].all : at[i].each);
            mlx_value_set_real(map, "low", (k ? at[i].all : at[i].each) - 2);
            mlx_value_set_real(map, "high", (k ? at[i].all : at[i].each) + 2);
            if (at[i].rounds < 10)
                mlx_value_set_bool(map, "range", true);
        }
    }
    return result;
}

static void a_sweep_is_a_table_and_a_plot(void **state)
{
    static const mlx_term_t narrow = {.tty = true, .utf8 = true, .columns = 60, .rows = 24};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = sweep_of();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0}, wide = {0}, page = {0}, table = {0};
    (void)state;
    mlx_bench_text(result, &plain, &text);
    assert_non_null(strstr(mlx_buf_str(&text), "28.0 to 32.0 (range)"));
    assert_non_null(strstr(mlx_buf_str(&text), "40.0 to 44.0 "));
    assert_non_null(strstr(mlx_buf_str(&text), "4 clients |#############......"));
    assert_null(strstr(mlx_buf_str(&text), "kind_9")); /* the rounds are in --csv */
    mlx_bench_text(result, &narrow, &wide);
    assert_non_null(strstr(mlx_buf_str(&wide), "│████████░░░░"));
    mlx_bench_markdown(result, &table);
    assert_non_null(strstr(mlx_buf_str(&table), "| 4 clients | 3 | 30.0 |"));
    mlx_value_append(list, mlx_value_copy(result));
    mlx_bench_html(list, &page);
    assert_non_null(strstr(mlx_buf_str(&page), "<polyline class=\"b\""));
    assert_non_null(strstr(mlx_buf_str(&page), "<td>28.0 to 32.0 (range)</td>"));
    mlx_buf_reset(&text);
    mlx_bench_list_text(list, &plain, &text);
    assert_non_null(strstr(mlx_buf_str(&text), "(parallel sweep)"));
}

static void csv_quotes_what_it_must(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = result_of("a", 1, 42, 0);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)state;
    mlx_bench_csv(result, &out);
    const char *text = mlx_buf_str(&out);
    assert_int_equal(strncmp(text, "id,model,digest,runtime,runtime_version,name,tokens,", 52), 0);
    assert_non_null(strstr(text, "\r\na,\"tiny, \"\"q\"\"|x\",sha256:0123456789abcdef,ollama,0.32,"
                                 "kind_0,100,42,,,,0.25,,,\r\n"));
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 11);
}

static void markdown_is_a_table(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = result_of("a", 1, 42, 0);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)state;
    mlx_bench_markdown(result, &out);
    assert_non_null(strstr(mlx_buf_str(&out), "| kind_3 | 103 | 54.6 |"));
    assert_non_null(strstr(mlx_buf_str(&out), "|---|---:|"));
}

static void a_hostile_result_does_no_harm(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)state;
    mlx_value_set_int(result, "prompts", 3);
    mlx_value_set_int(result, "model", 3);
    mlx_value_append(mlx_value_set(result, "warnings", mlx_value_list()), mlx_value_new_int(1));
    mlx_bench_text(result, &plain, &out);
    mlx_bench_csv(result, &out);
    mlx_bench_markdown(result, &out);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *none = mlx_bench_compare(result, result, "here");
    assert_int_equal(mlx_value_size(none), 0);
}

/*  VALUE (taken) with TEXT for each string in it. */
static mlx_value_t *spoiled(mlx_value_t *value, const char *text)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *old = value;
    bool map = mlx_value_type(old) == MLX_MAP;
    if (mlx_value_type(old) == MLX_STR)
        return mlx_value_new_str(text);
    if (!map && mlx_value_type(old) != MLX_LIST)
        return mlx_value_copy(old);
    mlx_value_t *whole = map ? mlx_value_map() : mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(old); i++) {
        mlx_value_t *part = spoiled(mlx_value_copy(mlx_value_at(old, i)), text);
        if (map)
            mlx_value_set(whole, mlx_value_key(old, i), part);
        else
            mlx_value_append(whole, part);
    }
    return whole;
}

static void a_page_runs_nothing(void **state)
{
    static const char evil[] =
        "</title></svg></style><script>alert(1)</script>'\" onload='x' &lt;b \x1b[2J";
    static const char *const never[] = {"<script", "onload='", "</title></", "\x1b"};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t page = {0};
    (void)state;
    mlx_value_append(list, spoiled(result_of("a", 1, 42, 0), evil));
    mlx_value_t *sweep = mlx_value_append(list, spoiled(sweep_of(), evil));
    mlx_value_set_str(sweep, "sweep", "parallel");
    mlx_bench_html(list, &page);
    const char *text = mlx_buf_str(&page);
    assert_non_null(strstr(text, "&lt;script&gt;"));
    assert_non_null(strstr(text, "&amp;lt;b"));
    for (size_t i = 0; i < MLX_COUNT(never); i++)
        if (strstr(text, never[i]))
            fail_msg("%s is in the page", never[i]);
}

static void comparing_finds_what_is_there(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *now = result_of("now", 50, 42, 0.02);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *earlier = mlx_value_list();
    (void)state;
    mlx_value_append(earlier, result_of("slow", 10, 35, -0.02));
    mlx_value_append(earlier, result_of("same", 20, 42.2, -0.02));
    mlx_value_append(earlier, result_of("fast", 30, 50, -0.02));
    mlx_value_append(earlier, result_of("now", 50, 42, 0.02));
    mlx_value_set_str(mlx_value_append(earlier, result_of("other", 40, 9, 0)), "prompt_set", "own");
    mlx_value_set_str(mlx_value_append(earlier, result_of("far", 45, 9, 0)), "host", "there");
    mlx_value_set_str(mlx_value_at(earlier, 0), "host", "here");
    mlx_value_set_str(mlx_value_at(earlier, 0), "digest", "another");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *compared = mlx_bench_compare(now, earlier, "here");
    static const char *const verdicts[] = {"slower", "no evidence", "faster"};
    assert_int_equal(mlx_value_size(compared), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(mlx_value_str(mlx_value_at(compared, i), "verdict"), verdicts[i]);
    double ratio = (double)NAN, low = (double)NAN, high = (double)NAN;
    const mlx_value_t *oldest = mlx_value_at(compared, 2);
    mlx_value_real(oldest, "ratio", &ratio);
    mlx_value_real(oldest, "low", &low);
    mlx_value_real(oldest, "high", &high);
    assert_true(fabs(ratio / 1.2 - 1) < 0.01 && low > 1.15 && high < 1.25);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_bench_compare_text(compared, &plain, &out);
    assert_non_null(strstr(mlx_buf_str(&out), "faster"));
    assert_non_null(strstr(mlx_buf_str(&out), "digest"));
}

/*  The replies from FROM on are too short to judge by. */
static void shorten(mlx_value_t *result, size_t from)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *old = mlx_value_copy(mlx_value_get(result, "prompts"));
    mlx_value_t *prompts = mlx_value_set(result, "prompts", mlx_value_list());
    for (size_t i = 0; i < mlx_value_size(old); i++) {
        mlx_value_t *prompt = mlx_value_copy(mlx_value_at(old, i));
        if (i >= from)
            mlx_value_set_int(prompt, "tokens", 9);
        mlx_value_append(prompts, prompt);
    }
}

/*  Two results that differ in one thing each, and a part of the reason. */
static void there_is_no_verdict_on_too_little(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *now = result_of("now", 50, 62, 0);
    static const struct {
        const char *key, *value, *reason;
    } texts[] = {{"model", "other", "different models"},
                 {"prompt_set", "own-1", "different prompts"}};
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(texts); i++) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *then = result_of("then", 40, 50, 0);
        mlx_value_set_str(then, texts[i].key, texts[i].value);
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_bench_compare_two(now, then);
        assert_string_equal(mlx_value_str(map, "verdict"), "none");
        assert_non_null(strstr(mlx_value_str(map, "reason"), texts[i].reason));
        assert_null(mlx_value_get(map, "low"));
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *wide = result_of("wide", 40, 50, 0);
    mlx_value_set_int(wide, "context", 8192);
    mlx_value_set_int(now, "context", 4096);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *options = mlx_bench_compare_two(now, wide);
    assert_non_null(strstr(mlx_value_str(options, "reason"), "context 4096 and 8192"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *brief = result_of("brief", 40, 50, 0);
    shorten(brief, 2);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *few = mlx_bench_compare_two(now, brief);
    assert_non_null(strstr(mlx_value_str(few, "reason"), "2 of 32 tokens"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_append(list, mlx_value_copy(few));
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_bench_compare_text(list, &plain, &out);
    assert_null(strstr(mlx_buf_str(&out), "faster"));
    assert_non_null(strstr(mlx_buf_str(&out), "no verdict: too few long replies"));
}

static void contention_is_said_once(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = result_of("a", 1, 42, 0);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t bare = {0};
    (void)state;
    mlx_value_set_real(result, "contention", 0.39);
    mlx_bench_text(result, &plain, &bare);
    assert_non_null(strstr(mlx_buf_str(&bare), "others busy 39%"));
    mlx_value_append(mlx_value_set(result, "warnings", mlx_value_list()),
                     mlx_value_new_str("others used models during 39 % of the run"));
    mlx_bench_text(result, &plain, &out);
    const char *first = strstr(mlx_buf_str(&out), "39");
    assert_non_null(first);
    assert_null(strstr(first + 1, "39"));
}

static void progress_fits_the_line(void **state)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    (void)state;
    mlx_value_set_str(d, "model", "a-model-with-a-name-that-is-much-too-long-for-a-line");
    mlx_value_set_str(d, "phase", "prompts");
    mlx_value_set_int(d, "prompt", 3);
    mlx_value_set_int(d, "prompts", 10);
    mlx_value_set_real(d, "elapsed", 10);
    mlx_value_set_real(d, "remaining", 30);
    mlx_value_set_real(d, "tokens_per_second", 42.3);
    for (int columns = 40; columns <= 200; columns += 7) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
        mlx_bench_progress_line(d, columns, &out);
        assert_true(columns < 70 || mlx_term_width(mlx_buf_str(&out)) < (size_t)columns);
        assert_non_null(strstr(mlx_buf_str(&out), "prompt 3 of 10"));
        assert_non_null(strstr(mlx_buf_str(&out), "30s left"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_the_figures),
        cmocka_unit_test(a_sweep_is_a_table_and_a_plot),
        cmocka_unit_test(csv_quotes_what_it_must),
        cmocka_unit_test(markdown_is_a_table),
        cmocka_unit_test(a_hostile_result_does_no_harm),
        cmocka_unit_test(a_page_runs_nothing),
        cmocka_unit_test(comparing_finds_what_is_there),
        cmocka_unit_test(there_is_no_verdict_on_too_little),
        cmocka_unit_test(contention_is_said_once),
        cmocka_unit_test(progress_fits_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
