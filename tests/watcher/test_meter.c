#include "services/watcher/meter.h"
#include "services/watcher/unlisted.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000
#define WALL 1700000000000000

static mlx_runtime_counters_t counters(double running, double tokens)
{
    mlx_runtime_counters_t c;
    mlx_runtime_counters_clear(&c);
    c.running = running;
    c.tokens_total = tokens;
    return c;
}

static mlx_activity_t activity(const mlx_meter_t *meter, int64_t t_ms)
{
    mlx_activity_t seen;
    mlx_meter_activity(meter, t_ms * MS, &seen);
    return seen;
}

/*  Idle, then 1 s of prompt, then 40 tok/s from t = 3.2 s on. */
static void measures_from_the_first_rise(void **state)
{
    (void)state;
    mlx_meter_t meter;
    mlx_meter_reset(&meter);
    assert_false(activity(&meter, 0).available);
    for (int64_t t = 500; t <= 8000; t += 500) {
        double made = t > 3200 ? floor((double)(t - 3200) / 25) : 0;
        mlx_runtime_counters_t c = counters(t > 2000, 9000 + made);
        mlx_meter_update(&meter, &c, NAN, t * MS, WALL);
        mlx_activity_t seen = activity(&meter, t);
        assert_true(seen.available && seen.tokens_total == 9000 + made);
        if (t >= 4500 && fabs(seen.tokens_per_second - 40) > 2)
            fail_msg("at %d ms: %g tok/s", (int)t, seen.tokens_per_second);
        if (t > 2000 && t < 4000)
            assert_true(isnan(seen.tokens_per_second));
    }
    mlx_runtime_counters_t idle = counters(0, 9200);
    mlx_meter_update(&meter, &idle, NAN, 8500 * MS, WALL);
    assert_true(activity(&meter, 8500).tokens_per_second == 0);
    assert_false(mlx_meter_busy(&meter));
}

/* ---- what nobody saw ---- */

enum {
    TOLD_MAX = 8
};

typedef struct {
    size_t count;
    mlx_ended_t told[TOLD_MAX];
} told_t;

static void on_told(void *arg, const mlx_ended_t *request)
{
    told_t *told = arg;
    assert_true(told->count < TOLD_MAX);
    assert_string_equal(request->source, "metrics");
    told->told[told->count++] = *request;
}

/*  A look at the counters, and what is told by it. */
static told_t look(mlx_unlisted_t *self, double tokens, double seconds, bool busy)
{
    told_t told = {0};
    const mlx_ended_sink_t sink = {on_told, &told};
    mlx_runtime_counters_t c = counters(0, tokens);
    c.tokens_seconds = seconds;
    mlx_unlisted_counters(self, &c);
    mlx_unlisted_settle(self, busy, WALL, &sink);
    return told;
}

static bool takes(mlx_unlisted_t *self, double tokens)
{
    mlx_ended_t request;
    mlx_ended_clear(&request);
    request.tokens = tokens;
    return mlx_unlisted_take(self, &request);
}

static void tells_what_no_look_saw(void **state)
{
    (void)state;
    mlx_unlisted_t self;
    mlx_unlisted_reset(&self);
    assert_false(takes(&self, NAN)); /* no counters: it is told as it is */
    assert_int_equal(look(&self, 1000, 10, false).count, 0);
    assert_int_equal(look(&self, 1000, 10, false).count, 0);
    assert_false(takes(&self, 40));
    assert_int_equal(look(&self, 1040, 11, false).count, 0); /* all of it was seen */
    assert_true(takes(&self, NAN));
    told_t one = look(&self, 1061, 13, false);
    assert_true(one.count == 1 && one.told[0].tokens == 21 && one.told[0].rate == 10);
    assert_true(one.told[0].exact && one.told[0].requests == 0);
    assert_true(takes(&self, NAN) && takes(&self, NAN) && !takes(&self, 9));
    told_t two = look(&self, 1100, 15, false);
    assert_true(two.count == 1 && two.told[0].tokens == 30 && two.told[0].requests == 2);
    assert_true(isnan(two.told[0].rate) && isnan(two.told[0].prompt_tokens));
    told_t before = look(&self, 1107, 16, false); /* counted before its end was seen */
    assert_true(before.count == 1 && before.told[0].tokens == 7);
    assert_true(takes(&self, NAN));
    assert_int_equal(look(&self, 1107, 16, false).count, 0);
    assert_true(takes(&self, NAN)); /* an embedding: it generates nothing */
    told_t bare = look(&self, 1107, 16, false);
    assert_true(bare.count == 1 && isnan(bare.told[0].tokens) && !bare.told[0].exact);
    assert_int_equal(look(&self, 3, 1, false).count, 0); /* the server is another */
    assert_int_equal(look(&self, 8, 2, false).count, 1);
}

