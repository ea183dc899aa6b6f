/*  The recorder against SQLite itself, and a year of history.
 *
 *      bench_recorder rate [samples]             ours against raw batched inserts, in one run
 *      bench_recorder year [series] [step_ms]    32 and 1000: 1.0e9 samples
 *
 *  Baseline: one prepared INSERT of (series, t, value) into a table without any index, 10000 rows a
 *  transaction, WAL, synchronous=NORMAL: the fastest SQLite goes. Ours: the same samples through
 *  mlx_history_add with a flush every 10000, chunks and rollups included; and once more as messages
 *  of 13 fields through mlx_recorder_message, names and catalogue included. They alternate; the
 *  medians and their ratios are printed.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/recorder/query.h"
#include "services/recorder/recorder.h"
#include "tests/recorder/year.h"

enum {
    ROUNDS = 7,
    SERIES = 64,
    BATCH = 10000
};

#define T0 INT64_C(1767225600000)
#define DAY_MS INT64_C(86400000)

static double *values;

static void exec(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        mlx_panic("%s: %s", sql, sqlite3_errmsg(db));
}

static double raw_rate(const char *path, int64_t count)
{
    sqlite3 *db;
    sqlite3_stmt *insert;
    unlink(path);
    sqlite3_open(path, &db);
    exec(db, "PRAGMA journal_mode = WAL");
    exec(db, "PRAGMA synchronous = NORMAL");
    exec(db, "CREATE TABLE sample (series INTEGER, t INTEGER, value REAL)");
    sqlite3_prepare_v2(db, "INSERT INTO sample VALUES (?, ?, ?)", -1, &insert, NULL);
    int64_t begin = mlx_now_us();
    for (int64_t i = 0; i < count; i++) {
        if (i % BATCH == 0)
            exec(db, "BEGIN");
        sqlite3_bind_int64(insert, 1, i % SERIES);
        sqlite3_bind_int64(insert, 2, T0 + i / SERIES * 1000);
        sqlite3_bind_double(insert, 3, values[i]);
        if (sqlite3_step(insert) != SQLITE_DONE)
            mlx_panic("%s", sqlite3_errmsg(db));
        sqlite3_reset(insert);
        if (i % BATCH == BATCH - 1 || i == count - 1)
            exec(db, "COMMIT");
    }
    double seconds = (double)(mlx_now_us() - begin) / 1e6;
    sqlite3_finalize(insert);
    sqlite3_close(db);
    unlink(path);
    return (double)count / seconds;
}

static mlx_history_t *open_history(const char *path)
{
    mlx_error_t err = {0};
    mlx_history_t *history = mlx_history_open(
        &(mlx_history_options_t){.path = path, .raw_hours = 48, .minute_days = 90}, T0, &err);
    if (!history)
        mlx_panic("%s", err.text);
    return history;
}

static double our_rate(const char *path, int64_t count)
{
    unlink(path);
    mlx_history_t *history = open_history(path);
    mlx_track_t *tracks[SERIES];
    for (int i = 0; i < SERIES; i++) {
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("host/sensor.test/%d", i);
        tracks[i] = mlx_history_track(history, name, MLX_UNIT_RATIO, MLX_REAL);
    }
    int64_t begin = mlx_now_us();
    for (int64_t i = 0; i < count; i++) {
        int64_t t = T0 + i / SERIES * 1000;
        mlx_history_add(history, tracks[i % SERIES], t, values[i]);
        if ((i % BATCH == BATCH - 1 || i == count - 1) && mlx_history_flush(history, t, NULL))
            mlx_panic("a flush failed");
    }
    double seconds = (double)(mlx_now_us() - begin) / 1e6;
    mlx_history_destroy(&history);
    unlink(path);
    return (double)count / seconds;
}

static int64_t bench_clock_us;

static int64_t bench_wall_us(void)
{
    return bench_clock_us;
}

static void ignore_publish(void *arg, const char *topic, const mlx_value_t *d)
{
    (void)arg, (void)topic, (void)d;
}

static void report_problem(void *arg, const char *kind, const char *text)
{
    (void)arg;
    mlx_panic("%s: %s", kind, text);
}

static void ignore_health(void *arg, const char *reason)
{
    (void)arg, (void)reason;
}

/*  Fields of sensor.memory, that of a machine with all of them. */
static mlx_value_t *memory_reading(int64_t i)
{
    static const char *const bytes[] = {"total",     "used",       "available",  "free",
                                        "cached",    "wired",      "compressed", "limit",
                                        "gpu_limit", "swap_total", "swap_used"};
    mlx_value_t *d = mlx_value_map();
    for (size_t k = 0; k < MLX_COUNT(bytes); k++)
        mlx_value_set_int(d, bytes[k], (int64_t)(values[i + (int64_t)k] * 1e6) * 4096);
    mlx_value_set_real(d, "pressure", values[i]);
    mlx_value_set_real(d, "pressure_full", values[i] / 2);
    return d;
}

