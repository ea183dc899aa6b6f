/*  The tap under load: a thousand mixed exchanges byte for byte, a gigabyte in bounded memory, many
 *  connections at once, a client that does not read. */
#include "common/base/clock.h"
#include "services/watcher/tap.h"
#include "tests/tap/exchange.h"
#include "tests/tap/origin.h"
#include "tests/tap/peer.h"
#include "tests/tap/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum {
    MIXED = 1000,
    AT_ONCE = 200,
    MIB = 1024 * 1024,
    LONG_BODY_MIB = 1024,
    SLOW_BODY_MIB = 64,
    ECHO_MIB = 16,
};

/*  Sanitizers keep freed memory for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum {
    MOST_GROWTH_MIB = 300
};
#else
enum {
    MOST_GROWTH_MIB = 8
};
#endif

static mlx_tap_t *tap_to(const origin_t *origin)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_format("127.0.0.1:%d", origin_port(origin));
    mlx_tap_t *tap =
        mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0", .upstream = upstream}, &err);
    if (!tap)
        fail_msg("%s", err.text);
    return tap;
}

/*  Wait until no connection is open. Returns how many requests ended since the last snapshot. */
static int await_closed(mlx_tap_t *tap, mlx_tap_snapshot_t *snapshot)
{
    int64_t deadline = mlx_now_us() + PEER_DEADLINE_S * 1000000;
    int ended = 0;
    do {
        mlx_tap_snapshot(tap, snapshot);
        for (size_t i = 0; i < snapshot->count; i++)
            ended += snapshot->requests[i].figures.outcome != MLX_STREAM_RUNNING;
        if (snapshot->counters.open == 0)
            return ended;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    } while (mlx_now_us() < deadline);
    fail_msg("connections stay open");
    return ended;
}

static void serve_exchanges(void *arg, int fd)
{
    atomic_int *wrong = arg;
    if (!exchange_serve(fd))
        (*wrong)++;
}

/*  ---- a thousand mixed exchanges ---- */

static void send_request(int fd, int number)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t request = {0};
    exchange_request(number, &request);
    assert_true(peer_send(fd, request.data, request.len));
}

static uint64_t hash_reply(int fd, int number)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
    exchange_reply(number, &reply);
    MLX_CLEANUP(mlx_free_p) char *got = mlx_alloc(reply.len, 1);
    assert_int_equal(peer_receive(fd, got, reply.len), reply.len);
    return peer_hash(PEER_HASH, got, reply.len);
}

/*  Do exchange FIRST and up to seven more on one connection, all requests ahead of the replies when
 *  they are small. Returns the number after the last. */
static int exchange_some(uint16_t port, int first, uint64_t *hashes)
{
    int fd = peer_connect(port);
    int end = first;
    bool ahead = first % 3 == 0;
    do
        ahead = ahead && exchange_is_small(end);
    while (++end < MIXED && end < first + 8 && !exchange_is_last(end - 1));
    for (int n = first; ahead && n < end; n++)
        send_request(fd, n);
    for (int n = first; n < end; n++) {
        if (!ahead)
            send_request(fd, n);
        hashes[n] = hash_reply(fd, n);
    }
    mlx_close_p(&fd);
    return end;
}

static void a_thousand_exchanges_are_identical(void **state)
{
    (void)state;
    atomic_int wrong = 0;
    origin_t *origin = origin_new(serve_exchanges, &wrong);
    mlx_tap_t *tap = tap_to(origin);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    static uint64_t direct[MIXED], tapped[MIXED];
    int measured = 0, ended = 0;
    for (int n = 0; n < MIXED;)
        n = exchange_some(origin_port(origin), n, direct);
    for (int n = 0; n < MIXED;) {
        n = exchange_some(mlx_tap_port(tap), n, tapped);
        ended += await_closed(tap, &snapshot);
    }
    for (int n = 0; n < MIXED; n++)
        measured += exchange_is_measured(n);
    assert_memory_equal(direct, tapped, sizeof(direct));
    assert_int_equal(snapshot.counters.requests, measured);
    assert_int_equal(ended, measured);
    assert_true(measured > 100);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin);
    assert_int_equal(wrong, 0);
}

