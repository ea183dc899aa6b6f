/*  Broker and clients in one loop, over real sockets in a private directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bus/bus.h"
#include "common/bus/command.h"
#include "common/bus/seen.h"
#include "proto/catalogue.h"
#include "proto/pack.h"
#include "services/bus/broker.h"

enum {
    DEADLINE_MS = 5000
};

typedef struct {
    mlx_timer_t *tick; /* lets conditions that no handler announces be looked at */
    char dir[64];
    mlx_loop_t *loop;
    mlx_broker_t *broker;
    mlx_timer_t *deadline;
    bool late;
    int present;
    int refused;
    char last_refusal[512];

    /* what a test's handlers saw */
    int messages;
    double last_used;
    int progress;
    int done;
    int errors;
    int cancels;
    mlx_error_t error;
    mlx_request_t *held;
    mlx_bus_t *service;
} fixture_t;

static void on_presence(void *arg, const char *service, bool up)
{
    fixture_t *self = arg;
    (void)service;
    self->present += up ? 1 : -1;
    mlx_loop_stop(self->loop);
}

static void on_refused(void *arg, const char *kind, const char *text)
{
    fixture_t *self = arg;
    (void)kind;
    self->refused++;
    snprintf(self->last_refusal, sizeof self->last_refusal, "%s", text);
    mlx_loop_stop(self->loop);
}

static void on_late(void *arg)
{
    fixture_t *self = arg;
    self->late = true;
    self->deadline = NULL;
    mlx_loop_stop(self->loop);
}

/*  Run the loop, which handlers stop, until EXPRESSION holds. */
#define WAIT_UNTIL(self, expression)                                                               \
    do {                                                                                           \
        (self)->late = false;                                                                      \
        (self)->deadline = mlx_loop_after((self)->loop, DEADLINE_MS, on_late, (self));             \
        while (!(expression) && !(self)->late)                                                     \
            mlx_loop_run((self)->loop);                                                            \
        mlx_loop_cancel((self)->loop, &(self)->deadline);                                          \
        assert_true(expression);                                                                   \
    } while (0)

static void on_tick(void *arg)
{
    const fixture_t *self = arg;
    mlx_loop_stop(self->loop);
}

static void start_broker(fixture_t *self)
{
    mlx_error_t err = {0};
    mlx_broker_options_t options = {.run_dir = self->dir,
                                    .host = "here",
                                    .boot = "b0",
                                    .retain_gone_ms = 15000,
                                    .on_presence = on_presence,
                                    .on_refused = on_refused,
                                    .arg = self};
    self->broker = mlx_broker_new(self->loop, &options, &err);
    if (!self->broker)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    fixture_t *self = calloc(1, sizeof *self);
    strcpy(self->dir, "/tmp/mlx-test-bus-XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    self->loop = mlx_loop_new();
    self->tick = mlx_loop_every(self->loop, 10, on_tick, self);
    start_broker(self);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture_t *self = *state;
    mlx_broker_destroy(&self->broker);
    mlx_loop_destroy(&self->loop);
    char path[128];
    snprintf(path, sizeof path, "%s/bus.lock", self->dir);
    unlink(path);
    assert_int_equal(rmdir(self->dir), 0);
    free(self);
    return 0;
}

static mlx_bus_t *client(fixture_t *self, const char *src)
{
    mlx_error_t err = {0};
    mlx_bus_options_t options = {.run_dir = self->dir, .host = "here", .src = src};
    mlx_bus_t *bus = mlx_bus_new(self->loop, &options, &err);
    if (!bus)
        fail_msg("%s", err.text);
    return bus;
}

static void publish_used(mlx_bus_t *bus, int64_t used)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "used", used);
    mlx_bus_publish(bus, "sensor.memory", d);
    mlx_value_destroy(&d);
}

static void on_message(void *arg, const mlx_message_t *message)
{
    fixture_t *self = arg;
    self->messages++;
    mlx_value_real(message->d, "used", &self->last_used);
    mlx_loop_stop(self->loop);
}

