/*  Samples in, rows and points out: exact, across flushes, seals, crashes and retention. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "services/recorder/query.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static mlx_track_t *track_of(scratch_t *self, const char *name)
{
    mlx_track_t *track = mlx_history_track(self->history, name, MLX_UNIT_CELSIUS, MLX_REAL);
    assert_non_null(track);
    return track;
}

static void flush(scratch_t *self, int64_t now)
{
    mlx_error_t err = {0};
    if (mlx_history_flush(self->history, now, &err) || mlx_history_retain(self->history, now, &err))
        fail_msg("%s", err.text);
}

static mlx_points_t ask(scratch_t *self, const char *name, int64_t since, int64_t until,
                        int64_t step)
{
    mlx_error_t err = {0};
    mlx_points_t points = {0};
    mlx_query_t query = {.since = since, .until = until, .step = step};
    if (mlx_history_query(self->history, track_of(self, name), &query, &points, &err))
        fail_msg("%s", err.text);
    return points;
}

/*  Everything of a tier, in order. */
static mlx_rollup_t *rows_of(scratch_t *self, const char *name, mlx_tier_t tier, size_t *n)
{
    mlx_export_t export = {.tier = tier, .since = 0, .until = INT64_MAX};
    mlx_rollup_t *all = NULL;
    *n = 0;
    do {
        mlx_rollup_t *piece = NULL;
        size_t count;
        assert_int_equal(
            mlx_history_export(self->history, track_of(self, name), &export, &piece, &count, NULL),
            0);
        all = mlx_realloc(all, *n + count + 1, sizeof *all);
        if (count)
            memcpy(all + *n, piece, count * sizeof *all);
        *n += count;
        free(piece);
    } while (export.cursor);
    return all;
}

/*  What a tier must hold, worked out from all samples: rows of one time may be in two slots. */
static size_t roll_up(mlx_rollup_t *rows, size_t n, int64_t width, mlx_rollup_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        mlx_rollup_t row = rows[i];
        row.t -= row.t % width;
        if (count == 0 || out[count - 1].t != row.t) {
            out[count++] = row;
            continue;
        }
        mlx_rollup_t *last = &out[count - 1];
        last->min = row.min < last->min ? row.min : last->min;
        last->max = row.max > last->max ? row.max : last->max;
        last->sum += row.sum;
        last->count += row.count;
        last->last = row.last;
    }
    return count;
}

/*  26 hours at an odd interval; now and then the process is killed right after a flush. */
static void rollups_are_exactly_those_of_the_samples(void **state)
{
    scratch_t *self = *state;
    uint64_t seed = 5;
    int64_t now = SCRATCH_T0;
    size_t taken = 0;
    mlx_rollup_t *truth = mlx_alloc(100000, sizeof *truth), *want = mlx_alloc(100000, sizeof *want);
    scratch_open(self, now);
    mlx_track_t *track = track_of(self, "h/t/f");
    for (int i = 0; now < SCRATCH_T0 + 26 * HOUR; i++) {
        now += 1000 + (int64_t)(scratch_roll(&seed) % 700);
        int64_t steps = 4000 + (int64_t)(scratch_roll(&seed) % 3000) - 1500;
        mlx_history_add(self->history, track, now, (double)steps / 100);
        truth[taken++] = (mlx_rollup_t){
            .t = now, .min = steps, .max = steps, .sum = steps, .last = steps, .count = 1};
        if (i % 5 == 0)
            flush(self, now);
        if (i % 5 == 0 && scratch_roll(&seed) % 200 == 0) {
            scratch_crash(self);
            scratch_open(self, now);
            track = track_of(self, "h/t/f");
        }
    }
    for (mlx_tier_t tier = MLX_TIER_RAW; tier < MLX_TIERS; tier++) {
        int64_t width = tier == MLX_TIER_RAW ? 1 : mlx_tier_width(tier);
        size_t n, wanted = roll_up(truth, taken, width, want);
        mlx_rollup_t *rows = rows_of(self, "h/t/f", tier, &n);
        n = roll_up(rows, n, width, rows);
        assert_int_equal(n, wanted);
        assert_memory_equal(rows, want, n * sizeof *rows);
        free(rows);
    }
    assert_int_equal(mlx_history_stats(self->history).damaged, 0);
    free(truth);
    free(want);
}

