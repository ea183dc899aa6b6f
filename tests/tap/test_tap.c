/*  The tap between real sockets: a runtime and its clients must not notice it, whatever they do. */
#include "tests/tap/peer.h"
#include "tests/tap/rig.h"
#include "tests/tap/support.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

static void expect_outcome(rig_t *rig, mlx_stream_outcome_t want)
{
    rig_await(rig, one_ended);
    assert_string_equal(mlx_stream_outcome_name(rig->snapshot.requests[0].figures.outcome),
                        mlx_stream_outcome_name(want));
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
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    expect_text(pair.client, pair.server, request);
    rig_await(&rig, one_begun);
    assert_string_equal(rig.snapshot.requests[0].figures.model, "m");
    assert_int_equal(rig.snapshot.requests[0].id, 1);
    expect_text(pair.server, pair.client, head);
    expect_text(pair.server, pair.client, token);
    rig_await(&rig, one_generating);
    assert_int_equal(rig.snapshot.requests[0].figures.generated_tokens, 1);
    assert_int_equal(rig.snapshot.requests[0].id, 1);
    expect_text(pair.server, pair.client, token);
    expect_text(pair.server, pair.client, last);
    expect_outcome(&rig, MLX_STREAM_OK);
    const mlx_stream_figures_t *figures = &rig.snapshot.requests[0].figures;
    assert_int_equal(figures->generated_tokens, 9);
    assert_float_equal(figures->generation_rate, 800 / 9.0F, 1e-4);
    assert_true(figures->ttft_s > 0 && figures->ttft_s < PEER_DEADLINE_S);
    mlx_tap_snapshot(rig.tap, &rig.snapshot);
    assert_int_equal(rig.snapshot.count, 0); /* told once */
    expect_text(pair.client, pair.server, request);
    rig_await(&rig, one_begun);
    assert_int_equal(rig.snapshot.requests[0].id, 2);
    rig_part(&pair);
    rig_close(&rig);
}

/*  An owner that does not ask for long gets the newest, and is told how many it missed. */
static void only_so_many_ended_requests_are_kept(void **state)
{
    (void)state;
    enum {
        MISSED = 44,
        ALL = MLX_TAP_MAX_FINISHED + MISSED
    };
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    for (int i = 0; i < ALL; i++) {
        expect_text(pair.client, pair.server, request);
        expect_text(pair.server, pair.client, head);
        expect_text(pair.server, pair.client, last);
    }
    expect_text(pair.client, pair.server, request); /* the end before it has been seen */
    mlx_tap_snapshot(rig.tap, &rig.snapshot);
    int ended = 0;
    for (size_t i = 0; i < rig.snapshot.count; i++)
        ended += rig.snapshot.requests[i].figures.outcome == MLX_STREAM_OK;
    assert_int_equal(ended, MLX_TAP_MAX_FINISHED);
    assert_int_equal(rig.snapshot.counters.dropped, MISSED);
    assert_int_equal(rig.snapshot.requests[0].id, MISSED + 1);
    rig_part(&pair);
    rig_close(&rig);
}

static void expect_wakes(rig_t *rig, int want)
{
    struct pollfd waiting = {.fd = rig->wakes[0], .events = POLLIN};
    char byte;
    int wakes = 0;
    while (poll(&waiting, 1, 0) > 0 && read(rig->wakes[0], &byte, 1) == 1)
        wakes++;
    assert_int_equal(wakes, want);
}

/*  A wake tells of news once, and again only after a snapshot. */
static void the_owner_is_woken_once(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    for (int round = 0; round < 3; round++) {
        expect_text(pair.client, pair.server, request);
        expect_text(pair.server, pair.client, head);
        expect_text(pair.server, pair.client, token);
        expect_text(pair.server, pair.client, last);
        /* A piece is looked at before the next is passed on: when these arrive, all was told. */
        expect_text(pair.client, pair.server, "GET / HTTP/1.1\r\n\r\n");
        expect_text(pair.server, pair.client, "HTTP/1.1 204 No Content\r\n\r\n");
        expect_wakes(&rig, 1);
        mlx_tap_snapshot(rig.tap, &rig.snapshot);
        assert_int_equal(rig.snapshot.count, 1);
    }
    rig_part(&pair);
    rig_close(&rig);
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
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    begin_stream(&pair);
    peer_reset(&pair.client);
    assert_int_equal(peer_ending(pair.server), ECONNRESET);
    expect_outcome(&rig, MLX_STREAM_CLIENT_ABORT);
    rig_part(&pair);
    rig_close(&rig);
}

