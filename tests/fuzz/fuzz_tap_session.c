/*  One connection as the tap sees it. The input is a list of turns: a byte for the side and the
 *  length, then that many bytes. Every request that begins must end or still run, once. */
#include "services/watcher/tap_session.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef struct {
    uint64_t begun;
    uint64_t finished;
    uint64_t last_finished;
    uint64_t running;
} tally_t;

static uint64_t on_begun(void *arg)
{
    tally_t *tally = arg;
    return ++tally->begun;
}

static void on_first_text(void *arg, uint64_t id)
{
    tally_t *tally = arg;
    if (id <= tally->last_finished || id > tally->begun)
        mlx_panic("text for request %d, which is not under way", (int)id);
}

static void on_finished(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                        const mlx_tap_caller_t *caller)
{
    (void)caller;
    tally_t *tally = arg;
    if (id != ++tally->last_finished || figures->outcome == MLX_STREAM_RUNNING)
        mlx_panic("request %d ended out of turn", (int)id);
    tally->finished++;
}

static void on_running(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                       const mlx_tap_caller_t *caller)
{
    (void)caller;
    tally_t *tally = arg;
    if (id <= tally->last_finished || figures->outcome != MLX_STREAM_RUNNING)
        mlx_panic("request %d runs after its end", (int)id);
    tally->running++;
}

static const mlx_tap_session_events_t events = {on_begun, on_first_text, on_finished};

static void check(const mlx_tap_session_t *session, tally_t *tally)
{
    tally->running = 0;
    mlx_tap_session_each(session, 1000, on_running, tally);
    if (tally->begun != tally->finished + tally->running)
        mlx_panic("%d begun, %d ended, %d running", (int)tally->begun, (int)tally->finished,
                  (int)tally->running);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    tally_t tally = {0};
    MLX_CLEANUP(mlx_tap_session_destroy)
    mlx_tap_session_t *session = mlx_tap_session_new(&events, NULL, &tally);
    for (size_t at = 0; at < len;) {
        uint8_t turn = data[at++];
        size_t n = turn >> 1;
        n = n < len - at ? n : len - at;
        if (turn & 1)
            mlx_tap_session_server(session, (const char *)data + at, n, (int64_t)at);
        else
            mlx_tap_session_client(session, (const char *)data + at, n, (int64_t)at);
        at += n;
        check(session, &tally);
    }
    if (len % 2)
        mlx_tap_session_client_eof(session, 2000);
    mlx_tap_session_server_eof(session, 2000);
    check(session, &tally);
    if (tally.running)
        mlx_panic("%d requests outlive their connection", (int)tally.running);
    return 0;
}