/*  ---- a gigabyte ---- */

enum {
    PATTERN = 65521
};
static char pattern[2 * PATTERN];

static void fill_pattern(void)
{
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)('A' + i % PATTERN % 57);
}

static bool is_pattern(const char *data, size_t len, size_t offset)
{
    for (size_t at = 0; at < len;) {
        size_t start = (offset + at) % PATTERN;
        size_t n = len - at < PATTERN ? len - at : PATTERN;
        if (memcmp(data + at, pattern + start, n) != 0)
            return false;
        at += n;
    }
    return true;
}

static bool send_pattern(int fd, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = len - at < PATTERN ? len - at : PATTERN;
        if (!peer_send(fd, pattern + at % PATTERN, n))
            return false;
        at += n;
    }
    return true;
}

static void expect_pattern(int fd, size_t len)
{
    static char piece[256 * 1024];
    for (size_t at = 0; at < len;) {
        size_t want = len - at < sizeof(piece) ? len - at : sizeof(piece);
        assert_int_equal(peer_receive(fd, piece, want), want);
        assert_true(is_pattern(piece, want, at));
        at += want;
    }
}

/*  Answers whatever comes with one long line, said to be a stream of tokens. */
static void serve_pattern(void *arg, int fd)
{
    const size_t *len = arg;
    char request[4096];
    if (recv(fd, request, sizeof(request), 0) <= 0)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *head = mlx_format("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            *len);
    if (peer_send(fd, head, strlen(head)))
        send_pattern(fd, *len);
}

static void ask_pattern(int fd)
{
    const char *request = "POST /api/generate HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    assert_true(peer_send(fd, request, strlen(request)));
}

static void skip_head(int fd)
{
    char tail[4] = {0};
    while (memcmp(tail, "\r\n\r\n", 4) != 0) {
        memmove(tail, tail + 1, 3);
        assert_int_equal(peer_receive(fd, tail + 3, 1), 1);
    }
}

static long peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return usage.ru_maxrss / MIB;
#else
    return usage.ru_maxrss / 1024;
#endif
}

static void a_gigabyte_takes_no_memory(void **state)
{
    (void)state;
    size_t len = (size_t)LONG_BODY_MIB * MIB;
    origin_t *origin = origin_new(serve_pattern, &len);
    mlx_tap_t *tap = tap_to(origin);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int fd = peer_connect(mlx_tap_port(tap));
    long before = peak_mib();
    ask_pattern(fd);
    skip_head(fd);
    expect_pattern(fd, len);
    long growth = peak_mib() - before;
    mlx_close_p(&fd);
    await_closed(tap, &snapshot);
    print_message("memory grew by %ld MiB over a body of %d MiB\n", growth, LONG_BODY_MIB);
    assert_true(growth <= MOST_GROWTH_MIB);
    assert_true(snapshot.counters.bytes_down > (int64_t)len);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin);
}

/*  ---- many, and slow ones ---- */

static void two_hundred_connections_at_once(void **state)
{
    (void)state;
    atomic_int wrong = 0;
    origin_t *origin = origin_new(serve_exchanges, &wrong);
    mlx_tap_t *tap = tap_to(origin);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int fds[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        fds[i] = peer_connect(mlx_tap_port(tap));
    for (int i = 0; i < AT_ONCE; i++)
        send_request(fds[i], i);
    for (int i = AT_ONCE - 1; i >= 0; i--) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
        exchange_reply(i, &reply);
        assert_int_equal(hash_reply(fds[i], i), peer_hash(PEER_HASH, reply.data, reply.len));
    }
    mlx_tap_snapshot(tap, &snapshot);
    assert_int_equal(snapshot.counters.open, AT_ONCE);
    for (int i = 0; i < AT_ONCE; i++)
        mlx_close_p(&fds[i]);
    await_closed(tap, &snapshot);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin);
    assert_int_equal(wrong, 0);
}

