#include "services/cache/transfer/download.h"

#include "common/base/clock.h"
#include "services/cache/transfer/file_transfer.h"
#include "services/cache/transfer/partial_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    STREAMS = 4,
    MAX_STREAMS = 16,
    TICK_MS = 200,
    STOP_MS = 50, /* between two questions to the caller whether to stop */
};

/*  What the threads know of a file. */
typedef struct {
    mlx_file_transfer_t *part;
    bool opening;
    bool open;
    bool closed;
} slot_t;

/*  All threads of one run. */
typedef struct {
    const mlx_downloads_t *run;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot_t *slots;
    unsigned active;
    unsigned allowed; /* streams: one after the server asked to slow down */
    unsigned ended;   /* jobs */
    bool ending;
    bool answered;   /* a server, at any time */
    mlx_error_t why; /* a stream waits because of it; no code: the caller knows */
    int64_t wait_ms;
} pool_t;

char *mlx_download_part(const char *etag)
{
    return mlx_partial_file_path(etag, 0);
}

uint64_t mlx_download_held(const mlx_root_t *home, const char *etag)
{
    return mlx_partial_file_held(home, etag);
}

int mlx_download_clear(const mlx_fs_t *fs, const mlx_root_t *home, const char *etag,
                       mlx_error_t *err)
{
    for (unsigned i = 1;; i++) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(etag, i);
        if (!path)
            return 0;
        if (mlx_fs_unlink(fs, home, path, NULL, err))
            return -1;
    }
}

/* ---- what a part asks of the pool ---- */

static bool is_ending(void *arg)
{
    pool_t *pool = arg;
    pthread_mutex_lock(&pool->lock);
    bool ending = pool->ending;
    pthread_mutex_unlock(&pool->lock);
    return ending;
}

