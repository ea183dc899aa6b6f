/*  The tap between real sockets: a runtime and its clients must not notice it, whatever they do. */
#include "common/bus_loop.h"
#include "services/watcher/tap.h"
#include "tests/tap/peer.h"
#include "tests/tap/support.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*  A runtime's listening socket with a tap in front of it. */
typedef struct {
    int listen_fd;
    uint16_t port;
    mlx_tap_t *tap;
    mlx_tap_snapshot_t snapshot;
    int wakes[2]; /* a pipe: one byte per wake */
} bench_t;

static void on_wake(void *arg)
{
    bench_t *bench = arg;
    ssize_t written = write(bench->wakes[1], "", 1);
    (void)written;
}

static mlx_tap_t *tap_to(const char *host, uint16_t port, int max_connections, bench_t *bench)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_format("%s:%d", host, port);
    mlx_tap_t *tap = mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0",
                                                     .upstream = upstream,
                                                     .max_connections = max_connections,
                                                     .wake = bench ? on_wake : NULL,
                                                     .arg = bench},
                                 &err);
    if (!tap)
        fail_msg("%s", err.text);
    return tap;
}

static void bench_open(bench_t *bench)
{
    *bench = (bench_t){0};
    assert_int_equal(pipe(bench->wakes), 0);
    bench->listen_fd = peer_listen(&bench->port);
    bench->tap = tap_to("127.0.0.1", bench->port, 0, bench);
}

static void bench_close(bench_t *bench)
{
    mlx_tap_destroy(&bench->tap);
    mlx_tap_snapshot_clear(&bench->snapshot);
    mlx_close_p(&bench->listen_fd);
    mlx_close_p(&bench->wakes[0]);
    mlx_close_p(&bench->wakes[1]);
}

typedef struct {
    int client;
    int server;
} pair_t;

static pair_t bench_pair(bench_t *bench)
{
    int client = peer_connect(mlx_tap_port(bench->tap));
    return (pair_t){client, peer_accept(bench->listen_fd)};
}

static void pair_close(pair_t *pair)
{
    mlx_close_p(&pair->client);
    mlx_close_p(&pair->server);
}

/*  Take snapshots until DONE says so or the deadline has passed. */
static void await(bench_t *bench, bool (*done)(const mlx_tap_snapshot_t *))
{
    int64_t deadline = mlx_now_us() + PEER_DEADLINE_S * 1000000;
    do {
        mlx_tap_snapshot(bench->tap, &bench->snapshot);
        if (done(&bench->snapshot))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    } while (mlx_now_us() < deadline);
    fail_msg("the tap never got there");
}

static bool none_open(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->counters.open == 0;
}

static bool one_refused(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->counters.refused == 1;
}

static bool starved(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->counters.starved > 0;
}

static bool one_open(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->counters.open == 1;
}

static bool one_ended(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->count == 1 && snapshot->requests[0].figures.outcome != MLX_STREAM_RUNNING;
}

static bool one_generating(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->count == 1 && !isnan(snapshot->requests[0].figures.ttft_s);
}

static bool one_begun(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->count == 1 && *snapshot->requests[0].figures.model;
}

static void expect_outcome(bench_t *bench, mlx_stream_outcome_t want)
{
    await(bench, one_ended);
    assert_string_equal(mlx_stream_outcome_name(bench->snapshot.requests[0].figures.outcome),
                        mlx_stream_outcome_name(want));
}

/*  Send bytes from one end and expect them at the other. */
static void expect_through(int from, int to, const void *data, size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *got = mlx_alloc(len, 1);
    assert_true(peer_send(from, data, len));
    assert_int_equal(peer_receive(to, got, len), len);
    assert_memory_equal(got, data, len);
}

static void expect_text(int from, int to, const char *text)
{
    expect_through(from, to, text, strlen(text));
}

static const char request[] = "POST /api/generate HTTP/1.1\r\nContent-Length: 26\r\n\r\n"
                              "{\"model\":\"m\",\"prompt\":\"x\"}";
