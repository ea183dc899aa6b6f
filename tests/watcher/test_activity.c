/*  Which source is believed, and what the message says then. */
#include "services/watcher/prompt_eta.h"
#include "services/watcher/totals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/catalogue.h"

static mlx_activity_t running(double requests, double tps)
{
    mlx_activity_t a;
    mlx_activity_clear(&a);
    a.available = true;
    a.requests = requests;
    a.generating = requests;
    a.tokens_per_second = tps;
    return a;
}

static double real(const mlx_value_t *d, const char *key)
{
    double r = NAN;
    mlx_value_real(d, key, &r);
    return r;
}

static void check(const mlx_value_t *d, const char *source, double tps)
{
    mlx_error_t err = {0};
    const mlx_topic_t *topic = mlx_catalogue_find("runtime.ollama.x.activity");
    if (mlx_catalogue_check(topic, d, &err))
        fail_msg("%s", err.text);
    const char *said = mlx_value_str(d, "source");
    assert_string_equal(said ? said : "none", source);
    if (isnan(tps))
        assert_true(isnan(real(d, "tokens_per_second")));
    else
        assert_true(fabs(real(d, "tokens_per_second") - tps) < 1e-9);
}

static void believes_the_best_source(void **state)
{
    (void)state;
    mlx_activity_t none;
    mlx_activity_clear(&none);
    const struct {
        mlx_activity_t tap, own;
        const char *source;
        double tps;
    } cases[] = {
        {none, none, "none", NAN},
        {none, running(1, 30), "runner", 30},
        {running(1, 31), none, "tap", 31},
        {running(1, 31), running(1, 30), "tap", 31},
        {running(1, 31), running(2, 55), "runner", 55}, /* someone else goes past the tap */
        {running(0, 0), running(1, 30), "runner", 30},
        {running(0, 0), running(0, 0), "runner", NAN}, /* idle has no speed */
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *d = mlx_activity_message(&(mlx_activity_sources_t){.tap = &cases[i].tap,
                                                                        .own = &cases[i].own,
                                                                        .own_source = "runner",
                                                                        .reason = "because"});
        check(d, cases[i].source, cases[i].tps);
        assert_string_equal(mlx_value_str(d, "source_reason"), "because");
    }
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *d = mlx_activity_message(&(mlx_activity_sources_t){.tap = NULL});
    assert_int_equal(mlx_value_size(d), 0);
}

static void tells_what_was_cut(void **state)
{
    (void)state;
    int64_t asked = 0;
    mlx_activity_cut_t cut = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *none = mlx_activity_message(&(mlx_activity_sources_t){.cut = &cut});
    assert_null(mlx_value_get(none, "cut"));
    cut = (mlx_activity_cut_t){1700000000000000, 16000, 4096};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *d = mlx_activity_message(&(mlx_activity_sources_t){.cut = &cut});
    assert_true(mlx_value_int(mlx_value_get(d, "cut"), "asked", &asked) && asked == 16000);
    assert_true(mlx_value_int(mlx_value_get(d, "cut"), "kept", &asked) && asked == 4096);
}

