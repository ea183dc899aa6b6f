#include "tests/tap/origin.h"

#include "tests/tap/peer.h"
#include "tests/tap/support.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    MAX_SERVED = 2048
};

typedef struct {
    origin_t *origin;
    pthread_t thread;
    int fd;
} served_t;

struct origin {
    void (*serve)(void *arg, int fd);
    void *arg;
    int listen_fd;
    uint16_t port;
    atomic_bool stop;
    pthread_t acceptor;
    size_t count;
    served_t served[MAX_SERVED];
};

static void *serve_one(void *arg)
{
    served_t *served = arg;
    served->origin->serve(served->origin->arg, served->fd);
    mlx_close_p(&served->fd);
    return NULL;
}

static void *accept_all(void *arg)
{
    origin_t *self = arg;
    while (self->count < MAX_SERVED) {
        int fd = peer_accept(self->listen_fd);
        if (self->stop) {
            mlx_close_p(&fd);
            break;
        }
        served_t *served = &self->served[self->count++];
        *served = (served_t){.origin = self, .fd = fd};
        pthread_create(&served->thread, NULL, serve_one, served);
    }
    return NULL;
}

origin_t *origin_new(void (*serve)(void *arg, int fd), void *arg)
{
    origin_t *self = mlx_alloc(1, sizeof(*self));
    self->serve = serve;
    self->arg = arg;
    self->listen_fd = peer_listen(&self->port);
    assert_int_equal(pthread_create(&self->acceptor, NULL, accept_all, self), 0);
    return self;
}

void origin_destroy(origin_t **self_p)
{
    origin_t *self = *self_p;
    self->stop = true;
    int last = peer_connect(self->port);
    pthread_join(self->acceptor, NULL);
    mlx_close_p(&last);
    for (size_t i = 0; i < self->count; i++)
        pthread_join(self->served[i].thread, NULL);
    mlx_close_p(&self->listen_fd);
    free(self);
    *self_p = NULL;
}

uint16_t origin_port(const origin_t *self)
{
    return self->port;
}
