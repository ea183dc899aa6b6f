#include "script.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/buf.h"
#include "services/watcher/asker_process.h"

struct script {
    int listener;
    int current; /* the connection that is served; -1: none */
    int port;
    pthread_t thread;
    pthread_mutex_t lock;
    const script_reply_t *replies;
    const char *key;
    mlx_buf_t log;
    bool over;
    int authorized;
    pid_t only; /* whose requests are noted; 0: everybody's */
};

static void must(bool done, const char *what)
{
    if (!done)
        mlx_panic("the scripted server cannot %s", what);
}

static const script_reply_t *reply_to(script_t *self, const char *path, const char *request)
{
    static const script_reply_t missing = {"", 404, "{\"detail\":\"Not Found\"}", NULL};
    static const script_reply_t locked = {"", 401, "{\"error\":{\"message\":\"Invalid API Key\"}}",
                                          NULL};
    if (self->key) {
        MLX_CLEANUP(mlx_free_p)
        char *header = mlx_format("Authorization: Bearer %s\r\n", self->key);
        if (!strstr(request, header))
            return &locked;
    }
    for (const script_reply_t *r = self->replies; r && r->path; r++)
        if (!strcmp(r->path, path))
            return r;
    return &missing;
}

/*  Whether the client of FD is a socket of the process whose requests are noted. */
static bool is_noted(const script_t *self, int fd)
{
    mlx_asker_end_t peer = mlx_asker_end_of(fd);
    return !self->only || mlx_asker_holds("/proc", self->only, &peer);
}

/*  False: the client is left without an answer. */
static bool answer(script_t *self, int fd, const char *request)
{
    char method[16], path[256];
    if (sscanf(request, "%15s %255s", method, path) != 2)
        return true;
    pthread_mutex_lock(&self->lock);
    if (is_noted(self, fd))
        mlx_buf_printf(&self->log, "%s %s\n", method, path);
    self->authorized += strstr(request, "Authorization:") != NULL;
    const script_reply_t *r = reply_to(self, path, request);
    pthread_mutex_unlock(&self->lock);
    if (r->status == 0)
        return false;
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("HTTP/1.1 %d X\r\n%s%s%sContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                            r->status, r->server ? "Server: " : "", r->server ? r->server : "",
                            r->server ? "\r\n" : "", strlen(r->body), r->body);
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); /* the client may have left */
    return true;
}

static void set_current(script_t *self, int fd)
{
    pthread_mutex_lock(&self->lock);
    self->current = fd;
    if (self->over && fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&self->lock);
}

static void serve(script_t *self, int fd)
{
    char request[8192];
    size_t len = 0;
    ssize_t got;
    request[0] = '\0';
    while (len < sizeof request - 1 && !strstr(request, "\r\n\r\n") &&
           (got = recv(fd, request + len, sizeof request - 1 - len, 0)) > 0) {
        len += (size_t)got;
        request[len] = '\0';
    }
    if (strstr(request, "\r\n\r\n") && !answer(self, fd, request))
        while (recv(fd, request, sizeof request, 0) > 0)
            ;
    shutdown(fd, SHUT_WR);
    set_current(self, -1);
    close(fd);
}

static void *run(void *arg)
{
    script_t *self = arg;
    for (int fd; (fd = accept(self->listener, NULL, NULL)) >= 0;) {
        set_current(self, fd);
        serve(self, fd);
    }
    return NULL;
}

script_t *script_new(const script_reply_t *replies, const char *key)
{
    script_t *self = script_new_at(replies, key, 0);
    must(self != NULL, "bind");
    return self;
}

void script_log_only(script_t *self, pid_t pid)
{
    pthread_mutex_lock(&self->lock);
    self->only = pid;
    pthread_mutex_unlock(&self->lock);
}

script_t *script_new_at(const script_reply_t *replies, const char *key, int port)
{
    script_t *self = mlx_alloc(1, sizeof *self);
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    self->replies = replies;
    self->key = key;
    self->current = -1;
    self->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(self->listener, (struct sockaddr *)&any, len)) {
        close(self->listener);
        free(self);
        return NULL;
    }
    must(listen(self->listener, 16) == 0, "listen");
    must(getsockname(self->listener, (struct sockaddr *)&any, &len) == 0, "find its port");
    self->port = ntohs(any.sin_port);
    pthread_mutex_init(&self->lock, NULL);
    must(pthread_create(&self->thread, NULL, run, self) == 0, "start");
    return self;
}

void script_destroy(script_t **self_p)
{
    script_t *self = *self_p;
    if (!self)
        return;
    shutdown(self->listener, SHUT_RDWR);
    pthread_mutex_lock(&self->lock);
    self->over = true; /* a client that is connected and says nothing must not keep us */
    if (self->current >= 0)
        shutdown(self->current, SHUT_RDWR);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    close(self->listener);
    pthread_mutex_destroy(&self->lock);
    mlx_buf_clear(&self->log);
    free(self);
    *self_p = NULL;
}

int script_port(const script_t *self)
{
    return self->port;
}

void script_play(script_t *self, const script_reply_t *replies)
{
    pthread_mutex_lock(&self->lock);
    self->replies = replies;
    pthread_mutex_unlock(&self->lock);
}

int script_authorized(script_t *self)
{
    pthread_mutex_lock(&self->lock);
    int count = self->authorized;
    pthread_mutex_unlock(&self->lock);
    return count;
}

char *script_log(script_t *self)
{
    pthread_mutex_lock(&self->lock);
    char *log = mlx_strdup(self->log.len ? mlx_buf_str(&self->log) : "");
    pthread_mutex_unlock(&self->lock);
    return log;
}
