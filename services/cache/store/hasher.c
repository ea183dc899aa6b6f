#include "services/cache/store/hasher.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_THREADS = 64
};

typedef struct {
    mlx_hash_job_t *jobs;
    size_t count;
    atomic_size_t next;
    bool (*stop)(void *arg);
    void *arg;
} queue_t;

/*  The file must be the same before and after, or the hash is of nothing that ever was. */
static void hash_one(const queue_t *q, mlx_hash_job_t *job)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(job->root, job->path, &job->error);
    struct stat before, after;
    if (fd < 0)
        return;
    if (fstat(fd, &before) != 0) {
        mlx_fs_error(&job->error, errno, "examine", job->path);
        return;
    }
    if (mlx_digest_fd(fd, MLX_SHA256, job->hex, NULL, q->stop, q->arg, &job->error)) {
        job->hex[0] = '\0';
        return;
    }
    mlx_identity_t a = mlx_identity_of(&before);
    if (fstat(fd, &after) == 0)
        job->id = mlx_identity_of(&after);
    if (!mlx_identity_same(&a, &job->id)) {
        job->hex[0] = '\0';
        mlx_error_set(&job->error, MLX_ERR_FAILED, "%s changed while it was being read", job->path);
    }
}

static void *work(void *arg)
{
    queue_t *q = arg;
    for (;;) {
        size_t i = atomic_fetch_add(&q->next, 1);
        if (i >= q->count)
            return NULL;
        if (!q->jobs[i].known && !q->jobs[i].error.code)
            hash_one(q, &q->jobs[i]);
    }
}

static int look_up(mlx_db_t *db, mlx_hash_job_t *job, mlx_error_t *err)
{
    struct stat st;
    int there = mlx_fs_stat(job->root, job->path, &st, &job->error);
    if (there == 0)
        mlx_error_set(&job->error, MLX_ERR_NOT_FOUND, "%s does not exist", job->path);
    if (there <= 0)
        return 0;
    job->id = mlx_identity_of(&st);
    if (job->again)
        return 0;
    int found = mlx_registry_get_hash(db, &job->id, job->hex, err);
    job->known = found > 0;
    return found < 0 ? -1 : 0;
}

static unsigned thread_count(size_t jobs, unsigned wanted)
{
    long cores = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1)
        cores = 1;
    if (cores > MAX_THREADS)
        cores = MAX_THREADS;
    return (size_t)cores < jobs ? (unsigned)cores : (unsigned)jobs;
}

static void run(queue_t *q, unsigned threads)
{
    pthread_t ids[MAX_THREADS];
    unsigned started = 0;
    /* This thread works too; a thread that cannot be started is not missed. */
    while (started + 1 < threads && pthread_create(&ids[started], NULL, work, q) == 0)
        started++;
    work(q);
    while (started)
        pthread_join(ids[--started], NULL);
}

int mlx_hash_files(mlx_db_t *db, mlx_hash_job_t *jobs, size_t count, unsigned threads,
                   bool (*stop)(void *arg), void *arg, mlx_error_t *err)
{
    for (size_t i = 0; i < count; i++)
        if (look_up(db, &jobs[i], err))
            return -1;
    queue_t q = {.jobs = jobs, .count = count, .stop = stop, .arg = arg};
    run(&q, thread_count(count, threads));
    if (mlx_db_begin(db, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].error.code == MLX_ERR_INTERRUPTED) {
            mlx_db_rollback(db);
            if (err)
                *err = jobs[i].error;
            return -1;
        }
        if (jobs[i].hex[0] && !jobs[i].known &&
            mlx_registry_put_hash(db, &jobs[i].id, jobs[i].hex, err)) {
            mlx_db_rollback(db);
            return -1;
        }
    }
    return mlx_db_commit(db, err);
}

int mlx_hash_file(mlx_db_t *db, const mlx_root_t *root, const char *path, bool (*stop)(void *arg),
                  void *arg, char hex[MLX_HEX_MAX], mlx_error_t *err)
{
    mlx_hash_job_t job = {.root = root, .path = path};
    if (mlx_hash_files(db, &job, 1, 1, stop, arg, err))
        return -1;
    if (!job.hex[0]) {
        if (err)
            *err = job.error;
        return -1;
    }
    memcpy(hex, job.hex, MLX_HEX_MAX);
    return 0;
}