static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n";
static const char token[] = "11\r\n{\"response\":\"a\"}\n\r\n";
static const char last[] = "44\r\n{\"response\":\"\",\"done\":true,\"eval_count\":9,"
                           "\"eval_duration\":90000000}\n\r\n0\r\n\r\n";

static void a_stream_is_measured_while_it_runs(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    expect_text(pair.client, pair.server, request);
    await(&bench, one_begun);
    assert_string_equal(bench.snapshot.requests[0].figures.model, "m");
    assert_int_equal(bench.snapshot.requests[0].id, 1);
    expect_text(pair.server, pair.client, head);
    expect_text(pair.server, pair.client, token);
    await(&bench, one_generating);
    assert_int_equal(bench.snapshot.requests[0].figures.generated_tokens, 1);
    assert_int_equal(bench.snapshot.requests[0].id, 1);
    expect_text(pair.server, pair.client, token);
    expect_text(pair.server, pair.client, last);
    expect_outcome(&bench, MLX_STREAM_OK);
    const mlx_stream_figures_t *figures = &bench.snapshot.requests[0].figures;
    assert_int_equal(figures->generated_tokens, 9);
    assert_float_equal(figures->generation_rate, 100, 1e-9);
    assert_true(figures->ttft_s > 0 && figures->ttft_s < PEER_DEADLINE_S);
    mlx_tap_snapshot(bench.tap, &bench.snapshot);
    assert_int_equal(bench.snapshot.count, 0); /* told once */
    expect_text(pair.client, pair.server, request);
    await(&bench, one_begun);
    assert_int_equal(bench.snapshot.requests[0].id, 2);
    pair_close(&pair);
    bench_close(&bench);
}

/*  An owner that does not ask for long gets the newest, and is told how many it missed. */
static void only_so_many_ended_requests_are_kept(void **state)
{
    (void)state;
    enum {
        MISSED = 44,
        ALL = MLX_TAP_MAX_FINISHED + MISSED
    };
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    for (int i = 0; i < ALL; i++) {
        expect_text(pair.client, pair.server, request);
        expect_text(pair.server, pair.client, head);
        expect_text(pair.server, pair.client, last);
    }
    expect_text(pair.client, pair.server, request); /* the end before it has been seen */
    mlx_tap_snapshot(bench.tap, &bench.snapshot);
    int ended = 0;
    for (size_t i = 0; i < bench.snapshot.count; i++)
        ended += bench.snapshot.requests[i].figures.outcome == MLX_STREAM_OK;
    assert_int_equal(ended, MLX_TAP_MAX_FINISHED);
    assert_int_equal(bench.snapshot.counters.dropped, MISSED);
    assert_int_equal(bench.snapshot.requests[0].id, MISSED + 1);
    pair_close(&pair);
    bench_close(&bench);
}

/*  A wake tells of news once, and again only after a snapshot. */
static void the_owner_is_woken(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    char bytes[16];
    expect_text(pair.client, pair.server, request);
    assert_int_equal(read(bench.wakes[0], bytes, 1), 1);
    expect_text(pair.server, pair.client, head);
    expect_text(pair.server, pair.client, token);
    expect_text(pair.server, pair.client, last);
    pair_close(&pair);
    await(&bench, none_open); /* its first snapshot may come before the end */
    await(&bench, none_open);
    struct pollfd waiting = {.fd = bench.wakes[0], .events = POLLIN};
    ssize_t more = poll(&waiting, 1, 0) > 0 ? read(bench.wakes[0], bytes, sizeof(bytes)) : 0;
    assert_true(more <= 3);
    bench_close(&bench);
}

/*  ---- ends of every kind ---- */

static void begin_stream(pair_t *pair)
{
    expect_text(pair->client, pair->server, request);
    expect_text(pair->server, pair->client, head);
    expect_text(pair->server, pair->client, token);
}

