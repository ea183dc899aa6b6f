#include "services/watcher/meter.h"

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
        cmocka_unit_test(measures_from_the_first_rise),
        cmocka_unit_test(survives_a_restart_of_the_server),
        cmocka_unit_test(takes_the_servers_own_times),
        cmocka_unit_test(counts_steps_and_not_tokens),
        cmocka_unit_test(knows_what_it_was_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
