/*  Sweeps: the plan in simulated time, then whole ones against the double, cancelling included. */
#include "tests/bencher/rig.h"

#include <math.h>

#include "services/bencher/sweep_plan.h"

static bool near(double a, double b, double part)
{
    return fabs(a - b) <= part * fabs(b);
}

/* ---- the plan ---- */

typedef struct {
    double rate, prompt_rate; /* tokens/s */
    bool serial;              /* one client after the other */
} model_t;

typedef struct {
    double elapsed_s, needed_s;
    size_t points, wanted;
    int rounds[MLX_SWEEP_POINTS_MAX];
    int64_t tokens;
} swept_t;

/*  A model whose speed falls by a half every 16,384 tokens; 3 bytes of text are a token. */
static swept_t sweep(mlx_sweep_kind_t kind, const model_t *model, double budget_s)
{
    mlx_sweep_plan_t *plan = mlx_sweep_plan_new(kind, budget_s, 16384);
    mlx_sweep_step_t step;
    swept_t out = {0};
    while (mlx_sweep_plan_next(plan, out.elapsed_s, &step)) {
        double depth = (double)step.bytes / 3, queue = model->serial ? step.clients : 1;
        double wait_s = depth / model->prompt_rate * (1 + depth / 16384);
        double each_s = (double)step.tokens / model->rate * (1 + depth / 16384);
        mlx_outcome_t outcome = {.bytes = step.bytes,
                                 .tokens = step.tokens,
                                 .prompt_tokens = (int64_t)depth,
                                 .ttft_s = wait_s + (queue - 1) * (wait_s + each_s),
                                 .duration_s = queue * (wait_s + each_s)};
        if (outcome.duration_s > step.limit_s)
            outcome = (mlx_outcome_t){.bytes = step.bytes,
                                      .tokens = -1,
                                      .prompt_tokens = -1,
                                      .ttft_s = (double)NAN,
                                      .duration_s = step.limit_s};
        out.elapsed_s += outcome.duration_s;
        if (step.point >= 0)
            out.rounds[step.point]++;
        mlx_sweep_plan_note(plan, &outcome);
    }
    out.points = mlx_sweep_plan_points(plan);
    out.wanted = mlx_sweep_plan_wanted(plan);
    out.needed_s = mlx_sweep_plan_budget(plan);
    out.tokens = mlx_sweep_plan_tokens(plan);
    mlx_sweep_plan_destroy(&plan);
    return out;
}

static void a_sweep_keeps_its_budget(void **state)
{
    static const double rates[] = {0.5, 3, 20, 60, 400, 5000}, budgets[] = {5, 60, 600};
    (void)state;
    for (mlx_sweep_kind_t kind = MLX_SWEEP_CONTEXT; kind <= MLX_SWEEP_PARALLEL; kind++)
        for (size_t i = 0; i < MLX_COUNT(rates) * MLX_COUNT(budgets) * 2; i++) {
            double budget_s = budgets[i / 2 % MLX_COUNT(budgets)];
            model_t model = {rates[i / 2 / MLX_COUNT(budgets)], 0, i % 2};
            model.prompt_rate = model.rate * 20;
            swept_t swept = sweep(kind, &model, budget_s);
            assert_true(swept.elapsed_s < budget_s);
            assert_true(swept.tokens == 0 || swept.tokens >= 32);
            for (size_t p = 0; p < swept.points && swept.rounds[0] > 1; p++)
                assert_int_equal(swept.rounds[p], swept.rounds[0]);
        }
}

static void the_greatest_points_are_dropped_and_the_budget_told(void **state)
{
    const model_t slow = {10, 200, true}, fast = {800, 16000, false};
    (void)state;
    for (mlx_sweep_kind_t kind = MLX_SWEEP_CONTEXT; kind <= MLX_SWEEP_PARALLEL; kind++) {
        swept_t swept = sweep(kind, &slow, 30);
        assert_true(swept.points > 0 && swept.points < swept.wanted && swept.needed_s > 30);
        swept_t again = sweep(kind, &slow, swept.needed_s);
        assert_int_equal(again.points, again.wanted);
        assert_true(isnan(again.needed_s));
        swept = sweep(kind, &fast, 60);
        assert_int_equal(swept.points, swept.wanted);
        assert_int_equal(swept.tokens, 64);
        assert_int_equal(swept.rounds[0], MLX_SWEEP_ROUNDS_MAX);
    }
}

/* ---- whole runs ---- */

static const mlx_value_t *point_at(const rig_t *rig, size_t index)
{
    return mlx_value_at(mlx_value_get(rig->result, "points"), index);
}

