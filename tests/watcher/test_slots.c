/*  The recorded /slots replies, then generations made up with an exact pace. */
#include "services/watcher/slots.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "proto/buf.h"

#define MS 1000
#define WALL 1700000000000000

static void read_fixture(const char *name, mlx_slot_list_t *out)
{
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/ollama/runner/%s", name);
    mlx_error_t err = {0};
    size_t len;
    MLX_CLEANUP(mlx_free_p) char *body = mlx_file_read(path, 1 << 20, &len, &err);
    if (!body || mlx_slots_parse(body, len, out, &err))
        fail_msg("%s: %s", path, err.text);
}

static void reads_the_recordings(void **state)
{
    (void)state;
    mlx_slot_list_t seen;
    read_fixture("slots-busy-32787.json", &seen);
    assert_int_equal(seen.count, 1);
    assert_true(seen.slots[0].processing);
    assert_int_equal(seen.slots[0].task, 26);
    assert_int_equal(seen.slots[0].decoded, 263);
    assert_int_equal(seen.slots[0].prompt_done, 10);
    assert_int_equal(seen.slots[0].prompt_cached, 41);
    read_fixture("slots.json", &seen);
    assert_int_equal(seen.count, 1);
    assert_false(seen.slots[0].processing);
    assert_int_equal(seen.slots[0].decoded, 0);
}

static void reads_the_older_form(void **state)
{
    (void)state;
    const char body[] = "[{\"id\":3,\"is_processing\":true,\"next_token\":{\"n_decoded\":7}}]";
    mlx_slot_list_t seen;
    assert_int_equal(mlx_slots_parse(body, strlen(body), &seen, NULL), 0);
    assert_int_equal(seen.slots[0].id, 3);
    assert_int_equal(seen.slots[0].decoded, 7);
    assert_int_equal(seen.slots[0].task, -1);
    assert_int_equal(seen.slots[0].prompt_done, -1);
}

static void refuses_what_is_no_list_of_slots(void **state)
{
    (void)state;
    const char *const bodies[] = {"",
                                  "{}",
                                  "[1]",
                                  "[{\"id\":0}]",
                                  "[{\"is_processing\":true}]",
                                  "[{\"id\":0",
                                  "[[",
                                  "[{\"id\":-1,\"is_processing\":true}]"};
    for (size_t i = 0; i < MLX_COUNT(bodies); i++) {
        mlx_slot_list_t seen;
        mlx_error_t err = {0};
        assert_int_equal(mlx_slots_parse(bodies[i], strlen(bodies[i]), &seen, &err), -1);
        assert_true(err.text[0]);
    }
}

static void takes_no_more_slots_than_it_can_hold(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    for (int i = 0; i < 5000; i++)
        mlx_buf_printf(&body, "%c{\"id\":%d,\"is_processing\":true}", i ? ',' : '[', i);
    mlx_buf_putc(&body, ']');
    mlx_slot_list_t seen;
    assert_int_equal(mlx_slots_parse(body.data, body.len, &seen, NULL), 0);
    assert_int_equal(seen.count, MLX_SLOTS_MAX);
}

static void look(mlx_slots_t *slots, int64_t t_ms, int64_t task, bool processing, int64_t decoded,
                 int64_t prompt)
{
    mlx_slot_list_t seen = {.count = 1,
                            .slots = {{.id = 0,
                                       .task = task,
                                       .processing = processing,
                                       .decoded = decoded,
                                       .prompt_done = prompt,
                                       .prompt_cached = 0,
                                       .held = -1}}};
    mlx_slots_update(slots, &seen, t_ms * MS, WALL + t_ms * MS);
}

static mlx_activity_t activity(const mlx_slots_t *slots, int64_t t_ms)
{
    mlx_activity_t seen;
    mlx_slots_activity(slots, mlx_slots_changed_us(slots), t_ms * MS, &seen);
    return seen;
}