static struct timespec time_after(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

static bool note_answer(void *arg, bool now)
{
    pool_t *pool = arg;
    pthread_mutex_lock(&pool->lock);
    bool answered = pool->answered = pool->answered || now;
    pthread_mutex_unlock(&pool->lock);
    return answered;
}

/*  An end is noticed at once. */
static void pause_for(void *arg, int64_t ms, const mlx_error_t *why)
{
    pool_t *pool = arg;
    const struct timespec until = time_after(ms);
    pthread_mutex_lock(&pool->lock);
    pool->why = *why;
    pool->wait_ms = ms;
    while (!pool->ending &&
           pthread_cond_timedwait(&pool->changed, &pool->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&pool->lock);
}

static void slow_down(void *arg)
{
    pool_t *pool = arg;
    pthread_mutex_lock(&pool->lock);
    pool->allowed = 1;
    pthread_mutex_unlock(&pool->lock);
}

static void widen(void *arg)
{
    pool_t *pool = arg;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- the threads ---- */

typedef struct {
    size_t file;
    size_t piece;
    bool opens;
} job_t;

/*  A file that nobody works on comes before another stream of one that is under way: several hashes
 *  at once use several cores. The lock is held. */
static bool find_job(pool_t *pool, job_t *job)
{
    for (unsigned busy = 0; busy < MAX_STREAMS; busy++)
        for (size_t i = 0; i < pool->run->count; i++) {
            slot_t *slot = &pool->slots[i];
            *job = (job_t){.file = i, .opens = !slot->opening};
            if (job->opens)
                return true;
            if (slot->open && !slot->closed && mlx_file_transfer_busy(slot->part) == busy &&
                mlx_file_transfer_take(slot->part, &job->piece))
                return true;
        }
    return false;
}

static bool all_closed(const pool_t *pool)
{
    for (size_t i = 0; i < pool->run->count; i++)
        if (!pool->slots[i].closed)
            return false;
    return true;
}

/*  The part of a finished file leaves as soon as no stream works on it. The lock is held. */
static void close_slot(pool_t *pool, size_t index, bool failed)
{
    slot_t *slot = &pool->slots[index];
    pool->ending = pool->ending || failed;
    if (slot->closed)
        return;
    slot->closed = true;
    if (!failed)
        mlx_file_transfer_destroy(&slot->part);
    pool->run->files[index].finished = true;
}

static void open_slot(pool_t *pool, size_t index)
{
    slot_t *slot = &pool->slots[index];
    slot->opening = true;
    pthread_mutex_unlock(&pool->lock);
    mlx_file_transfer_t *part =
        mlx_file_transfer_new(&(mlx_file_transfer_options_t){.run = pool->run,
                                                             .download = &pool->run->files[index],
                                                             .ending = is_ending,
                                                             .pause = pause_for,
                                                             .answered = note_answer,
                                                             .slow_down = slow_down,
                                                             .widen = widen,
                                                             .arg = pool});
    int rc = mlx_file_transfer_open(part);
    pthread_mutex_lock(&pool->lock);
    slot->part = part;
    slot->open = rc == 0;
    if (rc)
        close_slot(pool, index, true);
}

static void do_job(pool_t *pool, const job_t *job)
{
    pool->active++;
    if (job->opens) {
        open_slot(pool, job->file);
    } else {
        mlx_file_transfer_t *part = pool->slots[job->file].part;
        pthread_mutex_unlock(&pool->lock);
        mlx_file_transfer_end_t end = mlx_file_transfer_fetch(part, job->piece);
        pthread_mutex_lock(&pool->lock);
        if (end != MLX_PART_MORE)
            close_slot(pool, job->file, end == MLX_PART_FAILED);
    }
    pool->active--;
    pool->ended++;
    pthread_cond_broadcast(&pool->changed);
}

static void *work(void *arg)
{
    pool_t *pool = arg;
    job_t job;
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending && !all_closed(pool)) {
        if (pool->active < pool->allowed && find_job(pool, &job))
            do_job(pool, &job);
        else
            pthread_cond_wait(&pool->changed, &pool->lock);
    }
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/*  What was interrupted says how much of it is there. */
static void close_all(pool_t *pool)
{
    for (size_t i = 0; i < pool->run->count; i++) {
        mlx_download_t *file = &pool->run->files[i];
        if (!pool->slots[i].closed && !file->error.code)
            mlx_error_set(&file->error, MLX_ERR_INTERRUPTED, "interrupted; partial files are kept");
        mlx_file_transfer_destroy(&pool->slots[i].part);
    }
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
    if (end && !pool->ending) {
        pool->ending = true;
        pthread_cond_broadcast(&pool->changed);
    }
    end = pool->ending && pool->active == 0;
    pthread_mutex_unlock(&pool->lock);
    return end;
}

/*  Until a job ends that is not among those SEEN, or it is time to ask the caller again. */
static void wait_for_job(pool_t *pool, unsigned *seen)
{
    const struct timespec until = time_after(STOP_MS);
    pthread_mutex_lock(&pool->lock);
    while (pool->ended == *seen &&
           pthread_cond_timedwait(&pool->changed, &pool->lock, &until) != ETIMEDOUT)
        continue;
    *seen = pool->ended;
    pthread_mutex_unlock(&pool->lock);
}

static void tell_waiting(pool_t *pool)
{
    const mlx_downloads_t *run = pool->run;
    pthread_mutex_lock(&pool->lock);
    const mlx_error_t why = pool->why;
    int64_t ms = pool->wait_ms;
    pool->why = (mlx_error_t){0};
    pthread_mutex_unlock(&pool->lock);
    if (why.code && run->waiting)
        run->waiting(run->arg, ms, &why);
}

/*  Until all has ended, in the caller's thread. */
static void watch(pool_t *pool, bool *taken, mlx_error_t *err, int *rc)
{
    const mlx_downloads_t *run = pool->run;
    unsigned seen = 0;
    int64_t due_us = 0;
    while (!collect(pool, taken, err, rc) && !should_end(pool, *rc)) {
        if (run->tick && mlx_now_us() >= due_us) {
            run->tick(run->arg);
            tell_waiting(pool);
            due_us = mlx_now_us() + (int64_t)TICK_MS * 1000;
        }
        wait_for_job(pool, &seen);
    }
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
    pool_t pool = {.run = self, .allowed = streams};
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.changed, NULL);
    MLX_CLEANUP(mlx_free_p) bool *taken = mlx_alloc(self->count + 1, sizeof *taken);
    MLX_CLEANUP(mlx_free_p) slot_t *slots = mlx_alloc(self->count + 1, sizeof *slots);
    pool.slots = slots;
    pthread_t threads[MAX_STREAMS];
    unsigned started = 0;
    while (started < streams && pthread_create(&threads[started], NULL, work, &pool) == 0)
        started++;
    int rc = started || !self->count
                 ? 0
                 : mlx_error_set(err, MLX_ERR_FAILED, "cannot start a thread to download");
    if (started)
        watch(&pool, taken, err, &rc);
    should_end(&pool, -1);
    while (started)
        pthread_join(threads[--started], NULL);
    close_all(&pool);
    collect(&pool, taken, err, &rc);
    pthread_cond_destroy(&pool.changed);
    pthread_mutex_destroy(&pool.lock);
    if (rc == 0 && self->stop && self->stop(self->arg))
        rc = mlx_error_set(err, MLX_ERR_INTERRUPTED, "interrupted; partial files are kept");
    return rc ? rc : first_error(self, err);
}
