/*  Where the tap listens and connects, and what happens when it cannot. */
#include "tests/tap/peer.h"
#include "tests/tap/rig.h"
#include "tests/tap/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void a_runtime_that_is_not_there(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    mlx_close_p(&rig.listen_fd); /* its port is free again, most likely for long enough */
    int client = peer_connect(mlx_tap_port(rig.tap));
    assert_int_equal(peer_ending(client), ECONNRESET);
    rig_await(&rig, one_refused);
    assert_int_equal(rig.snapshot.counters.open, 0);
    mlx_close_p(&client);
    rig_close(&rig);
}

/*  Where the name of the next test leads. */
static atomic_uint moved_to;

static int resolve_moving(const char *text, mlx_tap_address_t list[MLX_TAP_ADDRESSES],
                          mlx_error_t *err)
{
    (void)err;
    assert_string_equal(text, "gpu-box.local:11434");
    struct sockaddr_in *to = (struct sockaddr_in *)&list[0].addr;
    *to = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atomic_load(&moved_to)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    list[0].len = sizeof *to;
    return 1;
}

static bool is_waiting(int listen_fd, int ms)
{
    struct pollfd waiting = {.fd = listen_fd, .events = POLLIN};
    return poll(&waiting, 1, ms) == 1;
}

/*  Connections are refused until the tap has looked the name up again, and no longer. */
static void a_runtime_may_move(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    mlx_tap_destroy(&rig.tap);
    atomic_store(&moved_to, rig.port);
    mlx_error_t err = {0};
    rig.tap = mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0",
                                              .upstream = "gpu-box.local:11434",
                                              .resolve = resolve_moving},
                          &err);
    assert_non_null(rig.tap);
    pair_t pair = rig_pair(&rig);
    expect_text(pair.client, pair.server, "here");
    rig_part(&pair);

    int before = rig.listen_fd;
    rig.listen_fd = peer_listen(&rig.port);
    mlx_close_p(&before);
    atomic_store(&moved_to, mlx_tap_port(rig.tap)); /* the tap itself: not taken */
    pair.client = peer_connect(mlx_tap_port(rig.tap));
    assert_int_equal(peer_ending(pair.client), ECONNRESET);
    mlx_close_p(&pair.client);
    atomic_store(&moved_to, rig.port);
    for (int i = 0; i < PEER_DEADLINE_S * 20; i++) {
        pair.client = peer_connect(mlx_tap_port(rig.tap));
        if (is_waiting(rig.listen_fd, 50))
            break;
        mlx_close_p(&pair.client);
    }
    pair.server = peer_accept(rig.listen_fd);
    rig_part(&pair);
    rig_close(&rig);
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
    rig_t rig;
    rig_open(&rig);
    mlx_tap_destroy(&rig.tap);
    mlx_close_p(&rig.listen_fd);
    int filler;
    rig.listen_fd = listen_full(&rig.port, &filler);
    rig.tap = rig_tap("127.0.0.1", rig.port, 0, &rig);
    pair_t pair = {.client = peer_connect(mlx_tap_port(rig.tap))};
    assert_true(peer_send(pair.client, "early", 5));
    rig_await(&rig, one_open);
    int first = peer_accept(rig.listen_fd);
    pair.server = peer_accept(rig.listen_fd);
    char got[5];
    assert_int_equal(peer_receive(pair.server, got, 5), 5);
    assert_memory_equal(got, "early", 5);
    mlx_close_p(&filler);
    mlx_close_p(&first);
    rig_part(&pair);
    rig_close(&rig);
}

static void a_runtime_may_refuse_late(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    mlx_tap_destroy(&rig.tap);
    mlx_close_p(&rig.listen_fd);
    int filler;
    rig.listen_fd = listen_full(&rig.port, &filler);
    rig.tap = rig_tap("127.0.0.1", rig.port, 0, &rig);
    int client = peer_connect(mlx_tap_port(rig.tap));
    rig_await(&rig, one_open);
    mlx_close_p(&rig.listen_fd);
    assert_int_equal(peer_ending(client), ECONNRESET);
    rig_await(&rig, one_refused);
    assert_int_equal(rig.snapshot.counters.open, 0);
    mlx_close_p(&filler);
    mlx_close_p(&client);
    rig_close(&rig);
}