static void a_crash_loses_what_was_not_flushed_and_no_more(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    for (int i = 0; i < 20; i++)
        mlx_history_add(self->history, track_of(self, "h/t/f"), SCRATCH_T0 + i * 1000, i);
    flush(self, SCRATCH_T0 + 20000);
    for (int i = 20; i < 25; i++)
        mlx_history_add(self->history, track_of(self, "h/t/f"), SCRATCH_T0 + i * 1000, i);
    scratch_crash(self);
    scratch_open(self, SCRATCH_T0 + 26000);
    mlx_points_t points = ask(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + 60000, 1000);
    assert_int_equal(points.n, 20);
    assert_true(points.all[19].mean == 19);
    mlx_points_clear(&points);
    /* What a retained topic says again after the restart is known already. */
    mlx_history_add(self->history, track_of(self, "h/t/f"), SCRATCH_T0 + 19000, 19);
    assert_int_equal(mlx_history_waiting(self->history), 0);
}

static void fill(scratch_t *self, const char *name, int64_t from, int64_t to, int64_t step)
{
    mlx_track_t *track = track_of(self, name);
    for (int64_t t = from; t < to; t += step) {
        mlx_history_add(self->history, track, t, (double)(t / 1000 % 100));
        if (t % 60000 < step)
            flush(self, t);
    }
    flush(self, to);
}

static void the_coarsest_tier_that_is_fine_enough_is_read(void **state)
{
    scratch_t *self = *state;
    static const struct {
        int64_t step;
        mlx_tier_t tier;
    } cases[] = {{1000, MLX_TIER_RAW},       {59999, MLX_TIER_RAW},    {60000, MLX_TIER_MINUTE},
                 {3599999, MLX_TIER_MINUTE}, {3600000, MLX_TIER_HOUR}, {DAY, MLX_TIER_HOUR}};
    scratch_open(self, SCRATCH_T0);
    fill(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + 2 * HOUR, 5000);
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_points_t points = ask(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + 2 * HOUR, cases[i].step);
        int64_t count = 0;
        for (size_t k = 0; k < points.n; k++)
            count += points.all[k].count;
        assert_int_equal(points.tier, cases[i].tier);
        assert_int_equal(count, 1440); /* the newest part is there in each */
        mlx_points_clear(&points);
    }
    mlx_query_t query = {.since = SCRATCH_T0, .until = SCRATCH_T0 + 2 * HOUR, .points = 120};
    mlx_points_t points = {0};
    mlx_history_query(self->history, track_of(self, "h/t/f"), &query, &points, NULL);
    assert_int_equal(points.step, 60000);
    assert_int_equal(points.n, 120);
    mlx_points_clear(&points);
}

static void gaps_stay_gaps(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    fill(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + 10 * 60000, 1000);
    fill(self, "h/t/f", SCRATCH_T0 + 50 * 60000, SCRATCH_T0 + HOUR, 1000);
    mlx_points_t points = ask(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + HOUR, 60000);
    assert_int_equal(points.n, 20);
    for (size_t i = 0; i < points.n; i++) {
        int64_t minute = (points.all[i].t - SCRATCH_T0) / 60000;
        assert_true(minute < 10 || minute >= 50);
        assert_int_equal(points.all[i].count, 60);
    }
    mlx_points_clear(&points);
    points = ask(self, "h/t/f", SCRATCH_T0 + 11 * 60000, SCRATCH_T0 + 49 * 60000, 10000);
    assert_int_equal(points.n, 0);
    mlx_points_clear(&points);
}

