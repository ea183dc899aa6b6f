/*  Messages per second through the broker against raw libzmq, in one run.
 *
 *      bench_bus [messages]
 *
 *  Baseline: PUB -> ipc -> zmq_proxy (XSUB/XPUB) -> ipc -> SUB. Ours: the same PUB and SUB,
 *  mlx_broker in the middle, which validates, counts and remembers every message. Two frames, 212
 *  bytes, high-water marks out of the way, every part a process of its own as in life. The two
 *  alternate; the medians and their ratio are printed.
 */
#include <czmq.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "proto/message.h"
#include "services/bus/broker.h"

enum {
    ROUNDS = 7,
    TOPICS = 16
};

extern char **environ;

static void ignore_presence(void *arg, const char *service, bool up)
{
    (void)arg, (void)service, (void)up;
}

static void report_refusal(void *arg, const char *kind, const char *text)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", kind, text);
    exit(1);
}

static int run_broker(const char *dir)
{
    mlx_error_t err = {0};
    mlx_loop_t *loop = mlx_loop_new();
    mlx_broker_options_t options = {.run_dir = dir,
                                    .host = "bench",
                                    .boot = "0",
                                    .hwm = 100000000,
                                    .retain_gone_ms = 15000,
                                    .on_presence = ignore_presence,
                                    .on_refused = report_refusal};
    if (!mlx_broker_new(loop, &options, &err))
        return mlx_error_report("bench_bus", &err);
    mlx_loop_run(loop);
    return 0;
}

static void *open_socket(int type)
{
    void *socket = zmq_socket(zsys_init(), type);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    return socket;
}

static int run_proxy(const char *dir)
{
    char in[128], out[128];
    snprintf(in, sizeof in, "ipc://%s/publish.sock", dir);
    snprintf(out, sizeof out, "ipc://%s/subscribe.sock", dir);
    void *inward = open_socket(ZMQ_XSUB), *outward = open_socket(ZMQ_XPUB);
    if (zmq_bind(inward, in) || zmq_bind(outward, out))
        return 1;
    return zmq_proxy(inward, outward, NULL);
}

/*  What a sensor sends: topic and a body of about 200 bytes. */
static void make_message(size_t number, char *topic, mlx_buf_t *body)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "utilization", 0.5);
    mlx_value_set_int(d, "memory_used", (int64_t)number);
    mlx_value_set_int(d, "memory_total", 85899345920);
    mlx_value_set_real(d, "power", 123.4);
    mlx_value_set_str(d, "name", "a graphics processor of some kind");
    mlx_message_t message = {.host = "bench",
                             .src = "sampler",
                             .boot = "0123456789abcdef",
                             .seq = (int64_t)number + 1,
                             .t = 1,
                             .d = d};
    mlx_message_pack(&message, body);
    mlx_value_destroy(&d);
    sprintf(topic, "sensor.gpu.%zu", number % TOPICS);
}

static int run_sender(const char *dir, size_t count)
{
    char endpoint[128], topics[TOPICS][32];
    mlx_buf_t bodies[TOPICS] = {{0}};
    void *socket = open_socket(ZMQ_PUB);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", dir);
    if (zmq_connect(socket, endpoint))
        return 1;
    zclock_sleep(300); /* a benchmark may wait for the subscription to arrive; no test does */
    for (size_t i = 0; i < TOPICS; i++)
        make_message(i, topics[i], &bodies[i]);
    for (size_t i = 0; i < count; i++) {
        zmq_send(socket, topics[i % TOPICS], strlen(topics[i % TOPICS]), ZMQ_SNDMORE);
        zmq_send(socket, bodies[i % TOPICS].data, bodies[i % TOPICS].len, 0);
    }
    zmq_close(socket);
    zmq_ctx_term(zsys_init()); /* waits until all is sent */
    _exit(0);
}

/*  Print messages per second from the first to the last arrival. */
static int run_receiver(const char *dir, size_t count)
{
    char endpoint[128];
    int patience = 10000;
    int64_t began = 0, ended = 0;
    void *socket = open_socket(ZMQ_SUB);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/subscribe.sock", dir);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(socket, endpoint);
    for (size_t got = 0; got < count; got++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, 0) < 0) {
            fprintf(stderr, "only %zu of %zu messages arrived\n", got, count);
            _exit(1);
        }
        zmq_msg_recv(&frame, socket, 0);
        zmq_msg_close(&frame);
        ended = mlx_now_us();
        if (got == 0)
            began = ended;
    }
    printf("%.0f\n", (double)count * 1e6 / (double)(ended - began));
    fflush(stdout);
    _exit(0);
}

static pid_t start(const char *role, const char *dir, const char *count)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    char *const argv[] = {self, (char *)role, (char *)dir, (char *)count, NULL};
    pid_t pid;
    return posix_spawn(&pid, self, NULL, NULL, argv, environ) ? -1 : pid;
}

static double measure(const char *dir, const char *count)
{
    char command[4500], self[4096];
    double rate = 0;
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    snprintf(command, sizeof command, "%s receiver %s %s", self, dir, count);
    FILE *receiver = popen(command, "r");
    pid_t sender = start("sender", dir, count);
    if (!receiver || fscanf(receiver, "%lf", &rate) != 1)
        exit(1);
    pclose(receiver);
    waitpid(sender, NULL, 0);
    return rate;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    zsys_handler_set(NULL);
    if (argc == 4) {
        size_t count = strtoul(argv[3], NULL, 10);
        return strcmp(argv[1], "broker") == 0   ? run_broker(argv[2])
               : strcmp(argv[1], "proxy") == 0  ? run_proxy(argv[2])
               : strcmp(argv[1], "sender") == 0 ? run_sender(argv[2], count)
                                                : run_receiver(argv[2], count);
    }
    const char *count = argc > 1 ? argv[1] : "500000";
    char raw_dir[] = "/tmp/mlx-bench-raw-XXXXXX", our_dir[] = "/tmp/mlx-bench-bus-XXXXXX";
    if (!mkdtemp(raw_dir) || !mkdtemp(our_dir))
        return 1;
    pid_t proxy = start("proxy", raw_dir, count), broker = start("broker", our_dir, count);
    double raw[ROUNDS], ours[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        raw[i] = measure(raw_dir, count);
        ours[i] = measure(our_dir, count);
        printf("round %d: zmq_proxy %.0f msg/s, mlx-bus %.0f msg/s, ratio %.2f\n", i + 1, raw[i],
               ours[i], ours[i] / raw[i]);
    }
    stop(proxy);
    stop(broker);
    qsort(raw, ROUNDS, sizeof *raw, ascending);
    qsort(ours, ROUNDS, sizeof *ours, ascending);
    printf("median: zmq_proxy %.0f msg/s, mlx-bus %.0f msg/s, ratio %.2f\n", raw[ROUNDS / 2],
           ours[ROUNDS / 2], ours[ROUNDS / 2] / raw[ROUNDS / 2]);
    static const char *const files[] = {"publish.sock", "subscribe.sock", "command.sock",
                                        "bus.lock"};
    for (size_t i = 0; i < MLX_COUNT(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", raw_dir, files[i]);
        remove(path);
        snprintf(path, sizeof path, "%s/%s", our_dir, files[i]);
        remove(path);
    }
    remove(raw_dir);
    remove(our_dir);
    return 0;
}