/*  100 tok/s for 4 s from t = 1.1 s on; polled at 250 ms. */
static void measures_a_generation(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    assert_false(activity(slots, 0).available);
    look(slots, 1, 4, false, 0, 0);
    mlx_activity_t seen = activity(slots, 1);
    assert_true(seen.available && seen.requests == 0 && seen.last.t_us == 0);
    for (int64_t t = 250; t <= 5000; t += 250) {
        bool on = t >= 1100;
        look(slots, t, on ? 5 : 4, on, on ? (t - 1100) / 10 + 1 : 0, on ? 33 : 0);
        seen = activity(slots, t);
        assert_int_equal(mlx_slots_busy(slots), on);
        assert_true(seen.requests == (on ? 1 : 0));
        if (t > 1500 && fabs(seen.tokens_per_second - 100) > 2)
            fail_msg("at %d ms: %g tok/s", (int)t, seen.tokens_per_second);
    }
    assert_int_equal(seen.list_count, 1);
    assert_true(seen.list[0].tokens == 391 && fabs(seen.list[0].age_s - 3.75) < 1e-9);
    assert_true(seen.requests_total == 0);

    look(slots, 5250, 5, false, 0, 0);
    seen = activity(slots, 5250);
    assert_true(seen.requests == 0 && seen.requests_total == 1);
    assert_true(fabs(seen.last.tokens_per_second - 100) < 2);
    assert_true(seen.last.prompt_tokens == 33 && isnan(seen.last.tokens));
    assert_int_equal(seen.last.t_us, WALL + 5250 * MS);
    /*  The 24 tokens after the last look are left out. */
    assert_true(seen.tokens_total == 391 && seen.prompt_tokens_total == 33);
}

static void says_nothing_of_speed_after_one_look(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    look(slots, 1, 4, true, 120, 10);
    mlx_activity_t seen = activity(slots, 2);
    assert_true(seen.requests == 1 && isnan(seen.tokens_per_second));
    assert_true(seen.tokens_total == 0); /* made before we looked */
    look(slots, 1001, 4, false, 0, 0);
    assert_true(isnan(activity(slots, 1001).last.tokens_per_second) != 0);
}

static void measures_the_prompt(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    for (int64_t t = 0; t < 4; t++)
        look(slots, 1 + t * 1000, 9, true, 0, t * 512);
    mlx_activity_t seen = activity(slots, 3001);
    assert_true(fabs(seen.prompt_tokens_per_second - 512) < 1e-9);
    assert_true(seen.generating == 0 && isnan(seen.tokens_per_second));
}

/*  512 tokens a batch of 1.024 s, looked at four times meanwhile: that is not a speed. */
static void a_prompt_keeps_its_speed_between_batches(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    look(slots, 1, 4, false, 0, 0);
    for (int64_t t = 1024; t < 12288; t += 256) {
        look(slots, t, 9, true, 0, t / 1024 * 512);
        mlx_activity_t seen = activity(slots, t);
        double rate = seen.prompt_tokens_per_second;
        if (t >= 2048 && !(fabs(rate - 500) < 5))
            fail_msg("at %d ms: %g tok/s", (int)t, rate);
        assert_true(isnan(seen.tokens_per_second));
        assert_true(seen.list[0].prompt_done == (double)(t / 1024 * 512));
    }
    mlx_activity_t late = activity(slots, 18000); /* a look that waits for a long batch */
    assert_true(fabs(late.prompt_tokens_per_second - 500) < 5);
}

/*  Looks at two requests of 40 tokens, the second with most of its prompt cached. */
static void counts_the_end_that_it_did_not_see(void **state)
{
    (void)state;
    const struct {
        int64_t t_ms;
        mlx_slot_t slot;
    } looks[] = {
        {0, {.task = 6, .held = 139}},
        {150, {.task = 7, .processing = true, .decoded = 9, .prompt_done = 32, .held = 40}},
        {300, {.task = 7, .processing = true, .decoded = 18, .prompt_done = 32, .held = 49}},
        {750, {.task = 7, .held = 71}},
        {1000,
         {.task = 8,
          .processing = true,
          .decoded = 11,
          .prompt_done = 12,
          .prompt_cached = 32,
          .held = 54}},
        {1600, {.task = 8, .held = 83}},
        {1700, {.task = 9, .processing = true, .decoded = 5, .prompt_done = 10, .held = 14}},
        {1800, {.task = 9, .held = 12}},  /* shifted: it holds less than was seen */
        {1900, {.task = 10, .held = -1}}, /* came and went, and an older build */
    };
    const double totals[] = {0, 9, 18, 40, 51, 80, 85, 85, 85};
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    for (size_t i = 0; i < MLX_COUNT(looks); i++) {
        const mlx_slot_list_t seen = {.count = 1, .slots = {looks[i].slot}};
        mlx_slots_update(slots, &seen, looks[i].t_ms * MS + 1, WALL);
        if (activity(slots, looks[i].t_ms + 1).tokens_total != totals[i])
            fail_msg("look %zu: %g", i, activity(slots, looks[i].t_ms + 1).tokens_total);
    }
    assert_true(activity(slots, 1901).requests_total == 4);
}