/*  Not the beginning of its hour or minute. */
static void the_first_sample_is_told(void **state)
{
    scratch_t *self = *state;
    mlx_history_store_figures_t figures;
    int64_t first = SCRATCH_T0 + 17 * 60000 + 23456;
    scratch_open(self, first);
    mlx_track_t *track = track_of(self, "h/t/f");
    assert_int_equal(mlx_history_figures(self->history, &figures, NULL), 0);
    assert_int_equal(figures.oldest, INT64_MAX);
    for (int64_t t = first; t < SCRATCH_T0 + 3 * HOUR; t += 1000) {
        mlx_history_add(self->history, track, t, 1);
        if (t % 600000 < 1000)
            flush(self, t);
    }
    assert_int_equal(mlx_history_figures(self->history, &figures, NULL), 0);
    assert_int_equal(figures.oldest, first);
    for (int day = 1; day < 5; day++)
        mlx_history_add(self->history, track, SCRATCH_T0 + day * DAY, 1);
    flush(self, SCRATCH_T0 + 5 * DAY);
    assert_int_equal(mlx_history_retain(self->history, SCRATCH_T0 + 5 * DAY, NULL), 0);
    assert_int_equal(mlx_history_figures(self->history, &figures, NULL), 0);
    assert_in_range(figures.oldest, SCRATCH_T0 + 17 * 60000, first); /* the minute is left */
}

/*  100 days: the oldest part comes from hours, the middle from minutes, the newest raw, and each
 *  sample counts once. */
static void retention_leaves_the_coarser_rows(void **state)
{
    scratch_t *self = *state;
    int64_t end = SCRATCH_T0 + 100 * DAY;
    mlx_rollup_t *rows;
    size_t n;
    scratch_open(self, SCRATCH_T0);
    mlx_track_t *track = track_of(self, "h/t/f");
    for (int64_t t = SCRATCH_T0; t < end; t += 30000) {
        mlx_history_add(self->history, track, t, 1);
        if (t % 600000 == 0)
            flush(self, t);
    }
    flush(self, end);
    rows = rows_of(self, "h/t/f", MLX_TIER_RAW, &n);
    assert_in_range(n, 48 * 120, 48 * 120 + 40);
    free(rows);
    rows = rows_of(self, "h/t/f", MLX_TIER_MINUTE, &n);
    assert_in_range(n, 90 * 1440, 90 * 1440 + 181);
    free(rows);
    rows = rows_of(self, "h/t/f", MLX_TIER_HOUR, &n);
    assert_in_range(n, 2400, 2420);
    free(rows);
    static const int64_t spans[] = {100, 95, 60, 3, 1};
    for (size_t i = 0; i < MLX_COUNT(spans); i++) {
        int64_t step = spans[i] * DAY / 4000;
        mlx_points_t points = ask(self, "h/t/f", end - spans[i] * DAY, end, step);
        int64_t count = 0;
        for (size_t k = 0; k < points.n; k++)
            count += points.all[k].count;
        assert_in_range(count, spans[i] * 2880, spans[i] * 2880 + 120);
        mlx_points_clear(&points);
    }
    mlx_points_t whole = ask(self, "h/t/f", SCRATCH_T0, end, HOUR);
    int64_t count = 0;
    for (size_t k = 0; k < whole.n; k++)
        count += whole.all[k].count;
    assert_int_equal(count, 288000);
    mlx_points_clear(&whole);
}

static void repeats_are_dropped_and_a_clock_set_back_is_not(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    mlx_track_t *track = track_of(self, "h/t/f");
    mlx_history_add(self->history, track, SCRATCH_T0 + HOUR, 1);
    mlx_history_add(self->history, track, SCRATCH_T0 + HOUR, 1);
    mlx_history_add(self->history, track, SCRATCH_T0 + HOUR - 100, 1);
    assert_int_equal(mlx_history_waiting(self->history), 1);
    mlx_history_add(self->history, track, SCRATCH_T0, 1);
    mlx_history_add(self->history, track, SCRATCH_T0 + 1000, 1);
    assert_int_equal(mlx_history_waiting(self->history), 3);
    flush(self, SCRATCH_T0 + 2 * HOUR);
    mlx_points_t points = ask(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + 2 * HOUR, 1000);
    assert_int_equal(points.n, 3);
    mlx_points_clear(&points);
}

