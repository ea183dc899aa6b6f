/*  The codec: what goes in comes out, in few bytes; damage is noticed, never trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "services/recorder/chunk.h"
#include "services/recorder/ints.h"
#include "services/recorder/sketch.h"

/*  xorshift64*: the same numbers in every run. */
static uint64_t roll(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1d;
}

static void check_column(const int64_t *values, size_t n)
{
    mlx_buf_t buf = {0};
    int64_t *back = calloc(n, sizeof *back);
    mlx_ints_encode(&buf, values, n);
    /* Bytes behind the column are another column's. */
    mlx_buf_puts(&buf, "next");
    assert_int_equal(mlx_ints_decode((uint8_t *)buf.data, buf.len, back, n), buf.len - 4);
    assert_memory_equal(values, back, n * sizeof *back);
    free(back);
    mlx_buf_clear(&buf);
}

static void any_column_comes_back(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int round = 0; round < 4000; round++) {
        int64_t values[200];
        size_t n = 1 + roll(&seed) % 200;
        unsigned width = (unsigned)(roll(&seed) % 65), kind = (unsigned)(roll(&seed) % 4);
        int64_t step = (int64_t)(roll(&seed) % 5000);
        for (size_t i = 0; i < n; i++) {
            uint64_t noise = width ? roll(&seed) >> (64 - width) : 0;
            uint64_t before = i ? (uint64_t)values[i - 1] : roll(&seed);
            values[i] = kind == 0   ? (int64_t)noise
                        : kind == 1 ? (int64_t)(before + noise)
                        : kind == 2 ? (int64_t)(before - noise * (uint64_t)step)
                                    : (int64_t)(i * (uint64_t)step + (noise % 16 == 0));
        }
        check_column(values, n);
    }
}

static void the_ends_of_the_range_come_back(void **state)
{
    (void)state;
    static const int64_t ends[] = {INT64_MIN, INT64_MAX, 0, INT64_MIN, -1, INT64_MAX, 1, INT64_MIN};
    for (size_t n = 1; n <= MLX_COUNT(ends); n++)
        for (size_t from = 0; from + n <= MLX_COUNT(ends); from++)
            check_column(ends + from, n);
    static const int64_t wide[] = {1LL << 61, -(1LL << 61), 3, (1LL << 62) - 1, 0};
    check_column(wide, MLX_COUNT(wide));
}

static void steady_columns_take_a_bit_each(void **state)
{
    (void)state;
    int64_t values[800];
    for (size_t i = 0; i < 800; i++)
        values[i] = 1764057600000 + (int64_t)i * 1000;
    mlx_buf_t buf = {0};
    mlx_ints_encode(&buf, values, 800);
    assert_in_range(buf.len, 100, 125);
    for (size_t i = 0; i < 800; i++)
        values[i] = 68719476736;
    mlx_buf_reset(&buf);
    mlx_ints_encode(&buf, values, 800);
    assert_in_range(buf.len, 100, 115);
    /* Pages of 4096 bytes: the divisor takes 12 bits off each value. */
    uint64_t seed = 7;
    for (size_t i = 0; i < 800; i++)
        values[i] = (int64_t)(8000000 + roll(&seed) % 64) * 4096;
    mlx_buf_reset(&buf);
    mlx_ints_encode(&buf, values, 800);
    assert_in_range(buf.len, 600, 960);
    mlx_buf_clear(&buf);
}

static void rollups_come_back(void **state)
{
    (void)state;
    uint64_t seed = 99;
    mlx_rollup_t rows[300], *back = calloc(MLX_CHUNK_MAX, sizeof *back);
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + roll(&seed) % 300;
        for (size_t i = 0; i < n; i++) {
            int64_t min = (int64_t)(roll(&seed) % 2000000) - 1000000;
            int64_t width = (int64_t)(roll(&seed) % 5000);
            int64_t count = 1 + (int64_t)(roll(&seed) % 60);
            rows[i] = (mlx_rollup_t){.t = (int64_t)i * 60000,
                                     .min = min,
                                     .max = min + width,
                                     .sum = min * count + width,
                                     .last = min + width / 2,
                                     .count = count};
        }
        mlx_buf_t buf = {0};
        mlx_chunk_put_rollups(&buf, rows, n);
        assert_int_equal(mlx_chunk_get_rollups(buf.data, buf.len, back), n);
        assert_memory_equal(rows, back, n * sizeof *rows);
        mlx_buf_clear(&buf);
    }
    free(back);
}

static mlx_buf_t a_chunk(size_t n)
{
    uint64_t seed = 3;
    mlx_sample_t rows[100];
    for (size_t i = 0; i < n; i++)
        rows[i] = (mlx_sample_t){.t = (int64_t)i * 1000, .value = (int64_t)(roll(&seed) % 999)};
    mlx_buf_t buf = {0};
    mlx_chunk_put_samples(&buf, rows, n);
    return buf;
}

