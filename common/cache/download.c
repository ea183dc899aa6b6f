#include "common/cache/download.h"

#include "common/cache/fetch.h"
#include "common/cache/fsys.h"
#include "common/cache/trail.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    STREAMS = 4,
    MAX_STREAMS = 16,
    TRIES = 6,
    PAUSE_MS = 1000,
    MAX_PAUSE_MS = 60000,
    SYNC_BYTES = 256 * 1024 * 1024,
    BEHIND_BYTES = 8 * 1024 * 1024,
};

/*  All threads of one run. */
typedef struct {
    const mlx_downloads_t *run;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next;
    unsigned active;
    unsigned allowed; /* streams: one after the server asked to slow down */
    bool ending;
} pool_t;

/*  One file in one thread. */
typedef struct {
    pool_t *pool;
    mlx_download_t *file;
    int fd;
    uint64_t at;     /* bytes written */
    uint64_t synced; /* of them known to be on the disk */
    uint64_t behind; /* of them on their way there */
    mlx_trail_t *trail;
    uint64_t asked;    /* where the running request began */
    mlx_error_t error; /* of the disk */
} part_t;

char *mlx_download_part(const char *etag)
{
    return mlx_format("partial/%s.part", etag);
}

/* ---- what an earlier run left ---- */

static char *state_path(const char *etag)
{
    return mlx_format("partial/%s.state", etag);
}

/*  "synced boot-id": how much survives a power cut. */
static void store_state(part_t *p)
{
    char boot[64];
    mlx_fsys_boot_id(boot, sizeof boot);
    if (mlx_fsys_sync_data(p->fd) != 0)
        return;
    p->synced = p->at;
    MLX_CLEANUP(mlx_free_p) char *path = state_path(p->file->etag);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("%llu %s\n", (unsigned long long)p->synced, boot);
    const mlx_downloads_t *run = p->pool->run;
    if (mlx_fs_unlink(run->fs, run->home, path, NULL, NULL) == 0)
        mlx_fs_write_file(run->fs, run->home, path, text, strlen(text), 0600, NULL);
}

static uint64_t trusted_bytes(const mlx_root_t *home, const char *etag, uint64_t length)
{
    MLX_CLEANUP(mlx_free_p) char *path = state_path(etag);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(home, path, NULL);
    char text[128] = "", boot[64], now[64];
    unsigned long long synced = 0;
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 ||
        sscanf(text, "%llu %63s", &synced, boot) != 2)
        return 0;
    mlx_fsys_boot_id(now, sizeof now);
    /* In the same boot the kernel still has what was written, however the process ended. */
    uint64_t trusted = strcmp(boot, now) == 0 ? length : synced;
    return trusted < length ? trusted : length;
}

uint64_t mlx_download_left(const mlx_root_t *home, const char *etag)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_download_part(etag);
    struct stat st;
    if (mlx_fs_stat(home, path, &st, NULL) <= 0 || !S_ISREG(st.st_mode))
        return 0;
    return trusted_bytes(home, etag, (uint64_t)st.st_size);
}

static int start_over(part_t *p)
{
    if (ftruncate(p->fd, 0) != 0)
        return mlx_fs_error(&p->error, errno, "empty the part of", p->file->name);
    p->at = p->synced = p->behind = 0;
    atomic_store(&p->file->done, 0);
    mlx_trail_restart(p->trail);
    return 0;
}

/*  Go on behind the bytes that are there. */
static int take_left(part_t *p, uint64_t left)
{
    if (ftruncate(p->fd, (off_t)left) != 0)
        return mlx_fs_error(&p->error, errno, "go on with the part of", p->file->name);
    p->at = p->synced = p->behind = left;
    atomic_store(&p->file->done, left);
    mlx_trail_grew(p->trail, left);
    return 0;
}

static int open_part(part_t *p)
{
    const mlx_downloads_t *run = p->pool->run;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_download_part(p->file->etag);
    uint64_t left = mlx_download_left(run->home, p->file->etag);
    if (left > p->file->size || p->file->compressible)
        left = 0;
    p->fd = mlx_fs_append(run->fs, run->home, path, &p->error);
    if (p->fd < 0)
        return -1;
    p->trail = mlx_trail_new(p->fd, p->file->size, strlen(p->file->etag) == MLX_SHA1_HEX);
    store_state(p);
    return take_left(p, left);
}

/* ---- one request ---- */

static bool is_ending(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool ending = pool->ending;
    pthread_mutex_unlock(&pool->lock);
    return ending;
}

/*  A server may answer 200 with everything, or another part than was asked for: begin again then.
 */
