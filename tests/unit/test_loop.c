/*  The event loop, above all at its edges: what dies while it is about to be called */
#include "common/base/clock.h"
#include "common/bus/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    DEADLINE_MS = 20000
};

typedef struct {
    mlx_loop_t *loop;
    mlx_timer_t *deadline;
    mlx_timer_t *timers[8];
    mlx_watch_t *watches[2];
    int pipes[2][2];
    int calls;
    int stop_at;
    int signal_number;
} fixture_t;

static void on_deadline(void *arg)
{
    (void)arg;
    mlx_panic("the test's deadline passed");
}

static int open_loop(void **state)
{
    fixture_t *self = mlx_alloc(1, sizeof *self);
    self->loop = mlx_loop_new();
    self->deadline = mlx_loop_after(self->loop, DEADLINE_MS, on_deadline, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(self->pipes[i]), 0);
        fcntl(self->pipes[i][0], F_SETFL, O_NONBLOCK);
    }
    *state = self;
    return 0;
}

static int close_loop(void **state)
{
    fixture_t *self = *state;
    mlx_loop_destroy(&self->loop);
    mlx_loop_destroy(&self->loop);
    for (int i = 0; i < 2; i++) {
        close(self->pipes[i][0]);
        close(self->pipes[i][1]);
    }
    mlx_free_p(&self);
    return 0;
}

static void count(void *arg)
{
    fixture_t *self = arg;
    if (++self->calls >= self->stop_at)
        mlx_loop_stop(self->loop);
}

static void must_not_run(void *arg)
{
    (void)arg;
    fail_msg("a cancelled timer ran");
}

static void must_not_read(void *arg, int fd, unsigned events)
{
    (void)arg;
    (void)fd;
    (void)events;
    fail_msg("a removed watch ran");
}

static void test_timers(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 5;
    int64_t start = mlx_now_us();
    self->timers[0] = mlx_loop_every(self->loop, 20, count, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 5);
    assert_true(mlx_now_us() - start >= 80000);
    /* It goes on when the loop is run again. */
    self->stop_at = 7;
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 7);
    mlx_loop_cancel(self->loop, &self->timers[0]);
    assert_null(self->timers[0]);
    mlx_loop_cancel(self->loop, &self->timers[0]);
}

static void test_cancelled_before_the_start(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 1;
    for (size_t i = 0; i < MLX_COUNT(self->timers); i++) {
        self->timers[i] = mlx_loop_after(self->loop, 0, must_not_run, NULL);
        mlx_loop_cancel(self->loop, &self->timers[i]);
    }
    mlx_loop_after(self->loop, 30, count, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 1);
}

static void cancel_all(void *arg)
{
    fixture_t *self = arg;
    for (size_t i = 0; i < MLX_COUNT(self->timers); i++)
        mlx_loop_cancel(self->loop, &self->timers[i]);
    for (size_t i = 0; i < MLX_COUNT(self->watches); i++)
        mlx_loop_unwatch(self->loop, &self->watches[i]);
    count(self);
}

/*  All of it is due in the same pass; the first handler takes the rest away. */
static void test_cancelled_in_the_same_pass(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 2;
    mlx_loop_after(self->loop, 0, cancel_all, self);
    for (size_t i = 0; i < MLX_COUNT(self->timers); i++)
        self->timers[i] = mlx_loop_after(self->loop, 0, must_not_run, NULL);
    for (int i = 0; i < 2; i++) {
        self->watches[i] =
            mlx_loop_watch(self->loop, self->pipes[i][0], MLX_READ, must_not_read, NULL);
        assert_int_equal(write(self->pipes[i][1], "x", 1), 1);
    }
    mlx_loop_after(self->loop, 50, count, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 2);
}

static void test_one_shot_that_stops_runs_once(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 1;
    mlx_loop_after(self->loop, 0, count, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 1);
    self->stop_at = 2;
    mlx_loop_after(self->loop, 30, count, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 2);
}

static void read_one(void *arg, int fd, unsigned events)
{
    fixture_t *self = arg;
    char c;
    assert_int_equal(events, MLX_READ);
    assert_int_equal(read(fd, &c, 1), 1);
    /* Whoever comes first removes the other, whose byte is there too. */
    for (size_t i = 0; i < MLX_COUNT(self->watches); i++)
        if (fd != self->pipes[i][0])
            mlx_loop_unwatch(self->loop, &self->watches[i]);
    count(self);
}

static void test_watch_removes_its_neighbour(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 2;
    for (int i = 0; i < 2; i++) {
        self->watches[i] = mlx_loop_watch(self->loop, self->pipes[i][0], MLX_READ, read_one, self);
        assert_int_equal(write(self->pipes[i][1], "xy", 2), 2);
    }
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 2);
    assert_true((self->watches[0] == NULL) != (self->watches[1] == NULL));
}

static void see_events(void *arg, int fd, unsigned events)
{
    fixture_t *self = arg;
    (void)fd;
    self->signal_number = (int)events;
    count(self);
}

