/*  mlx-watcher itself: a real broker, a real double, and a subscriber that knows topics only. */
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "tests/watcher/play.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    play_t *play;
    char dir[64];
    pid_t broker;
    pid_t watcher;
    mlx_bus_t *bus;
    int64_t errors; /* in the watcher's health */
    char boot[32];  /* run of the watcher that spoke last */
} daemons_t;

static pid_t start(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void start_watcher(daemons_t *self)
{
    MLX_CLEANUP(mlx_free_p)
    char *listen = mlx_format("watcher.tap_listen=127.0.0.1:%d", play_free_port());
    self->watcher = start(ARGS(MLX_BIN "/mlx-watcher", "--set", listen, "--set",
                               "watcher.poll_idle_ms=500", "--set", "log.level=error"));
}

static void on_message(void *arg, const mlx_message_t *message)
{
    daemons_t *self = arg;
    if (!strcmp(message->topic, "service.watcher.health"))
        mlx_value_int(message->d, "errors", &self->errors);
    if (strcmp(self->boot, message->boot) != 0) { /* another run: what the last one said is over */
        mlx_value_destroy(&self->play->topics);
        self->play->topics = mlx_value_map();
    }
    snprintf(self->boot, sizeof self->boot, "%s", message->boot);
    mlx_value_set(self->play->topics, message->topic, mlx_value_copy(message->d));
    MLX_CLEANUP(mlx_free_p) char *own = mlx_format("127_0_0_1-%d.", self->play->port);
    self->play->publications += strstr(message->topic, own) != NULL;
    mlx_loop_stop(self->play->loop);
}

static int setup(void **state)
{
    daemons_t *self = mlx_alloc(1, sizeof *self);
    play_setup((void **)&self->play);
    strcpy(self->dir, "/tmp/mlx-daemon-XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    setenv("MLX_RUNTIME_DIR", self->dir, 1);
    setenv("XDG_CONFIG_HOME", self->dir, 1);
    setenv("XDG_STATE_HOME", self->dir, 1);
    play_double(self->play, 0, ARGS("--runner", "--rate", "40"));
    setenv("OLLAMA_HOST", self->play->address, 1);
    self->broker = start(ARGS(MLX_BIN "/mlx-bus", "--set", "log.level=error"));
    start_watcher(self);
    mlx_error_t err = {0};
    self->bus = mlx_bus_new(self->play->loop, &(mlx_bus_options_t){.run_dir = self->dir}, &err);
    if (!self->bus)
        fail_msg("%s", err.text);
    mlx_bus_subscribe(self->bus, "runtime.", on_message, self);
    mlx_bus_subscribe(self->bus, "service.watcher.", on_message, self);
    *state = self;
    return 0;
}

/*  The exit status of PID after SIGTERM, -1 when it did not end by itself. */
static int stop(pid_t pid)
{
    int status;
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int teardown(void **state)
{
    daemons_t *self = *state;
    assert_int_equal(stop(self->watcher), 0);
    assert_int_equal(stop(self->broker), 0);
    mlx_bus_destroy(&self->bus);
    play_teardown((void **)&self->play);
    MLX_CLEANUP(mlx_free_p) char *remove = mlx_format("rm -rf '%s'", self->dir);
    assert_int_equal(system(remove), 0);
    free(self);
    return 0;
}

static void subscribers_see_the_pace(void **state)
{
    daemons_t *self = *state;
    play_t *play = self->play;
    PLAY_UNTIL(play, play_reachable(play, "ollama"));
    play_generate(play, play->address, 240);
    PLAY_UNTIL(play, play_real(play, "ollama", "activity", "tokens_per_second") > 0);
    assert_string_equal(play_str(play, "ollama", "activity", "source"), "runner");
    int before = play->publications;
    int64_t from = mlx_now_us();
    PLAY_UNTIL(play, mlx_now_us() - from > 2000000);
    double a_second = (play->publications - before) / 2.0;
    print_message("          %.1f messages/s while busy\n", a_second);
    assert_true(a_second > 3.5 && a_second < 9);
    double tps = play_real(play, "ollama", "activity", "tokens_per_second");
    assert_true(fabs(tps / 40 - 1) < 0.05);
    PLAY_UNTIL(play, play->running == 0);
}

static void returns_after_a_kill(void **state)
{
    daemons_t *self = *state;
    play_t *play = self->play;
    PLAY_UNTIL(play, play_reachable(play, "ollama"));
    kill(self->watcher, SIGKILL);
    waitpid(self->watcher, NULL, 0);
    char killed[32];
    strcpy(killed, self->boot);
    int64_t from = mlx_now_us();
    start_watcher(self);
    PLAY_UNTIL(play, strcmp(self->boot, killed) && play_reachable(play, "ollama"));
    double seconds = (double)(mlx_now_us() - from) / 1e6;
    print_message("          values again after %.2f s\n", seconds);
    assert_true(seconds < 2);
}

static void counts_what_is_wrong_with_a_server(void **state)
{
    daemons_t *self = *state;
    play_t *play = self->play;
    PLAY_UNTIL(play, play_reachable(play, "ollama"));
    play_post(play, play->address, "/double/fault", "{\"name\":\"garbage-reply\",\"count\":-1}");
    PLAY_UNTIL(play, play_gone(play, "ollama"));
    play_post(play, play->address, "/double/fault", "{\"name\":\"none\"}");
    PLAY_UNTIL(play, play_reachable(play, "ollama"));
    PLAY_UNTIL(play, self->errors > 0);
    assert_non_null(
        mlx_value_str(mlx_value_get(play->topics, "service.watcher.health"), "last_error"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subscribers_see_the_pace, setup, teardown),
        cmocka_unit_test_setup_teardown(returns_after_a_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_what_is_wrong_with_a_server, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