static void tells_everything_it_knows(void **state)
{
    (void)state;
    mlx_activity_t tap = running(1, 31);
    tap.ttft_s = 0.2;
    tap.model = "m";
    tap.tokens_total = 100;
    tap.prompt_tokens_total = 50;
    tap.requests_total = 3;
    tap.errors_total = 1;
    tap.prompt_tokens_per_second = 400;
    tap.list_count = 1;
    mlx_activity_request_clear(&tap.list[0]);
    tap.list[0].model = "m";
    tap.list[0].client = "curl";
    tap.list[0].tokens = 12;
    tap.list[0].tokens_per_second = 31;
    tap.list[0].age_s = 0.5;
    tap.last = (mlx_activity_last_t){5000000, "tap", "m", 60, 30, 11, 300, 0.1, 2.1, "ok", NAN};
    mlx_activity_t own = running(1, 30);
    own.last = tap.last;
    own.last.source = "runner";
    own.last.t_us = 6000000; /* the same end, noticed by a later poll */
    mlx_totals_t totals = {0};
    mlx_ledger_read(&totals.tokens, MLX_LEDGER_TAP, 0, 1);
    mlx_ledger_read(&totals.tokens, MLX_LEDGER_TAP, 250, 2);
    mlx_activity_sources_t sources = {
        .tap = &tap, .own = &own, .own_source = "runner", .totals = &totals};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_activity_message(&sources);
    check(d, "tap", 31);
    assert_true(real(d, "ttft") == 0.2);
    assert_null(mlx_value_get(d, "errors_total")); /* nobody counts them */
    const mlx_value_t *last = mlx_value_get(d, "last");
    assert_string_equal(mlx_value_str(last, "source"), "tap");
    assert_true(real(last, "tokens") == 60 && real(last, "duration") == 2.1);
    const mlx_value_t *item = mlx_value_at(mlx_value_get(d, "running"), 0);
    assert_string_equal(mlx_value_str(item, "client"), "curl");
    assert_true(real(item, "tokens") == 12);

    own.last.t_us = 60000000;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *later = mlx_activity_message(&sources);
    assert_string_equal(mlx_value_str(mlx_value_get(later, "last"), "source"), "runner");
    assert_string_equal(mlx_value_str(later, "source"), "tap");
    assert_true(real(later, "tokens_total") == 250);
}

static void with(mlx_activity_t *a, double age_s)
{
    a->available = true;
    a->requests = isnan(a->requests) ? 1 : a->requests + 1;
    a->list[a->list_count++] =
        (mlx_activity_request_t){.tokens = 1, .tokens_per_second = 20, .age_s = age_s};
}

/*  What came through the tap is seen by the server too, a little later: it is one request. */
static void counts_each_request_once(void **state)
{
    (void)state;
    const struct {
        double tap[3], own[3]; /* ages; 0 ends */
        double requests;
        const char *what;
    } cases[] = {
        {{2}, {1.8}, 1, "one through the tap"},
        {{2}, {5}, 2, "one through the tap that waits, a direct one at work"},
        {{2}, {5, 1.9}, 2, "both at work"},
        {{2, 1}, {1.8}, 2, "the second waits"},
        {{2, 1}, {1.8, 0.9}, 2, "both through the tap"},
        {{2, 1}, {3, 1.8, 0.8}, 3, "and one directly"},
        {{0}, {3, 1}, 2, "none through the tap"},
        {{3}, {0}, 1, "the server has not been looked at since"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_activity_t tap, own;
        mlx_activity_clear(&tap);
        mlx_activity_clear(&own);
        tap.available = own.available = true;
        tap.requests = own.requests = 0;
        for (size_t k = 0; k < 3 && cases[i].tap[k] > 0; k++)
            with(&tap, cases[i].tap[k]);
        for (size_t k = 0; k < 3 && cases[i].own[k] > 0; k++)
            with(&own, cases[i].own[k]);
        for (int streaming = 0; streaming < 2; streaming++) {
            tap.generating = streaming ? tap.requests : 0;
            MLX_CLEANUP(mlx_value_destroy)
            mlx_value_t *d = mlx_activity_message(
                &(mlx_activity_sources_t){.tap = &tap, .own = &own, .own_source = "slots"});
            size_t listed = mlx_value_size(mlx_value_get(d, "running"));
            if (real(d, "requests") != cases[i].requests || (double)listed != cases[i].requests)
                fail_msg("%s: %g, listed %zu", cases[i].what, real(d, "requests"), listed);
        }
    }
}

/*  Ollama counts the cached part of a prompt and does not time it. */
static void takes_the_cached_part_out_of_the_prompt_speed(void **state)
{
    (void)state;
    mlx_activity_t tap = running(0, 0), own = running(0, 0);
    tap.last = (mlx_activity_last_t){5000000, "tap", "m", 60, 30, 2717, 5434, 0.1, 2.1, "ok", NAN};
    own.last =
        (mlx_activity_last_t){6000000, "runner", "m", 60, 29, 2717, 90, NAN, NAN, NULL, 1024};
    const struct {
        double prompt, cached, right;
    } cases[] = {
        {2717, 1024, 5434 * 1693.0 / 2717}, {2717, 0, 5434}, {300, 100, 5434}, {2717, NAN, 5434}};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        own.last.prompt_tokens = cases[i].prompt;
        own.last.prompt_cached = cases[i].cached;
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *d = mlx_activity_message(
            &(mlx_activity_sources_t){.tap = &tap, .own = &own, .own_source = "runner"});
        double speed = real(mlx_value_get(d, "last"), "prompt_tokens_per_second");
        if (fabs(speed - cases[i].right) > 0.01)
            fail_msg("%g of %g cached: %g", cases[i].cached, cases[i].prompt, speed);
    }
}

