#include "tests/double/play.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/json.h"

enum {
    MAX_ARGS = 32,
    READ_LIMIT_S = 10
};

struct mlx_play {
    pid_t pid; /* 0: ended and reaped */
    int port;
};

static int read_port(int fd)
{
    char line[128] = "";
    size_t len = 0;
    int port = 0;
    while (len + 1 < sizeof(line) && !strchr(line, '\n')) {
        ssize_t got = read(fd, line + len, 1);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (sscanf(line, "listening 127.0.0.1:%d", &port) != 1)
        mlx_panic("the double did not start: it said '%s'", line);
    return port;
}

mlx_play_t *mlx_play_new(const char *const *args)
{
    const char *argv[MAX_ARGS] = {MLX_DOUBLE, "--port", "0"};
    int out[2];
    for (size_t i = 0; args[i] && i + 4 < MAX_ARGS; i++)
        argv[i + 3] = args[i];
    if (pipe(out))
        mlx_panic("pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no process behind */
#endif
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    mlx_play_t *self = mlx_alloc(1, sizeof(*self));
    *self = (mlx_play_t){pid, read_port(out[0])};
    close(out[0]);
    return self;
}

void mlx_play_destroy(mlx_play_t **self)
{
    int status = 0;
    if (!*self)
        return;
    if ((*self)->pid) {
        kill((*self)->pid, SIGTERM);
        waitpid((*self)->pid, &status, 0);
    }
    if (status != 0)
        mlx_panic("the double ended with wait status %d", status);
    free(*self);
    *self = NULL;
}

void mlx_play_kill(mlx_play_t *self)
{
    kill(self->pid, SIGKILL);
    waitpid(self->pid, NULL, 0);
    self->pid = 0;
}

int mlx_play_port(const mlx_play_t *self)
{
    return self->port;
}

pid_t mlx_play_pid(const mlx_play_t *self)
{
    return self->pid;
}

int mlx_play_dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = READ_LIMIT_S};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

void mlx_play_send(int fd, const char *method, const char *path, const char *body)
{
    size_t len = body ? strlen(body) : 0;
    char *text = mlx_format("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                            "Content-Length: %zu\r\n\r\n%s",
                            method, path, len, body ? body : "");
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        mlx_panic("cannot send a request: %s", strerror(errno));
    free(text);
}

static void take_chunks(const char *at, mlx_buf_t *body)
{
    for (;;) {
        char *end = NULL;
        unsigned long size = strtoul(at, &end, 16);
        if (size == 0 || strncmp(end, "\r\n", 2) != 0)
            return;
        mlx_buf_append(body, end + 2, strnlen(end + 2, size));
        at = end + 2 + size + 2;
    }
}

mlx_play_reply_t mlx_play_receive(int fd)
{
    mlx_play_reply_t reply = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t all = {0};
    char data[65536];
    ssize_t got;
    while ((got = recv(fd, data, sizeof(data), 0)) > 0)
        mlx_buf_append(&all, data, (size_t)got);
    const char *text = mlx_buf_str(&all);
    const char *body = strstr(text, "\r\n\r\n");
    if (!body || sscanf(text, "HTTP/1.%*1d %d ", &reply.status) != 1)
        return reply;
    mlx_buf_append(&reply.head, text, (size_t)(body - text) + 2);
    body += 4;
    if (strcasestr(mlx_buf_str(&reply.head), "transfer-encoding: chunked"))
        take_chunks(body, &reply.body);
    else
        mlx_buf_append(&reply.body, body, all.len - (size_t)(body - text));
    return reply;
}

void mlx_play_free(mlx_play_reply_t *reply)
{
    mlx_buf_clear(&reply->head);
    mlx_buf_clear(&reply->body);
}

static mlx_play_reply_t fetch(int port, const char *method, const char *path, const char *body)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_play_dial(port);
    if (fd < 0)
        return (mlx_play_reply_t){0};
    mlx_play_send(fd, method, path, body);
    return mlx_play_receive(fd);
}

mlx_play_reply_t mlx_play_fetch(const mlx_play_t *self, const char *method, const char *path,
                                const char *body)
{
    return fetch(self->port, method, path, body);
}

mlx_value_t *mlx_play_json(int port, const char *method, const char *path, const char *body)
{
    mlx_play_reply_t reply = fetch(port, method, path, body);
    mlx_value_t *value = mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, NULL);
    mlx_play_free(&reply);
    return value;
}

int64_t mlx_play_stat(const mlx_play_t *self, const char *name)
{
    int64_t number = 0;
    mlx_value_t *stats = mlx_play_json(self->port, "GET", "/double/stats", NULL);
    if (!mlx_value_int(stats, name, &number))
        mlx_panic("the double's stats have no '%s'", name);
    mlx_value_destroy(&stats);
    return number;
}

void mlx_play_fault(const mlx_play_t *self, const char *name, int count)
{
    char *body = mlx_format("{\"name\":\"%s\",\"count\":%d}", name, count);
    mlx_play_reply_t reply = mlx_play_fetch(self, "POST", "/double/fault", body);
    if (reply.status != 200)
        mlx_panic("the double knows no fault '%s'", name);
    mlx_play_free(&reply);
    free(body);
}
