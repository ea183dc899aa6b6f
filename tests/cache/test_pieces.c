/*  The set of pieces of a file and its sidecar, which is input like any other; the speed. */
#include "common/base/throughput.h"
#include "services/cache/transfer/range_map.h"
#include "tests/cache/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void test_set(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_range_map_destroy) mlx_range_map_t *p = mlx_range_map_new("e", 250, 100);
    assert_int_equal(mlx_range_map_count(p), 3);
    assert_int_equal(mlx_range_map_end(p, 2), 250);
    mlx_range_map_reached(p, 1, 200);
    assert_int_equal(mlx_range_map_frontier(p), 0);
    mlx_range_map_reached(p, 0, 40);
    assert_int_equal(mlx_range_map_frontier(p), 40);
    mlx_range_map_reached(p, 0, 30);
    assert_int_equal(mlx_range_map_at(p, 0), 40);
    mlx_range_map_reached(p, 0, 100);
    assert_int_equal(mlx_range_map_frontier(p), 200);
    assert_int_equal(mlx_range_map_bytes(p), 200);
    assert_false(mlx_range_map_complete(p));
    mlx_range_map_reached(p, 2, 250);
    assert_true(mlx_range_map_complete(p));
    assert_int_equal(mlx_range_map_frontier(p), 250);
    mlx_range_map_clear(p);
    assert_int_equal(mlx_range_map_bytes(p), 0);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, piece;
        size_t count;
    } cases[] = {{0, 0, 1},     {1, 0, 1},         {100, 100, 1},         {101, 100, 2},
                 {200, 100, 2}, {65536, 1, 32768}, {1ull << 62, 0, 32768}};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_range_map_destroy)
        mlx_range_map_t *p = mlx_range_map_new("e", cases[i].size, cases[i].piece);
        assert_int_equal(mlx_range_map_count(p), cases[i].count);
        assert_int_equal(mlx_range_map_end(p, cases[i].count - 1), cases[i].size);
        assert_int_equal(mlx_range_map_complete(p), cases[i].size == 0);
        MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(p);
        assert_true(strlen(text) < MLX_PIECES_TEXT_MAX);
    }
}

static void test_sidecar(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_range_map_destroy) mlx_range_map_t *p = mlx_range_map_new("e", 250, 100);
    mlx_range_map_reached(p, 0, 100);
    mlx_range_map_reached(p, 1, 150);
    mlx_range_map_reached(p, 2, 250);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(p);
    assert_string_equal(text, "mlx-pieces 1 e 250 100\n101\n");
    MLX_CLEANUP(mlx_range_map_destroy) mlx_range_map_t *q = mlx_range_map_new("e", 250, 100);
    assert_true(mlx_range_map_parse(q, text, strlen(text), 250));
    assert_int_equal(mlx_range_map_bytes(q), 150);
    /* A file that lost its end has no last piece. */
    assert_true(mlx_range_map_parse(q, text, strlen(text), 249));
    assert_int_equal(mlx_range_map_bytes(q), 100);

    static const char *const refused[] = {
        "",
        "\n",
        "mlx-pieces 1 e 250 100\n101",
        "mlx-pieces 1 e 250 100\n1011\n",
        "mlx-pieces 1 e 250 100\n1x1\n",
        "mlx-pieces 1 f 250 100\n101\n",
        "mlx-pieces 1 e 251 100\n101\n",
        "mlx-pieces 1 e 250 101\n101\n",
        "mlx-pieces 2 e 250 100\n101\n",
    };
    for (size_t i = 0; i < MLX_COUNT(refused); i++) {
        MLX_CLEANUP(mlx_range_map_destroy) mlx_range_map_t *r = mlx_range_map_new("e", 250, 100);
        if (mlx_range_map_parse(r, refused[i], strlen(refused[i]), 250))
            fail_msg("took %s", refused[i]);
        assert_int_equal(mlx_range_map_bytes(r), 0);
    }
}

static void test_rate(void **state)
{
    (void)state;
    mlx_throughput_t rate = {.smooth_s = 1.5};
    mlx_throughput_note(&rate, 1000000, 5000);
    assert_true(isnan(mlx_throughput_speed(&rate)));
    assert_true(isnan(mlx_throughput_left(&rate, 9000)));
    mlx_throughput_note(&rate, 2000000, 6000);
    assert_true(fabs(mlx_throughput_speed(&rate) - 1000) < 1e-6);
    assert_true(fabs(mlx_throughput_left(&rate, 9000) - 3) < 1e-6);
    mlx_throughput_note(&rate, 2000001, 7000); /* too soon to tell */
    assert_true(fabs(mlx_throughput_speed(&rate) - 1000) < 1e-6);
    for (int i = 1; i < 20; i++)
        mlx_throughput_note(&rate, 2000000 + i * 1000000, 6000 + (uint64_t)i * 500);
    assert_true(fabs(mlx_throughput_speed(&rate) - 500) < 5);
    mlx_throughput_note(&rate, 30000000, 100);
    assert_true(isnan(mlx_throughput_speed(&rate)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sidecar),
        cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
