#include "cached.h"

#include "services/cache/cache.h"
#include "watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_MS = 30000,
    SETTLE_MS = 500
};

typedef struct job {
    struct job *next;
    mlx_cached_t *owner;
    const char *cmd; /* of the table below */
    mlx_value_t *args;
    mlx_cached_fn fn;
    void *arg;
    atomic_bool cancelled;
    mlx_value_t *report; /* out */
    mlx_error_t error;
    mlx_value_t *status; /* out: what there is now, whatever the command did */
    char **watched;
    size_t watched_count;
} job_t;

struct mlx_cached {
    mlx_cached_options_t options;
    char *home;
    mlx_watch_dirs_t *watch;
    mlx_watch_t *watching;
    mlx_timer_t *looking;
    mlx_timer_t *settling;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    job_t *queue;
    job_t *running;
    job_t *ended;        /* to be delivered, oldest first */
    mlx_value_t *events; /* progress to be delivered */
    bool woken;          /* the loop, to fetch these */
    bool ending;
    bool refreshing; /* a refresh is queued: one is enough */
};

static int64_t clock_s(void)
{
    return (int64_t)time(NULL);
}

/* ---- the worker ---- */

static void on_told(void *arg);

/*  Something for the loop to fetch. The lock is held. */
static void tell_loop(mlx_cached_t *self)
{
    if (!self->woken)
        mlx_loop_wake(self->options.loop, on_told, self);
    self->woken = true;
}

static void on_progress(void *arg, const mlx_value_t *event)
{
    job_t *job = arg;
    mlx_cached_t *self = job->owner;
    pthread_mutex_lock(&self->lock);
    mlx_value_append(self->events, mlx_value_copy(event));
    tell_loop(self);
    pthread_mutex_unlock(&self->lock);
}

static bool should_stop(void *arg)
{
    job_t *job = arg;
    return atomic_load(&job->cancelled);
}

static mlx_value_t *do_refresh(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    (void)cache;
    (void)job;
    (void)err;
    return mlx_value_map(); /* the status that follows every job is its answer */
}

static mlx_value_t *do_add(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    const mlx_cache_add_options_t options = {.transfer.streams = job->owner->options.streams};
    return mlx_cache_add(cache, mlx_value_str(job->args, "model"), &options, err);
}

static mlx_value_t *do_link(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    return mlx_cache_link(cache, mlx_value_str(job->args, "app"), mlx_value_str(job->args, "model"),
                          NULL, err);
}

static mlx_value_t *do_unlink(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    return mlx_cache_unlink(cache, mlx_value_str(job->args, "app"),
                            mlx_value_str(job->args, "model"), false, err);
}

static mlx_value_t *do_clean(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    bool yes = false;
    mlx_value_bool(job->args, "yes", &yes);
    return mlx_cache_clean(cache, &(mlx_cache_clean_options_t){.dry_run = !yes}, err);
}

static mlx_value_t *do_dedup(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    bool yes = false;
    mlx_value_bool(job->args, "yes", &yes);
    return mlx_cache_dedup(cache, yes, err);
}

static mlx_value_t *do_where(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    return mlx_cache_where(cache, mlx_value_str(job->args, "model"), err);
}

static mlx_value_t *do_fits(mlx_cache_t *cache, const job_t *job, mlx_error_t *err)
{
    mlx_load_t load = {.unified = true, .cache = mlx_value_str(job->args, "cache")};
    mlx_value_int(job->args, "context", &load.context);
    mlx_value_int(job->args, "slots", &load.slots);
    if (mlx_load_check(&load, err))
        return NULL;
    return mlx_cache_fits_here(cache, mlx_value_str(job->args, "model"), &load, err);
}

static const struct {
    const char *cmd;
    bool write;
    const char *needs[2];
    mlx_value_t *(*run)(mlx_cache_t *cache, const job_t *job, mlx_error_t *err);
} commands[] = {
    {"cache.refresh", false, {NULL, NULL}, do_refresh},
    {"cache.add", true, {"model", NULL}, do_add},
    {"cache.link", true, {"app", "model"}, do_link},
    {"cache.unlink", true, {"app", "model"}, do_unlink},
    {"cache.clean", true, {NULL, NULL}, do_clean},
    {"cache.dedup", true, {NULL, NULL}, do_dedup},
    {"cache.where", false, {"model", NULL}, do_where},
    {"cache.fits", false, {"model", NULL}, do_fits},
};

static size_t find_command(const char *cmd)
{
    size_t i = 0;
    while (i < MLX_COUNT(commands) && strcmp(commands[i].cmd, cmd) != 0)
        i++;
    return i;
}

