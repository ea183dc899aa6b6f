/*  mlx-sampler as a process, on a real bus: the broker runs in the test's own loop. */
#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "proto/catalogue.h"
#include "services/bus/broker.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 20000

typedef struct {
    char dir[64];
    mlx_loop_t *loop;
    mlx_broker_t *broker;
    mlx_bus_t *bus;
    mlx_timer_t *deadline;
    bool late;
    pid_t sampler;
    int errors; /* its stderr: descriptor */

    int memory, cpu, other; /* messages */
    double total, utilization;
    int64_t memory_t; /* of the newest */
    char boot[32];
    char state[32];
} rig_t;

static void on_late(void *arg)
{
    rig_t *rig = arg;
    rig->late = true;
    rig->deadline = NULL;
    mlx_loop_stop(rig->loop);
}

/*  Run the loop, which each message stops, until EXPRESSION holds. */
#define WAIT_UNTIL(rig, expression)                                                                \
    do {                                                                                           \
        (rig)->late = false;                                                                       \
        (rig)->deadline = mlx_loop_after((rig)->loop, DEADLINE_MS, on_late, (rig));                \
        while (!(expression) && !(rig)->late)                                                      \
            mlx_loop_run((rig)->loop);                                                             \
        mlx_loop_cancel((rig)->loop, &(rig)->deadline);                                            \
        assert_true(expression);                                                                   \
    } while (0)

static void on_message(void *arg, const mlx_message_t *message)
{
    rig_t *rig = arg;
    mlx_error_t err = {0};
    const mlx_topic_t *topic = mlx_catalogue_find(message->topic);
    assert_non_null(topic);
    assert_int_equal(mlx_catalogue_check(topic, message->d, &err), 0);
    if (strcmp(message->topic, "service.sampler.health") == 0) {
        const char *state = mlx_value_str(message->d, "state");
        (void)snprintf(rig->state, sizeof rig->state, "%s", state ? state : "");
    } else if (strcmp(message->topic, "sensor.memory") == 0) {
        rig->memory++;
        rig->memory_t = message->t;
        (void)snprintf(rig->boot, sizeof rig->boot, "%s", message->boot);
        mlx_value_real(message->d, "total", &rig->total);
    } else if (strcmp(message->topic, "sensor.cpu") == 0) {
        rig->cpu++;
        mlx_value_real(message->d, "utilization", &rig->utilization);
    } else {
        rig->other++;
    }
    mlx_loop_stop(rig->loop);
}

static void ignore_presence(void *arg, const char *service, bool up)
{
    (void)arg;
    (void)service;
    (void)up;
}

static void on_refused(void *arg, const char *kind, const char *text)
{
    (void)arg;
    fail_msg("%s: %s", kind, text);
}