static void a_client_that_does_not_read_blocks_nobody(void **state)
{
    (void)state;
    size_t len = (size_t)SLOW_BODY_MIB * MIB;
    origin_t *slow_origin = origin_new(serve_pattern, &len);
    mlx_tap_t *tap = tap_to(slow_origin);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int slow = peer_connect(mlx_tap_port(tap));
    ask_pattern(slow);
    skip_head(slow);
    for (int i = 0; i < 10; i++) {
        int quick = peer_connect(mlx_tap_port(tap));
        ask_pattern(quick);
        skip_head(quick);
        expect_pattern(quick, MIB);
        mlx_close_p(&quick); /* in the middle of its body */
    }
    mlx_tap_snapshot(tap, &snapshot);
    assert_true(snapshot.counters.bytes_down < (int64_t)len * 6);
    expect_pattern(slow, len);
    mlx_close_p(&slow);
    await_closed(tap, &snapshot);
    mlx_tap_destroy(&tap);
    origin_destroy(&slow_origin);
}

static int64_t processor_us(void)
{
    return (int64_t)clock() * 1000000 / CLOCKS_PER_SEC;
}

/*  Wait until bytes have passed and no more do: the tap holds what nobody takes. */
static void await_stuck(mlx_tap_t *tap, mlx_tap_snapshot_t *snapshot)
{
    int64_t before = 0;
    for (int same = 0; same < 50;) {
        mlx_tap_snapshot(tap, snapshot);
        int64_t passed = snapshot->counters.bytes_down + snapshot->counters.bytes_up;
        same = passed > MIB && passed == before ? same + 1 : 0;
        before = passed;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void a_client_that_does_not_read_may_go(void **state)
{
    (void)state;
    size_t len = (size_t)SLOW_BODY_MIB * MIB;
    origin_t *origin = origin_new(serve_pattern, &len);
    mlx_tap_t *tap = tap_to(origin);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int fd = peer_connect(mlx_tap_port(tap));
    ask_pattern(fd);
    await_stuck(tap, &snapshot);
    int64_t used = processor_us();
    await_stuck(tap, &snapshot); /* 50 ms at least, in which there is nothing to do */
    assert_true(processor_us() - used < 30000);
    peer_reset(&fd);
    assert_int_equal(await_closed(tap, &snapshot), 1);
    assert_int_equal(snapshot.requests[snapshot.count - 1].figures.outcome,
                     MLX_STREAM_CLIENT_ABORT);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin); /* its thread has ended: the reset reached it */
}

/*  Send the pattern until nothing more is taken for a while. Returns how much was. */
static size_t send_until_stuck(int fd)
{
    const struct timeval patience = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    size_t at = 0;
    for (;;) {
        ssize_t n = send(fd, pattern + at % PATTERN, PATTERN, MSG_NOSIGNAL);
        if (n <= 0)
            return at;
        at += (size_t)n;
    }
}

/*  Bytes of the pattern until the stream ends with a reset. */
static size_t receive_until_reset(int fd)
{
    static char piece[64 * 1024];
    size_t at = 0;
    ssize_t n;
    while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
        assert_true(is_pattern(piece, (size_t)n, at));
        at += (size_t)n;
    }
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    return at;
}

/*  A reset behind bytes that a client has not taken: it gets all that the tap had, then the reset.
 *  MORE: the client itself sends on meanwhile, which is how the tap learns of the reset. */