static void a_client_close_reaches_the_server(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    begin_stream(&pair);
    mlx_close_p(&pair.client);
    assert_int_equal(peer_ending(pair.server), 0);
    for (int i = 0; i < 1000 && peer_send(pair.server, token, strlen(token)); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_false(peer_send(pair.server, token, strlen(token)));
    expect_outcome(&rig, MLX_STREAM_CLIENT_ABORT);
    rig_part(&pair);
    rig_close(&rig);
}

static void a_server_reset_reaches_the_client(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    begin_stream(&pair);
    peer_reset(&pair.server);
    assert_int_equal(peer_ending(pair.client), ECONNRESET);
    expect_outcome(&rig, MLX_STREAM_SERVER_ABORT);
    rig_part(&pair);
    rig_close(&rig);
}

static void a_server_close_reaches_the_client(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    begin_stream(&pair);
    mlx_close_p(&pair.server);
    assert_int_equal(peer_ending(pair.client), 0);
    expect_outcome(&rig, MLX_STREAM_SERVER_ABORT);
    rig_part(&pair);
    rig_await(&rig, rig_is_empty);
    rig_close(&rig);
}

static void a_half_closed_client_gets_its_reply(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    expect_text(pair.client, pair.server, request);
    shutdown(pair.client, SHUT_WR);
    assert_int_equal(peer_ending(pair.server), 0);
    expect_text(pair.server, pair.client, head);
    expect_text(pair.server, pair.client, last);
    expect_outcome(&rig, MLX_STREAM_OK);
    mlx_close_p(&pair.server);
    assert_int_equal(peer_ending(pair.client), 0);
    rig_await(&rig, rig_is_empty);
    rig_part(&pair);
    rig_close(&rig);
}

static void a_half_closed_server_is_still_written_to(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    pair_t pair = rig_pair(&rig);
    expect_text(pair.server, pair.client, "early");
    shutdown(pair.server, SHUT_WR);
    assert_int_equal(peer_ending(pair.client), 0);
    expect_text(pair.client, pair.server, "late");
    mlx_close_p(&pair.client);
    assert_int_equal(peer_ending(pair.server), 0);
    rig_await(&rig, rig_is_empty);
    rig_part(&pair);
    rig_close(&rig);
}

/*  A server that refuses an upload answers and closes with the upload unread, which resets the
 *  connection: the answer still gets through. */
static void the_last_words_of_a_server_get_through(void **state)
{
    (void)state;
    static const char refusal[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    for (int round = 0; round < 20; round++) {
        rig_t rig;
        rig_open(&rig);
        pair_t pair = rig_pair(&rig);
        expect_text(pair.client, pair.server, "POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n");
        assert_true(peer_send(pair.client, request, sizeof(request)));
        assert_true(peer_send(pair.server, refusal, strlen(refusal)));
        mlx_close_p(&pair.server);
        peer_send(pair.client, request, sizeof(request));
        char got[sizeof(refusal)] = {0};
        assert_int_equal(peer_receive(pair.client, got, strlen(refusal)), strlen(refusal));
        assert_string_equal(got, refusal);
        rig_part(&pair);
        rig_await(&rig, rig_is_empty);
        rig_close(&rig);
    }
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
    rig_t rig;
    rig_open(&rig);
    for (int i = 0; i < 20; i++) {
        pair_t pair = rig_pair(&rig);
        begin_stream(&pair);
        if (i % 3 == 0)
            peer_reset(&pair.client);
        if (i % 3 == 1)
            peer_reset(&pair.server);
        rig_part(&pair);
    }
    rig_await(&rig, rig_is_empty);
    pair_t pair = rig_pair(&rig); /* open while the tap goes */
    begin_stream(&pair);
    mlx_tap_destroy(&rig.tap);
    assert_int_equal(peer_ending(pair.client), ECONNRESET);
    assert_int_equal(peer_ending(pair.server), ECONNRESET);
    rig_part(&pair);
    rig_close(&rig);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_measured_while_it_runs),
        cmocka_unit_test(only_so_many_ended_requests_are_kept),
        cmocka_unit_test(the_owner_is_woken_once),
        cmocka_unit_test(a_client_reset_reaches_the_server),
        cmocka_unit_test(a_client_close_reaches_the_server),
        cmocka_unit_test(a_server_reset_reaches_the_client),
        cmocka_unit_test(a_server_close_reaches_the_client),
        cmocka_unit_test(a_half_closed_client_gets_its_reply),
        cmocka_unit_test(a_half_closed_server_is_still_written_to),
        cmocka_unit_test(the_last_words_of_a_server_get_through),
        cmocka_unit_test(nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