static void a_client_reset_reaches_the_server(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    begin_stream(&pair);
    peer_reset(&pair.client);
    assert_int_equal(peer_ending(pair.server), ECONNRESET);
    expect_outcome(&bench, MLX_STREAM_CLIENT_ABORT);
    pair_close(&pair);
    bench_close(&bench);
}

static void a_client_close_reaches_the_server(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    begin_stream(&pair);
    mlx_close_p(&pair.client);
    assert_int_equal(peer_ending(pair.server), 0);
    for (int i = 0; i < 1000 && peer_send(pair.server, token, strlen(token)); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_false(peer_send(pair.server, token, strlen(token)));
    expect_outcome(&bench, MLX_STREAM_CLIENT_ABORT);
    pair_close(&pair);
    bench_close(&bench);
}

static void a_server_reset_reaches_the_client(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    begin_stream(&pair);
    peer_reset(&pair.server);
    assert_int_equal(peer_ending(pair.client), ECONNRESET);
    expect_outcome(&bench, MLX_STREAM_SERVER_ABORT);
    pair_close(&pair);
    bench_close(&bench);
}

static void a_server_close_reaches_the_client(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    begin_stream(&pair);
    mlx_close_p(&pair.server);
    assert_int_equal(peer_ending(pair.client), 0);
    expect_outcome(&bench, MLX_STREAM_SERVER_ABORT);
    pair_close(&pair);
    await(&bench, none_open);
    bench_close(&bench);
}

static void a_half_closed_client_gets_its_reply(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    expect_text(pair.client, pair.server, request);
    shutdown(pair.client, SHUT_WR);
    assert_int_equal(peer_ending(pair.server), 0);
    expect_text(pair.server, pair.client, head);
    expect_text(pair.server, pair.client, last);
    expect_outcome(&bench, MLX_STREAM_OK);
    mlx_close_p(&pair.server);
    assert_int_equal(peer_ending(pair.client), 0);
    await(&bench, none_open);
    pair_close(&pair);
    bench_close(&bench);
}

static void a_half_closed_server_is_still_written_to(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    pair_t pair = bench_pair(&bench);
    expect_text(pair.server, pair.client, "early");
    shutdown(pair.server, SHUT_WR);
    assert_int_equal(peer_ending(pair.client), 0);
    expect_text(pair.client, pair.server, "late");
    mlx_close_p(&pair.client);
    assert_int_equal(peer_ending(pair.server), 0);
    await(&bench, none_open);
    pair_close(&pair);
    bench_close(&bench);
}

/*  A server that refuses an upload answers and closes with the upload unread, which resets the
 *  connection: the answer still gets through. */
static void the_last_words_of_a_server_get_through(void **state)
{
    (void)state;
    static const char refusal[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    for (int round = 0; round < 20; round++) {
        bench_t bench;
        bench_open(&bench);
        pair_t pair = bench_pair(&bench);
        expect_text(pair.client, pair.server, "POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n");
        assert_true(peer_send(pair.client, request, sizeof(request)));
        assert_true(peer_send(pair.server, refusal, strlen(refusal)));
        mlx_close_p(&pair.server);
        peer_send(pair.client, request, sizeof(request));
        char got[sizeof(refusal)] = {0};
        assert_int_equal(peer_receive(pair.client, got, strlen(refusal)), strlen(refusal));
        assert_string_equal(got, refusal);
        pair_close(&pair);
        await(&bench, none_open);
        bench_close(&bench);
    }
}

/*  ---- where it listens and connects ---- */

static void a_runtime_that_is_not_there(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    mlx_close_p(&bench.listen_fd); /* its port is free again, most likely for long enough */
    int client = peer_connect(mlx_tap_port(bench.tap));
    assert_int_equal(peer_ending(client), ECONNRESET);
    await(&bench, one_refused);
    assert_int_equal(bench.snapshot.counters.open, 0);
    mlx_close_p(&client);
    bench_close(&bench);
}

/*  "localhost" is two addresses on most machines; the runtime listens on one. */
/*  A runtime whose queue of new connections is full takes the next one late. */
static int listen_full(uint16_t *port, int *filler)
{
    int fd = peer_listen(port);
    assert_int_equal(listen(fd, 0), 0);
    *filler = peer_connect(*port);
    return fd;
}

static void a_runtime_may_answer_late(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    mlx_tap_destroy(&bench.tap);
    mlx_close_p(&bench.listen_fd);
    int filler;
    bench.listen_fd = listen_full(&bench.port, &filler);
    bench.tap = tap_to("127.0.0.1", bench.port, 0, &bench);
    pair_t pair = {.client = peer_connect(mlx_tap_port(bench.tap))};
    assert_true(peer_send(pair.client, "early", 5));
    await(&bench, one_open);
    int first = peer_accept(bench.listen_fd);
    pair.server = peer_accept(bench.listen_fd);
    char got[5];
    assert_int_equal(peer_receive(pair.server, got, 5), 5);
    assert_memory_equal(got, "early", 5);
    mlx_close_p(&filler);
    mlx_close_p(&first);
    pair_close(&pair);
    bench_close(&bench);
}

static void a_runtime_may_refuse_late(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    mlx_tap_destroy(&bench.tap);
    mlx_close_p(&bench.listen_fd);
    int filler;
    bench.listen_fd = listen_full(&bench.port, &filler);
    bench.tap = tap_to("127.0.0.1", bench.port, 0, &bench);
    int client = peer_connect(mlx_tap_port(bench.tap));
    await(&bench, one_open);
    mlx_close_p(&bench.listen_fd);
    assert_int_equal(peer_ending(client), ECONNRESET);
    await(&bench, one_refused);
    assert_int_equal(bench.snapshot.counters.open, 0);
    mlx_close_p(&filler);
    mlx_close_p(&client);
    bench_close(&bench);
}

/*  Without a free descriptor a connection waits until there is one. */
static void descriptors_may_run_out(void **state)
{
    (void)state;
    enum {
        LIMIT = 128
    };
    bench_t bench;
    bench_open(&bench);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {LIMIT, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int fillers[LIMIT], count = 0;
    while ((fillers[count] = dup(0)) >= 0)
        count++;
    mlx_close_p(&fillers[--count]);
    pair_t pair = {.client = peer_connect(mlx_tap_port(bench.tap))};
    assert_true(peer_send(pair.client, "hello", 5));
    await(&bench, starved);
    while (count > 0)
        mlx_close_p(&fillers[--count]);
    pair.server = peer_accept(bench.listen_fd);
    char got[5];
    assert_int_equal(peer_receive(pair.server, got, 5), 5);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    pair_close(&pair);
    bench_close(&bench);
}

static void every_address_of_a_name_is_tried(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    mlx_tap_destroy(&bench.tap);
    bench.tap = tap_to("localhost", bench.port, 0, NULL);
    pair_t pair = bench_pair(&bench);
    expect_text(pair.client, pair.server, "hello");
    pair_close(&pair);
    bench_close(&bench);
}

static void too_many_connections_are_turned_away(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    mlx_tap_destroy(&bench.tap);
    bench.tap = tap_to("127.0.0.1", bench.port, 2, NULL);
    pair_t first = bench_pair(&bench), second = bench_pair(&bench);
    int third = peer_connect(mlx_tap_port(bench.tap));
    assert_int_not_equal(peer_ending(third), EAGAIN);
    mlx_close_p(&third);
    expect_text(first.client, first.server, "still here");
    pair_close(&second);
    mlx_tap_snapshot(bench.tap, &bench.snapshot);
    assert_int_equal(bench.snapshot.counters.turned_away, 1);
    pair_close(&first);
    await(&bench, none_open);
    pair_t again = bench_pair(&bench);
    expect_text(again.client, again.server, "room again");
    pair_close(&again);
    bench_close(&bench);
}

typedef struct {
    const char *listen;
    const char *upstream;
    mlx_code_t code;
} refused_config_t;

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    static const refused_config_t configs[] = {
        {"0.0.0.0:0", "127.0.0.1:1", MLX_ERR_USAGE},
        {"[::]:0", "127.0.0.1:1", MLX_ERR_USAGE},
        {"127.0.0.1", "127.0.0.1:1", MLX_ERR_USAGE},
        {":1", "127.0.0.1:1", MLX_ERR_USAGE},
        {"127.0.0.1:0", "127.0.0.1:", MLX_ERR_USAGE},
        {"127.0.0.1:0", "::1:1", MLX_ERR_USAGE},
        {"127.0.0.1:0", "[::1]1", MLX_ERR_USAGE},
        {"127.0.0.1:65536", "127.0.0.1:1", MLX_ERR_USAGE},
        {"127.0.0.1:0", "127.0.0.1:-1", MLX_ERR_USAGE},
        {"192.0.2.1:0", "127.0.0.1:1", MLX_ERR_USAGE},
    };
    for (size_t i = 0; i < MLX_COUNT(configs); i++) {
        mlx_error_t err = {0};
        assert_null(mlx_tap_new(
            &(mlx_tap_config_t){.listen = configs[i].listen, .upstream = configs[i].upstream},
            &err));
        assert_int_equal(err.code, configs[i].code);
        assert_true(*err.text);
    }
}

static void a_taken_port_and_itself_are_refused(void **state)
{
    (void)state;
    bench_t bench;
    bench_open(&bench);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *taken = mlx_format("127.0.0.1:%d", bench.port);
    assert_null(mlx_tap_new(&(mlx_tap_config_t){.listen = taken, .upstream = "127.0.0.1:1"}, &err));
    assert_int_equal(err.code, MLX_ERR_BUSY);
    mlx_close_p(&bench.listen_fd);
    assert_null(mlx_tap_new(&(mlx_tap_config_t){.listen = taken, .upstream = taken}, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    bench_close(&bench);
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/dev/fd");
    assert_non_null(folder);
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void nothing_is_left_open(void **state)
{
    (void)state;
    int before = open_descriptors();
    bench_t bench;
    bench_open(&bench);
    for (int i = 0; i < 20; i++) {
        pair_t pair = bench_pair(&bench);
        begin_stream(&pair);
        if (i % 3 == 0)
            peer_reset(&pair.client);
        if (i % 3 == 1)
            peer_reset(&pair.server);
        pair_close(&pair);
    }
    await(&bench, none_open);
    pair_t pair = bench_pair(&bench); /* open while the tap goes */
    begin_stream(&pair);
    mlx_tap_destroy(&bench.tap);
    assert_int_equal(peer_ending(pair.client), ECONNRESET);
    assert_int_equal(peer_ending(pair.server), ECONNRESET);
    pair_close(&pair);
    bench_close(&bench);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_measured_while_it_runs),
        cmocka_unit_test(only_so_many_ended_requests_are_kept),
        cmocka_unit_test(the_owner_is_woken),
        cmocka_unit_test(a_client_reset_reaches_the_server),
        cmocka_unit_test(a_client_close_reaches_the_server),
        cmocka_unit_test(a_server_reset_reaches_the_client),
        cmocka_unit_test(a_server_close_reaches_the_client),
        cmocka_unit_test(a_half_closed_client_gets_its_reply),
        cmocka_unit_test(a_half_closed_server_is_still_written_to),
        cmocka_unit_test(the_last_words_of_a_server_get_through),
        cmocka_unit_test(a_runtime_that_is_not_there),
        cmocka_unit_test(a_runtime_may_answer_late),
        cmocka_unit_test(a_runtime_may_refuse_late),
        cmocka_unit_test(descriptors_may_run_out),
        cmocka_unit_test(every_address_of_a_name_is_tried),
        cmocka_unit_test(too_many_connections_are_turned_away),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(a_taken_port_and_itself_are_refused),
        cmocka_unit_test(nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