static void sockets_are_ours_alone(void **state)
{
    const fixture_t *self = *state;
    static const char *const names[] = {MLX_SOCKET_PUBLISH, MLX_SOCKET_SUBSCRIBE,
                                        MLX_SOCKET_COMMAND};
    for (size_t i = 0; i < MLX_COUNT(names); i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", self->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static int64_t gap_at(mlx_bus_seen_t *seen, int64_t seq)
{
    int64_t gap;
    mlx_message_t message = {
        .topic = "sensor.cpu", .host = "vm", .src = "sampler", .boot = "0", .seq = seq};
    assert_false(mlx_bus_seen_before(seen, &message, seq == 1 ? 0 : 2000000, &gap));
    return gap;
}

/*  A number that nobody could have come to is not a loss, and hides none. */
static void a_forged_number_is_no_loss(void **state)
{
    (void)state;
    mlx_bus_seen_t *seen = mlx_bus_seen_new();
    assert_int_equal(gap_at(seen, 1), 0);
    assert_int_equal(gap_at(seen, 4), 2);
    assert_int_equal(gap_at(seen, 4000000000000), 0);
    assert_int_equal(gap_at(seen, 7), 2);
    mlx_bus_seen_destroy(&seen);
}

static size_t retained_count(const fixture_t *self)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_broker_snapshot(self->broker, "", 0);
    return mlx_value_size(mlx_value_get(all, "messages"));
}

static void late_joiner_gets_the_last_value(void **state)
{
    fixture_t *self = *state;
    mlx_bus_t *publisher = client(self, "sampler");
    publish_used(publisher, 1); /* before any connection: kept, sent on joining */
    WAIT_UNTIL(self, retained_count(self) == 1);
    mlx_bus_t *reader = client(self, NULL);
    mlx_bus_subscribe(reader, "sensor.", on_message, self);
    WAIT_UNTIL(self, self->messages == 1);
    assert_int_equal((int)self->last_used, 1);
    publish_used(publisher, 2);
    WAIT_UNTIL(self, self->messages == 2);
    assert_int_equal((int)self->last_used, 2);

    /* Another joiner makes the broker repeat the value: the first reader drops it. */
    mlx_bus_t *second = client(self, NULL);
    mlx_bus_subscribe(second, "sensor.memory", on_message, self);
    WAIT_UNTIL(self, self->messages == 3 && mlx_bus_stats(reader).duplicates == 1);
    assert_int_equal(mlx_bus_stats(reader).received, 2);
    mlx_bus_destroy(&publisher);
    mlx_bus_destroy(&reader);
    mlx_bus_destroy(&second);
}

static void restarted_broker_learns_the_state_again(void **state)
{
    fixture_t *self = *state;
    mlx_bus_t *publisher = client(self, "sampler");
    publish_used(publisher, 7);
    mlx_bus_t *reader = client(self, NULL);
    mlx_bus_subscribe(reader, "", on_message, self);
    WAIT_UNTIL(self, self->messages == 1);
    mlx_broker_destroy(&self->broker);
    start_broker(self);
    mlx_bus_t *late = client(self, NULL);
    mlx_bus_subscribe(late, "", on_message, self);
    WAIT_UNTIL(self, self->messages == 2);
    assert_int_equal((int)self->last_used, 7);
    mlx_bus_destroy(&publisher);
    mlx_bus_destroy(&reader);
    mlx_bus_destroy(&late);
}

static void second_broker_is_refused(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    mlx_broker_options_t options = {.run_dir = self->dir,
                                    .host = "here",
                                    .boot = "b1",
                                    .on_presence = on_presence,
                                    .on_refused = on_refused,
                                    .arg = self};
    assert_null(mlx_broker_new(self->loop, &options, &err));
    assert_int_equal(err.code, MLX_ERR_BUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
}

static void serve(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    fixture_t *self = arg;
    mlx_value_t *echo = mlx_value_copy(args);
    if (strcmp(cmd, "hold") == 0) {
        self->held = request;
        mlx_loop_stop(self->loop);
    } else if (strcmp(cmd, "fail") == 0) {
        mlx_error_t err = {0};
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "no such thing");
        mlx_error_hint(&err, "try another");
        mlx_request_error(&request, &err);
    } else if (strcmp(cmd, "large") == 0) {
        const size_t sizes[] = {MLX_PACK_MAX_BYTES, MLX_FRAME_MAX_BYTES};
        int64_t which = 0;
        mlx_value_int(args, "which", &which);
        MLX_CLEANUP(mlx_free_p) char *text = mlx_alloc(sizes[which] + 1, 1);
        memset(text, 'x', sizes[which]);
        mlx_value_set_str(echo, "text", text);
        mlx_request_progress(request, echo);
        mlx_request_done(&request, echo);
    } else {
        mlx_request_progress(request, echo);
        mlx_request_progress(request, echo);
        mlx_request_done(&request, echo);
    }
    mlx_value_destroy(&echo);
}

static void cancelled(void *arg, mlx_request_t *request)
{
    fixture_t *self = arg;
    self->cancels++;
    mlx_error_t err = {0};
    mlx_error_set(&err, MLX_ERR_INTERRUPTED, "cancelled");
    mlx_request_error(&request, &err);
    self->held = NULL;
    mlx_loop_stop(self->loop);
}

static void on_reply(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    fixture_t *self = arg;
    (void)value;
    self->progress += kind == MLX_REPLY_PROGRESS;
    self->done += kind == MLX_REPLY_DONE;
    self->errors += kind == MLX_REPLY_ERROR;
    if (kind == MLX_REPLY_ERROR)
        self->error = *err;
    mlx_loop_stop(self->loop);
}

static void start_service(fixture_t *self)
{
    self->service = client(self, "bencher");
    mlx_bus_serve(self->service, serve, cancelled, self);
    WAIT_UNTIL(self, self->present == 1);
}

static void call_is_answered(void **state)
{
    fixture_t *self = *state;
    start_service(self);
    mlx_bus_t *caller = client(self, NULL);
    mlx_bus_call(caller, "bencher", "echo", NULL, DEADLINE_MS, on_reply, self);
    WAIT_UNTIL(self, self->done == 1);
    assert_int_equal(self->progress, 2);
    mlx_bus_call(caller, "bencher", "fail", NULL, DEADLINE_MS, on_reply, self);
    WAIT_UNTIL(self, self->errors == 1);
    assert_int_equal(self->error.code, MLX_ERR_NOT_FOUND);
    assert_string_equal(self->error.text, "no such thing");
    assert_string_equal(self->error.hint, "try another");
    mlx_bus_destroy(&caller);
    mlx_bus_destroy(&self->service);
}

/*  What no caller takes is an error that says so; the service stays, and answers the next. */
static void an_answer_too_large_is_an_error(void **state)
{
    fixture_t *self = *state;
    start_service(self);
    mlx_bus_t *caller = client(self, NULL);
    for (int i = 0; i < 2; i++) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
        mlx_value_set_int(args, "which", i);
        mlx_bus_call(caller, "bencher", "large", args, DEADLINE_MS, on_reply, self);
        WAIT_UNTIL(self, self->errors == i + 1);
        assert_int_equal(self->error.code, MLX_ERR_FAILED);
        assert_non_null(strstr(self->error.text, "more than one message takes"));
    }
    assert_int_equal(self->progress, 0);
    mlx_bus_call(caller, "bencher", "echo", NULL, DEADLINE_MS, on_reply, self);
    WAIT_UNTIL(self, self->done == 1);
    assert_int_equal(self->present, 1);
    mlx_bus_destroy(&caller);
    mlx_bus_destroy(&self->service);
}

