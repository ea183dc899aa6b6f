/*  The plan in simulated time: the budget is kept at any speed, and over a thousand runs on a model
 *  of known speed and noise the 95 % interval holds the truth as often as it says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/stats.h"
#include "services/bencher/plan.h"

enum {
    RUNS = 1000
};

/*  A model that is slower or faster from prompt to prompt, and from token to token around that,
 *  each token's delay taking after the one before it. */
typedef struct {
    double rate;        /* tokens/s: the truth */
    double prompt_rate; /* bytes/s */
    double overhead_s;
    double between; /* relative deviation from prompt to prompt */
    double within;  /* and from token to token */
    double memory;  /* of a delay for the one before, 0..1 */
    double fade;    /* slower by that part per token: a context that fills */
    uint64_t random;
} model_t;

typedef struct {
    double rates[MLX_PROMPTS_MAX];
    int64_t tokens[MLX_PROMPTS_MAX];
    size_t count;
    double elapsed_s;
} run_t;

static double uniform(uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return ((double)(*random >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *random)
{
    double radius = sqrt(-2 * log(uniform(random)));
    return radius * cos(2 * 3.14159265358979 * uniform(random));
}

/*  Generate as STEP says; *RATE is what a server would report. */
static mlx_outcome_t generate(model_t *model, const mlx_bench_step_t *step, size_t bytes,
                              double *rate)
{
    double speed = model->rate * (1 + model->between * normal(&model->random)), delay = 0;
    mlx_outcome_t out = {.bytes = bytes, .ttft_s = (double)NAN};
    double wait_s = model->overhead_s + (double)bytes / model->prompt_rate, generating_s = 0;
    while (out.tokens < step->tokens) {
        double fresh = sqrt(1 - model->memory * model->memory) * normal(&model->random);
        delay = model->memory * delay + fresh;
        double gap = fmax(0.05, 1 + model->within * delay) / speed;
        gap *= 1 + model->fade * (double)out.tokens;
        if (wait_s + generating_s + gap > step->limit_s)
            break;
        generating_s += gap;
        if (out.tokens++ == 0)
            out.ttft_s = wait_s + generating_s;
    }
    bool cut = out.tokens < step->tokens;
    out.duration_s = cut ? step->limit_s : wait_s + generating_s;
    out.prompt_tokens = out.tokens ? (int64_t)bytes / 4 : -1;
    *rate = out.tokens >= 4 ? (double)out.tokens / generating_s : (double)NAN;
    return out;
}

static run_t run(model_t *model, double budget_s)
{
    mlx_prompts_t *prompts = mlx_prompts_builtin();
    mlx_bench_plan_t *plan = mlx_bench_plan_new(prompts, budget_s, 0);
    run_t out = {.count = 0};
    mlx_bench_step_t step;
    while (mlx_bench_plan_next(plan, out.elapsed_s, &step)) {
        bool warmup = step.prompt == MLX_PLAN_WARMUP;
        size_t bytes = warmup ? 100 : step.bytes + 9;
        double rate;
        mlx_outcome_t outcome = generate(model, &step, bytes, &rate);
        out.elapsed_s += outcome.duration_s;
        mlx_bench_plan_note(plan, &outcome);
        if (!warmup) {
            out.tokens[out.count] = outcome.tokens;
            out.rates[out.count++] = rate;
        }
    }
    mlx_bench_plan_destroy(&plan);
    mlx_prompts_destroy(&prompts);
    return out;
}

static void the_budget_is_kept_at_any_speed(void **state)
{
    (void)state;
    for (double rate = 0.05; rate < 20000; rate *= 1.7) {
        model_t model = {.rate = rate,
                         .prompt_rate = 40 * rate,
                         .overhead_s = 0.02,
                         .within = 0.3,
                         .fade = 0.0005,
                         .random = 7};
        run_t r = run(&model, 60);
        assert_true(r.elapsed_s < 60);
        assert_true(r.count == 10 || r.elapsed_s > 30);
        if (rate > 4)
            assert_int_equal(r.count, 10);
        if (rate > 50) /* all that is wanted, and early home */
            assert_true(r.tokens[0] == 128 && r.tokens[9] == 384 && r.elapsed_s < 50);
    }
}

static void a_slow_model_gives_what_it_has(void **state)
{
    (void)state;
    model_t two = {.rate = 2, .prompt_rate = 80, .overhead_s = 0.1, .random = 3};
    run_t r = run(&two, 60);
    double low = mlx_stats_summary(r.rates, r.count).low;
    assert_true(r.elapsed_s > 40 && r.elapsed_s < 60 && r.count >= 5 && low > 1.9);
    model_t crawling = {.rate = 0.2, .prompt_rate = 20, .overhead_s = 1, .random = 3};
    r = run(&crawling, 60);
    assert_true(r.elapsed_s < 60 && r.count >= 1);
    assert_true(fabs(mlx_stats_summary(r.rates, r.count).mean / 0.2 - 1) < 0.01);
    /* Not one token in time. */
    model_t stuck = {.rate = 0.001, .prompt_rate = 1, .overhead_s = 1, .random = 3};
    r = run(&stuck, 60);
    assert_true(r.elapsed_s < 60 && mlx_stats_summary(r.rates, r.count).count == 0);
}

static void a_model_that_turns_slow_does_not_break_the_budget(void **state)
{
    (void)state;
    model_t fading = {.rate = 30, .prompt_rate = 4000, .fade = 0.02, .random = 5};
    run_t r = run(&fading, 60);
    assert_true(r.elapsed_s < 60 && r.count >= 8);
}

static void a_request_that_hangs_is_given_up(void **state)
{
    mlx_prompts_t *prompts = mlx_prompts_builtin();
    mlx_bench_plan_t *plan = mlx_bench_plan_new(prompts, 60, 0);
    mlx_bench_step_t step;
    (void)state;
    assert_true(mlx_bench_plan_next(plan, 0, &step) && step.prompt == MLX_PLAN_WARMUP);
    mlx_bench_plan_note(
        plan, &(mlx_outcome_t){.bytes = 100, .tokens = 16, .ttft_s = 0.1, .duration_s = 0.4});
    assert_true(mlx_bench_plan_next(plan, 0.4, &step) && step.prompt == 0 && step.limit_s < 15);
    mlx_bench_plan_destroy(&plan);
    mlx_prompts_destroy(&prompts);
}

static void a_prompt_fits_the_context(void **state)
{
    mlx_prompts_t *prompts = mlx_prompts_builtin();
    mlx_bench_plan_t *plan = mlx_bench_plan_new(prompts, 60, 512);
    mlx_bench_step_t step;
    (void)state;
    mlx_bench_plan_next(plan, 0, &step);
    mlx_bench_plan_note(
        plan,
        &(mlx_outcome_t){
            .bytes = 100, .tokens = 16, .prompt_tokens = 50, .ttft_s = 0.01, .duration_s = 0.1});
    size_t asked = 0; /* the warm-up is none of them */
    for (; mlx_bench_plan_next(plan, 1, &step); asked++) {
        assert_true((double)step.bytes <= 512 * 2 * 0.6 * 1.05);
        mlx_bench_plan_note(plan, &(mlx_outcome_t){.bytes = step.bytes,
                                                   .tokens = step.tokens,
                                                   .prompt_tokens = (int64_t)step.bytes / 2,
                                                   .ttft_s = 0.01,
                                                   .duration_s = 0.1});
    }
    assert_int_equal(asked, 10);
    mlx_bench_plan_destroy(&plan);
    mlx_prompts_destroy(&prompts);
}

/* ---- coverage ---- */

/*  Part of RUNS in which the interval of the mean holds the true speed. */
static double coverage(model_t *model)
{
    int held = 0;
    for (int i = 0; i < RUNS; i++) {
        run_t r = run(model, 60);
        mlx_summary_t s = mlx_stats_summary(r.rates, r.count);
        held += s.low <= model->rate && model->rate <= s.high;
    }
    return held / (double)RUNS;
}

static void the_interval_holds_the_truth(void **state)
{
    static const struct {
        const char *what;
        model_t model;
    } cases[] = {
        {"42 tok/s, 5 % between prompts, 20 % within",
         {.rate = 42, .prompt_rate = 4000, .between = 0.05, .within = 0.2, .random = 1}},
        {"the same, each token's delay after the last one's",
         {.rate = 42,
          .prompt_rate = 4000,
          .between = 0.05,
          .within = 0.2,
          .memory = 0.8,
          .random = 2}},
        {"8 tok/s: short replies, 10 % between prompts",
         {.rate = 8, .prompt_rate = 800, .between = 0.1, .within = 0.1, .random = 3}},
        {"150 tok/s, 1 % between prompts",
         {.rate = 150, .prompt_rate = 20000, .between = 0.01, .within = 0.05, .random = 4}},
    };
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        model_t model = cases[i].model;
        double part = coverage(&model);
        print_message("          %.1f %% of %d runs: %s\n", part * 100, RUNS, cases[i].what);
        assert_true(part >= 0.93 && part <= 0.97);
    }
}

/*  Two runs in which prompts differ alike (code is slower than chat), the second by RATIO. */
static mlx_ratio_t compare(uint64_t *random, double ratio)
{
    double a[10], b[10];
    for (int i = 0; i < 10; i++) {
        double kind = 1 + 0.2 * normal(random);
        a[i] = 40 * ratio * kind * (1 + 0.03 * normal(random));
        b[i] = 40 * kind * (1 + 0.03 * normal(random));
    }
    return mlx_stats_ratio(a, b, 10);
}

static void a_comparison_is_right_as_often_as_it_says(void **state)
{
    uint64_t random = 9;
    int held = 0, found = 0, false_alarms = 0;
    (void)state;
    for (int i = 0; i < RUNS; i++) {
        mlx_ratio_t r = compare(&random, 1.06);
        held += r.low <= 1.06 && 1.06 <= r.high;
        found += mlx_stats_verdict(&r) == 1;
        r = compare(&random, 1);
        false_alarms += mlx_stats_verdict(&r) != 0;
    }
    print_message("          holds the ratio in %.1f %%, finds 6 %% in %.1f %%, false in %.1f %%\n",
                  held / 10.0, found / 10.0, false_alarms / 10.0);
    assert_true(held >= 930 && held <= 970);
    assert_true(found > 900);
    assert_true(false_alarms >= 30 && false_alarms <= 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_is_kept_at_any_speed),
        cmocka_unit_test(a_slow_model_gives_what_it_has),
        cmocka_unit_test(a_model_that_turns_slow_does_not_break_the_budget),
        cmocka_unit_test(a_request_that_hangs_is_given_up),
        cmocka_unit_test(a_prompt_fits_the_context),
        cmocka_unit_test(the_interval_holds_the_truth),
        cmocka_unit_test(a_comparison_is_right_as_often_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