static double figure_at(const rig_t *rig, size_t index, const char *key, const char *which)
{
    double value = (double)NAN;
    const mlx_value_t *point = point_at(rig, index);
    mlx_value_real(which ? mlx_value_get(point, key) : point, which ? which : key, &value);
    return value;
}

static void check_catalogue(const rig_t *rig)
{
    mlx_error_t err = {0};
    if (!rig->result)
        fail_msg("%s", rig->err.text);
    if (mlx_catalogue_check(mlx_catalogue_find("bench.result"), rig->result, &err))
        fail_msg("%s", err.text);
}

static void depth_is_swept(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "1000", "--prompt-rate", "20000", "--context", "2048"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", .sweep = MLX_SWEEP_CONTEXT, .budget_s = 30});
    check_catalogue(rig);
    size_t count = mlx_value_size(mlx_value_get(rig->result, "points"));
    assert_int_equal(count, 3); /* 128, 512, 1024: twice that and the reply is too much for 2,048 */
    for (size_t i = 0; i < count; i++) {
        assert_true(near(figure_at(rig, i, "tokens_per_second", "mean"), 1000, 0.1));
        assert_true(near(figure_at(rig, i, "tokens_per_second", "count"), 10, 0.01));
        assert_true(near(figure_at(rig, i, "prompt_tokens", NULL), 256 << i, i ? 0.2 : 0.6));
        assert_true(isnan(figure_at(rig, i, "total_tokens_per_second", "mean")));
    }
    assert_string_equal(mlx_value_str(rig->result, "prompt_set"), "sweep-context-1-64");
    assert_int_equal(mlx_value_size(mlx_value_get(rig->result, "prompts")), 30);
    assert_true(rig_kept_s(rig, "tiny-random:latest") < 0);
}

/*  Four places: eight clients are no faster together than four, and wait for their first token. */
static void clients_are_swept(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "800", "--prompt-rate", "20000", "--parallel", "4"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", .sweep = MLX_SWEEP_PARALLEL, .budget_s = 20});
    check_catalogue(rig);
    assert_int_equal(mlx_value_size(mlx_value_get(rig->result, "points")), 4);
    double one = figure_at(rig, 0, "total_tokens_per_second", "median");
    double four = figure_at(rig, 2, "total_tokens_per_second", "median");
    double eight = figure_at(rig, 3, "total_tokens_per_second", "median");
    assert_true(near(figure_at(rig, 3, "clients", NULL), 8, 0.01));
    assert_true(near(one, 800, 0.15) && four > 2.5 * one && eight < 1.3 * four);
    assert_true(figure_at(rig, 3, "ttft", "mean") > 2 * figure_at(rig, 2, "ttft", "mean"));
    assert_true(rig_real(rig, NULL, "contention") < 0.1 ||
                isnan(rig_real(rig, NULL, "contention")));
}

static void cancel_at_four(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    (void)d;
    if (rig->bench && mlx_play_stat(rig->play, "generating") == 4)
        mlx_bench_cancel(rig->bench);
}

static void cancelling_a_sweep_leaves_nothing(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "30", "--prompt-rate", "20000", "--parallel", "4"));
    rig_load(rig, "tiny-random", "\"47m\"");
    rig->on_progress = cancel_at_four;
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", .sweep = MLX_SWEEP_PARALLEL, .budget_s = 60});
    assert_int_equal(rig->err.code, MLX_ERR_INTERRUPTED);
    assert_int_equal(mlx_play_stat(rig->play, "generating"), 0);
    double kept_s = rig_kept_s(rig, "tiny-random:latest");
    assert_true(kept_s < 47 * 60 && kept_s > 46 * 60);
}

static void fail_from_now(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    if (strcmp(mlx_value_str(d, "phase"), "warmup") == 0)
        mlx_play_fault(rig->play, "status-500", 100);
}

/*  A server that refuses each request is no result, and ends at once. */
static void a_refusing_server_ends_a_sweep(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--as", "llama-server"));
    rig->on_progress = fail_from_now;
    rig_run(rig, &(rig_ask_t){.sweep = MLX_SWEEP_CONTEXT, .budget_s = 20});
    assert_null(rig->result);
    assert_true(rig->err.code != 0 && rig->wall_s < 15);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_keeps_its_budget),
        cmocka_unit_test(the_greatest_points_are_dropped_and_the_budget_told),
        RUN(depth_is_swept),
        RUN(clients_are_swept),
        RUN(cancelling_a_sweep_leaves_nothing),
        RUN(a_refusing_server_ends_a_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