static int setup(void **state)
{
    rig_t *rig = *state = mlx_alloc(1, sizeof *rig);
    (void)snprintf(rig->dir, sizeof rig->dir, "/tmp/mlx-sampler-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    rig->errors = -1;
    rig->utilization = -1;
    rig->loop = mlx_loop_new();
    mlx_error_t err = {0};
    mlx_broker_options_t options = {.run_dir = rig->dir,
                                    .host = "here",
                                    .boot = "0123456789abcdef",
                                    .retain_gone_ms = 15000,
                                    .on_presence = ignore_presence,
                                    .on_refused = on_refused,
                                    .arg = rig};
    rig->broker = mlx_broker_new(rig->loop, &options, &err);
    assert_non_null(rig->broker);
    rig->bus = mlx_bus_new(rig->loop, &(mlx_bus_options_t){.run_dir = rig->dir}, &err);
    assert_non_null(rig->bus);
    mlx_bus_subscribe(rig->bus, "sensor.", on_message, rig);
    mlx_bus_subscribe(rig->bus, "service.sampler.", on_message, rig);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int finish(rig_t *rig, int signal_number)
{
    int status = 0;
    assert_int_equal(kill(rig->sampler, signal_number), 0);
    assert_int_equal(waitpid(rig->sampler, &status, 0), rig->sampler);
    rig->sampler = 0;
    return status;
}

static int teardown(void **state)
{
    rig_t *rig = *state;
    if (rig->sampler)
        (void)finish(rig, SIGKILL);
    mlx_close_p(&rig->errors);
    mlx_bus_destroy(&rig->bus);
    mlx_broker_destroy(&rig->broker);
    mlx_loop_destroy(&rig->loop);
    nftw(rig->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    mlx_free_p(state);
    return 0;
}

/*  Start the daemon with the settings SET ("sampler.rate_hz=10", ...), which end with NULL. */
static void start(rig_t *rig, const char *const *set)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    rig->sampler = fork();
    assert_true(rig->sampler >= 0);
    if (rig->sampler == 0) {
        const char *args[16] = {"mlx-sampler"};
        size_t count = 1;
        for (; *set; set++) {
            args[count++] = "--set";
            args[count++] = *set;
        }
        setenv("MLX_RUNTIME_DIR", rig->dir, 1);
        setenv("HOME", rig->dir, 1);
        unsetenv("XDG_CONFIG_HOME");
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        execv(MLX_SAMPLER, (char **)args);
        _exit(127);
    }
    close(ends[1]);
    mlx_close_p(&rig->errors);
    rig->errors = ends[0];
}

static double total_of_proc(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    assert_non_null(file);
    double kib = 0;
    assert_int_equal(fscanf(file, "MemTotal: %lf kB", &kib), 1);
    fclose(file);
    return kib * 1024;
}

static void test_values_flow_and_the_daemon_stops_clean(void **state)
{
    rig_t *rig = *state;
    start(rig, (const char *const[]){"sampler.rate_hz=10", NULL});
    WAIT_UNTIL(rig, rig->memory >= 10 && rig->cpu >= 10 && rig->utilization >= 0);
    assert_true(rig->total == total_of_proc());
    assert_true(rig->utilization <= 1);
    assert_string_equal(rig->state, "up");
    int status = finish(rig, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_the_rate_is_the_one_asked_for(void **state)
{
    rig_t *rig = *state;
    start(rig, (const char *const[]){"sampler.rate_hz=4", NULL});
    WAIT_UNTIL(rig, rig->memory >= 1);
    int first = rig->memory;
    int64_t since = rig->memory_t;
    WAIT_UNTIL(rig, rig->memory >= first + 8);
    /* by the messages' own clock; a busy machine may be late, never early */
    double span = (double)(rig->memory_t - since) / 1e6;
    assert_true(span > 1.9 && span < 8);
}

static void test_a_killed_daemon_is_back_at_once(void **state)
{
    rig_t *rig = *state;
    start(rig, (const char *const[]){NULL});
    WAIT_UNTIL(rig, rig->memory >= 1);
    char boot[32];
    for (int i = 0; i < 3; i++) {
        memcpy(boot, rig->boot, sizeof boot);
        int status = finish(rig, SIGKILL);
        assert_true(WIFSIGNALED(status));
        int64_t killed = mlx_now_us();
        start(rig, (const char *const[]){NULL});
        WAIT_UNTIL(rig, strcmp(boot, rig->boot) != 0);
        assert_true(mlx_now_us() - killed < 5000000);
    }
}

static void test_disabled_back_ends_are_left_alone(void **state)
{
    rig_t *rig = *state;
    start(rig, (const char *const[]){"sampler.disable=cpu", "sampler.rate_hz=10", NULL});
    WAIT_UNTIL(rig, rig->memory >= 5);
    assert_int_equal(rig->cpu, 0);
}

static void test_an_unknown_back_end_is_a_usage_error(void **state)
{
    rig_t *rig = *state;
    start(rig, (const char *const[]){"sampler.disable=nvidia", NULL});
    int status = 0;
    assert_int_equal(waitpid(rig->sampler, &status, 0), rig->sampler);
    rig->sampler = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == MLX_ERR_USAGE);
    char text[1024] = "";
    assert_true(read(rig->errors, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "\"nvidia\""));
    assert_non_null(strstr(text, "nvml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_flow_and_the_daemon_stops_clean, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_rate_is_the_one_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_killed_daemon_is_back_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disabled_back_ends_are_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_unknown_back_end_is_a_usage_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