static void expect_last_words(bool more)
{
    uint16_t port;
    int listen_fd = peer_listen(&port);
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_format("127.0.0.1:%d", port);
    mlx_tap_t *tap =
        mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0", .upstream = upstream}, NULL);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int client = peer_connect(mlx_tap_port(tap));
    int server = peer_accept(listen_fd);
    size_t sent = send_until_stuck(server);
    mlx_tap_snapshot(tap, &snapshot);
    size_t passed = (size_t)snapshot.counters.bytes_down;
    peer_reset(&server);
    if (more)
        assert_true(peer_send(client, "more", 4));
    size_t got = receive_until_reset(client);
    assert_true(got >= passed && got <= sent);
    mlx_close_p(&client);
    await_closed(tap, &snapshot);
    assert_int_equal(snapshot.counters.bytes_down, got);
    mlx_tap_destroy(&tap);
    mlx_close_p(&listen_fd);
}

/*  The whole body has passed and the reset is known, but the client has not read a byte. */
static void a_late_client_gets_all_before_the_reset(void **state)
{
    (void)state;
    const size_t len = 300000;
    uint16_t port;
    int listen_fd = peer_listen(&port);
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_format("127.0.0.1:%d", port);
    mlx_tap_t *tap =
        mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0", .upstream = upstream}, NULL);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int client = peer_connect_small(mlx_tap_port(tap), 32768);
    int server = peer_accept(listen_fd);
    assert_true(send_pattern(server, len));
    while (snapshot.counters.bytes_down < (int64_t)len)
        mlx_tap_snapshot(tap, &snapshot);
    peer_reset(&server);
    assert_int_equal(receive_until_reset(client), len);
    mlx_close_p(&client);
    await_closed(tap, &snapshot);
    mlx_tap_destroy(&tap);
    mlx_close_p(&listen_fd);
}

static void a_slow_client_gets_all_before_the_reset(void **state)
{
    (void)state;
    expect_last_words(false);
    expect_last_words(true);
}

static void serve_echo(void *arg, int fd)
{
    (void)arg;
    char piece[50000];
    for (ssize_t n; (n = recv(fd, piece, sizeof(piece), 0)) > 0;) {
        if (!peer_send(fd, piece, (size_t)n))
            return;
    }
}

static void *write_pattern(void *arg)
{
    const int *fd = arg;
    bool sent = send_pattern(*fd, (size_t)ECHO_MIB * MIB);
    shutdown(*fd, SHUT_WR);
    return sent ? arg : NULL;
}

/*  Both directions full of bytes that are not HTTP, each side reading only as fast as it writes. */
static void garbage_flows_both_ways_at_once(void **state)
{
    (void)state;
    origin_t *origin = origin_new(serve_echo, NULL);
    mlx_tap_t *tap = tap_to(origin);
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    int fd = peer_connect(mlx_tap_port(tap));
    pthread_t writer;
    void *sent = NULL;
    assert_int_equal(pthread_create(&writer, NULL, write_pattern, &fd), 0);
    expect_pattern(fd, (size_t)ECHO_MIB * MIB);
    assert_int_equal(peer_ending(fd), 0);
    pthread_join(writer, &sent);
    assert_non_null(sent);
    mlx_close_p(&fd);
    await_closed(tap, &snapshot);
    assert_int_equal(snapshot.counters.not_followed, 1);
    assert_int_equal(snapshot.counters.bytes_up, (int64_t)ECHO_MIB * MIB);
    assert_int_equal(snapshot.counters.bytes_down, (int64_t)ECHO_MIB * MIB);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gigabyte_takes_no_memory), /* first: it looks at the peak */
        cmocka_unit_test(a_thousand_exchanges_are_identical),
        cmocka_unit_test(two_hundred_connections_at_once),
        cmocka_unit_test(a_client_that_does_not_read_blocks_nobody),
        cmocka_unit_test(a_client_that_does_not_read_may_go),
        cmocka_unit_test(a_late_client_gets_all_before_the_reset),
        cmocka_unit_test(a_slow_client_gets_all_before_the_reset),
        cmocka_unit_test(garbage_flows_both_ways_at_once),
    };
    fill_pattern();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
