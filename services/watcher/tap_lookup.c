#include "tap_lookup.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/*  What a lookup and its thread share; whoever lets go last frees it. */
typedef struct {
    pthread_mutex_t lock;
    mlx_lookup_t *owner; /* NULL: gone */
    int holders;
    char *text;
    mlx_tap_resolve_fn resolve;
    mlx_tap_address_t list[MLX_TAP_ADDRESSES];
    int count;
} shared_t;

struct mlx_lookup {
    mlx_loop_t *loop;
    mlx_lookup_fn found;
    void *arg;
    shared_t *shared;
    bool running;
};

static void let_go(shared_t *shared)
{
    pthread_mutex_lock(&shared->lock);
    bool last = --shared->holders == 0;
    pthread_mutex_unlock(&shared->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&shared->lock);
    free(shared->text);
    free(shared);
}

mlx_lookup_t *mlx_lookup_new(mlx_loop_t *loop, const char *text, mlx_tap_resolve_fn resolve,
                             mlx_lookup_fn found, void *arg)
{
    mlx_lookup_t *self = mlx_alloc(1, sizeof *self);
    shared_t *shared = mlx_alloc(1, sizeof *shared);
    *self = (mlx_lookup_t){.loop = loop, .found = found, .arg = arg, .shared = shared};
    shared->owner = self;
    shared->holders = 1;
    shared->text = mlx_strdup(text);
    shared->resolve = resolve ? resolve : mlx_tap_resolve;
    pthread_mutex_init(&shared->lock, NULL);
    return self;
}

void mlx_lookup_destroy(mlx_lookup_t **self)
{
    mlx_lookup_t *lookup = *self;
    *self = NULL;
    if (!lookup)
        return;
    pthread_mutex_lock(&lookup->shared->lock);
    lookup->shared->owner = NULL;
    pthread_mutex_unlock(&lookup->shared->lock);
    let_go(lookup->shared);
    free(lookup);
}

/*  In the loop's thread: the one that looked it up has ended. */
static void on_answer(void *arg)
{
    mlx_lookup_t *self = arg;
    self->running = false;
    if (self->shared->count > 0)
        self->found(self->arg, self->shared->list, self->shared->count);
}

static void *look_up(void *arg)
{
    shared_t *shared = arg;
    shared->count = shared->resolve(shared->text, shared->list, NULL);
    pthread_mutex_lock(&shared->lock);
    if (shared->owner)
        mlx_loop_wake(shared->owner->loop, on_answer, shared->owner);
    pthread_mutex_unlock(&shared->lock);
    let_go(shared);
    return NULL;
}

static bool start_thread(shared_t *shared)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, look_up, shared) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    return started;
}

void mlx_lookup_start(mlx_lookup_t *self)
{
    if (self->running)
        return;
    pthread_mutex_lock(&self->shared->lock);
    self->shared->holders++;
    pthread_mutex_unlock(&self->shared->lock);
    self->running = start_thread(self->shared);
    if (!self->running)
        let_go(self->shared);
}