static double message_rate(const char *path, int64_t count)
{
    mlx_error_t err = {0};
    unlink(path);
    bench_clock_us = T0 * 1000;
    mlx_recorder_t *recorder = mlx_recorder_new(
        &(mlx_recorder_options_t){.history = {.path = path, .raw_hours = 48, .minute_days = 90},
                                  .request_days = 90,
                                  .energy_days = 730,
                                  .system = "",
                                  .driver = "",
                                  .host = "host",
                                  .wall_us = bench_wall_us,
                                  .publish = ignore_publish,
                                  .problem = report_problem,
                                  .health = ignore_health},
        &err);
    if (!recorder)
        mlx_panic("%s", err.text);
    int64_t spent = 0, samples = 0;
    for (int64_t i = 0; samples < count; i++, bench_clock_us += 200000) {
        mlx_message_t message = {.topic = (char[]){"sensor.memory"},
                                 .host = (char[]){"host"},
                                 .t = bench_clock_us,
                                 .d = memory_reading(i % (count - 16))};
        int64_t begin = mlx_now_us();
        mlx_recorder_message(recorder, &message);
        spent += mlx_now_us() - begin;
        samples += (int64_t)mlx_value_size(message.d);
        mlx_value_destroy(&message.d);
    }
    mlx_recorder_destroy(&recorder);
    unlink(path);
    return (double)count * 1e6 / (double)spent;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void compare_rates(const char *path, int64_t count)
{
    double raw[ROUNDS], ours[ROUNDS], messages[ROUNDS];
    values = mlx_alloc((size_t)count, sizeof *values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)rand() / RAND_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        raw[i] = raw_rate(path, count);
        ours[i] = our_rate(path, count);
        messages[i] = message_rate(path, count);
    }
    qsort(raw, ROUNDS, sizeof *raw, by_size);
    qsort(ours, ROUNDS, sizeof *ours, by_size);
    qsort(messages, ROUNDS, sizeof *messages, by_size);
    double base = raw[ROUNDS / 2];
    printf("raw sqlite3 %.0f rows/s; history %.0f samples/s, ratio %.2f; from messages %.0f "
           "samples/s, ratio %.2f\n",
           base, ours[ROUNDS / 2], ours[ROUNDS / 2] / base, messages[ROUNDS / 2],
           messages[ROUNDS / 2] / base);
    free(values);
}

static double query_ms(mlx_history_t *history, const year_t *year, int64_t since, int64_t until)
{
    double times[ROUNDS];
    mlx_query_t query = {.since = since, .until = until, .points = 1000};
    for (int i = 0; i < ROUNDS; i++) {
        mlx_points_t points = {0};
        int64_t begin = mlx_now_us();
        if (mlx_history_query(history, year_track(year), &query, &points, NULL) || !points.n)
            mlx_panic("a query failed");
        times[i] = (double)(mlx_now_us() - begin) / 1000;
        mlx_points_clear(&points);
    }
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS - 1];
}

static void report_year(mlx_history_t *history, const year_t *year, const char *path)
{
    int64_t end = T0 + 365 * DAY_MS;
    mlx_history_store_figures_t figures;
    struct stat st;
    mlx_history_figures(history, &figures, NULL);
    stat(path, &st);
    int64_t kept =
        figures.rows[MLX_TIER_RAW] + figures.rows[MLX_TIER_MINUTE] + figures.rows[MLX_TIER_HOUR];
    printf("file %.1f MB (%.1f MB unused), %lld rows kept (%lld raw, %lld minutes, %lld hours): "
           "%.2f bytes a row\n",
           (double)st.st_size / 1e6, (double)figures.free / 1e6, (long long)kept,
           (long long)figures.rows[0], (long long)figures.rows[1], (long long)figures.rows[2],
           (double)st.st_size / (double)kept);
    printf(
        "slowest of %d: year %.2f ms, 90 days %.2f ms, 48 hours %.2f ms, last hour raw %.2f ms\n",
        ROUNDS, query_ms(history, year, T0, end), query_ms(history, year, end - 90 * DAY_MS, end),
        query_ms(history, year, end - 2 * DAY_MS, end),
        query_ms(history, year, end - 3600000, end));
}

static void simulate_year(const char *path, size_t series, int64_t step_ms)
{
    mlx_history_t *history = open_history(path);
    year_t *year = year_new(history, series);
    int64_t begin = mlx_now_us();
    for (int month = 0; month < 12; month++) {
        year_run(year, T0 + month * 365 * DAY_MS / 12, T0 + (month + 1) * 365 * DAY_MS / 12,
                 step_ms);
        printf("month %2d: %lld samples, %.1f MB resident\n", month + 1,
               (long long)year_samples(year), (double)year_memory() / 1e6);
        fflush(stdout);
    }
    double seconds = (double)(mlx_now_us() - begin) / 1e6;
    printf("%.3g samples in %.0f s: %.0f a second, made up and recorded\n",
           (double)year_samples(year), seconds, (double)year_samples(year) / seconds);
    report_year(history, year, path);
    year_destroy(&year);
    mlx_history_destroy(&history);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/mlx-bench-XXXXXX";
    const char *what = argc > 1 ? argv[1] : "rate";
    long first = argc > 2 ? atol(argv[2]) : 0, second = argc > 3 ? atol(argv[3]) : 1000;
    if (!mkdtemp(dir))
        return 1;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/history.db", dir);
    if (strcmp(what, "year") == 0)
        simulate_year(path, first > 0 ? (size_t)first : 32, second);
    else
        compare_rates(path, first > 0 ? first : 2000000);
    MLX_CLEANUP(mlx_free_p) char *lock = mlx_format("%s.lock", path);
    unlink(lock);
    unlink(path);
    return rmdir(dir);
}
