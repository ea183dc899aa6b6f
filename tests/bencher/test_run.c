/*  Whole runs against the Ollama double in its roles: figures, load, expiry, choice, cancelling. */
#include "tests/bencher/rig.h"

#include <math.h>

#define QUICK                                                                                      \
    .prompts = {"Tell me about the sea.", "Count to a thousand.", "Write a long story."},          \
    .budget_s = 10

static bool near(double a, double b, double part)
{
    return fabs(a - b) <= part * fabs(b);
}

static void ollama_is_measured(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "150", "--prompt-rate", "3000"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random"});
    assert_non_null(rig->result);
    assert_string_equal(rig->phases, "load warmup prompts done");
    assert_int_equal(mlx_value_size(mlx_value_get(rig->result, "prompts")), 10);
    assert_true(near(rig_real(rig, "tokens_per_second", "mean"), 150, 0.02));
    assert_true(near(rig_real(rig, "client_tokens_per_second", "median"), 150, 0.03));
    assert_true(near(rig_real(rig, "prompt_tokens_per_second", "median"), 3000, 0.05));
    assert_true(rig_real(rig, "ttft", "p10") > 0.02 && rig_real(rig, "ttft", "p90") < 2);
    assert_true(rig_real(rig, NULL, "load") > 0.04 && rig_real(rig, NULL, "load") < 2);
    assert_true(rig->wall_s < 60 && rig_real(rig, NULL, "duration") < 60);
    assert_string_equal(mlx_value_str(rig->result, "model"), "tiny-random:latest");
    assert_string_equal(mlx_value_str(rig->result, "quantization"), "F16");
    assert_string_equal(mlx_value_str(rig->result, "runtime_version"), "0.32.15");
    assert_string_equal(mlx_value_str(rig->result, "prompt_set"), "builtin-1");
    assert_int_equal(strlen(mlx_value_str(rig->result, "digest")), 64);
    assert_true(rig->progress > 12);
}

static void results_are_as_the_catalogue_says(void **state)
{
    rig_t *rig = *state;
    mlx_error_t err = {0};
    rig_play(rig, ARGS("--rate", "400"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", QUICK});
    if (mlx_catalogue_check(mlx_catalogue_find("bench.result"), rig->result, &err))
        fail_msg("%s", err.text);
}

static void prompts_are_not_answered_from_a_cache(void **state)
{
    rig_t *rig = *state;
    /* The double works sixteen times faster on a prompt that it has just seen. */
    rig_play(rig, ARGS("--rate", "400", "--prompt-rate", "500"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random",
                              .prompts = {"the same", "the same", "the same"},
                              .budget_s = 10});
    assert_true(rig_real(rig, "prompt_tokens_per_second", "p90") < 550);
}

static void other_runtimes_are_measured(void **state)
{
    static const struct {
        const char *role;
        const char *kind;
        const char *version;
    } roles[] = {
        {"llama-server", "llamacpp", "b"}, {"openai", "openai", NULL}, {"vllm", "vllm", "0.11.2"}};
    rig_t *rig = *state;
    for (size_t i = 0; i < MLX_COUNT(roles); i++) {
        rig_play(rig, ARGS("--as", roles[i].role, "--rate", "400"));
        rig_run(rig, &(rig_ask_t){QUICK});
        if (!rig->result)
            fail_msg("%s: %s", roles[i].role, rig->err.text);
        const char *version = mlx_value_str(rig->result, "runtime_version");
        assert_string_equal(mlx_value_str(rig->result, "runtime"), roles[i].kind);
        assert_true(near(rig_real(rig, "tokens_per_second", "mean"), 400, 0.05));
        assert_true(rig_real(rig, "prompt_tokens_per_second", "mean") > 500);
        assert_true(roles[i].version ? version && strstr(version, roles[i].version) : !version);
        assert_true(isnan(rig_real(rig, NULL, "load")));
    }
}

/* ---- the model's expiry ---- */

static void an_expiry_is_what_it_was(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "400"));
    rig_load(rig, "tiny-random", "\"47m\"");
    double before_s = rig_kept_s(rig, "tiny-random:latest");
    rig_run(rig, &(rig_ask_t){QUICK});
    assert_non_null(rig->result);
    double after_s = rig_kept_s(rig, "tiny-random:latest") + rig->wall_s;
    print_message("          off by %.0f ms\n", (after_s - before_s) * 1000);
    assert_true(fabs(after_s - before_s) < 0.25);
    assert_true(isnan(rig_real(rig, NULL, "load")));
}

static void what_stays_for_ever_stays_for_ever(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "400"));
    rig_load(rig, "tiny-random", "-1");
    rig_run(rig, &(rig_ask_t){QUICK});
    assert_true(rig_kept_s(rig, "tiny-random:latest") > 1e8);
}

static void what_was_not_loaded_is_unloaded(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "400"));
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", QUICK});
    assert_non_null(rig->result);
    assert_true(rig_kept_s(rig, "tiny-random:latest") < 0);
}

static void what_would_have_gone_meanwhile_is_gone(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "100"));
    rig_load(rig, "tiny-random", "1");
    rig_run(rig, &(rig_ask_t){QUICK});
    assert_non_null(rig->result);
    assert_true(rig_kept_s(rig, "tiny-random:latest") < 0);
}

/* ---- cancelling ---- */