static mlx_cache_t *open_cache(job_t *job, bool write, mlx_error_t *err)
{
    const mlx_cached_t *self = job->owner;
    return mlx_cache_open(&(mlx_cache_options_t){.home = self->home,
                                                 .env = self->options.env,
                                                 .now_s = clock_s,
                                                 .write = write,
                                                 .one_command = true,
                                                 .stop = should_stop,
                                                 .progress = on_progress,
                                                 .arg = job},
                          err);
}

/*  The catalogue's cache.status from the library's report. */
static mlx_value_t *status_message(const char *home, const mlx_value_t *report)
{
    mlx_value_t *status = mlx_value_map();
    const mlx_value_t *rows = mlx_value_get(report, "models");
    mlx_value_set_str(status, "dir", home);
    mlx_value_set_int(status, "models_count", (int64_t)mlx_value_size(rows));
    static const char *const sums[][2] = {{"total", "bytes"},
                                          {"saved", "saved"},
                                          {"duplicates_avoided", "duplicates_avoided"},
                                          {"duplicate_bytes", "duplicate_bytes"},
                                          {"lookalike_bytes", "lookalike_bytes"}};
    for (size_t i = 0; i < MLX_COUNT(sums); i++) {
        int64_t value;
        if (mlx_value_int(report, sums[i][0], &value))
            mlx_value_set_int(status, sums[i][1], value);
    }
    mlx_value_t *models = mlx_value_set(status, "models", mlx_value_list());
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const mlx_value_t *row = mlx_value_at(rows, i);
        const mlx_value_t *uses = mlx_value_get(row, "used_by");
        int64_t size = 0;
        mlx_value_int(row, "size", &size);
        mlx_value_t *model = mlx_value_append(models, mlx_value_map());
        mlx_value_set_str(model, "name", mlx_value_str(row, "name"));
        mlx_value_set_int(model, "size", size);
        mlx_value_t *apps = mlx_value_set(model, "used_by", mlx_value_list());
        for (size_t u = 0; u < mlx_value_size(uses); u++)
            mlx_value_append(apps, mlx_value_new_str(mlx_value_str(mlx_value_at(uses, u), "app")));
    }
    return status;
}

static void look(job_t *job)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = open_cache(job, false, &err);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *report = cache ? mlx_cache_status(cache, &err) : NULL;
    if (report) {
        job->status = status_message(job->owner->home, report);
        job->watched = mlx_cache_watched(cache, &job->watched_count);
    } else if (!job->error.code) {
        job->error = err;
    }
}

static void run_job(job_t *job)
{
    size_t i = find_command(job->cmd);
    mlx_cache_t *cache = open_cache(job, commands[i].write, &job->error);
    if (cache)
        job->report = commands[i].run(cache, job, &job->error);
    mlx_cache_destroy(&cache);
    look(job);
}

/* ---- back in the loop ---- */

static void free_job(job_t *job)
{
    for (size_t i = 0; i < job->watched_count; i++)
        free(job->watched[i]);
    free(job->watched);
    mlx_value_destroy(&job->args);
    mlx_value_destroy(&job->report);
    mlx_value_destroy(&job->status);
    free(job);
}

static void end_job(job_t *job)
{
    mlx_cached_t *self = job->owner;
    if (job->status) {
        self->options.status(self->options.arg, job->status);
        if (self->watch)
            mlx_watch_dirs_set(self->watch, job->watched, job->watched_count);
    }
    bool refresh = strcmp(job->cmd, "cache.refresh") == 0;
    const mlx_value_t *answer = refresh ? job->status : job->report;
    if (job->fn)
        job->fn(job->arg, job->error.code ? NULL : answer, &job->error);
    else if (job->error.code)
        self->options.problem(self->options.arg, &job->error);
    free_job(job);
}

static void append(job_t **list, job_t *job)
{
    while (*list)
        list = &(*list)->next;
    *list = job;
}

static void on_told(void *arg)
{
    mlx_cached_t *self = arg;
    pthread_mutex_lock(&self->lock);
    self->woken = false;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *progress = self->events;
    self->events = mlx_value_list();
    job_t *ended = self->ended;
    self->ended = NULL;
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < mlx_value_size(progress); i++)
        self->options.progress(self->options.arg, mlx_value_at(progress, i));
    while (ended) {
        job_t *job = ended;
        ended = job->next;
        end_job(job);
    }
}

