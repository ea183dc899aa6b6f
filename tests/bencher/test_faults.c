/*  Runs against a server that does things wrong: told clearly, ended in time, nothing left
 *  behind. */
#include "tests/bencher/rig.h"

#include <math.h>

#define THREE                                                                                      \
    .prompts = {"Tell me about the sea.", "Count to a thousand.", "Write a long story."},          \
    .budget_s = 8

static const char *fault;
static int fault_at; /* prompt at whose beginning it is armed */

static void arm(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    int64_t prompt = 0;
    mlx_value_int(d, "prompt", &prompt);
    if (fault && prompt == fault_at) {
        mlx_play_fault(rig->play, fault, 1);
        fault = NULL;
    }
}

/*  The request of the prompt after FAULT_AT is hit: that one is on its way already. */
static void run_with(rig_t *rig, const char *name, int at)
{
    fault = name;
    fault_at = at;
    rig->on_progress = arm;
    rig_play(rig, ARGS("--rate", "100"));
    rig_load(rig, "tiny-random", "\"47m\"");
    rig_run(rig, &(rig_ask_t){THREE});
}

static void one_bad_reply_costs_one_prompt(void **state)
{
    static const char *const names[] = {"half-json",          "reset-mid-stream",  "status-500",
                                        "garbage-reply",      "close-at-byte-500", "deep-nesting",
                                        "wrong-content-type", "huge-body"};
    rig_t *rig = *state;
    for (size_t i = 0; i < MLX_COUNT(names); i++) {
        run_with(rig, names[i], 1);
        if (!rig->result)
            fail_msg("%s: %s", names[i], rig->err.text);
        const mlx_value_t *prompts = mlx_value_get(rig->result, "prompts");
        assert_int_equal(mlx_value_size(prompts), 3);
        int failed = 0;
        for (size_t k = 0; k < 3; k++)
            failed += mlx_value_get(mlx_value_at(prompts, k), "error") != NULL;
        if (failed != 1)
            fail_msg("%s: %d prompts failed", names[i], failed);
        assert_true(rig_warned(rig, "1 of 3 prompts failed"));
        assert_true(fabs(rig_real(rig, "tokens_per_second", "mean") / 100 - 1) < 0.05);
        double kept_s = rig_kept_s(rig, "tiny-random:latest");
        assert_true(kept_s > 46 * 60 && kept_s < 47 * 60);
    }
}

static void a_server_that_always_fails_is_named(void **state)
{
    static const struct {
        const char *fault;
        const char *text;
    } cases[] = {{"status-500", "HTTP 500"},
                 {"half-json", "not a known runtime"},
                 {"garbage-reply", "no runtime answers"},
                 {"huge-body", "not a known runtime"},
                 {"deep-nesting", "not a known runtime"}};
    rig_t *rig = *state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        rig_play(rig, ARGS("--rate", "100", "--fault", cases[i].fault));
        rig_run(rig, &(rig_ask_t){.model = "tiny-random", THREE});
        assert_null(rig->result);
        assert_int_equal(rig->err.code, MLX_ERR_UNAVAILABLE);
        if (!strstr(rig->err.text, cases[i].text))
            fail_msg("%s: %s", cases[i].fault, rig->err.text);
        assert_true(rig->wall_s < 20);
    }
}

static void arm_for_ever(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    if (fault && strcmp(mlx_value_str(d, "phase"), "warmup") == 0) {
        mlx_play_fault(rig->play, fault, -1);
        fault = NULL;
    }
}

static void a_server_that_hangs_is_left_in_time(void **state)
{
    rig_t *rig = *state;
    fault = "hang";
    rig->on_progress = arm_for_ever;
    rig_play(rig, ARGS("--rate", "100"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", THREE});
    /* The budget, and the time to load. */
    print_message("          left after %.1f s\n", rig->wall_s);
    assert_true(rig->wall_s < 8 + 1);
    assert_null(rig->result);
    assert_int_equal(rig->err.code, MLX_ERR_FAILED);
}

static void a_server_that_dies_is_named(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "100"));
    rig_load(rig, "tiny-random", "-1");
    rig_start(rig, &(rig_ask_t){THREE});
    mlx_play_kill(rig->play);
    rig_wait(rig);
    assert_int_equal(rig->err.code, MLX_ERR_UNAVAILABLE);
    assert_true(rig->wall_s < 10);
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        RUN(one_bad_reply_costs_one_prompt),
        RUN(a_server_that_always_fails_is_named),
        RUN(a_server_that_hangs_is_left_in_time),
        RUN(a_server_that_dies_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
