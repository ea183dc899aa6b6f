/*  What the tap costs: the same traffic straight to a server and through the tap, turn by turn in
 *  one run, so that only the ratio counts.
 *
 *      cmake -G Ninja -B .build/bench -DCMAKE_BUILD_TYPE=RelWithDebInfo
 *      cmake --build .build/bench --target bench_tap && .build/bench/bin/bench_tap
 */
#include "common/base/clock.h"
#include "services/watcher/tap.h"
#include "tests/tap/origin.h"
#include "tests/tap/peer.h"
#include "tests/tap/support.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum {
    ROUNDS = 5,
    STREAMS = 8,
    TOKENS_PER_STREAM = 400,
    TOKENS_PER_S = 200,
    FLOOD_TOKENS = 100000,
    BULK_MIB = 1024,
    ASKS = 2000,
};

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n";
static const char token[] =
    "80\r\n{\"model\":\"tiny-random\",\"created_at\":\"2026-11-23T19:04:22.44178376Z\",\"message\":"
    "{\"role\":\"assistant\",\"content\":\" a\"},\"done\":false}\n\r\n";
static const char end[] = "0\r\n\r\n";
static const char ask[] = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 24\r\n\r\n"
                          "{\"model\":\"tiny-random\"}\n";

/*  ---- servers ---- */

static bool take_ask(int fd)
{
    char request[sizeof(ask)];
    return peer_receive(fd, request, strlen(ask)) == strlen(ask);
}

static void wait_until(int64_t when)
{
    int64_t left = when - mlx_now_us();
    if (left > 0)
        nanosleep(&(struct timespec){left / 1000000, left % 1000000 * 1000}, NULL);
}

static void serve_paced(void *arg, int fd)
{
    (void)arg;
    if (!take_ask(fd) || !peer_send(fd, head, strlen(head)))
        return;
    int64_t start = mlx_now_us();
    for (int i = 0; i < TOKENS_PER_STREAM; i++) {
        wait_until(start + (int64_t)i * 1000000 / TOKENS_PER_S);
        peer_send(fd, token, strlen(token));
    }
    peer_send(fd, end, strlen(end));
}

static void serve_flood(void *arg, int fd)
{
    (void)arg;
    if (!take_ask(fd) || !peer_send(fd, head, strlen(head)))
        return;
    for (int i = 0; i < FLOOD_TOKENS; i++)
        peer_send(fd, token, strlen(token));
    peer_send(fd, end, strlen(end));
}

static void serve_bulk(void *arg, int fd)
{
    (void)arg;
    static const char block[256 * 1024];
    MLX_CLEANUP(mlx_free_p)
    char *text =
        mlx_format("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", (size_t)BULK_MIB << 20);
    if (!take_ask(fd) || !peer_send(fd, text, strlen(text)))
        return;
    for (int i = 0; i < BULK_MIB * 4; i++)
        peer_send(fd, block, sizeof(block));
}

static void serve_quick(void *arg, int fd)
{
    (void)arg;
    while (take_ask(fd)) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
        mlx_buf_printf(&reply, "%s%s%s", head, token, end);
        peer_send(fd, reply.data, reply.len);
    }
}

/*  ---- clients ---- */

static void *drain(void *arg)
{
    uint16_t port = *(const uint16_t *)arg;
    static _Thread_local char piece[256 * 1024];
    int fd = peer_connect(port);
    peer_send(fd, ask, strlen(ask));
    while (recv(fd, piece, sizeof(piece), 0) > 0)
        ;
    mlx_close_p(&fd);
    return NULL;
}

/*  Seconds until STREAMS clients have their whole reply. */
static double drain_all(uint16_t port, int streams)
{
    pthread_t threads[STREAMS];
    int64_t start = mlx_now_us();
    for (int i = 0; i < streams; i++)
        pthread_create(&threads[i], NULL, drain, &port);
    for (int i = 0; i < streams; i++)
        pthread_join(threads[i], NULL);
    return (double)(mlx_now_us() - start) * 1e-6;
}

static double drain_one(uint16_t port)
{
    return drain_all(port, 1);
}

static double drain_streams(uint16_t port)
{
    return drain_all(port, STREAMS);
}

/*  Seconds from a request to the first byte of its reply. */
static double first_byte(int fd)
{
    char reply[sizeof(head) + sizeof(token) + sizeof(end)];
    size_t rest = strlen(head) + strlen(token) + strlen(end) - 1;
    int64_t start = mlx_now_us();
    peer_send(fd, ask, strlen(ask));
    peer_receive(fd, reply, 1);
    double seconds = (double)(mlx_now_us() - start) * 1e-6;
    peer_receive(fd, reply, rest);
    return seconds;
}

