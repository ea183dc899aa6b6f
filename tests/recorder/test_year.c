/*  A year in short: flat memory, few bytes, quick plots. The last two days at one sample a second,
 *  the rest at one in half a minute; bench_recorder has it at full rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "scratch.h"
#include "services/recorder/query.h"
#include "year.h"

#define DAY INT64_C(86400000)

enum {
    SERIES = 16
};

/*  A sanitizer makes everything several times slower; then only the order of size is looked at. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 20
#else
#define SLOWER 1
#endif

/*  Milliseconds of the quickest of five: others use the machine, too. */
static double query_ms(scratch_t *self, const year_t *year, int64_t since, int64_t until,
                       mlx_tier_t tier)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        mlx_query_t query = {.since = since, .until = until, .points = 1000};
        mlx_points_t points = {0};
        int64_t begin = mlx_now_us();
        assert_int_equal(mlx_history_query(self->history, year_track(year), &query, &points, NULL),
                         0);
        double ms = (double)(mlx_now_us() - begin) / 1000;
        assert_int_equal(points.tier, tier);
        assert_in_range(points.n, 899, 1001);
        mlx_points_clear(&points);
        best = ms < best ? ms : best;
    }
    return best;
}

static void a_year_is_small_and_quick(void **state)
{
    scratch_t *self = *state;
    int64_t end = SCRATCH_T0 + 365 * DAY;
    mlx_history_store_figures_t figures;
    scratch_open(self, SCRATCH_T0);
    year_t *year = year_new(self->history, SERIES);
    year_run(year, SCRATCH_T0, SCRATCH_T0 + 60 * DAY, 30000);
    int64_t early = year_memory();
    year_run(year, SCRATCH_T0 + 60 * DAY, end - 2 * DAY, 30000);
    year_run(year, end - 2 * DAY, end, 1000);
    int64_t grown = year_memory() - early;
    assert_int_equal(mlx_history_figures(self->history, &figures, NULL), 0);
    double rows = 0;
    for (int i = 0; i < MLX_TIERS; i++)
        rows += (double)figures.rows[i];
    double bytes = (double)figures.bytes / rows;
    double year_ms = query_ms(self, year, SCRATCH_T0, end, MLX_TIER_HOUR);
    double hour_ms = query_ms(self, year, end - 3600000, end, MLX_TIER_RAW);
    print_message("%.1f MB, %.2f bytes a row, memory grew by %.1f MB, year %.2f ms, hour %.2f ms\n",
                  (double)figures.bytes / 1e6, bytes, (double)grown / 1e6, year_ms, hour_ms);
    assert_true(bytes <= 3);
    assert_true(grown < 8000000 * (SLOWER > 1 ? 8 : 1));
    assert_true(year_ms < 50 * SLOWER);
    assert_true(hour_ms < 10 * SLOWER);
    year_destroy(&year);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_year_is_small_and_quick, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
