/*  Each request is told once, with the server's own counts and its client by name, whichever way it
 *  went; nothing that was asked and no key is in what is told. */
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "services/watcher/asker_process.h"
#include "services/watcher/request_energy.h"
#include "tests/double/play.h"
#include "tests/watcher/play.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define KEY "sk-never-to-be-seen-0123456789"
#define PROMPT "xyzzy-prompt"
#define NAME "test_watcher_requests"

typedef struct {
    play_t *play;
    char dir[64];
    mlx_fingerprint_t *prints;
    char listen[32];
    int tap_port;
} test_t;

static int setup(void **state)
{
    test_t *self = mlx_alloc(1, sizeof *self);
    play_setup((void **)&self->play);
    strcpy(self->dir, "/tmp/mlx-requests-XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    MLX_CLEANUP(mlx_free_p) char *salt = mlx_format("%s/salt", self->dir);
    self->prints = mlx_fingerprint_new(salt, NULL);
    assert_non_null(self->prints);
    self->tap_port = play_free_port();
    snprintf(self->listen, sizeof self->listen, "127.0.0.1:%d", self->tap_port);
    play_double(self->play, 0, ARGS("--runner", "--rate", "80"));
    play_watch(self->play, &(mlx_watcher_options_t){.discover = true,
                                                    .ollama_host = self->play->address,
                                                    .tap_listen = self->listen,
                                                    .tap_upstream = self->play->address,
                                                    .prints = self->prints,
                                                    .runner_probe = true});
    PLAY_UNTIL(self->play, play_reachable(self->play, "ollama"));
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    test_t *self = *state;
    int rc = play_teardown((void **)&self->play);
    mlx_fingerprint_destroy(&self->prints);
    MLX_CLEANUP(mlx_free_p) char *remove = mlx_format("rm -rf '%s'", self->dir);
    assert_int_equal(system(remove), 0);
    free(self);
    return rc;
}

/*  A client of its own, with headers. */
static pid_t ask(int port, int tokens)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    char body[256], request[1024];
    snprintf(body, sizeof body,
             "{\"model\":\"tiny-random\",\"prompt\":\"" PROMPT
             "\",\"options\":{\"num_predict\":%d}}",
             tokens);
    int len = snprintf(request, sizeof request,
                       "POST /api/generate HTTP/1.1\r\nHost: x\r\nUser-Agent: plain-client/1.0 "
                       "(test)\r\nAuthorization: Bearer " KEY "\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    int fd = mlx_play_dial(port);
    if (write(fd, request, (size_t)len) != len)
        _exit(1);
    mlx_play_reply_t reply = mlx_play_receive(fd);
    _exit(reply.status == 200 ? 0 : 1);
}

static bool events_are(const test_t *self, size_t count)
{
    return mlx_value_size(self->play->events) >= count;
}

static int64_t whole(const mlx_value_t *d, const char *key)
{
    int64_t value = -1;
    mlx_value_int(d, key, &value);
    return value;
}

/*  The slots of the runner have had time to tell it again. */
static void wait_for_more(const test_t *self, size_t count)
{
    int64_t from = mlx_now_us();
    PLAY_UNTIL(self->play, mlx_now_us() - from > 1500000);
    assert_int_equal(mlx_value_size(self->play->events), count);
}

static const mlx_value_t *first_running(const test_t *self)
{
    return mlx_value_at(mlx_value_get(play_data(self->play, "ollama", "activity"), "running"), 0);
}

static const mlx_value_t *event_of(const test_t *self, pid_t client)
{
    for (size_t i = 0; i < mlx_value_size(self->play->events); i++)
        if (whole(mlx_value_at(self->play->events, i), "pid") == client)
            return mlx_value_at(self->play->events, i);
    return NULL;
}

static void assert_secret(const test_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, self->play->events, false);
    mlx_json_write(&text, self->play->topics, false);
    assert_null(strstr(mlx_buf_str(&text), "sk-never"));
    assert_null(strstr(mlx_buf_str(&text), PROMPT));
}