/*  ---- report ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, int count, double q)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return values[(int)((count - 1) * q)];
}

static mlx_tap_t *tap_to(const origin_t *origin)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *upstream = mlx_format("127.0.0.1:%d", origin_port(origin));
    mlx_tap_t *tap =
        mlx_tap_new(&(mlx_tap_config_t){.listen = "127.0.0.1:0", .upstream = upstream}, &err);
    if (!tap)
        mlx_panic("%s", err.text);
    return tap;
}

/*  The tap's work must have been done, or the ratio is worth nothing. */
static void check_tokens(mlx_tap_t *tap, int64_t tokens)
{
    MLX_CLEANUP(mlx_tap_snapshot_clear) mlx_tap_snapshot_t snapshot = {0};
    mlx_tap_snapshot(tap, &snapshot);
    int64_t seen = 0;
    for (size_t i = 0; i < snapshot.count; i++)
        seen += snapshot.requests[i].figures.generated_tokens;
    if (seen != tokens)
        mlx_panic("the tap saw %lld tokens of %lld", (long long)seen, (long long)tokens);
}

/*  Seconds of the processor that this process has taken: client, server and tap. */
static double cpu(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/*  AMOUNT of UNIT per run, straight and through the tap; TOKENS of them measured. */
static void compare(const char *name, void (*serve)(void *, int), double (*run)(uint16_t),
                    double amount, const char *unit, int64_t tokens)
{
    origin_t *origin = origin_new(serve, NULL);
    mlx_tap_t *tap = tap_to(origin);
    double straight[ROUNDS], tapped[ROUNDS], straight_cpu[ROUNDS], tapped_cpu[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double before = cpu();
        straight[i] = run(origin_port(origin));
        double between = cpu();
        tapped[i] = run(mlx_tap_port(tap));
        straight_cpu[i] = between - before;
        tapped_cpu[i] = cpu() - between;
    }
    double a = amount / quantile(straight, ROUNDS, 0.5);
    double b = amount / quantile(tapped, ROUNDS, 0.5);
    printf("%-34s %10.0f %10.0f %-8s %8.4f, CPU of all %.3f and %.3f s\n", name, a, b, unit, b / a,
           quantile(straight_cpu, ROUNDS, 0.5), quantile(tapped_cpu, ROUNDS, 0.5));
    if (tokens)
        check_tokens(tap, tokens * ROUNDS);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin);
}

static void compare_first_byte(bool kept_alive)
{
    origin_t *origin = origin_new(serve_quick, NULL);
    mlx_tap_t *tap = tap_to(origin);
    static double values[2][ASKS];
    const uint16_t ports[] = {origin_port(origin), mlx_tap_port(tap)};
    int asks = kept_alive ? ASKS : ASKS / 4;
    int fds[2] = {peer_connect(ports[0]), peer_connect(ports[1])};
    for (int i = 0; i < 2 * asks; i++) {
        int side = i % 2;
        if (!kept_alive) {
            mlx_close_p(&fds[side]);
            fds[side] = peer_connect(ports[side]);
        }
        values[side][i / 2] = first_byte(fds[side]);
    }
    for (int q = 0; q < 2; q++) {
        double a = 1e6 * quantile(values[0], asks, q ? 0.99 : 0.5);
        double b = 1e6 * quantile(values[1], asks, q ? 0.99 : 0.5);
        printf("%-27s %-6s %10.0f %10.0f %-8s %+7.0f us\n",
               kept_alive ? "first byte, kept alive" : "first byte, new connection",
               q ? "p99" : "median", a, b, "us", b - a);
    }
    mlx_close_p(&fds[0]);
    mlx_close_p(&fds[1]);
    mlx_tap_destroy(&tap);
    origin_destroy(&origin);
}

int main(void)
{
    printf("%-34s %10s %10s %-8s %8s\n", "", "straight", "tapped", "", "ratio");
    compare("token streams, 8 of 200 tokens/s", serve_paced, drain_streams,
            STREAMS * TOKENS_PER_STREAM, "tokens/s", STREAMS * TOKENS_PER_STREAM);
    compare("tokens as fast as they go", serve_flood, drain_one, FLOOD_TOKENS, "tokens/s",
            FLOOD_TOKENS);
    compare("bulk, 1 GiB", serve_bulk, drain_one, BULK_MIB, "MiB/s", 0);
    compare_first_byte(true);
    compare_first_byte(false);
    return 0;
}
