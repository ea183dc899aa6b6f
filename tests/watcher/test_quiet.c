/*  Watching wakes nothing: what a server that may sleep is asked, by the log of its requests, and
 *  the signs of work that are seen without asking. */
#include "common/base/clock.h"
#include "services/watcher/gate.h"
#include "services/watcher/traffic.h"
#include "tests/double/play.h"
#include "tests/watcher/play.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define S INT64_C(1000000)

/* ---- signs ---- */

static bool works(mlx_traffic_t *traffic, uint64_t received, uint32_t received_ago,
                  uint32_t sent_ago)
{
    const mlx_traffic_connection_t seen = {
        .id = 1, .received = received, .received_ago = received_ago, .sent_ago = sent_ago};
    mlx_traffic_take(traffic, &seen, 1);
    return mlx_traffic_working(traffic);
}

static void tells_work_from_a_look(void **state)
{
    (void)state;
    const struct {
        uint64_t received;
        uint32_t received_ago, sent_ago;
        bool work;
        const char *what;
    } cases[] = {
        {0, 5000, 5000, false, "a connection that was opened"},
        {90, 3, 1, false, "a quick reply"},
        {90, 350, 349, false, "the same, later"},
        {400, 40, 300, false, "a request that has just come"},
        {400, 150, 400, true, "a prompt is read"},
        {400, 90000, 90200, true, "a long prompt is read"},
        {400, 900, 10, true, "a stream"},
        {400, 1500, 1200, true, "a reply that took its time, not long ago"},
        {400, 90000, 60000, false, "one of long ago"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_traffic_destroy) mlx_traffic_t *traffic = mlx_traffic_new(1, NULL);
        if (works(traffic, cases[i].received, cases[i].received_ago, cases[i].sent_ago) !=
            cases[i].work)
            fail_msg("%s", cases[i].what);
    }
}

/*  Times of the kernel are multiples of its tick. */
static void tells_a_quick_reply_from_a_request_within_one_tick(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_traffic_destroy) mlx_traffic_t *traffic = mlx_traffic_new(1, NULL);
    mlx_traffic_connection_t seen = {.id = 1, .received = 90, .received_ago = 172, .sent_ago = 172};
    mlx_traffic_take(traffic, &seen, 1);
    assert_true(mlx_traffic_working(traffic)); /* it came as the connection was made */
    seen = (mlx_traffic_connection_t){
        .id = 2, .received = 90, .sent = 700, .received_ago = 172, .sent_ago = 172};
    mlx_traffic_take(traffic, &seen, 1);
    assert_false(mlx_traffic_working(traffic)); /* somebody's look at the server */
    seen.received_ago = seen.sent_ago = 284;
    mlx_traffic_take(traffic, &seen, 1);
    assert_false(mlx_traffic_working(traffic));
    seen.received = 180; /* the next on this connection: its last reply went just before */
    seen.received_ago = seen.sent_ago = 120;
    mlx_traffic_take(traffic, &seen, 1);
    assert_true(mlx_traffic_working(traffic));
    seen.sent = 1400;
    mlx_traffic_take(traffic, &seen, 1);
    assert_false(mlx_traffic_working(traffic));
}

static void believes_a_server_that_says_it_is_idle(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_traffic_destroy) mlx_traffic_t *traffic = mlx_traffic_new(1, NULL);
    assert_true(works(traffic, 400, 1500, 1200));
    mlx_traffic_idle(traffic); /* it has ended: one word settles it */
    assert_false(works(traffic, 400, 1900, 1600));
    assert_true(works(traffic, 800, 150, 2000)); /* the next request of this connection */
    int denials = 0;
    for (uint32_t t = 200; works(traffic, 800, t, 2000 + t); t += 400, denials++)
        mlx_traffic_idle(traffic); /* an upload that hangs */
    assert_true(denials > 1 && denials < 6);
    assert_false(works(traffic, 800, 90000, 92000));
}