static void adds_runners_up(void **state)
{
    (void)state;
    mlx_activity_t sum;
    mlx_activity_clear(&sum);
    mlx_activity_t a = running(1, 30);
    a.model = "a";
    a.tokens_total = 10;
    a.list_count = MLX_ACTIVITY_REQUESTS_MAX - 1;
    mlx_activity_t b = running(0, 0);
    b.model = "b";
    b.list_count = 5;
    b.ttft_s = 1;
    mlx_activity_add(&sum, &a);
    mlx_activity_add(&sum, &b);
    assert_true(sum.available && sum.requests == 1 && sum.tokens_per_second == 30);
    assert_string_equal(sum.model, "a");
    assert_int_equal(sum.list_count, MLX_ACTIVITY_REQUESTS_MAX);
    b = running(1, 12);
    b.model = "b";
    b.tokens_total = 5;
    mlx_activity_add(&sum, &b);
    assert_true(sum.requests == 2 && sum.tokens_per_second == 42 && sum.tokens_total == 15);
    assert_null(sum.model);
    mlx_activity_t none;
    mlx_activity_clear(&none);
    mlx_activity_add(&sum, &none);
    assert_true(sum.requests == 2);
}

/*  Slots say how much is read, the log how long it is; what is left never rises, whatever the speed
 *  does, and the clock goes on while a batch is worked. */
static void what_is_left_of_a_prompt_never_rises(void **state)
{
    static const double speeds[] = {100, 90, 60, 120, NAN, 100, 80};
    (void)state;
    mlx_prompt_eta_t eta = {0};
    double before = INFINITY;
    for (int i = 0; i < 28; i++) {
        mlx_activity_t slots = running(1, NAN), log = running(1, NAN);
        mlx_activity_request_clear(&slots.list[0]);
        mlx_activity_request_clear(&log.list[0]);
        slots.list_count = log.list_count = 1;
        slots.list[0].task = log.list[0].task = 7;
        slots.list[0].prompt_done = 512.0 * (1 + i / 4);
        slots.list[0].prompt_tokens_per_second = speeds[i / 4];
        log.list[0].prompt_total = 4096;
        log.list[0].prompt_cached = 128;
        mlx_prompt_eta_join(&slots, &log);
        mlx_prompt_eta_update(&eta, &slots, (int64_t)i * 1280000);
        assert_true(slots.list[0].prompt_total == 4096 && slots.list[0].prompt_cached == 128);
        assert_true(slots.list[0].prompt_eta_s <= before && slots.list[0].prompt_eta_s >= 0);
        before = slots.list[0].prompt_eta_s;
        if (i == 0)
            assert_true(fabs(before - 35.84) < 1e-9);
        if (i == 3)
            assert_true(fabs(before - 32) < 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_the_best_source),
        cmocka_unit_test(tells_everything_it_knows),
        cmocka_unit_test(tells_what_was_cut),
        cmocka_unit_test(counts_each_request_once),
        cmocka_unit_test(takes_the_cached_part_out_of_the_prompt_speed),
        cmocka_unit_test(adds_runners_up),
        cmocka_unit_test(what_is_left_of_a_prompt_never_rises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
