/*  The watcher beside the Ollama double: real processes, real sockets, real pace. */
#include <math.h>
#include <sys/resource.h>

#include "common/base/clock.h"
#include "tests/watcher/play.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum {
    SAMPLES = 12,
    GAP_US = 200000 /* between two samples: each is of another poll */
};

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/*  Median of the speeds that SOURCE publishes while requests run, after a settling time. */
static double median_speed(play_t *self, const char *kind, const char *source)
{
    double speeds[SAMPLES];
    size_t count = 0;
    int64_t last_us = 0;
    while (count < SAMPLES) {
        int before = self->publications;
        PLAY_UNTIL(self, self->publications > before || self->running == 0);
        if (self->running == 0)
            fail_msg("the request ended after %zu speeds", count);
        const char *is = play_str(self, kind, "activity", "source");
        double tps = play_real(self, kind, "activity", "tokens_per_second");
        if (is && !strcmp(is, source) && tps > 0 && mlx_now_us() - last_us > GAP_US) {
            speeds[count++] = tps;
            last_us = mlx_now_us();
        }
    }
    qsort(speeds, SAMPLES, sizeof *speeds, by_value);
    return speeds[SAMPLES / 2];
}

static double served_rate(const play_t *self)
{
    double count = NAN;
    double ns = NAN;
    mlx_value_real(self->reply, "eval_count", &count);
    mlx_value_real(self->reply, "eval_duration", &ns);
    return (count - 1) * 1e9 / ns;
}

static void assert_within(double is, double should, double share)
{
    print_message("          measured %.2f tok/s, server says %.2f (%+.1f %%)\n", is, should,
                  (is / should - 1) * 100);
    if (!(fabs(is / should - 1) <= share))
        fail_msg("%g is not within %g %% of %g", is, share * 100, should);
}

static void runner_tells_the_pace(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "40"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    PLAY_UNTIL(self,
               play_reachable(self, "ollama") && play_str(self, "ollama", "models", "version"));
    assert_string_equal(play_str(self, "ollama", "models", "version"), "0.32.15");
    play_generate(self, self->address, 320);
    double speed = median_speed(self, "ollama", "runner");
    assert_string_equal(play_str(self, "ollama", "activity", "model"), "tiny-random:latest");
    assert_true(play_real(self, "ollama", "activity", "requests") == 1);
    assert_null(play_str(self, "ollama", "activity", "source_reason"));
    PLAY_UNTIL(self, self->running == 0);
    assert_within(speed, served_rate(self), 0.05);
    PLAY_UNTIL(self, mlx_value_get(play_data(self, "ollama", "activity"), "last"));
    double last = NAN;
    mlx_value_real(mlx_value_get(play_data(self, "ollama", "activity"), "last"),
                   "tokens_per_second", &last);
    assert_within(last, served_rate(self), 0.05);
    assert_true(isnan(play_real(self, "ollama", "activity", "tokens_per_second")));
    assert_int_equal(self->problems, 0);
}

static void says_why_there_is_no_runner(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--rate", "40"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    play_generate(self, self->address, 5);
    PLAY_UNTIL(self, play_str(self, "ollama", "activity", "source_reason"));
    assert_non_null(strstr(play_str(self, "ollama", "activity", "source_reason"), "use the tap"));
    assert_null(play_str(self, "ollama", "activity", "source"));
    assert_true(isnan(play_real(self, "ollama", "activity", "tokens_per_second")));
}

static void tap_tells_the_pace(void **state)
{
    play_t *self = *state;
    char tap[32];
    play_double(self, 0, ARGS("--rate", "40"));
    snprintf(tap, sizeof tap, "127.0.0.1:%d", play_free_port());
    /*  As an app would be pointed at the tap, so is the watcher: it must not watch the tap. */
    play_watch(self, &(mlx_watcher_options_t){.discover = true,
                                              .ollama_host = tap,
                                              .tap_listen = tap,
                                              .tap_upstream = self->address,
                                              .runner_probe = true});
    PLAY_UNTIL(self, play_reachable(self, "ollama"));
    play_generate(self, tap, 320);
    double speed = median_speed(self, "ollama", "tap");
    assert_true(play_real(self, "ollama", "activity", "ttft") > 0);
    PLAY_UNTIL(self, self->running == 0);
    assert_within(speed, served_rate(self), 0.05);
    PLAY_UNTIL(self, mlx_value_get(play_data(self, "ollama", "activity"), "last"));
    const mlx_value_t *last = mlx_value_get(play_data(self, "ollama", "activity"), "last");
    int64_t tokens = -1;
    mlx_value_int(last, "tokens", &tokens);
    assert_int_equal(tokens, 320);
    assert_string_equal(mlx_value_str(last, "outcome"), "ok");
    double rate = NAN;
    mlx_value_real(last, "tokens_per_second", &rate);
    assert_true(fabs(rate / served_rate(self) - 1) < 1e-6);
}

static void metrics_tell_the_pace(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--as", "vllm", "--rate", "40"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "url", self->address);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    PLAY_UNTIL(self, play_reachable(self, "vllm"));
    play_post(
        self, self->address, "/v1/completions",
        "{\"model\":\"tiny-random\",\"prompt\":\"hello\",\"max_tokens\":400,\"stream\":true}");
    assert_within(median_speed(self, "vllm", "metrics"), 40, 0.05);
    PLAY_UNTIL(self, self->running == 0);
}

static void slots_tell_the_pace(void **state)
{
    play_t *self = *state;
    play_double(
        self, 0,
        ARGS("--as", "llama-server", "--model", "tiny-random", "--rate", "40", "--metrics"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "url", self->address);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    PLAY_UNTIL(self, play_reachable(self, "llamacpp"));
    self->running = 1;
    pid_t pid = play_client(
        self, "/v1/completions",
        "{\"model\":\"tiny-random\",\"prompt\":\"hello\",\"max_tokens\":320,\"stream\":true}");
    assert_within(median_speed(self, "llamacpp", "slots"), 40, 0.05);
    assert_string_equal(play_str(self, "llamacpp", "activity", "model"), "tiny-random:latest");
    PLAY_UNTIL(self, play_client_ended(&pid));
    self->running = 0;
    /*  The server's own sums, from its metrics, are complete. */
    PLAY_UNTIL(self, play_real(self, "llamacpp", "activity", "tokens_total") == 320);
    const mlx_value_t *last = mlx_value_get(play_data(self, "llamacpp", "activity"), "last");
    assert_string_equal(mlx_value_str(last, "source"), "metrics");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runner_tells_the_pace, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(says_why_there_is_no_runner, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(tap_tells_the_pace, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(metrics_tell_the_pace, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(slots_tell_the_pace, play_setup, play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
