/*  mlx-menubar as a process: text for status bars, single actions, how it ends */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "screen.h"

#define MODEL "deepseek-r1:14b"
#define NO_SESSION "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    *state = rig_new();
    return 0;
}

static int teardown(void **state)
{
    rig_destroy((rig_t **)state);
    return 0;
}

/*  Run it to its end. Returns the exit status. */
static int run(rig_t *rig, const char *const *args, const char *env)
{
    rig_start_with(rig, args, env);
    UNTIL(rig, rig->pid == 0);
    return rig->status;
}

/*  The screen is on the bus when a run shows it: commands and messages have queues of their own. */
static void show_screen(rig_t *rig, const char *model)
{
    rig_publish_screen(rig, model, 42.3);
    UNTIL(rig, run(rig, ARGS("--once"), NULL) == 0 && strstr(rig_stdout(rig), "Cache: 21.5"));
}

static void once_shows_what_the_bus_remembers(void **state)
{
    rig_t *rig = *state;
    show_screen(rig, MODEL);
    assert_string_equal(rig_stdout(rig),
                        "42 tok/s | Current Model: deepseek-r1:14b | Performance: 42.3 tok/s | "
                        "Memory: 14.2 GB / 48.0 GB (30%) | GPU Usage: 67% | "
                        "Temperature: 48\u00b0C | Cache: 21.5 GB (43.0 GB saved)\n");
    assert_int_equal(run(rig, ARGS("-f", "i3blocks", "--once"), "MLX_MENUBAR_TITLE=memory"), 0);
    assert_string_equal(rig_stdout(rig),
                        "{\"full_text\":\"30%\",\"short_text\":\"30\",\"color\":\"#23894a\"}\n");
    assert_int_equal(run(rig, ARGS("--once"), "MLX_MENUBAR_UNITS=imperial"), 0);
    assert_non_null(strstr(rig_stdout(rig), "Temperature: 118\u00b0F"));
}

static void without_a_bus_it_is_offline(void **state)
{
    rig_t *rig = *state;
    char env[128];
    snprintf(env, sizeof env, "MLX_RUNTIME_DIR=%s/elsewhere", rig->dir);
    assert_int_equal(run(rig, ARGS("-f", "waybar", "--once"), env), 0);
    assert_non_null(strstr(rig_stdout(rig), "{\"text\":\"offline\",\"alt\":\"offline\""));
    assert_non_null(strstr(rig_stdout(rig), "\u26a0 no bus at "));
    assert_string_equal(rig_stderr(rig), "");
    assert_int_equal(run(rig, ARGS("--do", "history"), env), MLX_ERR_UNAVAILABLE);
    assert_int_equal(run(rig, ARGS("--do", "benchmark"), env), MLX_ERR_UNAVAILABLE);
    assert_non_null(strstr(rig_stderr(rig), "no bus at "));
}

/*  A broker that hangs is told from one that is not there. */
static void a_hung_bus_is_named(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(kill(rig->bus_pid, SIGSTOP), 0);
    assert_int_equal(run(rig, ARGS("-f", "waybar", "--once"), NULL), 0);
    assert_non_null(strstr(rig_stdout(rig), "\u26a0 the bus at "));
    assert_non_null(strstr(rig_stdout(rig), " does not answer\\n"));
    assert_int_equal(run(rig, ARGS("--do", "benchmark"), NULL), MLX_ERR_UNAVAILABLE);
    assert_non_null(strstr(rig_stderr(rig), " does not answer; is mlx-bus stopped"));
}

static void a_hostile_name_stays_in_its_line(void **state)
{
    rig_t *rig = *state;
    show_screen(rig, "x | bash=/bin/sh param1=-c\n~~~\nRun | bash=id");
    assert_int_equal(run(rig, ARGS("-f", "swiftbar", "--once"), NULL), 0);
    assert_non_null(strstr(
        rig_stdout(rig), "\nCurrent Model: x \u00a6 bash=/bin/sh param1=-c?\u223c\u223c\u223c?Run "
                         "\u00a6 bash=id | emojize=false symbolize=false\n"));
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void a_stream_writes_a_line_for_each_change(void **state)
{
    rig_t *rig = *state;
    show_screen(rig, MODEL);
    rig_start(rig, "i3blocks", NULL);
    UNTIL(rig, lines_of(rig_stdout(rig)) == 1);
    rig_publish(rig, "sensor.gpu.0", screen_gpu(70)); /* changes the menu, not this line */
    rig_publish(rig, "runtime.ollama.local.activity", screen_activity(MODEL, 50));
    UNTIL(rig, lines_of(rig_stdout(rig)) == 2);
    assert_non_null(strstr(rig_stdout(rig), "\"50 tok/s\""));
    rig_publish(rig, "sensor.gpu.0", screen_gpu(80));
    rig_pass(rig, 1200);
    assert_int_equal(lines_of(rig_stdout(rig)), 2);
    kill(rig->pid, SIGTERM);
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, 0);
    assert_string_equal(rig_stderr(rig), "");
}