/*  One that is seen at work may have ended before the counters were read. */
static void waits_for_what_is_seen_at_work(void **state)
{
    (void)state;
    mlx_unlisted_t self;
    told_t told = {0};
    const mlx_ended_sink_t sink = {on_told, &told};
    mlx_unlisted_reset(&self);
    look(&self, 100, 1, false);
    assert_int_equal(look(&self, 150, 2, true).count, 0);
    assert_false(takes(&self, 50));
    mlx_unlisted_settle(&self, false, WALL, &sink);
    assert_int_equal(told.count, 0);
    assert_int_equal(look(&self, 150, 3, true).count, 0); /* it still runs */
    assert_false(takes(&self, 70));
    mlx_unlisted_settle(&self, false, WALL, &sink);
    assert_int_equal(told.count, 0);
    assert_int_equal(look(&self, 220, 4, false).count, 0); /* now it is counted, too */
    assert_int_equal(look(&self, 221, 4, false).count, 1);
}

/*  vLLM and SGLang count their requests and sum up what they did. */
static void tells_requests_that_the_server_counts(void **state)
{
    (void)state;
    mlx_unlisted_t self;
    mlx_unlisted_reset(&self);
    mlx_runtime_counters_t c = counters(1, 100);
    c.requests_total = 5, c.ended_tokens = 90, c.ended_prompt_tokens = 500, c.ended_seconds = 9;
    c.ttft_sum = 1, c.ttft_count = 5, c.ended_decode_seconds = 3, c.queue_sum = 0.5;
    told_t told = {0};
    const mlx_ended_sink_t sink = {on_told, &told};
    mlx_unlisted_counters(&self, &c);
    mlx_unlisted_settle(&self, false, WALL, &sink);
    assert_int_equal(told.count, 0); /* of before */
    c.requests_total = 6, c.ended_tokens = 111, c.ended_prompt_tokens = 530, c.ended_seconds = 11.5;
    c.ttft_sum = 1.25, c.ttft_count = 6, c.ended_decode_seconds = 5, c.queue_sum = 0.75;
    mlx_unlisted_counters(&self, &c);
    mlx_unlisted_settle(&self, false, WALL, &sink);
    assert_true(told.count == 1 && told.told[0].tokens == 21 && told.told[0].prompt_tokens == 30);
    assert_true(told.told[0].rate == 10 && told.told[0].ttft_s == 0.25);
    assert_true(told.told[0].queue_s == 0.25 && told.told[0].start_us == WALL - 2500000);
    c.requests_total = 8, c.ended_tokens = 131, c.ttft_count = 9, c.ttft_sum = 2;
    mlx_unlisted_counters(&self, &c);
    mlx_unlisted_settle(&self, false, WALL, &sink);
    assert_true(told.count == 2 && told.told[1].requests == 2 && told.told[1].tokens == 20);
    assert_true(isnan(told.told[1].ttft_s) && isnan(told.told[1].rate) && !told.told[1].start_us);
}

static void survives_a_restart_of_the_server(void **state)
{
    (void)state;
    mlx_meter_t meter;
    mlx_meter_reset(&meter);
    const double seen[] = {100, 150, 200, 5, 55, 105};
    for (size_t i = 0; i < MLX_COUNT(seen); i++) {
        mlx_runtime_counters_t c = counters(1, seen[i]);
        mlx_meter_update(&meter, &c, NAN, (int64_t)(i + 1) * 1000 * MS, WALL);
        double tps = activity(&meter, (int64_t)(i + 1) * 1000).tokens_per_second;
        assert_true(isnan(tps) || fabs(tps - 50) < 1e-9);
    }
    assert_true(!isnan(activity(&meter, 6000).tokens_per_second));
    assert_true(isnan(activity(&meter, 9100).tokens_per_second));
}