static void the_tap_names_its_client(void **state)
{
    test_t *self = *state;
    pid_t client = ask(self->tap_port, 90);
    PLAY_UNTIL(self->play, mlx_value_str(first_running(self), "client"));
    assert_string_equal(mlx_value_str(first_running(self), "client"), NAME);
    PLAY_UNTIL(self->play, events_are(self, 1));
    const mlx_value_t *d = mlx_value_at(self->play->events, 0);
    char print[MLX_ASKER_KEY];
    mlx_fingerprint_of(self->prints, KEY, strlen(KEY), print);
    assert_int_equal(strlen(print), 8);
    assert_string_equal(mlx_value_str(d, "key"), print);
    assert_string_equal(mlx_value_str(d, "client"), NAME);
    assert_int_equal(whole(d, "pid"), client);
    assert_string_equal(mlx_value_str(d, "agent"), "plain-client/1.0 (test)");
    assert_string_equal(mlx_value_str(d, "address"), "127.0.0.1");
    assert_string_equal(mlx_value_str(d, "source"), "tap");
    assert_string_equal(mlx_value_str(d, "outcome"), "ok");
    assert_int_equal(whole(d, "tokens"), 90);
    assert_true(whole(d, "prompt_tokens") > 0);
    assert_true(whole(d, "end") > whole(d, "start"));
    assert_null(mlx_value_get(d, "joules")); /* no sensor spoke */
    assert_null(mlx_value_get(d, "draft_tokens"));
    waitpid(client, NULL, 0);
    wait_for_more(self, 1);
    assert_secret(self);
}

static void a_direct_request_is_told_by_the_runner(void **state)
{
    test_t *self = *state;
    pid_t warm = ask(self->play->port, 40); /* loads the model: the runner is found */
    PLAY_UNTIL(self->play, play_client_ended(&warm));
    PLAY_UNTIL(self->play, play_str(self->play, "ollama", "activity", "source"));
    pid_t client = ask(self->play->port, 160);
    PLAY_UNTIL(self->play, mlx_value_str(first_running(self), "client"));
    assert_string_equal(mlx_value_str(first_running(self), "client"), NAME);
    PLAY_UNTIL(self->play, event_of(self, client));
    const mlx_value_t *d = event_of(self, client);
    assert_string_equal(mlx_value_str(d, "source"), "runner");
    assert_string_equal(mlx_value_str(d, "model"), "tiny-random:latest");
    assert_string_equal(mlx_value_str(d, "client"), NAME);
    assert_int_equal(whole(d, "tokens"), 160);
    waitpid(client, NULL, 0);
}

static void one_of_each_at_once_are_two(void **state)
{
    test_t *self = *state;
    pid_t warm = ask(self->tap_port, 10);
    PLAY_UNTIL(self->play, play_client_ended(&warm) && events_are(self, 1));
    PLAY_UNTIL(self->play, play_str(self->play, "ollama", "activity", "source"));
    pid_t direct = ask(self->play->port, 130), tapped = ask(self->tap_port, 70);
    PLAY_UNTIL(self->play, events_are(self, 3));
    wait_for_more(self, 3);
    int64_t tokens[2] = {0};
    for (size_t i = 1; i < 3; i++) {
        const mlx_value_t *d = mlx_value_at(self->play->events, i);
        tokens[strcmp(mlx_value_str(d, "source"), "tap") == 0] += whole(d, "tokens");
    }
    assert_int_equal(tokens[1], 70);
    assert_true(tokens[0] == 130 || tokens[0] == -1); /* the next one followed at once: not known */
    waitpid(tapped, NULL, 0);
    waitpid(direct, NULL, 0);
}

static void sums_are_the_usage_fields(void **state)
{
    static const int lengths[] = {2, 3, 9, 17, 33, 5};
    test_t *self = *state;
    int64_t tokens = 0, prompt = 0, told = 0, told_prompt = 0;
    for (size_t i = 0; i < MLX_COUNT(lengths); i++) {
        play_generate(self->play, self->listen, lengths[i]);
        PLAY_UNTIL(self->play, self->play->running == 0);
        tokens += whole(self->play->reply, "eval_count");
        prompt += whole(self->play->reply, "prompt_eval_count");
    }
    PLAY_UNTIL(self->play, events_are(self, MLX_COUNT(lengths)));
    wait_for_more(self, MLX_COUNT(lengths));
    for (size_t i = 0; i < MLX_COUNT(lengths); i++) {
        const mlx_value_t *d = mlx_value_at(self->play->events, i);
        bool exact = false;
        told += whole(d, "tokens");
        told_prompt += whole(d, "prompt_tokens");
        assert_true(mlx_value_bool(d, "exact", &exact) && exact);
    }
    assert_int_equal(told, tokens);
    assert_int_equal(told_prompt, prompt);
}