static void what_is_no_number_is_refused(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    mlx_track_t *track = track_of(self, "h/t/f");
    static const double bad[] = {1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0, 1e300, -1e13};
    for (size_t i = 0; i < MLX_COUNT(bad); i++)
        mlx_history_add(self->history, track, SCRATCH_T0 + (int64_t)i * 1000, bad[i]);
    mlx_history_add(self->history, track, -5, 1);
    assert_int_equal(mlx_history_waiting(self->history), 0);
    assert_int_equal(mlx_history_stats(self->history).refused, 6);
}

static void there_may_be_too_many_series(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    for (int i = 0; i < MLX_TRACKS_MAX + 10; i++) {
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("h/t/f%d", i);
        mlx_track_t *track = mlx_history_track(self->history, name, MLX_UNIT_NONE, MLX_INT);
        assert_true(!track == (i >= MLX_TRACKS_MAX));
        if (track)
            mlx_history_add(self->history, track, SCRATCH_T0, i);
    }
    assert_int_equal(mlx_history_stats(self->history).lost, 10);
    flush(self, SCRATCH_T0 + HOUR);
    scratch_crash(self);
    scratch_open(self, SCRATCH_T0 + HOUR);
    assert_int_equal(mlx_tracks_count(mlx_history_tracks(self->history)), MLX_TRACKS_MAX);
}

/*  Made-up names make room when they have fallen silent; what has a history stays. */
static void junk_makes_room_for_new_series(void **state)
{
    scratch_t *self = *state;
    int64_t now = SCRATCH_T0;
    scratch_open(self, now);
    for (int i = 0; i < 100; i++, now += 1000) {
        mlx_track_t *old = mlx_history_track(self->history, "h/t/old", MLX_UNIT_NONE, MLX_INT);
        mlx_history_add(self->history, old, now, i);
    }
    flush(self, now);
    for (int i = 1; i < MLX_TRACKS_MAX; i++) {
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("h/t/junk%d", i);
        mlx_history_add(self->history,
                        mlx_history_track(self->history, name, MLX_UNIT_NONE, MLX_INT), now, i);
    }
    assert_null(mlx_history_track(self->history, "h/t/new", MLX_UNIT_NONE, MLX_INT));
    flush(self, now += 20000);
    mlx_track_t *track = mlx_history_track(self->history, "h/t/new", MLX_UNIT_CELSIUS, MLX_REAL);
    assert_non_null(track);
    mlx_history_add(self->history, track, now, 48.5);
    assert_int_equal(mlx_history_stats(self->history).pruned, MLX_TRACKS_MAX - 1);
    flush(self, now);
    scratch_crash(self);
    scratch_open(self, now);
    assert_int_equal(mlx_tracks_used(mlx_history_tracks(self->history)), 2);
    track = (mlx_track_t *)(uintptr_t)mlx_tracks_find(mlx_history_tracks(self->history), "h/t/new");
    assert_non_null(track);
    assert_int_equal(track->unit, MLX_UNIT_CELSIUS);
    assert_int_equal(track->n, 1);
    assert_non_null(mlx_tracks_find(mlx_history_tracks(self->history), "h/t/old"));
}

static void bad_queries_are_refused(void **state)
{
    scratch_t *self = *state;
    static const mlx_query_t bad[] = {{.since = 10, .until = 10},
                                      {.since = 10, .until = 5},
                                      {.since = -10, .until = 5},
                                      {.since = 0, .until = 1000000, .step = 1},
                                      {.since = 0, .until = 1000, .step = -1},
                                      {.since = 0, .until = 1000, .points = -1},
                                      {.since = 0, .until = INT64_MAX, .points = 8001}};
    scratch_open(self, SCRATCH_T0);
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        mlx_error_t err = {0};
        mlx_points_t points = {0};
        assert_int_equal(
            mlx_history_query(self->history, track_of(self, "h/t/f"), &bad[i], &points, &err), -1);
        assert_int_equal(err.code, MLX_ERR_USAGE);
    }
}