/*  Back to back: the task number changes and the slot is never seen idle. */
static void tells_one_request_from_the_next(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    look(slots, 1, 1, true, 1, 5);
    look(slots, 1001, 1, true, 51, 5);
    look(slots, 2001, 2, true, 10, 5);
    mlx_activity_t seen = activity(slots, 2001);
    assert_true(seen.requests_total == 1 && seen.tokens_total == 60);
    assert_true(isnan(seen.tokens_per_second));
    assert_true(fabs(seen.last.tokens_per_second - 50) < 1e-9);
    look(slots, 3001, 2, true, 40, 5);
    assert_true(fabs(activity(slots, 3001).tokens_per_second - 30) < 1e-9);
    look(slots, 4001, 2, false, 0, 0);
    look(slots, 5001, 7, false, 0, 0); /* one came and went between two looks */
    assert_true(activity(slots, 5001).requests_total == 3);
}

static void adds_slots_up(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    for (int64_t t = 0; t <= 3000; t += 250) {
        mlx_slot_list_t seen = {
            .count = 3,
            .slots = {{.id = 0, .task = 1, .processing = true, .decoded = 1 + t / 20},
                      {.id = 1, .task = 2, .processing = true, .decoded = 1 + t / 50},
                      {.id = 2, .task = 0}}};
        mlx_slots_update(slots, &seen, 1 + t * MS, WALL);
    }
    mlx_activity_t seen = activity(slots, 3001);
    assert_true(seen.requests == 2 && seen.generating == 2 && seen.list_count == 2);
    assert_true(fabs(seen.tokens_per_second - 70) < 1.5);
}

/*  A slot at FAST tok/s from 0 on; from 3 s on a second one, both at SHARED; from 6 s on the first
 *  alone again. */
static void shares_one_window(double fast, double shared)
{
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    for (int64_t t = 0; t <= 9000; t += 250) {
        double s = (double)t / 1000;
        double first = 1 + fast * (s < 3 ? s : 3) +
                       shared * (s < 3   ? 0
                                 : s < 6 ? s - 3
                                         : 3) +
                       fast * (s < 6 ? 0 : s - 6);
        bool two = t >= 3000 && t < 6000;
        mlx_slot_list_t seen = {
            .count = 2,
            .slots = {
                {.id = 0, .task = 1, .processing = true, .decoded = (int64_t)first},
                {.id = 1, .task = 2, .processing = two, .decoded = (int64_t)(1 + shared * (s - 3))},
            }};
        if (!two)
            seen.slots[1].decoded = 0;
        mlx_slots_update(slots, &seen, 1 + t * MS, WALL);
        mlx_activity_t a = activity(slots, t + 1);
        double sum = a.tokens_per_second, most = 2 * shared > fast ? 2 * shared : fast;
        double right = two ? 2 * shared : fast;
        bool settled = (t > 1000 && t < 3000) || (t >= 4000 && t < 6000) || t >= 7000;
        if (sum > most * 1.1 || (settled && fabs(sum / right - 1) > 0.05))
            fail_msg("%g tok/s at %d ms, %g are right", sum, (int)t, right);
        double rows = 0;
        for (size_t i = 0; i < a.list_count; i++)
            rows += a.list[i].tokens_per_second;
        if (settled && fabs(rows / right - 1) > 0.06)
            fail_msg("the requests add up to %g at %d ms, not to %g", rows, (int)t, right);
    }
}

static void adds_up_over_one_window(void **state)
{
    (void)state;
    shares_one_window(120, 75);
    shares_one_window(60, 32);
    shares_one_window(100, 100);
}

static void has_no_speed_when_it_looked_too_long_ago(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_slots_destroy) mlx_slots_t *slots = mlx_slots_new();
    look(slots, 1, 1, true, 1, 5);
    look(slots, 1001, 1, true, 51, 5);
    assert_true(!isnan(activity(slots, 3000).tokens_per_second));
    mlx_activity_t late = activity(slots, 5000);
    assert_true(isnan(late.tokens_per_second) && isnan(late.list[0].tokens_per_second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_recordings),
        cmocka_unit_test(reads_the_older_form),
        cmocka_unit_test(refuses_what_is_no_list_of_slots),
        cmocka_unit_test(takes_no_more_slots_than_it_can_hold),
        cmocka_unit_test(measures_a_generation),
        cmocka_unit_test(says_nothing_of_speed_after_one_look),
        cmocka_unit_test(measures_the_prompt),
        cmocka_unit_test(a_prompt_keeps_its_speed_between_batches),
        cmocka_unit_test(counts_the_end_that_it_did_not_see),
        cmocka_unit_test(tells_one_request_from_the_next),
        cmocka_unit_test(adds_slots_up),
        cmocka_unit_test(adds_up_over_one_window),
        cmocka_unit_test(has_no_speed_when_it_looked_too_long_ago),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
