/*  A model of two tokens a second: the whole minute, and not more. */
#include "tests/bencher/rig.h"

#include <math.h>

static void a_slow_model_ends_within_the_minute(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "2", "--prompt-rate", "100", "--context", "8192"));
    rig_load(rig, "tiny-random", "-1");
    rig_run(rig, &(rig_ask_t){.budget_s = 60});
    assert_non_null(rig->result);
    size_t count = mlx_value_size(mlx_value_get(rig->result, "prompts"));
    double mean = rig_real(rig, "tokens_per_second", "mean");
    print_message("          %.1f s, %zu prompts, %.3f tok/s\n", rig->wall_s, count, mean);
    assert_true(rig->wall_s < 60 && rig_real(rig, NULL, "duration") < 60);
    assert_true(count >= 3);
    assert_true(fabs(mean / 2 - 1) < 0.05);
    assert_true(count == 10 || rig_warned(rig, "did not finish"));
    assert_int_equal(mlx_play_stat(rig->play, "generating"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slow_model_ends_within_the_minute, rig_setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