static void a_stream_ends_with_its_reader(void **state)
{
    rig_t *rig = *state;
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    rig->stdout_fd = fds[1];
    rig_start(rig, "plain", NULL);
    close(fds[1]);
    rig->stdout_fd = 0;
    UNTIL(rig, read(fds[0], &byte, 1) == 1);
    close(fds[0]);
    rig_publish(rig, "runtime.ollama.local.activity", screen_activity(MODEL, 77));
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, 0);
    assert_string_equal(rig_stderr(rig), "");
}

static void without_a_session_it_is_plain_text(void **state)
{
    rig_t *rig = *state;
    show_screen(rig, MODEL);
    rig_start_with(rig, ARGS("--"), NO_SESSION);
    UNTIL(rig, lines_of(rig_stdout(rig)) == 1);
    assert_memory_equal(rig_stdout(rig), "42 tok/s | ", 11);
}

static void actions_run_alone(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(run(rig, ARGS("--do", "history"), NULL), MLX_ERR_UNAVAILABLE);
    assert_non_null(strstr(rig_stderr(rig), "no gateway is running; start mlx-gateway"));
    assert_int_equal(lines_of(rig_stderr(rig)), 1);
    UNTIL(rig, rig->notes == 1); /* who clicks in a bar sees no stderr */
    rig_publish(rig, "service.gateway.health", screen_health("up"));
    UNTIL(rig, run(rig, ARGS("--do", "history"), "MLX_GATEWAY_LISTEN=0.0.0.0:1234") == 0);
    UNTIL(rig, rig->opened[0]);
    assert_string_equal(rig->opened, "http://127.0.0.1:1234/#history");
    rig->opened[0] = 0;
    assert_int_equal(run(rig, ARGS("--do", "preferences"), NO_SESSION), 0);
    UNTIL(rig, rig->opened[0]);
    assert_non_null(strstr(rig->opened, "/mlx/config.yaml"));
}

static void no_opener_is_said(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(run(rig, ARGS("--do", "preferences"), "PATH=/nonexistent"),
                     MLX_ERR_UNAVAILABLE);
    assert_non_null(strstr(rig_stderr(rig), "cannot run xdg-open"));
    assert_non_null(strstr(rig_stderr(rig), "install xdg-utils"));
}

static void a_benchmark_runs_alone(void **state)
{
    rig_t *rig = *state;
    rig_start_with(rig, ARGS("--do", "benchmark"), NULL);
    UNTIL(rig, rig->runs == 1);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "model", MODEL);
    mlx_value_set_real(mlx_value_set(result, "tokens_per_second", mlx_value_map()), "mean", 40.5);
    mlx_request_done(&rig->held, result);
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, 0);
    assert_string_equal(rig_stdout(rig), "Benchmark: 40.5 tok/s " MODEL "\n");
    mlx_bus_destroy(&rig->bencher);
    UNTIL(rig, run(rig, ARGS("--do", "benchmark"), NULL) == MLX_ERR_UNAVAILABLE);
    assert_int_equal(lines_of(rig_stderr(rig)), 1);
}

static void someone_elses_benchmark_is_shown(void **state)
{
    rig_t *rig = *state;
    show_screen(rig, MODEL);
    rig_start(rig, "swiftbar", NULL);
    UNTIL(rig, strstr(rig_stdout(rig), "Run Benchmark"));
    for (int i = 1; !strstr(rig_stdout(rig), "\nBenchmark runs (prompt "); i++) {
        mlx_value_t *d = mlx_value_map();
        mlx_value_set_str(d, "id", "other");
        mlx_value_set_str(d, "phase", "prompts");
        mlx_value_set_int(d, "prompt", i);
        mlx_value_set_int(d, "prompts", 1000);
        rig_publish(rig, "bench.progress", d);
        rig_pass(rig, 50);
        assert_true(i < 200);
    }
}

static void mistakes_are_usage(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(run(rig, ARGS("--format", "gnome"), NULL), MLX_ERR_USAGE);
    assert_int_equal(run(rig, ARGS("--do", "quit"), NULL), MLX_ERR_USAGE);
    assert_int_equal(run(rig, ARGS("-f", "tray", "--once"), NULL), MLX_ERR_USAGE);
    assert_int_equal(run(rig, ARGS("--once", "--config", "/nonexistent.yaml"), NULL),
                     MLX_ERR_NOT_FOUND);
    assert_int_equal(lines_of(rig_stderr(rig)), 1);
    assert_int_equal(run(rig, ARGS("--generate", "bash"), NULL), 0);
    assert_non_null(strstr(rig_stdout(rig), "i3blocks"));
    assert_int_equal(run(rig, ARGS("--generate", "man"), NULL), 0);
    assert_non_null(strstr(rig_stdout(rig), ".TH"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(once_shows_what_the_bus_remembers),
        TEST(without_a_bus_it_is_offline),
        TEST(a_hung_bus_is_named),
        TEST(a_hostile_name_stays_in_its_line),
        TEST(a_stream_writes_a_line_for_each_change),
        TEST(a_stream_ends_with_its_reader),
        TEST(without_a_session_it_is_plain_text),
        TEST(actions_run_alone),
        TEST(no_opener_is_said),
        TEST(a_benchmark_runs_alone),
        TEST(someone_elses_benchmark_is_shown),
        TEST(mistakes_are_usage),
    };
    return cmocka_run_group_tests_name("menubar", tests, NULL, NULL);
}