/*  Without a free descriptor a connection waits until there is one. */
static void descriptors_may_run_out(void **state)
{
    (void)state;
    enum {
        LIMIT = 128
    };
    rig_t rig;
    rig_open(&rig);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {LIMIT, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int fillers[LIMIT], count = 0;
    while ((fillers[count] = dup(0)) >= 0)
        count++;
    mlx_close_p(&fillers[--count]);
    pair_t pair = {.client = peer_connect(mlx_tap_port(rig.tap))};
    assert_true(peer_send(pair.client, "hello", 5));
    rig_await(&rig, starved);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0); /* at once room for both sockets */
    pair.server = peer_accept(rig.listen_fd);
    char got[5];
    assert_int_equal(peer_receive(pair.server, got, 5), 5);
    while (count > 0)
        mlx_close_p(&fillers[--count]);
    rig_part(&pair);
    rig_close(&rig);
}

static void every_address_of_a_name_is_tried(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    mlx_tap_destroy(&rig.tap);
    rig.tap = rig_tap("localhost", rig.port, 0, NULL);
    pair_t pair = rig_pair(&rig);
    expect_text(pair.client, pair.server, "hello");
    rig_part(&pair);
    rig_close(&rig);
}

static const char asked_in_part[] = "POST /api/chat HTTP/1.1\r\nContent-Length: 100\r\n\r\n{";

static void too_many_connections_are_turned_away(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    mlx_tap_destroy(&rig.tap);
    rig.tap = rig_tap("127.0.0.1", rig.port, 2, NULL);
    pair_t first = rig_pair(&rig), second = rig_pair(&rig);
    expect_text(first.client, first.server, asked_in_part);
    expect_text(second.client, second.server, asked_in_part);
    int third = peer_connect(mlx_tap_port(rig.tap));
    assert_int_not_equal(peer_ending(third), EAGAIN);
    mlx_close_p(&third);
    expect_text(first.client, first.server, "still here");
    rig_part(&second);
    mlx_tap_snapshot(rig.tap, &rig.snapshot);
    assert_int_equal(rig.snapshot.counters.turned_away, 1);
    rig_part(&first);
    rig_await(&rig, rig_is_empty);
    pair_t again = rig_pair(&rig);
    expect_text(again.client, again.server, "room again");
    rig_part(&again);
    rig_close(&rig);
}

static void an_idle_connection_makes_room_for_the_next(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig);
    mlx_tap_destroy(&rig.tap);
    rig.tap = rig_tap("127.0.0.1", rig.port, 2, NULL);
    pair_t busy = rig_pair(&rig), idle = rig_pair(&rig);
    expect_text(busy.client, busy.server, asked_in_part);
    for (int i = 0; i < 50; i++) {
        pair_t next = rig_pair(&rig);
        assert_int_equal(peer_ending(idle.client), 0); /* in good order, no reset */
        mlx_close_p(&idle.client);
        mlx_close_p(&idle.server);
        idle = next;
    }
    expect_text(idle.client, idle.server, "the newest is served");
    expect_text(busy.client, busy.server, "}");
    mlx_tap_snapshot(rig.tap, &rig.snapshot);
    assert_int_equal(rig.snapshot.counters.displaced, 50);
    assert_int_equal(rig.snapshot.counters.turned_away, 0);
    rig_part(&busy);
    rig_part(&idle);
    rig_close(&rig);
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
    rig_t rig;
    rig_open(&rig);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *taken = mlx_format("127.0.0.1:%d", rig.port);
    assert_null(mlx_tap_new(&(mlx_tap_config_t){.listen = taken, .upstream = "127.0.0.1:1"}, &err));
    assert_int_equal(err.code, MLX_ERR_BUSY);
    mlx_close_p(&rig.listen_fd);
    assert_null(mlx_tap_new(&(mlx_tap_config_t){.listen = taken, .upstream = taken}, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runtime_that_is_not_there),
        cmocka_unit_test(a_runtime_may_move),
        cmocka_unit_test(a_runtime_may_answer_late),
        cmocka_unit_test(a_runtime_may_refuse_late),
        cmocka_unit_test(descriptors_may_run_out),
        cmocka_unit_test(every_address_of_a_name_is_tried),
        cmocka_unit_test(too_many_connections_are_turned_away),
        cmocka_unit_test(an_idle_connection_makes_room_for_the_next),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(a_taken_port_and_itself_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
