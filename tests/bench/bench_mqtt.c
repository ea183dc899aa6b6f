#include "bench_mqtt.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "proto/error.h"

enum {
    BATCH = 8192, /* bytes written at once, as libzmq does */
    TRIES = 200
};

extern char **environ;

typedef struct {
    int fd;
    unsigned char buf[65536];
    size_t at, len;
} stream_t;

pid_t bench_mqtt_start(const char *dir, int port)
{
    char path[160], number[16];
    snprintf(path, sizeof path, "%s/mosquitto.conf", dir);
    snprintf(number, sizeof number, "%d", port);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fprintf(file, "listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n", number);
    fprintf(file, "max_queued_bytes 0\nlog_type error\nuser root\n");
    fclose(file);
    char *const argv[] = {(char[]){"mosquitto"}, (char[]){"-c"}, path, NULL};
    pid_t pid;
    return posix_spawnp(&pid, "mosquitto", NULL, NULL, argv, environ) ? -1 : pid;
}

static int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            return fd;
        }
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    mlx_panic("no MQTT broker on port %d", port);
}

static void put(int fd, const void *data, size_t len)
{
    for (const char *at = data; len;) {
        ssize_t sent = write(fd, at, len);
        if (sent <= 0)
            mlx_panic("the MQTT broker hung up");
        at += sent;
        len -= (size_t)sent;
    }
}

static unsigned char take(stream_t *self)
{
    if (self->at == self->len) {
        ssize_t got = read(self->fd, self->buf, sizeof self->buf);
        if (got <= 0)
            mlx_panic("the MQTT broker hung up");
        self->at = 0;
        self->len = (size_t)got;
    }
    return self->buf[self->at++];
}

/*  Skip one packet; its first byte. */
static unsigned char take_packet(stream_t *self)
{
    unsigned char head = take(self), byte;
    size_t size = 0;
    unsigned shift = 0;
    do {
        byte = take(self);
        size |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    while (size) {
        size_t here = self->len - self->at < size ? self->len - self->at : size;
        self->at += here;
        size -= here;
        if (size) {
            take(self);
            size--;
        }
    }
    return head;
}

static void greet(stream_t *self, int port, char name)
{
    const char hello[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, name};
    self->fd = connect_to(port);
    put(self->fd, hello, sizeof hello);
    if (take_packet(self) != 0x20)
        mlx_panic("the MQTT broker did not greet");
}

static void append_publish(mlx_buf_t *out, const char *topic, const mlx_buf_t *body)
{
    size_t name = strlen(topic), size = 2 + name + body->len;
    const unsigned char head[] = {0x30, (unsigned char)(size | 0x80), (unsigned char)(size >> 7), 0,
                                  (unsigned char)name};
    mlx_buf_append(out, head, sizeof head);
    mlx_buf_append(out, topic, name);
    mlx_buf_append(out, body->data, body->len);
}

void bench_mqtt_send(int port, size_t count, char topics[][32], const mlx_buf_t *bodies,
                     size_t kinds)
{
    static stream_t stream;
    mlx_buf_t out = {0};
    greet(&stream, port, 's');
    for (size_t i = 0; i < count; i++) {
        append_publish(&out, topics[i % kinds], &bodies[i % kinds]);
        if (out.len < BATCH && i + 1 < count)
            continue;
        put(stream.fd, out.data, out.len);
        out.len = 0;
    }
    put(stream.fd, "\xe0\0", 2);
    close(stream.fd);
    mlx_buf_clear(&out);
}

double bench_mqtt_receive(int port, size_t count)
{
    static stream_t stream;
    int64_t began = 0, ended = 0;
    greet(&stream, port, 'r');
    put(stream.fd, "\x82\x06\0\1\0\1#\0", 8);
    if (take_packet(&stream) != 0x90)
        mlx_panic("the MQTT broker took no subscription");
    for (size_t got = 0; got < count; got++) {
        if (take_packet(&stream) >> 4 != 3)
            mlx_panic("the MQTT broker sent something else");
        ended = mlx_now_us();
        if (got == 0)
            began = ended;
    }
    close(stream.fd);
    return (double)count * 1e6 / (double)(ended - began);
}