static void takes_the_servers_own_times(void **state)
{
    (void)state;
    mlx_meter_t meter;
    mlx_meter_reset(&meter);
    mlx_runtime_counters_t c = counters(0, 1000);
    c.tokens_seconds = 10;
    c.prompt_tokens_total = 500;
    c.prompt_tokens_seconds = 1;
    c.ttft_sum = 3;
    c.ttft_count = 10;
    mlx_meter_update(&meter, &c, NAN, 1000 * MS, WALL);
    assert_int_equal(activity(&meter, 1000).last.t_us, 0);
    c.tokens_total += 120;
    c.tokens_seconds += 2;
    c.prompt_tokens_total += 90;
    c.prompt_tokens_seconds += 0.3;
    c.ttft_sum += 0.5;
    c.ttft_count += 2;
    mlx_meter_update(&meter, &c, NAN, 2000 * MS, WALL);
    mlx_activity_t seen = activity(&meter, 2000);
    assert_int_equal(seen.last.t_us, WALL);
    assert_true(fabs(seen.last.tokens_per_second - 59.5) < 1e-9 && seen.last.tokens == 120);
    assert_true(fabs(seen.last.prompt_tokens_per_second - 300) < 1e-9);
    assert_true(fabs(seen.ttft_s - 0.25) < 1e-9);
}

/*  Two tokens one step apart are not twice as fast as eight tokens seven steps apart. */
static void counts_steps_and_not_tokens(void **state)
{
    (void)state;
    const double replies[] = {2, 3, 8, 32, 400};
    mlx_meter_t meter;
    mlx_meter_reset(&meter);
    mlx_runtime_counters_t c = counters(0, 0);
    c.tokens_seconds = 0;
    mlx_meter_update(&meter, &c, 0, 500 * MS, WALL);
    for (size_t i = 0; i < MLX_COUNT(replies); i++) {
        c.tokens_total += replies[i];
        c.tokens_seconds += (replies[i] - 1) / 40;
        mlx_meter_update(&meter, &c, (double)i + 1, (int64_t)(i + 1) * 1000 * MS, WALL + (int)i);
        if (fabs(activity(&meter, 1000).last.tokens_per_second - 40) > 1e-6)
            fail_msg("%g tokens: %g", replies[i], activity(&meter, 1000).last.tokens_per_second);
    }
    c.tokens_total += 1;
    c.tokens_seconds += 1e-6;
    mlx_meter_update(&meter, &c, 6, 6000 * MS, WALL + 6);
    assert_true(isnan(activity(&meter, 6000).last.tokens_per_second));
    c.tokens_total += 100; /* of two requests that ended: the newest of them is not known */
    c.tokens_seconds += 2;
    mlx_meter_update(&meter, &c, 8, 7000 * MS, WALL + 7);
    assert_int_equal(activity(&meter, 7000).last.t_us, WALL + 6);
}

static void knows_what_it_was_not_told(void **state)
{
    (void)state;
    mlx_meter_t meter;
    mlx_meter_reset(&meter);
    mlx_runtime_counters_t c = counters(NAN, INFINITY);
    mlx_meter_update(&meter, &c, NAN, 1000 * MS, WALL);
    mlx_meter_update(&meter, &c, NAN, 2000 * MS, WALL);
    mlx_activity_t seen = activity(&meter, 2000);
    assert_true(isnan(seen.tokens_per_second) && isnan(seen.requests) && isnan(seen.ttft_s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_no_look_saw),
        cmocka_unit_test(waits_for_what_is_seen_at_work),
        cmocka_unit_test(tells_requests_that_the_server_counts),
        cmocka_unit_test(measures_from_the_first_rise),
        cmocka_unit_test(survives_a_restart_of_the_server),
        cmocka_unit_test(takes_the_servers_own_times),
        cmocka_unit_test(counts_steps_and_not_tokens),
        cmocka_unit_test(knows_what_it_was_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