/*  While it is answered, not before it is sent. */
static void cancel_at_second_prompt(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    int64_t prompt = 0;
    mlx_value_int(d, "prompt", &prompt);
    if (prompt == 2 && rig->bench && mlx_play_stat(rig->play, "generating") == 1)
        mlx_bench_cancel(rig->bench);
}

static void cancelling_stops_the_server(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "20"));
    rig_load(rig, "tiny-random", "\"47m\"");
    rig->on_progress = cancel_at_second_prompt;
    rig_run(rig, &(rig_ask_t){QUICK});
    assert_null(rig->result);
    assert_int_equal(rig->err.code, MLX_ERR_INTERRUPTED);
    assert_int_equal(mlx_play_stat(rig->play, "generating"), 0);
    assert_int_equal(mlx_play_stat(rig->play, "stopped"), 1);
    double kept_s = rig_kept_s(rig, "tiny-random:latest");
    assert_true(kept_s < 47 * 60 && kept_s > 46 * 60);
}

static void cancel_at_load(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    if (rig->bench && strcmp(mlx_value_str(d, "phase"), "load") == 0)
        mlx_bench_cancel(rig->bench);
}

static void cancelling_works_while_loading(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--load-ms", "1500"));
    rig->on_progress = cancel_at_load;
    rig_run(rig, &(rig_ask_t){.model = "tiny-random", QUICK});
    assert_int_equal(rig->err.code, MLX_ERR_INTERRUPTED);
    assert_true(rig->wall_s < 5);
    assert_int_equal(mlx_play_stat(rig->play, "generations"), 0);
}

static void stop_loop_at_prompts(void *arg, const mlx_value_t *d)
{
    rig_t *rig = arg;
    if (strcmp(mlx_value_str(d, "phase"), "prompts") == 0)
        mlx_loop_stop(rig->loop);
}

static void destroying_a_run_gives_the_expiry_back(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "20"));
    rig_load(rig, "tiny-random", "\"47m\"");
    rig->on_progress = stop_loop_at_prompts;
    rig_start(rig, &(rig_ask_t){QUICK});
    mlx_loop_run(rig->loop);
    mlx_bench_destroy(&rig->bench);
    double kept_s = rig_kept_s(rig, "tiny-random:latest");
    assert_true(kept_s < 47 * 60 && kept_s > 46 * 60);
    assert_int_equal(mlx_play_stat(rig->play, "generating"), 0);
}

/* ---- choosing, refusing ---- */

static mlx_value_t *runtime(const char *kind, const char *url, const char *model)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", true);
    mlx_value_set_str(d, "kind", kind);
    mlx_value_set_str(d, "url", url);
    mlx_value_t *models = mlx_value_set(d, "models", mlx_value_list());
    if (model)
        mlx_value_set_str(mlx_value_append(models, mlx_value_map()), "name", model);
    return d;
}

static void the_bus_tells_where(void **state)
{
    rig_t *rig = *state;
    rig_play(rig, ARGS("--rate", "400"));
    rig_load(rig, "tiny-random", "300");
    rig_publish(rig, "runtime.openai.a.models", runtime("openai", "http://127.0.0.1:9", "x"));
    rig_publish(rig, "runtime.ollama.b.models", runtime("ollama", rig->url, "tiny-random:latest"));
    rig_run(rig, &(rig_ask_t){.url = "bus", QUICK});
    assert_non_null(rig->result);
    assert_string_equal(mlx_value_str(rig->result, "url"), rig->url);
}

static void refusals_say_the_hint(void **state)
{
    rig_t *rig = *state;
    rig_run(rig, &(rig_ask_t){.url = "bus", QUICK});
    assert_int_equal(rig->err.code, MLX_ERR_UNAVAILABLE);
    assert_non_null(strstr(rig->err.hint, "ollama serve"));
    rig_run(rig, &(rig_ask_t){.url = "http://127.0.0.1:9", QUICK});
    assert_int_equal(rig->err.code, MLX_ERR_UNAVAILABLE);
    assert_non_null(strstr(rig->err.text, "127.0.0.1:9"));
    rig_play(rig, ARGS("--rate", "400"));
    rig_run(rig, &(rig_ask_t){.model = "no-such", QUICK});
    assert_int_equal(rig->err.code, MLX_ERR_NOT_FOUND);
    assert_non_null(strstr(rig->err.hint, "tiny-random"));
    rig_run(rig, &(rig_ask_t){QUICK});
    assert_int_equal(rig->err.code, MLX_ERR_NOT_FOUND);
    assert_non_null(strstr(rig->err.text, "no model is loaded"));
    assert_non_null(strstr(rig->err.hint, "tiny-random"));
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        RUN(ollama_is_measured),
        RUN(results_are_as_the_catalogue_says),
        RUN(prompts_are_not_answered_from_a_cache),
        RUN(other_runtimes_are_measured),
        RUN(an_expiry_is_what_it_was),
        RUN(what_stays_for_ever_stays_for_ever),
        RUN(what_was_not_loaded_is_unloaded),
        RUN(what_would_have_gone_meanwhile_is_gone),
        RUN(cancelling_stops_the_server),
        RUN(cancelling_works_while_loading),
        RUN(destroying_a_run_gives_the_expiry_back),
        RUN(the_bus_tells_where),
        RUN(refusals_say_the_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
