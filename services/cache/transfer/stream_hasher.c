#include "services/cache/transfer/stream_hasher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CHUNK = 256 * 1024,
    WAKE_BYTES = 1024 * 1024 /* how far the writer goes before it wakes the thread again */
};

struct mlx_stream_hasher {
    int fd;
    uint64_t size;
    bool with_git;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t grown;  /* to the thread */
    pthread_cond_t caught; /* from the thread */

    /* under the lock */
    uint64_t length; /* written */
    uint64_t hashed;
    uint64_t woken_at;
    unsigned generation; /* of restarts */
    bool failed;
    bool ending;

    /* the thread's own while it works; the caller's when all is hashed */
    mlx_digest_t *sha256;
    mlx_digest_t *git;
    unsigned char chunk[CHUNK];
};

static void start_digests(mlx_stream_hasher_t *self)
{
    mlx_digest_destroy(&self->sha256);
    mlx_digest_destroy(&self->git);
    self->sha256 = mlx_digest_new(MLX_SHA256, 0);
    if (self->with_git)
        self->git = mlx_digest_new(MLX_GIT_BLOB, self->size);
}

static ssize_t read_chunk(mlx_stream_hasher_t *self, uint64_t at, uint64_t length)
{
    size_t want = length - at < CHUNK ? (size_t)(length - at) : CHUNK;
    ssize_t got;
    do
        got = pread(self->fd, self->chunk, want, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

/*  Hash one chunk, the lock held at the beginning and the end. */
static void step(mlx_stream_hasher_t *self)
{
    unsigned generation = self->generation;
    uint64_t at = self->hashed, length = self->length;
    pthread_mutex_unlock(&self->lock);
    if (at == 0)
        start_digests(self);
    ssize_t got = read_chunk(self, at, length);
    if (got > 0) {
        mlx_digest_update(self->sha256, self->chunk, (size_t)got);
        if (self->git)
            mlx_digest_update(self->git, self->chunk, (size_t)got);
    }
    pthread_mutex_lock(&self->lock);
    if (generation != self->generation)
        return; /* what was read counts no more */
    if (got > 0)
        self->hashed += (uint64_t)got;
    else
        self->failed = true;
}

static bool has_work(const mlx_stream_hasher_t *self)
{
    return self->hashed < self->length && !self->failed;
}

static void *work(void *arg)
{
    mlx_stream_hasher_t *self = arg;
    pthread_mutex_lock(&self->lock);
    while (!self->ending) {
        if (has_work(self)) {
            step(self);
            continue;
        }
        pthread_cond_broadcast(&self->caught);
        pthread_cond_wait(&self->grown, &self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

mlx_stream_hasher_t *mlx_stream_hasher_new(int fd, uint64_t size, bool git)
{
    mlx_stream_hasher_t *self = mlx_alloc(1, sizeof *self);
    self->fd = fd;
    self->size = size;
    self->with_git = git;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->grown, NULL);
    pthread_cond_init(&self->caught, NULL);
    start_digests(self);
    self->threaded = pthread_create(&self->thread, NULL, work, self) == 0;
    return self;
}

void mlx_stream_hasher_destroy(mlx_stream_hasher_t **self)
{
    mlx_stream_hasher_t *hasher = *self;
    *self = NULL;
    if (!hasher)
        return;
    pthread_mutex_lock(&hasher->lock);
    hasher->ending = true;
    pthread_cond_broadcast(&hasher->grown);
    pthread_mutex_unlock(&hasher->lock);
    if (hasher->threaded)
        pthread_join(hasher->thread, NULL);
    mlx_digest_destroy(&hasher->sha256);
    mlx_digest_destroy(&hasher->git);
    pthread_cond_destroy(&hasher->grown);
    pthread_cond_destroy(&hasher->caught);
    pthread_mutex_destroy(&hasher->lock);
    free(hasher);
}

void mlx_stream_hasher_grew(mlx_stream_hasher_t *self, uint64_t length)
{
    pthread_mutex_lock(&self->lock);
    self->length = length;
    if (length - self->woken_at >= WAKE_BYTES) {
        self->woken_at = length;
        pthread_cond_signal(&self->grown);
    }
    while (!self->threaded && has_work(self))
        step(self);
    pthread_mutex_unlock(&self->lock);
}

void mlx_stream_hasher_restart(mlx_stream_hasher_t *self)
{
    pthread_mutex_lock(&self->lock);
    self->generation++;
    self->length = self->hashed = self->woken_at = 0;
    self->failed = false;
    pthread_mutex_unlock(&self->lock);
}

int mlx_stream_hasher_finish(mlx_stream_hasher_t *self, char sha256[MLX_HEX_MAX],
                             char git[MLX_HEX_MAX])
{
    pthread_mutex_lock(&self->lock);
    pthread_cond_signal(&self->grown);
    while (has_work(self))
        pthread_cond_wait(&self->caught, &self->lock);
    int rc = self->failed ? -1 : 0;
    /* An empty file never had a first chunk. */
    if (self->length == 0)
        start_digests(self);
    mlx_digest_hex(self->sha256, sha256);
    git[0] = '\0';
    if (self->git)
        mlx_digest_hex(self->git, git);
    pthread_mutex_unlock(&self->lock);
    return rc;
}