static void *work(void *arg)
{
    mlx_cached_t *self = arg;
    pthread_mutex_lock(&self->lock);
    while (!self->ending) {
        job_t *job = self->queue;
        if (!job) {
            pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        self->queue = job->next;
        job->next = NULL;
        self->running = job;
        if (!job->fn)
            self->refreshing = false;
        pthread_mutex_unlock(&self->lock);
        run_job(job);
        pthread_mutex_lock(&self->lock);
        self->running = NULL;
        append(&self->ended, job);
        tell_loop(self);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void enqueue(mlx_cached_t *self, job_t *job)
{
    pthread_mutex_lock(&self->lock);
    append(&self->queue, job);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static job_t *new_job(mlx_cached_t *self, const char *cmd, const mlx_value_t *args)
{
    job_t *job = mlx_alloc(1, sizeof *job);
    job->owner = self;
    job->cmd = cmd;
    job->args = mlx_value_copy(args);
    return job;
}

/*  One refresh on the way is enough for any number of reasons. */
static void refresh(mlx_cached_t *self)
{
    pthread_mutex_lock(&self->lock);
    bool queued = self->refreshing;
    self->refreshing = true;
    pthread_mutex_unlock(&self->lock);
    if (!queued)
        enqueue(self, new_job(self, "cache.refresh", NULL));
}

static void on_look(void *arg)
{
    refresh(arg);
}

static void on_settled(void *arg)
{
    mlx_cached_t *self = arg;
    self->settling = NULL;
    refresh(self);
}

/*  Downloads and copies change a folder many times: wait until it has settled. */
static void on_change(void *arg, int fd, unsigned events)
{
    mlx_cached_t *self = arg;
    (void)fd;
    (void)events;
    if (!mlx_watch_dirs_drain(self->watch))
        return;
    if (self->settling)
        mlx_loop_cancel(self->options.loop, &self->settling);
    int64_t wait = self->options.settle_ms ? self->options.settle_ms : SETTLE_MS;
    self->settling = mlx_loop_after(self->options.loop, wait, on_settled, self);
}

static void free_jobs(job_t *list)
{
    while (list) {
        job_t *job = list;
        list = job->next;
        free_job(job);
    }
}

/*  All but the thread and what is registered with the loop. */
static void release(mlx_cached_t *self)
{
    free_jobs(self->queue);
    free_jobs(self->ended);
    mlx_value_destroy(&self->events);
    mlx_watch_dirs_destroy(&self->watch);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->home);
    free(self);
}

mlx_cached_t *mlx_cached_new(const mlx_cached_options_t *options, mlx_error_t *err)
{
    mlx_cached_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->home = mlx_strdup(options->home);
    self->events = mlx_value_list();
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    int failed = pthread_create(&self->thread, NULL, work, self);
    if (failed) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot start a thread: %s", strerror(failed));
        release(self);
        return NULL;
    }
    self->watch = options->watch ? mlx_watch_dirs_new() : NULL;
    if (self->watch)
        self->watching = mlx_loop_watch(options->loop, mlx_watch_dirs_fd(self->watch), MLX_READ,
                                        on_change, self);
    self->looking =
        mlx_loop_every(options->loop, options->look_ms ? options->look_ms : LOOK_MS, on_look, self);
    refresh(self);
    return self;
}

void mlx_cached_destroy(mlx_cached_t **self)
{
    mlx_cached_t *cached = *self;
    *self = NULL;
    if (!cached)
        return;
    pthread_mutex_lock(&cached->lock);
    cached->ending = true;
    if (cached->running)
        atomic_store(&cached->running->cancelled, true);
    pthread_cond_signal(&cached->changed);
    pthread_mutex_unlock(&cached->lock);
    pthread_join(cached->thread, NULL);
    mlx_loop_cancel(cached->options.loop, &cached->looking);
    if (cached->settling)
        mlx_loop_cancel(cached->options.loop, &cached->settling);
    if (cached->watching)
        mlx_loop_unwatch(cached->options.loop, &cached->watching);
    mlx_loop_unwake(cached->options.loop, cached);
    release(cached);
}

int mlx_cached_command(mlx_cached_t *self, const char *cmd, const mlx_value_t *args,
                       mlx_cached_fn fn, void *arg, mlx_error_t *err)
{
    size_t i = find_command(cmd);
    if (i == MLX_COUNT(commands))
        return mlx_error_set(err, MLX_ERR_USAGE, "the cache has no command %.60s", cmd);
    for (size_t n = 0; n < 2 && commands[i].needs[n]; n++)
        if (!mlx_value_str(args, commands[i].needs[n]))
            return mlx_error_set(err, MLX_ERR_USAGE, "%s needs \"%s\"", cmd, commands[i].needs[n]);
    job_t *job = new_job(self, commands[i].cmd, args);
    job->fn = fn;
    job->arg = arg;
    enqueue(self, job);
    return 0;
}

void mlx_cached_cancel(mlx_cached_t *self, void *arg)
{
    pthread_mutex_lock(&self->lock);
    if (self->running && self->running->arg == arg)
        atomic_store(&self->running->cancelled, true);
    for (job_t *job = self->queue; job; job = job->next)
        if (job->arg == arg)
            atomic_store(&job->cancelled, true);
    pthread_mutex_unlock(&self->lock);
}