/* ---- the parts ---- */

static void a_program_is_called_what_people_call_it(void **state)
{
    static const struct {
        const char *name;
        const char *argv[5];
    } cases[] = {
        {"curl", {"/usr/bin/curl", "-s", "http://x"}},
        {"chat.py", {"python3.12", "-u", "/home/x/chat.py", "--key=1"}},
        {"uvicorn", {"/usr/bin/python3", "-m", "uvicorn", "app:app"}},
        {"python3", {"python3", "-c", "secret = 'x'"}},
        {"node", {"node"}},
        {"server.js", {"/opt/node/bin/node", "server.js"}},
        {"bash", {"-bash"}},
        {"shell", {"/usr/bin/shell", "argument"}},
        {"?[2J", {"\033[2J"}},
        {"", {NULL}},
    };
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char name[MLX_ASKER_PROCESS];
        size_t argc = 0;
        while (argc < 5 && cases[i].argv[argc])
            argc++;
        mlx_asker_program(argc, cases[i].argv, name);
        assert_string_equal(name, cases[i].name);
    }
}

static void a_fingerprint_is_of_key_and_salt(void **state)
{
    test_t *self = *state;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/salt", self->dir);
    MLX_CLEANUP(mlx_free_p) char *other_path = mlx_format("%s/other", self->dir);
    mlx_fingerprint_t *again = mlx_fingerprint_new(path, NULL);
    mlx_fingerprint_t *other = mlx_fingerprint_new(other_path, NULL);
    char a[MLX_ASKER_KEY], b[MLX_ASKER_KEY], c[MLX_ASKER_KEY], d[MLX_ASKER_KEY];
    mlx_fingerprint_of(self->prints, "key", 3, a);
    mlx_fingerprint_of(again, "key", 3, b);
    mlx_fingerprint_of(other, "key", 3, c);
    mlx_fingerprint_of(self->prints, "yek", 3, d);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_string_not_equal(a, d);
    mlx_fingerprint_of(NULL, "key", 3, a);
    assert_string_equal(a, "");
    mlx_fingerprint_destroy(&again);
    mlx_fingerprint_destroy(&other);
    FILE *file = fopen(path, "w");
    fputs("short", file);
    fclose(file);
    mlx_error_t err = {0};
    assert_null(mlx_fingerprint_new(path, &err));
    assert_int_equal(err.code, MLX_ERR_FAILED);
}

static mlx_value_t *watts(double total)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "total", total);
    return d;
}

static void energy_is_shared_and_never_guessed(void **state)
{
    const int64_t s = 1000000;
    (void)state;
    mlx_request_energy_t *energy = mlx_request_energy_new();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = watts(100);
    assert_true(isnan(mlx_request_energy_of(energy, s, 2 * s)));
    for (int64_t t = 10; t <= 30; t++) {
        mlx_request_energy_hear(energy, "sensor.power", d, t * s);
        if (t == 10)
            mlx_request_energy_running(energy, 1, t * s);
        if (t == 20)
            mlx_request_energy_running(energy, 2, t * s);
    }
    assert_true(fabs(mlx_request_energy_of(energy, 12 * s, 14 * s) - 200) < 1);
    assert_true(fabs(mlx_request_energy_of(energy, 22 * s, 24 * s) - 100) < 1);
    assert_true(fabs(mlx_request_energy_of(energy, 18 * s, 22 * s) - 300) < 1);
    assert_true(isnan(mlx_request_energy_of(energy, 9 * s, 12 * s))); /* before the first word */
    mlx_request_energy_hear(energy, "sensor.power", d, 60 * s);
    mlx_request_energy_hear(energy, "sensor.power", d, 61 * s);
    mlx_request_energy_running(energy, 1, 62 * s);
    assert_true(isnan(mlx_request_energy_of(energy, 25 * s, 61 * s))); /* silence in between */
    mlx_request_energy_destroy(&energy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tap_names_its_client, setup, teardown),
        cmocka_unit_test_setup_teardown(a_direct_request_is_told_by_the_runner, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_each_at_once_are_two, setup, teardown),
        cmocka_unit_test_setup_teardown(sums_are_the_usage_fields, setup, teardown),
        cmocka_unit_test(a_program_is_called_what_people_call_it),
        cmocka_unit_test_setup_teardown(a_fingerprint_is_of_key_and_salt, setup, teardown),
        cmocka_unit_test(energy_is_shared_and_never_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
