#include "tests/tap/rig.h"

#include "common/base/clock.h"
#include "tests/tap/peer.h"
#include "tests/tap/support.h"

#include <time.h>
#include <unistd.h>

static void on_wake(void *arg)
{
    rig_t *rig = arg;
    ssize_t written = write(rig->wakes[1], "", 1);
    (void)written;
}

mlx_tap_t *rig_tap(const char *host, uint16_t port, int max_connections, rig_t *rig)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_format("%s:%d", host, port);
    mlx_tap_t *tap = mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0",
                                                     .upstream = upstream,
                                                     .max_connections = max_connections,
                                                     .wake = rig ? on_wake : NULL,
                                                     .arg = rig},
                                 &err);
    if (!tap)
        fail_msg("%s", err.text);
    return tap;
}

void rig_open(rig_t *rig)
{
    *rig = (rig_t){0};
    assert_int_equal(pipe(rig->wakes), 0);
    rig->listen_fd = peer_listen(&rig->port);
    rig->tap = rig_tap("127.0.0.1", rig->port, 0, rig);
}

void rig_close(rig_t *rig)
{
    mlx_tap_destroy(&rig->tap);
    mlx_tap_snapshot_clear(&rig->snapshot);
    mlx_close_p(&rig->listen_fd);
    mlx_close_p(&rig->wakes[0]);
    mlx_close_p(&rig->wakes[1]);
}

pair_t rig_pair(rig_t *rig)
{
    int client = peer_connect(mlx_tap_port(rig->tap));
    return (pair_t){client, peer_accept(rig->listen_fd)};
}

void rig_part(pair_t *pair)
{
    mlx_close_p(&pair->client);
    mlx_close_p(&pair->server);
}

void rig_await(rig_t *rig, bool (*done)(const mlx_tap_snapshot_t *))
{
    int64_t deadline = mlx_now_us() + PEER_DEADLINE_S * 1000000;
    do {
        mlx_tap_snapshot(rig->tap, &rig->snapshot);
        if (done(&rig->snapshot))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    } while (mlx_now_us() < deadline);
    fail_msg("the tap never got there");
}

bool rig_is_empty(const mlx_tap_snapshot_t *snapshot)
{
    return snapshot->counters.open == 0;
}

void expect_text(int from, int to, const char *text)
{
    size_t len = strlen(text);
    MLX_CLEANUP(mlx_free_p) char *got = mlx_alloc(len, 1);
    assert_true(peer_send(from, text, len));
    assert_int_equal(peer_receive(to, got, len), len);
    assert_memory_equal(got, text, len);
}