static void unknown_service_is_unavailable_at_once(void **state)
{
    fixture_t *self = *state;
    mlx_bus_t *caller = client(self, NULL);
    mlx_bus_call(caller, "nobody", "x", NULL, 60000, on_reply, self);
    WAIT_UNTIL(self, self->errors == 1);
    assert_int_equal(self->error.code, MLX_ERR_UNAVAILABLE);
    mlx_bus_destroy(&caller);
}

static void vanished_service_is_unavailable_at_once(void **state)
{
    fixture_t *self = *state;
    start_service(self);
    mlx_bus_t *caller = client(self, NULL);
    mlx_bus_call(caller, "bencher", "hold", NULL, 60000, on_reply, self);
    WAIT_UNTIL(self, self->held != NULL);
    mlx_bus_destroy(&self->service);
    WAIT_UNTIL(self, self->errors == 1);
    assert_int_equal(self->error.code, MLX_ERR_UNAVAILABLE);
    mlx_bus_destroy(&caller);
}

static void silent_service_meets_the_deadline(void **state)
{
    fixture_t *self = *state;
    start_service(self);
    mlx_bus_t *caller = client(self, NULL);
    mlx_bus_call(caller, "bencher", "hold", NULL, 50, on_reply, self);
    WAIT_UNTIL(self, self->errors == 1 && self->cancels == 1);
    assert_int_equal(self->error.code, MLX_ERR_UNAVAILABLE);
    mlx_bus_destroy(&caller);
    mlx_bus_destroy(&self->service);
}

static void vanished_caller_cancels(void **state)
{
    fixture_t *self = *state;
    start_service(self);
    mlx_bus_t *caller = client(self, NULL);
    mlx_bus_call(caller, "bencher", "hold", NULL, 60000, on_reply, self);
    WAIT_UNTIL(self, self->held != NULL);
    mlx_bus_destroy(&caller);
    WAIT_UNTIL(self, self->cancels == 1);
    mlx_bus_destroy(&self->service);
}

static void cancel_reaches_the_service(void **state)
{
    fixture_t *self = *state;
    start_service(self);
    mlx_bus_t *caller = client(self, NULL);
    mlx_call_t *call = mlx_bus_call(caller, "bencher", "hold", NULL, 60000, on_reply, self);
    WAIT_UNTIL(self, self->held != NULL);
    mlx_bus_cancel(caller, call);
    WAIT_UNTIL(self, self->errors == 1);
    assert_int_equal(self->error.code, MLX_ERR_INTERRUPTED);
    mlx_bus_destroy(&caller);
    mlx_bus_destroy(&self->service);
}