static void test_rewatch_and_hang_up(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 1;
    mlx_watch_t *watch = mlx_loop_watch(self->loop, self->pipes[0][1], MLX_WRITE, see_events, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->signal_number, MLX_WRITE);
    /* Paused: only the timer comes. */
    self->calls = 0;
    mlx_loop_rewatch(self->loop, watch, 0);
    mlx_loop_after(self->loop, 30, count, self);
    mlx_loop_run(self->loop);
    assert_int_equal(self->calls, 1);
    mlx_loop_unwatch(self->loop, &watch);
    /* A reader learns that the other side has gone. */
    self->calls = 0;
    watch = mlx_loop_watch(self->loop, self->pipes[1][0], MLX_READ, see_events, self);
    close(self->pipes[1][1]);
    self->pipes[1][1] = -1;
    mlx_loop_run(self->loop);
    assert_int_equal(self->signal_number, MLX_READ);
    mlx_loop_unwatch(self->loop, &watch);
    assert_null(watch);
}

static void *wake_often(void *arg)
{
    fixture_t *self = arg;
    for (int i = 0; i < 1000; i++)
        mlx_loop_wake(self->loop, count, self);
    return NULL;
}

static void test_wake_from_other_threads(void **state)
{
    fixture_t *self = *state;
    pthread_t threads[4];
    self->stop_at = 4000;
    for (size_t i = 0; i < MLX_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, self), 0);
    mlx_loop_run(self->loop);
    for (size_t i = 0; i < MLX_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(self->calls, 4000);
}

static void unwake_both(void *arg)
{
    fixture_t *self = arg;
    mlx_loop_unwake(self->loop, &self->calls);
    mlx_loop_unwake(self->loop, self);
    mlx_loop_after(self->loop, 1, count, self);
}

static void count_not(void *arg)
{
    (void)arg;
    fail_msg("a wake that was taken back has run");
}

/*  What has not run is forgotten, in the same round of the loop and before it. */
static void test_unwake(void **state)
{
    fixture_t *self = *state;
    self->stop_at = 1;
    mlx_loop_wake(self->loop, count_not, &self->stop_at);
    mlx_loop_unwake(self->loop, &self->stop_at);
    mlx_loop_wake(self->loop, unwake_both, self);
    mlx_loop_wake(self->loop, count_not, &self->calls);
    mlx_loop_wake(self->loop, count_not, self);
    mlx_loop_run(self->loop);
}

static void on_signal(void *arg, int number)
{
    fixture_t *self = arg;
    self->signal_number = number;
    mlx_loop_stop(self->loop);
}

static void raise_hup(void *arg)
{
    (void)arg;
    raise(SIGHUP);
}

static void test_signals(void **state)
{
    static const int list[] = {SIGHUP, 0};
    fixture_t *self = *state;
    mlx_error_t err = {0};
    assert_int_equal(mlx_loop_signals(self->loop, list, on_signal, self, &err), 0);
    mlx_loop_after(self->loop, 10, raise_hup, NULL);
    mlx_loop_run(self->loop);
    assert_int_equal(self->signal_number, SIGHUP);
    /* There is one such loop in a process, and SIGPIPE kills nobody any more. */
    mlx_loop_t *other = mlx_loop_new();
    assert_int_equal(mlx_loop_signals(other, list, on_signal, self, &err), -1);
    mlx_loop_destroy(&other);
    raise(SIGPIPE);
}

static void on_alarm(void *arg, int number)
{
    fixture_t *self = arg;
    self->signal_number = number;
}

static void stop_after_alarm(void *arg)
{
    fixture_t *self = arg;
    if (!self->signal_number)
        return;
    self->calls++;
    mlx_loop_stop(self->loop);
}

/*  A signal that interrupts the wait itself, and that its handler does not want to end the loop. */
static void test_goes_on_after_a_signal(void **state)
{
    static const int list[] = {SIGALRM, 0};
    fixture_t *self = *state;
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    assert_int_equal(mlx_loop_signals(self->loop, list, on_alarm, self, NULL), 0);
    self->timers[0] = mlx_loop_every(self->loop, 200, stop_after_alarm, self);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    mlx_loop_run(self->loop);
    assert_int_equal(self->signal_number, SIGALRM);
    assert_int_equal(self->calls, 1); /* the timer ended it, not the signal */
}

#define IN_LOOP(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LOOP(test_timers),
        IN_LOOP(test_cancelled_before_the_start),
        IN_LOOP(test_cancelled_in_the_same_pass),
        IN_LOOP(test_one_shot_that_stops_runs_once),
        IN_LOOP(test_watch_removes_its_neighbour),
        IN_LOOP(test_rewatch_and_hang_up),
        IN_LOOP(test_wake_from_other_threads),
        IN_LOOP(test_unwake),
        IN_LOOP(test_signals),
        IN_LOOP(test_goes_on_after_a_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
