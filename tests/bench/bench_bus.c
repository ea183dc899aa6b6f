/*  Messages per second through the broker against raw libzmq, in one run.
 *
 *      bench_bus [messages]
 *
 *  Baseline: PUB -> ipc -> zmq_proxy (XSUB/XPUB) -> ipc -> SUB. Ours: the same PUB and SUB,
 *  mlx_broker in the middle, which validates, counts and remembers every message. Two frames, 212
 *  bytes, high-water marks out of the way, every part a process of its own as in life. The two
 *  alternate; the medians and their ratio are printed, and what each broker took of the processor
 *  for a message. With mosquitto on the PATH it takes its turn, at QoS 0 over loopback TCP.
 */
#include <czmq.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench_mqtt.h"
#include "common/base/clock.h"
#include "proto/message.h"
#include "services/bus/broker.h"

enum {
    ROUNDS = 7,
    TOPICS = 16,
    BEFORE = 4 * TOPICS,
    MQTT_PORT = 18830
};

typedef enum {
    PROXY,
    OURS,
    MQTT,
    BROKERS
} which_t;

typedef struct {
    const char *name;
    char dir[32];
    pid_t pid;
    double rates[ROUNDS];
} broker_t;

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

static bool is_mqtt(const char *dir)
{
    return strstr(dir, "mqtt") != NULL;
}

static int run_sender(const char *dir, size_t count)
{
    char endpoint[128], topics[TOPICS][32];
    mlx_buf_t bodies[TOPICS] = {{0}};
    for (size_t i = 0; i < TOPICS; i++)
        make_message(i, topics[i], &bodies[i]);
    if (is_mqtt(dir)) {
        zclock_sleep(300);
        bench_mqtt_send(MQTT_PORT, count, topics, bodies, TOPICS);
        _exit(0);
    }
    void *socket = open_socket(ZMQ_PUB);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", dir);
    if (zmq_connect(socket, endpoint))
        return 1;
    zclock_sleep(300); /* a benchmark may wait for the subscription to arrive; no test does */
    for (size_t i = 0; i < count; i++) {
        zmq_send(socket, topics[i % TOPICS], strlen(topics[i % TOPICS]), ZMQ_SNDMORE);
        zmq_send(socket, bodies[i % TOPICS].data, bodies[i % TOPICS].len, 0);
    }
    zmq_close(socket);
    zmq_ctx_term(zsys_init()); /* waits until all is sent */
    _exit(0);
}

/*  Print messages per second from the first arrival to the last. The clock starts after BEFORE
 *  messages: a broker that remembers greets a receiver with the last values of the round before,
 *  which is long before the sender begins. */
static int run_receiver(const char *dir, size_t count)
{
    char endpoint[128];
    int patience = 10000;
    int64_t began = 0, ended = 0;
    if (is_mqtt(dir)) {
        printf("%.0f\n", bench_mqtt_receive(MQTT_PORT, count));
        fflush(stdout);
        _exit(0);
    }
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
        if (got <= BEFORE)
            began = ended;
    }
    printf("%.0f\n", (double)(count - BEFORE) * 1e6 / (double)(ended - began));
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

/*  What the broker took of the processor for a message, in microseconds. */
static double stop(pid_t pid, double messages)
{
    struct rusage used = {0};
    kill(pid, SIGKILL);
    wait4(pid, NULL, 0, &used);
    double seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    return seconds * 1e6 / messages;
}

static void clear_away(const char *dir)
{
    static const char *const files[] = {"publish.sock", "subscribe.sock", "command.sock",
                                        "bus.lock", "mosquitto.conf"};
    for (size_t i = 0; i < MLX_COUNT(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        remove(path);
    }
    remove(dir);
}

static int compare(const char *count)
{
    broker_t all[BROKERS] = {[PROXY] = {"zmq_proxy", "/tmp/mlx-bench-raw-XXXXXX", 0, {0}},
                             [OURS] = {"mlx-bus", "/tmp/mlx-bench-bus-XXXXXX", 0, {0}},
                             [MQTT] = {"mosquitto", "/tmp/mlx-bench-mqtt-XXXXXX", 0, {0}}};
    for (size_t b = 0; b < BROKERS; b++)
        if (!mkdtemp(all[b].dir))
            return 1;
    all[PROXY].pid = start("proxy", all[PROXY].dir, count);
    all[OURS].pid = start("broker", all[OURS].dir, count);
    all[MQTT].pid = bench_mqtt_start(all[MQTT].dir, MQTT_PORT);
    for (int i = 0; i < ROUNDS; i++) {
        for (size_t b = 0; b < BROKERS; b++)
            all[b].rates[i] = all[b].pid > 0 ? measure(all[b].dir, count) : 0;
        printf("round %d: zmq_proxy %.0f msg/s, mlx-bus %.0f msg/s, ratio %.2f, mosquitto %.0f\n",
               i + 1, all[PROXY].rates[i], all[OURS].rates[i],
               all[OURS].rates[i] / all[PROXY].rates[i], all[MQTT].rates[i]);
    }
    for (size_t b = 0; b < BROKERS; b++) {
        if (all[b].pid > 0) {
            double used = stop(all[b].pid, ROUNDS * strtod(count, NULL));
            qsort(all[b].rates, ROUNDS, sizeof *all[b].rates, ascending);
            printf("%s: median %.0f msg/s, %.2f of zmq_proxy, %.2f us of CPU a message\n",
                   all[b].name, all[b].rates[ROUNDS / 2],
                   all[b].rates[ROUNDS / 2] / all[PROXY].rates[ROUNDS / 2], used);
        }
        clear_away(all[b].dir);
    }
    return 0;
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
    return compare(argc > 1 ? argv[1] : "500000");
}
