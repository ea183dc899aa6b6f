#include "http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*  One thread per connection. */
struct http_server {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int open;
    int counters[HTTP_SERVER_COUNTERS];
    char url[256];
};

typedef struct {
    http_server_t *server;
    int fd;
    char request[4096];
} connection_t;

static void must(bool done, const char *what)
{
    if (!done)
        mlx_panic("the test server cannot %s", what);
}

static bool put(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool puts_to(int fd, const char *text)
{
    return put(fd, text, strlen(text));
}

static void note_hang_up(http_server_t *server)
{
    pthread_mutex_lock(&server->lock);
    server->counters[HTTP_SERVER_HUNG_UP]++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/*  Nothing more comes from us; wait until the client has had enough. */
static bool wait_for_close(const connection_t *c)
{
    char sink[256];
    while (recv(c->fd, sink, sizeof sink, 0) > 0)
        ;
    note_hang_up(c->server);
    return false;
}

static bool flood(const connection_t *c, const char *piece)
{
    char block[16384];
    size_t len = strlen(piece);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = piece[i % len];
    while (put(c->fd, block, sizeof block - sizeof block % len))
        ;
    note_hang_up(c->server);
    return false;
}

static bool say_hello(const connection_t *c)
{
    return puts_to(c->fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Twice: a\r\n"
                          "X-Twice: b\r\nContent-Length: 5\r\n\r\nhello");
}

static bool say_missing(const connection_t *c)
{
    return puts_to(c->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
}

static bool say_redirect(const connection_t *c)
{
    return puts_to(c->fd, "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n");
}

static bool say_chunked(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    usleep(HTTP_SERVER_PAUSE_US);
    return puts_to(c->fd, "3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
}

static bool say_late(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    usleep(HTTP_SERVER_PAUSE_US);
    return puts_to(c->fd, "late");
}

static bool say_half(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":");
    return false;
}

static bool say_garbage(const connection_t *c)
{
    puts_to(c->fd, "\x16\x03\x01 SSH-2.0 no HTTP at all\r\n\r\n\x01\x02");
    return false;
}

static bool say_nothing(const connection_t *c)
{
    (void)c;
    return false;
}

static bool be_silent(const connection_t *c)
{
    return wait_for_close(c);
}

static bool stall(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx");
    return wait_for_close(c);
}

static bool say_gigabyte(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    return flood(c, "0123456789abcdef");
}

static bool say_endless_chunks(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    return flood(c, "8\r\nendless\n\r\n");
}

static bool say_endless_headers(const connection_t *c)
{
    puts_to(c->fd, "HTTP/1.1 200 OK\r\n");
    /* Long ones: newer versions of curl have a limit of their own for their number. */
    return flood(
        c, "X-Header: and one more, which says a good deal more than it would have to, so that "
           "the bytes are too many before the headers are\r\n");
}

static bool echo(const connection_t *c)
{
    char reply[4200];
    int len = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(c->request), c->request);
    return put(c->fd, reply, (size_t)len);
}

static const struct {
    const char *path;
    bool (*reply)(const connection_t *c); /* false: close the connection */
} behaviours[] = {
    {"/hello", say_hello},
    {"/missing", say_missing},
    {"/redirect", say_redirect},
    {"/chunked", say_chunked},
    {"/late", say_late},
    {"/half", say_half},
    {"/garbage", say_garbage},
    {"/nothing", say_nothing},
    {"/silent", be_silent},
    {"/stall", stall},
    {"/gigabyte", say_gigabyte},
    {"/endless-chunks", say_endless_chunks},
    {"/endless-headers", say_endless_headers},
    {"/echo", echo},
};

/*  One request with its body (Content-Length only) into c->request. */
static bool take_request(connection_t *c, char *path, size_t size)
{
    char *head = c->request;
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(c->fd, head + len, sizeof c->request - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        head[len] = '\0';
        if (head[0] == 0x16) { /* TLS is asked for */
            puts_to(c->fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            return false;
        }
        const char *body = strstr(head, "\r\n\r\n");
        const char *length = strstr(head, "Content-Length: ");
        if (body &&
            len >= (size_t)(body + 4 - head) + (length ? strtoul(length + 16, NULL, 10) : 0))
            break;
    }
    const char *from = strchr(head, ' ');
    size_t span = from ? strcspn(from + 1, " ?") : 0;
    snprintf(path, size, "%.*s", (int)span, from ? from + 1 : "");
    return true;
}

static bool reply_to(const connection_t *c, const char *path)
{
    for (size_t i = 0; i < MLX_COUNT(behaviours); i++)
        if (strcmp(behaviours[i].path, path) == 0)
            return behaviours[i].reply(c);
    return false;
}

static void *serve_connection(void *arg)
{
    connection_t *c = arg;
    char path[64];
    while (take_request(c, path, sizeof path) && reply_to(c, path))
        ;
    close(c->fd);
    pthread_mutex_lock(&c->server->lock);
    c->server->open--;
    pthread_cond_broadcast(&c->server->changed);
    pthread_mutex_unlock(&c->server->lock);
    free(c);
    return NULL;
}

static void *serve(void *arg)
{
    http_server_t *self = arg;
    for (;;) {
        int fd = accept(self->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        connection_t *c = mlx_alloc(1, sizeof *c);
        *c = (connection_t){.server = self, .fd = fd};
        pthread_mutex_lock(&self->lock);
        self->open++;
        self->counters[HTTP_SERVER_ACCEPTED]++;
        pthread_mutex_unlock(&self->lock);
        pthread_t thread;
        must(pthread_create(&thread, NULL, serve_connection, c) == 0, "start a thread");
        pthread_detach(thread);
    }
}

static void wait_for_change(http_server_t *self, const struct timespec *deadline)
{
    if (pthread_cond_timedwait(&self->changed, &self->lock, deadline))
        mlx_panic("the test's deadline passed");
}

static struct timespec deadline_from_now(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += HTTP_SERVER_DEADLINE_MS / 1000;
    return deadline;
}

void http_server_wait(http_server_t *self, http_server_counter_t counter, int count)
{
    struct timespec deadline = deadline_from_now();
    pthread_mutex_lock(&self->lock);
    while (self->counters[counter] < count)
        wait_for_change(self, &deadline);
    pthread_mutex_unlock(&self->lock);
}

static void wait_until_idle(http_server_t *self)
{
    struct timespec deadline = deadline_from_now();
    pthread_mutex_lock(&self->lock);
    while (self->open)
        wait_for_change(self, &deadline);
    pthread_mutex_unlock(&self->lock);
}

int http_server_count(http_server_t *self, http_server_counter_t counter)
{
    pthread_mutex_lock(&self->lock);
    int count = self->counters[counter];
    pthread_mutex_unlock(&self->lock);
    return count;
}

const char *http_server_url(http_server_t *self, const char *path)
{
    snprintf(self->url, sizeof self->url, "http://127.0.0.1:%u%s", self->port, path);
    return self->url;
}

int http_server_start(void **state)
{
    http_server_t *self = mlx_alloc(1, sizeof *self);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(self->listener, (struct sockaddr *)&address, len) == 0, "bind");
    must(listen(self->listener, 64) == 0, "listen");
    must(getsockname(self->listener, (struct sockaddr *)&address, &len) == 0, "name itself");
    self->port = ntohs(address.sin_port);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    must(pthread_create(&self->thread, NULL, serve, self) == 0, "start a thread");
    *state = self;
    return 0;
}

int http_server_stop(void **state)
{
    http_server_t *self = *state;
    shutdown(self->listener, SHUT_RDWR);
    pthread_join(self->thread, NULL);
    close(self->listener);
    wait_until_idle(self);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
    return 0;
}