static void tells_whether_anything_moves(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_traffic_destroy) mlx_traffic_t *traffic = mlx_traffic_new(1, NULL);
    mlx_traffic_connection_t seen = {.id = 7, .received_ago = 90000, .sent_ago = 90000};
    mlx_traffic_take(traffic, &seen, 1);
    assert_false(mlx_traffic_moved(traffic)); /* connected, nothing more */
    seen.received = 120;
    mlx_traffic_take(traffic, &seen, 1);
    mlx_traffic_take(traffic, &seen, 1);     /* another look before anybody asks */
    assert_true(mlx_traffic_moved(traffic)); /* even if the reply took no time */
    assert_false(mlx_traffic_moved(traffic));
    mlx_traffic_take(traffic, &seen, 1);
    assert_false(mlx_traffic_moved(traffic));
    mlx_traffic_take(traffic, NULL, 0);
    assert_false(mlx_traffic_moved(traffic)); /* it has gone */
}

/* ---- the gate ---- */

static void asks_nothing_without_need(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_gate_destroy) mlx_gate_t *gate = mlx_gate_new(NULL);
    assert_false(mlx_gate_open(gate, S));
    assert_null(mlx_gate_reason(gate)); /* nobody has asked yet whether it sleeps */
    mlx_gate_told(gate, MLX_SLEEP_UNKNOWN, S);
    assert_non_null(strstr(mlx_gate_reason(gate), "/props does not say"));
    mlx_gate_told(gate, MLX_SLEEP_AWAKE, S);
    assert_false(mlx_gate_open(gate, S));
    assert_non_null(strstr(mlx_gate_reason(gate), "use the tap"));
    mlx_gate_hint(gate, 2 * S);
    assert_false(mlx_gate_open(gate, 2 * S)); /* it may have fallen asleep since */
    assert_true(mlx_gate_wants_state(gate, 2 * S));
    mlx_gate_told(gate, MLX_SLEEP_AWAKE, 2 * S);
    assert_true(mlx_gate_open(gate, 2 * S));
    mlx_gate_told(gate, MLX_SLEEP_ASLEEP, 2 * S);
    assert_false(mlx_gate_open(gate, 2 * S));
    mlx_gate_told(gate, MLX_SLEEP_UNKNOWN, 2 * S); /* /props failed */
    assert_false(mlx_gate_open(gate, 2 * S));
    mlx_gate_told(gate, MLX_SLEEP_AWAKE, 2 * S);
    mlx_gate_answered(gate, true);
    assert_true(mlx_gate_open(gate, 100 * S)); /* a busy server does not sleep */
    mlx_gate_unanswered(gate);
    assert_false(mlx_gate_open(gate, 100 * S));
    mlx_gate_answered(gate, true);
    mlx_gate_forget(gate); /* another server has its port */
    assert_false(mlx_gate_open(gate, 100 * S));
    mlx_gate_told(gate, MLX_SLEEP_NEVER, 0);
    assert_true(mlx_gate_open(gate, 200 * S));
    assert_null(mlx_gate_reason(gate));
}

/* ---- a sleeping server ---- */

static mlx_value_t *runtimes(const play_t *self)
{
    mlx_value_t *list = mlx_value_list();
    mlx_value_set_str(mlx_value_append(list, mlx_value_map()), "url", self->address);
    return list;
}

static char *fetch(const play_t *self, const char *path)
{
    int fd = mlx_play_dial(self->port);
    assert_true(fd >= 0);
    mlx_play_send(fd, "GET", path, NULL);
    mlx_play_reply_t reply = mlx_play_receive(fd);
    char *body = mlx_strdup(mlx_buf_str(&reply.body));
    mlx_play_free(&reply);
    close(fd);
    return body;
}

static bool sleeps(const play_t *self)
{
    bool yes = false;
    mlx_value_bool(play_data(self, "llamacpp", "models"), "sleeping", &yes);
    return yes;
}

static void run_for(play_t *self, int64_t ms)
{
    int64_t end_us = mlx_now_us() + ms * 1000;
    while (mlx_now_us() < end_us)
        mlx_loop_run(self->loop);
}

