#include "services/watcher/tap_view.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL 1700000000000000

static mlx_tap_request_t request(mlx_stream_outcome_t outcome, int64_t started_us, int64_t tokens)
{
    mlx_tap_request_t r = {.figures = {.model = "m",
                                       .outcome = outcome,
                                       .streamed = true,
                                       .started_us = started_us,
                                       .ended_us = started_us + 2000000,
                                       .ttft_s = 0.25,
                                       .live_rate = 30,
                                       .prompt_tokens = 7,
                                       .generated_tokens = tokens,
                                       .prompt_rate = NAN,
                                       .generation_rate = 29,
                                       .load_s = NAN,
                                       .total_s = NAN}};
    return r;
}

static mlx_tap_view_t *new_view(void)
{
    mlx_tap_view_t *view = mlx_alloc(1, sizeof *view);
    mlx_tap_view_reset(view);
    return view;
}

static void update(mlx_tap_view_t *view, mlx_tap_request_t *requests, size_t count, int64_t now_us)
{
    mlx_tap_snapshot_t snapshot = {.requests = requests, .count = count};
    mlx_tap_view_update(view, &snapshot, now_us, WALL + now_us);
}

static void knows_nothing_before_something_passed(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) mlx_tap_view_t *view = new_view();
    update(view, NULL, 0, 1);
    assert_null(mlx_tap_view_activity(view));
}

static void follows_requests_to_their_end(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) mlx_tap_view_t *view = new_view();
    mlx_tap_request_t running[] = {request(MLX_STREAM_RUNNING, 1000000, 0)};
    running[0].figures.ttft_s = NAN;
    update(view, running, 1, 1500000);
    const mlx_activity_t *a = mlx_tap_view_activity(view);
    assert_true(a->requests == 1 && a->generating == 0 && isnan(a->tokens_per_second));
    assert_true(isnan(a->ttft_s) && a->requests_total == 0);

    mlx_tap_request_t two[] = {request(MLX_STREAM_RUNNING, 1000000, 12),
                               request(MLX_STREAM_RUNNING, 1100000, 3)};
    two[1].figures.ttft_s = 0.5;
    update(view, two, 2, 2000000);
    assert_true(a->requests == 2 && a->generating == 2 && a->tokens_per_second == 60);
    assert_true(a->ttft_s == 0.5 && a->model == NULL && a->list_count == 2);
    assert_true(a->list[0].tokens == 12 && fabs(a->list[0].age_s - 1) < 1e-9);
    assert_string_equal(a->list[0].model, "m");

    mlx_tap_request_t ended[] = {request(MLX_STREAM_OK, 1000000, 40),
                                 request(MLX_STREAM_CLIENT_ABORT, 1100000, 20)};
    ended[1].figures.model[0] = '\0';
    update(view, ended, 2, 3500000);
    assert_true(a->requests == 0 && a->requests_total == 2 && a->errors_total == 1);
    assert_true(a->tokens_total == 60 && a->prompt_tokens_total == 14);
    assert_int_equal(a->last.t_us, WALL + 3100000);
    assert_true(a->last.tokens == 20 && a->last.duration_s == 2 && a->last.model == NULL);
    assert_string_equal(a->last.outcome, "client_abort");

    mlx_tap_request_t lost[] = {request(MLX_STREAM_LOST, 4000000, -1)};
    update(view, lost, 1, 7000000);
    assert_true(a->requests_total == 3 && a->errors_total == 1 && a->tokens_total == 60);
    assert_null(a->last.outcome);
    assert_true(isnan(a->last.tokens));
    update(view, NULL, 0, 8000000);
    assert_true(a->requests == 0 && a->requests_total == 3);
}

static void is_bounded(void **state)
{
    (void)state;
    enum {
        MANY = 3 * MLX_ACTIVITY_REQUESTS_MAX
    };
    MLX_CLEANUP(mlx_free_p) mlx_tap_view_t *view = new_view();
    MLX_CLEANUP(mlx_free_p) mlx_tap_request_t *many = mlx_alloc(MANY, sizeof *many);
    for (size_t i = 0; i < MANY; i++) {
        many[i] = request(MLX_STREAM_RUNNING, 1000000, 1);
        memset(many[i].figures.model, 'x', sizeof many[i].figures.model - 1);
    }
    update(view, many, MANY, 2000000);
    const mlx_activity_t *a = mlx_tap_view_activity(view);
    assert_true(a->requests == MANY && a->list_count == MLX_ACTIVITY_REQUESTS_MAX);
    assert_int_equal(strlen(a->list[MLX_ACTIVITY_REQUESTS_MAX - 1].model), 127);
}

/*  One stream at 120 tok/s, from 3 s on two at 75 each; the rates of each lag behind. */
static void adds_streams_up_over_one_window(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) mlx_tap_view_t *view = new_view();
    for (int64_t t = 250; t <= 7000; t += 250) {
        double s = (double)t / 1000;
        bool two = t >= 3000;
        mlx_tap_request_t r[] = {
            request(MLX_STREAM_RUNNING, 0, (int64_t)(120 * (two ? 3 : s) + 75 * (two ? s - 3 : 0))),
            request(MLX_STREAM_RUNNING, 2900000, (int64_t)(1 + 75 * (s - 3)))};
        r[0].id = 1;
        r[1].id = 2;
        r[0].figures.live_rate = t < 5000 ? 120 : 75;
        r[1].figures.live_rate = 75;
        update(view, r, two ? 2 : 1, t * 1000);
        double sum = mlx_tap_view_activity(view)->tokens_per_second;
        double right = two ? 150 : 120;
        if (sum > 165 || (t != 3000 && (t < 3000 || t >= 4000) && fabs(sum / right - 1) > 0.05))
            fail_msg("%g tok/s at %d ms", sum, (int)t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_nothing_before_something_passed),
        cmocka_unit_test(follows_requests_to_their_end),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(adds_streams_up_over_one_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
