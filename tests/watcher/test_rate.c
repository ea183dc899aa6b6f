#include "services/watcher/rate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000

static void knows_nothing_from_one_look(void **state)
{
    (void)state;
    mlx_rate_t rate = {0};
    assert_true(isnan(mlx_rate_value(&rate)));
    mlx_rate_add(&rate, 5 * MS, 10);
    assert_true(isnan(mlx_rate_value(&rate)));
    mlx_rate_add(&rate, 5 * MS, 20);
    assert_true(isnan(mlx_rate_value(&rate)));
    mlx_rate_add(&rate, 5 * MS, NAN);
    assert_true(isnan(mlx_rate_value(&rate)));
}

/*  Whole tokens seen through a window: right within 3 % from 5 to 500 tok/s. */
static void is_right_at_any_pace(void **state)
{
    (void)state;
    const double paces[] = {5, 12.5, 31, 88, 500};
    for (size_t p = 0; p < MLX_COUNT(paces); p++) {
        mlx_rate_t rate = {0};
        for (int64_t t = 0; t <= 30000; t += 250) {
            mlx_rate_add(&rate, t * MS, floor(paces[p] * (double)t / 1000 + 0.37));
            if (t > 10000 && fabs(mlx_rate_value(&rate) / paces[p] - 1) > 0.03)
                fail_msg("%g tok/s read as %g", paces[p], mlx_rate_value(&rate));
        }
    }
}

static void follows_a_change_of_pace(void **state)
{
    (void)state;
    mlx_rate_t rate = {0};
    double n = 0;
    for (int64_t t = 0; t < 20000; t += 250) {
        mlx_rate_add(&rate, t * MS, n);
        n += t < 10000 ? 25 : 5;
    }
    assert_true(fabs(mlx_rate_value(&rate) - 20) < 0.001);
}

/*  A burst is not a pace: the window is never shorter than two seconds, however much comes in
 *  it. */
static void burst_is_seen_over_the_whole_window(void **state)
{
    (void)state;
    mlx_rate_t rate = {0};
    mlx_rate_add(&rate, 0, 0);
    mlx_rate_add(&rate, 2000 * MS, 20);
    mlx_rate_add(&rate, 2250 * MS, 80);
    assert_true(fabs(mlx_rate_value(&rate) - 80 / 2.25) < 0.001);
}

static void forgets_what_was_before_a_restart(void **state)
{
    (void)state;
    mlx_rate_t rate = {0};
    mlx_rate_add(&rate, 1000 * MS, 1000);
    mlx_rate_add(&rate, 2000 * MS, 1100);
    mlx_rate_add(&rate, 3000 * MS, 3);
    assert_true(isnan(mlx_rate_value(&rate)));
    mlx_rate_add(&rate, 4000 * MS, 53);
    assert_true(fabs(mlx_rate_value(&rate) - 50) < 1e-9);
    mlx_rate_add(&rate, 3500 * MS, 60);
    assert_true(isnan(mlx_rate_value(&rate)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_nothing_from_one_look),
        cmocka_unit_test(is_right_at_any_pace),
        cmocka_unit_test(follows_a_change_of_pace),
        cmocka_unit_test(burst_is_seen_over_the_whole_window),
        cmocka_unit_test(forgets_what_was_before_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