static const char ASK[] =
    "{\"model\":\"tiny-random\",\"prompt\":\"hello\",\"max_tokens\":60,\"stream\":true}";

static void lets_a_server_sleep(void **state)
{
    play_t *self = *state;
    play_double(self, 0,
                ARGS("--as", "llama-server", "--model", "tiny-random", "--rate", "40", "--metrics",
                     "--sleep-idle", "2"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    PLAY_UNTIL(self, sleeps(self));
    run_for(self, 3000);
    MLX_CLEANUP(mlx_free_p) char *log = fetch(self, "/double/log");
    assert_non_null(strstr(log, "GET /props"));
    assert_null(strstr(log, "GET /slots"));
    assert_null(strstr(log, "GET /metrics"));

    pid_t pid = play_client(self, "/v1/completions", ASK);
    PLAY_UNTIL(self, play_real(self, "llamacpp", "activity", "tokens_per_second") > 20);
    assert_false(sleeps(self));
    PLAY_UNTIL(self, play_client_ended(&pid));
    int64_t ended_us = mlx_now_us();
    PLAY_UNTIL(self, play_real(self, "llamacpp", "activity", "tokens_total") == 60);
    PLAY_UNTIL(self, sleeps(self));
    print_message("          asleep %.1f s after its last request\n",
                  (double)(mlx_now_us() - ended_us) / 1e6);
    assert_true(mlx_now_us() - ended_us < 6 * S);
    run_for(self, 2000);
    MLX_CLEANUP(mlx_free_p) char *stats = fetch(self, "/double/stats");
    assert_non_null(strstr(stats, "\"wakes\":1,\"asleep\":1"));
}

/*  Without /props nobody knows whether it sleeps. */
static void asks_nothing_more_when_props_fails(void **state)
{
    play_t *self = *state;
    play_double(self, 0,
                ARGS("--as", "llama-server", "--model", "tiny-random", "--rate", "40", "--metrics",
                     "--no-props"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    PLAY_UNTIL(self, play_str(self, "llamacpp", "activity", "source_reason"));
    pid_t pid = play_client(self, "/v1/completions", ASK);
    PLAY_UNTIL(self, play_client_ended(&pid));
    assert_non_null(strstr(play_str(self, "llamacpp", "activity", "source_reason"), "needs a key"));
    MLX_CLEANUP(mlx_free_p) char *log = fetch(self, "/double/log");
    assert_null(strstr(log, "GET /slots"));
    assert_null(strstr(log, "GET /metrics"));
}

/*  Ollama's keep_alive must run out while it is watched, runner and all. */
static void asks_ollama_only_what_is_free(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "200", "--keep-alive", "2"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    play_generate(self, self->address, 40);
    PLAY_UNTIL(self, play_str(self, "ollama", "activity", "source"));
    PLAY_UNTIL(self,
               mlx_value_size(mlx_value_get(play_data(self, "ollama", "models"), "models")) == 0);
    MLX_CLEANUP(mlx_free_p) char *log = fetch(self, "/double/log");
    char *rest = log;
    int lists = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line;)
        if (strcmp(line, "GET /api/tags") == 0)
            lists++;
        else if (strcmp(line, "GET /api/ps") != 0 && strcmp(line, "GET /api/version") != 0 &&
                 strcmp(line, "POST /api/generate") != 0)
            fail_msg("Ollama was asked for %s", line);
    assert_int_equal(lists, 1); /* it reads its manifests for that */
    assert_int_equal(
        mlx_value_size(mlx_value_get(play_data(self, "ollama", "models"), "available")), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_work_from_a_look),
        cmocka_unit_test(tells_a_quick_reply_from_a_request_within_one_tick),
        cmocka_unit_test(believes_a_server_that_says_it_is_idle),
        cmocka_unit_test(tells_whether_anything_moves),
        cmocka_unit_test(asks_nothing_without_need),
        cmocka_unit_test_setup_teardown(lets_a_server_sleep, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(asks_nothing_more_when_props_fails, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(asks_ollama_only_what_is_free, play_setup, play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