static bool on_head(void *arg, const mlx_http_reply_t *head)
{
    part_t *p = arg;
    if (!p->asked)
        return true;
    const char *range = mlx_http_header(head, "content-range");
    unsigned long long from, to, total;
    if (head->status == 206 && range &&
        sscanf(range, "bytes %llu-%llu/%llu", &from, &to, &total) == 3 && from == p->asked &&
        total == p->file->size)
        return true;
    return start_over(p) == 0 && head->status == 200;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    part_t *p = arg;
    if (len > p->file->size - p->at) {
        mlx_error_set(&p->error, MLX_ERR_DATA_LOSS, "%s is longer than announced", p->file->name);
        return false;
    }
    for (size_t done = 0; done < len;) {
        ssize_t put = pwrite(p->fd, data + done, len - done, (off_t)(p->at + done));
        if (put < 0 && errno != EINTR) {
            mlx_fs_error(&p->error, errno, "write", p->file->name);
            return false;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    p->at += len;
    atomic_store(&p->file->done, p->at);
    mlx_trail_grew(p->trail, p->at);
    if (p->at - p->behind >= BEHIND_BYTES) {
        mlx_fsys_write_behind(p->fd, p->behind, p->at - p->behind);
        p->behind = p->at;
    }
    if (p->at - p->synced >= SYNC_BYTES)
        store_state(p);
    return !is_ending(p->pool);
}

typedef enum {
    TRY_DONE,
    TRY_AGAIN,
    TRY_SLOWER, /* again, with one stream */
    TRY_NEVER,
} verdict_t;

static verdict_t judge(part_t *p, const mlx_fetch_reply_t *reply)
{
    mlx_download_t *file = p->file;
    file->status = reply->status;
    mlx_error_set(&file->error, MLX_ERR_UNAVAILABLE, "%s: the server answers %ld", file->name,
                  reply->status);
    if (reply->status / 100 == 2)
        return p->at == file->size ? TRY_DONE : TRY_AGAIN;
    if (reply->status == 416)
        return start_over(p) ? TRY_NEVER : TRY_AGAIN;
    /* Behind a redirect the address has expired, or takes one stream only. */
    if (reply->status == 429 || (reply->status == 403 && reply->redirected))
        return TRY_SLOWER;
    if (reply->status / 100 == 5 || reply->status == 408)
        return TRY_AGAIN;
    file->error_code = mlx_strdup(reply->error_code);
    return TRY_NEVER;
}

static verdict_t attempt(part_t *p, int64_t *wait_s)
{
    mlx_download_t *file = p->file;
    if (p->at == file->size)
        return TRY_DONE;
    if (file->compressible && p->at && start_over(p))
        return TRY_NEVER;
    p->asked = p->at;
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    int rc = mlx_fetch(&(mlx_fetch_t){.url = file->url,
                                      .auth = file->auth,
                                      .accept = file->accept,
                                      .from = p->at,
                                      .on_head = on_head,
                                      .on_data = on_data,
                                      .arg = p},
                       &reply, &file->error);
    *wait_s = reply.retry_after_s;
    if (p->error.code)
        return TRY_NEVER;
    if (rc == 0)
        return judge(p, &reply);
    if (is_ending(p->pool) || file->error.code == MLX_ERR_USAGE)
        return TRY_NEVER;
    return TRY_AGAIN;
}

/* ---- one file ---- */

/*  0: verified; 1: other bytes came, begin again once. */
static int verify(part_t *p)
{
    mlx_download_t *file = p->file;
    char git[MLX_HEX_MAX] = "";
    if (mlx_trail_finish(p->trail, file->sha256, git))
        return mlx_error_set(&file->error, MLX_ERR_FAILED, "cannot read what was written of %s",
                             file->name);
    const char *got = git[0] ? git : file->sha256;
    if (strcmp(got, file->etag) == 0) {
        file->error = (mlx_error_t){0};
        return fsync(p->fd) == 0 ? 0 : mlx_fs_error(&file->error, errno, "sync", file->name);
    }
    mlx_error_set(&file->error, MLX_ERR_DATA_LOSS,
                  "%s: the server sent other bytes (%.12s.., not %.12s..)", file->name, got,
                  file->etag);
    mlx_error_mend(&file->error, "try again later, or use another mirror");
    file->sha256[0] = '\0';
    return start_over(p) ? -1 : 1;
}

/*  Wait in small steps, so that an end is noticed at once. */
static void pause_for(pool_t *pool, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending &&
           pthread_cond_timedwait(&pool->changed, &pool->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&pool->lock);
}

static void slow_down(pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->allowed = 1;
    pthread_mutex_unlock(&pool->lock);
}

static int transfer(part_t *p)
{
    const mlx_downloads_t *run = p->pool->run;
    int64_t pause_ms = run->pause_ms ? run->pause_ms : PAUSE_MS;
    unsigned tries = run->tries ? run->tries : TRIES;
    bool wrong_bytes = false;
    for (unsigned try = 0; try < tries && !is_ending(p->pool);) {
        int64_t wait_s = -1;
        uint64_t before = p->at;
        verdict_t verdict = attempt(p, &wait_s);
        if (verdict == TRY_DONE) {
            int rc = verify(p);
            if (rc <= 0 || wrong_bytes)
                return rc ? -1 : 0;
            wrong_bytes = true;
            continue;
        }
        if (verdict == TRY_NEVER)
            return -1;
        if (verdict == TRY_SLOWER)
            slow_down(p->pool);
        /* A connection that breaks after it brought something has not failed. */
        try = p->at > before ? 0 : try + 1;
        pause_for(p->pool, wait_s >= 0 ? wait_s * 1000 : pause_ms);
        pause_ms = p->at > before || pause_ms * 2 > MAX_PAUSE_MS ? pause_ms : pause_ms * 2;
    }
    return -1;
}

static void fetch_file(pool_t *pool, mlx_download_t *file)
{
    part_t p = {.pool = pool, .file = file, .fd = -1};
    int rc = open_part(&p) || transfer(&p);
    mlx_trail_destroy(&p.trail);
    if (p.fd >= 0) {
        if (rc)
            store_state(&p);
        close(p.fd);
    }
    if (p.error.code)
        file->error = p.error;
    if (rc && !file->error.code)
        mlx_error_set(&file->error, MLX_ERR_INTERRUPTED, "interrupted; what is there is kept");
}

static void *work(void *arg)
{
    pool_t *pool = arg;
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending && pool->next < pool->run->count) {
        if (pool->active >= pool->allowed) {
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        mlx_download_t *file = &pool->run->files[pool->next++];
        pool->active++;
        pthread_mutex_unlock(&pool->lock);
        fetch_file(pool, file);
        pthread_mutex_lock(&pool->lock);
        file->finished = true;
        pool->active--;
        if (file->error.code)
            pool->ending = true;
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- the run ---- */

/*  Hand over what is complete; true when nothing is left to wait for. */
static bool collect(pool_t *pool, bool *taken, mlx_error_t *err, int *rc)
{
    const mlx_downloads_t *run = pool->run;
    size_t finished = 0;
    for (size_t i = 0; i < run->count; i++) {
        pthread_mutex_lock(&pool->lock);
        bool ready = run->files[i].finished;
        pthread_mutex_unlock(&pool->lock);
        finished += ready;
        if (!ready || taken[i] || run->files[i].error.code)
            continue;
        taken[i] = true;
        if (*rc == 0 && run->complete(run->arg, &run->files[i], err))
            *rc = -1;
    }
    return finished == run->count;
}

static bool should_end(pool_t *pool, int rc)
{
    const mlx_downloads_t *run = pool->run;
    bool end = rc != 0 || (run->stop && run->stop(run->arg));
    pthread_mutex_lock(&pool->lock);
    if (end)
        pool->ending = true;
    end = pool->ending && pool->active == 0;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    return end;
}

static void wait_a_tick(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000L}, NULL);
}

static int first_error(const mlx_downloads_t *run, mlx_error_t *err)
{
    const mlx_error_t *worst = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const mlx_error_t *e = &run->files[i].error;
        if (e->code && (!worst || worst->code == MLX_ERR_INTERRUPTED))
            worst = e;
    }
    if (worst && err)
        *err = *worst;
    return worst ? -1 : 0;
}

int mlx_download_run(const mlx_downloads_t *self, mlx_error_t *err)
{
    unsigned streams = self->streams ? self->streams : STREAMS;
    if (streams > MAX_STREAMS)
        streams = MAX_STREAMS;
    if (streams > self->count)
        streams = (unsigned)self->count;
    pool_t pool = {.run = self, .allowed = streams};
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.changed, NULL);
    MLX_CLEANUP(mlx_free_p) bool *taken = mlx_alloc(self->count + 1, sizeof *taken);
    pthread_t threads[MAX_STREAMS];
    unsigned started = 0;
    while (started < streams && pthread_create(&threads[started], NULL, work, &pool) == 0)
        started++;
    int rc = started || !self->count
                 ? 0
                 : mlx_error_set(err, MLX_ERR_FAILED, "cannot start a thread to download");
    for (unsigned ticks = 0; started; ticks++) {
        if (collect(&pool, taken, err, &rc) || should_end(&pool, rc))
            break;
        if (self->tick && ticks % 10 == 0)
            self->tick(self->arg);
        wait_a_tick();
    }
    should_end(&pool, -1);
    while (started)
        pthread_join(threads[--started], NULL);
    collect(&pool, taken, err, &rc);
    pthread_cond_destroy(&pool.changed);
    pthread_mutex_destroy(&pool.lock);
    if (rc == 0 && self->stop && self->stop(self->arg))
        rc = mlx_error_set(err, MLX_ERR_INTERRUPTED, "interrupted; what is there is kept");
    return rc ? rc : first_error(self, err);
}