static int open_code(const scratch_t *self)
{
    mlx_error_t err = {0};
    mlx_history_options_t options = {.path = self->path, .raw_hours = 48, .minute_days = 90};
    mlx_history_t *history = mlx_history_open(&options, SCRATCH_T0, &err);
    mlx_history_destroy(&history);
    return (int)err.code;
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    mlx_db_exec(mlx_history_store_db(mlx_history_store(self->history)), "PRAGMA user_version = 99",
                NULL);
    scratch_crash(self);
    struct stat before, after;
    stat(self->path, &before);
    assert_int_equal(open_code(self), MLX_ERR_USAGE);
    stat(self->path, &after);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void two_recorders_do_not_share_a_database(void **state)
{
    scratch_t *self = *state;
    scratch_open(self, SCRATCH_T0);
    assert_int_equal(open_code(self), MLX_ERR_BUSY);
    scratch_crash(self);
    assert_int_equal(open_code(self), MLX_OK);
}

/*  A file that may not grow stands for a disk that is full: the kernel refuses the same writes. */
static void a_full_disk_loses_nothing_once_there_is_room(void **state)
{
    scratch_t *self = *state;
    struct rlimit limit, small;
    scratch_open(self, SCRATCH_T0);
    fill(self, "h/t/f", SCRATCH_T0, SCRATCH_T0 + HOUR, 1000);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    mlx_track_t *track = track_of(self, "h/t/f");
    int failed = 0;
    for (int64_t t = SCRATCH_T0 + HOUR; t < SCRATCH_T0 + 2 * HOUR; t += 1000) {
        mlx_history_add(self->history, track, t, 7);
        mlx_error_t err = {0};
        if (t % 5000 == 0 && mlx_history_flush(self->history, t, &err)) {
            assert_int_equal(err.code, MLX_ERR_FAILED);
            failed++;
        }
    }
    assert_true(failed > 100);
    setrlimit(RLIMIT_FSIZE, &limit);
    flush(self, SCRATCH_T0 + 2 * HOUR);
    scratch_crash(self);
    scratch_open(self, SCRATCH_T0 + 2 * HOUR);
    size_t n;
    mlx_rollup_t *rows = rows_of(self, "h/t/f", MLX_TIER_RAW, &n);
    assert_int_equal(n, 7200);
    free(rows);
    assert_int_equal(mlx_history_stats(self->history).lost, 0);
    assert_int_equal(mlx_db_check(mlx_history_store_db(mlx_history_store(self->history)), NULL), 0);
}

static void a_full_disk_for_long_does_not_fill_the_memory(void **state)
{
    scratch_t *self = *state;
    struct rlimit limit, small;
    scratch_open(self, SCRATCH_T0);
    flush(self, SCRATCH_T0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    mlx_track_t *track = track_of(self, "h/t/f");
    for (int64_t i = 0; i < MLX_CHUNK_MAX + 500; i++)
        mlx_history_add(self->history, track, SCRATCH_T0 + i * 1000, 7);
    assert_int_equal(mlx_history_flush(self->history, SCRATCH_T0 + DAY, NULL), -1);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(mlx_history_stats(self->history).lost, 500);
    flush(self, SCRATCH_T0 + DAY);
    mlx_history_add(self->history, track, SCRATCH_T0 + DAY, 7);
    flush(self, SCRATCH_T0 + DAY + 1000);
    size_t n;
    mlx_rollup_t *rows = rows_of(self, "h/t/f", MLX_TIER_RAW, &n);
    assert_int_equal(n, MLX_CHUNK_MAX + 1);
    free(rows);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rollups_are_exactly_those_of_the_samples),
        TEST(a_crash_loses_what_was_not_flushed_and_no_more),
        TEST(the_coarsest_tier_that_is_fine_enough_is_read),
        TEST(gaps_stay_gaps),
        TEST(the_first_sample_is_told),
        TEST(retention_leaves_the_coarser_rows),
        TEST(repeats_are_dropped_and_a_clock_set_back_is_not),
        TEST(what_is_no_number_is_refused),
        TEST(there_may_be_too_many_series),
        TEST(junk_makes_room_for_new_series),
        TEST(bad_queries_are_refused),
        TEST(a_newer_database_is_refused_and_left_alone),
        TEST(two_recorders_do_not_share_a_database),
        TEST(a_full_disk_loses_nothing_once_there_is_room),
        TEST(a_full_disk_for_long_does_not_fill_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