static void a_cut_or_lengthened_chunk_is_refused(void **state)
{
    (void)state;
    mlx_sample_t *back = calloc(MLX_CHUNK_MAX, sizeof *back);
    mlx_buf_t buf = a_chunk(100);
    assert_int_equal(mlx_chunk_get_samples(buf.data, buf.len, back), 100);
    for (size_t len = 0; len < buf.len; len++) {
        /* Exactly LEN bytes: an overrun by one is seen by the sanitizer. */
        char *copy = malloc(len ? len : 1);
        memcpy(copy, buf.data, len);
        assert_int_equal(mlx_chunk_get_samples(copy, len, back), 0);
        free(copy);
    }
    char kind = buf.data[0];
    buf.data[0] = 2; /* rollups, says its first byte */
    assert_int_equal(mlx_chunk_get_samples(buf.data, buf.len, back), 0);
    buf.data[0] = kind;
    mlx_buf_putc(&buf, 0);
    assert_int_equal(mlx_chunk_get_samples(buf.data, buf.len, back), 0);
    assert_int_equal(mlx_chunk_get_rollups(buf.data, buf.len, (mlx_rollup_t *)(void *)back), 0);
    mlx_buf_clear(&buf);
    free(back);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/*  Flat, skewed over six decades, and all the same: each percentile is within 2 % of the true one,
 *  also of sketches put together from parts that were packed. */
static void percentiles_are_within_their_error(void **state)
{
    enum {
        N = 20000,
        PARTS = 7
    };
    (void)state;
    static double values[N];
    for (int kind = 0; kind < 3; kind++) {
        uint64_t seed = 11;
        mlx_sketch_t *parts[PARTS], *all = mlx_sketch_new();
        for (int i = 0; i < PARTS; i++)
            parts[i] = mlx_sketch_new();
        for (int i = 0; i < N; i++) {
            double u = (double)(roll(&seed) % 1000003) / 1000003;
            values[i] = kind == 0 ? 1 + 9 * u : kind == 1 ? pow(10, 6 * u - 3) : 0.5;
            mlx_sketch_put(parts[i % PARTS], values[i]);
        }
        for (int i = 0; i < PARTS; i++) {
            mlx_buf_t data = {0};
            size_t pos = 0;
            mlx_sketch_pack(parts[i], &data);
            assert_true(mlx_sketch_merge_packed(all, data.data, data.len, &pos));
            assert_int_equal(pos, data.len);
            mlx_buf_clear(&data);
            mlx_sketch_destroy(&parts[i]);
        }
        qsort(values, N, sizeof *values, by_value);
        assert_int_equal(mlx_sketch_count(all), N);
        for (int p = 0; p <= 100; p++) {
            double truth = values[(size_t)(p * 0.01 * (N - 1))];
            double said = mlx_sketch_quantile(all, p * 0.01);
            if (!(fabs(said - truth) <= truth * MLX_SKETCH_ERROR + 0.0005))
                fail_msg("kind %d, p%d: %g is said to be %g", kind, p, truth, said);
        }
        assert_true(fabs(mlx_sketch_min(all) - values[0]) < 0.001);
        assert_true(fabs(mlx_sketch_max(all) - values[N - 1]) < 0.001);
        mlx_sketch_destroy(&all);
    }
}

static void sketches_refuse_what_is_damaged(void **state)
{
    (void)state;
    mlx_sketch_t *sketch = mlx_sketch_new(), *other = mlx_sketch_new();
    mlx_buf_t data = {0};
    assert_true(isnan(mlx_sketch_quantile(sketch, 0.5)));
    mlx_sketch_put(sketch, NAN);
    mlx_sketch_put(sketch, -1);
    mlx_sketch_put(sketch, INFINITY);
    assert_int_equal(mlx_sketch_count(sketch), 0);
    for (int i = 0; i < 300; i++)
        mlx_sketch_put(sketch, i * i);
    mlx_sketch_pack(sketch, &data);
    for (size_t len = 0; len < data.len; len++) {
        char *copy = malloc(len ? len : 1);
        size_t pos = 0;
        memcpy(copy, data.data, len);
        assert_false(mlx_sketch_merge_packed(other, copy, len, &pos));
        free(copy);
    }
    for (size_t i = 0; i < data.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            size_t pos = 0;
            data.data[i] = (char)(data.data[i] ^ (1 << bit));
            mlx_sketch_t *third = mlx_sketch_new();
            mlx_sketch_merge_packed(third, data.data, data.len, &pos);
            assert_true(pos <= data.len && mlx_sketch_count(third) >= 0);
            mlx_sketch_destroy(&third);
            data.data[i] = (char)(data.data[i] ^ (1 << bit));
        }
    assert_int_equal(mlx_sketch_count(other), 0);
    mlx_buf_clear(&data);
    mlx_sketch_destroy(&sketch);
    mlx_sketch_destroy(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_column_comes_back),
        cmocka_unit_test(the_ends_of_the_range_come_back),
        cmocka_unit_test(steady_columns_take_a_bit_each),
        cmocka_unit_test(rollups_come_back),
        cmocka_unit_test(a_cut_or_lengthened_chunk_is_refused),
        cmocka_unit_test(percentiles_are_within_their_error),
        cmocka_unit_test(sketches_refuse_what_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