static bool is_connected(fixture_t *self, const char *name)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_broker_services(self->broker);
    const mlx_value_t *list = mlx_value_get(all, "services");
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        bool connected = false;
        mlx_value_t *service = mlx_value_at(list, i);
        mlx_value_bool(service, "connected", &connected);
        if (connected && strcmp(mlx_value_str(service, "name"), name) == 0)
            return true;
    }
    return false;
}

/*  An owner that set no handlers is told nothing, and the broker works as ever. */
static void broker_needs_no_handlers(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    mlx_broker_destroy(&self->broker);
    self->broker = mlx_broker_new(
        self->loop, &(mlx_broker_options_t){.run_dir = self->dir, .host = "here", .boot = "b0"},
        &err);
    assert_non_null(self->broker);
    self->service = client(self, "bencher");
    mlx_bus_serve(self->service, serve, cancelled, self);
    WAIT_UNTIL(self, is_connected(self, "bencher"));
    mlx_bus_destroy(&self->service);
    WAIT_UNTIL(self, !is_connected(self, "bencher"));

    zsock_t *stranger = zsock_new(ZMQ_DEALER);
    assert_int_equal(zsock_connect(stranger, "ipc://%s/command.sock", self->dir), 0);
    zstr_send(stranger, "nonsense");
    zstr_sendx(stranger, "ready", "recorder", "b1", NULL); /* read after it */
    WAIT_UNTIL(self, is_connected(self, "recorder"));
    zsock_destroy(&stranger);
    assert_int_equal(self->present, 0);
    assert_int_equal(self->refused, 0);
}

static void on_unfit(void *arg, const mlx_error_t *err)
{
    fixture_t *self = arg;
    self->error = *err;
    self->errors++;
}

/*  Names and values of a publication come from outside: what the catalogue refuses is told, counted
 *  and not sent. */
static void unfit_publications_are_refused(void **state)
{
    static const char *const topics[] = {"service.MyApp.health", "service.a.b.health", "nonsense",
                                         "service..health", "sensor.\033[2J"};
    fixture_t *self = *state;
    mlx_bus_t *bus = client(self, "sampler");
    mlx_bus_on_unfit(bus, on_unfit, self);
    mlx_value_t *d = mlx_value_map();
    for (size_t i = 0; i < MLX_COUNT(topics); i++)
        assert_int_equal(mlx_bus_publish_changed(bus, topics[i], d), -1);
    mlx_value_set_str(d, "used", "much");
    assert_int_equal(mlx_bus_publish(bus, "sensor.memory", d), -1);
    assert_non_null(strstr(self->error.text, "used"));
    assert_int_equal(self->errors, MLX_COUNT(topics) + 1);
    assert_int_equal(mlx_bus_stats(bus).unfit, self->errors);
    assert_int_equal(mlx_bus_stats(bus).published, 0);
    mlx_value_destroy(&d);
    mlx_bus_destroy(&bus);
}

static void names_that_do_not_fit_make_no_client(void **state)
{
    static const char *const names[] = {"",       "Alice Mac", "alice\tmac",
                                        "a\033b", "\xff",      "a\xc2\x9b"};
    const fixture_t *self = *state;
    for (size_t i = 0; i < 2 * MLX_COUNT(names); i++) {
        mlx_error_t err = {0};
        mlx_bus_options_t options = {.run_dir = self->dir};
        *(i % 2 ? &options.host : &options.src) = names[i / 2];
        assert_null(mlx_bus_new(self->loop, &options, &err));
        assert_int_equal(err.code, MLX_ERR_USAGE);
    }
}

static void probe_tells_whether_a_broker_is_there(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    assert_int_equal(mlx_bus_probe(self->dir, &err), 0);
    mlx_broker_destroy(&self->broker);
    assert_int_equal(mlx_bus_probe(self->dir, &err), -1);
    assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
    start_broker(self);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_number_is_no_loss),
        TEST(sockets_are_ours_alone),
        TEST(late_joiner_gets_the_last_value),
        TEST(restarted_broker_learns_the_state_again),
        TEST(second_broker_is_refused),
        TEST(call_is_answered),
        TEST(an_answer_too_large_is_an_error),
        TEST(unknown_service_is_unavailable_at_once),
        TEST(vanished_service_is_unavailable_at_once),
        TEST(silent_service_meets_the_deadline),
        TEST(vanished_caller_cancels),
        TEST(cancel_reaches_the_service),
        TEST(broker_needs_no_handlers),
        TEST(unfit_publications_are_refused),
        TEST(names_that_do_not_fit_make_no_client),
        TEST(probe_tells_whether_a_broker_is_there),
    };
    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
