#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmlxbus.h"
#include "common/base/paths.h"
#include "common/bus/bus.h"
#include "message.h"

/*  A thread with a loop and a client. The loop outlives the thread's run: whoever closes the worker
 *  only wakes it, and it takes itself down, so that closing is safe from inside a handler too. */
typedef struct worker {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    cmlx_end_fn end;
    void *arg;
    void (*start)(void *owner);
    void (*stop)(void *owner);
    void *owner; /* the feed or call that this is part of */
    struct worker *next, *prev;
} worker_t;

/*  The workers that run. czmq writes a line about each socket that a process leaves open at its
 *  end, so all are ended before it looks; nobody touches one after that. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t fewer;
    worker_t *first;
    size_t alive;
    bool exiting;
} workers = {.lock = PTHREAD_MUTEX_INITIALIZER, .fewer = PTHREAD_COND_INITIALIZER};

/*  One prefix that a feed listens to. */
typedef struct interest {
    struct cmlx_feed *feed;
    char *prefix;
    bool begun;   /* subscribed, in the feed's thread */
    bool covered; /* by a wider one that came later, which delivers the same messages */
    struct interest *next;
} interest_t;

struct cmlx_feed {
    worker_t worker;
    interest_t *interests; /* under the workers' lock; only ever grows */
    cmlx_message_fn fn;
};

struct cmlx_call {
    worker_t worker;
    char *service;
    char *command;
    mlx_value_t *args;
    int64_t timeout_ms;
    cmlx_reply_fn fn;
    mlx_call_t *call; /* NULL: over */
    mlx_timer_t *patience;
    bool closing;
};

enum {
    CANCEL_PATIENCE_MS = 1000, /* for the service to hear that nobody waits any more */
    EXIT_PATIENCE_S = 2        /* for the workers' sockets to close at the end of the process */
};

static void copy_error(cmlx_error_t *to, const mlx_error_t *from)
{
    if (!to)
        return;
    to->code = (int)from->code;
    memcpy(to->text, from->text, sizeof to->text);
    memcpy(to->hint, from->hint, sizeof to->hint);
}

const char *cmlx_error_name(int code)
{
    return mlx_error_name((mlx_code_t)code);
}

char *cmlx_run_dir(cmlx_error_t *err)
{
    mlx_error_t problem = {0};
    char *dir = mlx_paths_run_dir(NULL, &problem);
    if (!dir)
        copy_error(err, &problem);
    return dir;
}

/*  Take SELF off the list: from now on the end of the process does not wake its loop. */
static void leave_list(worker_t *self)
{
    pthread_mutex_lock(&workers.lock);
    if (self->prev)
        self->prev->next = self->next;
    else
        workers.first = self->next;
    if (self->next)
        self->next->prev = self->prev;
    pthread_mutex_unlock(&workers.lock);
}

static void count_down(void)
{
    pthread_mutex_lock(&workers.lock);
    workers.alive--;
    pthread_cond_broadcast(&workers.fewer);
    pthread_mutex_unlock(&workers.lock);
}

static void *run(void *arg)
{
    worker_t *self = arg;
    self->start(self->owner);
    mlx_loop_run(self->loop);
    leave_list(self);
    mlx_bus_destroy(&self->bus);
    mlx_loop_destroy(&self->loop);
    count_down();
    self->end(self->arg);
    self->stop(self->owner);
    return NULL;
}

static void end_loop(void *arg)
{
    mlx_loop_stop(arg);
}

/*  The process ends: close what is open, within EXIT_PATIENCE_S. */
static void end_all(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += EXIT_PATIENCE_S;
    pthread_mutex_lock(&workers.lock);
    workers.exiting = true;
    for (worker_t *one = workers.first; one; one = one->next)
        mlx_loop_wake(one->loop, end_loop, one->loop);
    while (workers.alive > 0 &&
           pthread_cond_timedwait(&workers.fewer, &workers.lock, &deadline) == 0)
        continue;
    pthread_mutex_unlock(&workers.lock);
}

/*  czmq's own end is registered with the first loop; what is registered later comes before it. */
static void watch_exit(void)
{
    atexit(end_all);
}

/*  Put SELF on the list; false once the process ends. */
static bool join_list(worker_t *self)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_exit);
    pthread_mutex_lock(&workers.lock);
    bool may = !workers.exiting;
    if (may) {
        self->next = workers.first;
        if (self->next)
            self->next->prev = self;
        workers.first = self;
        workers.alive++;
    }
    pthread_mutex_unlock(&workers.lock);
    return may;
}

/*  Have FN called with ARG in the worker's thread, unless the process ends and does so itself. */
static void wake(worker_t *self, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&workers.lock);
    if (!workers.exiting)
        mlx_loop_wake(self->loop, fn, arg);
    pthread_mutex_unlock(&workers.lock);
}

static bool start_thread(worker_t *self)
{
    if (!join_list(self))
        return false;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    int failed = pthread_create(&thread, &attributes, run, self);
    pthread_attr_destroy(&attributes);
    if (failed) {
        leave_list(self);
        count_down();
    }
    return !failed;
}

/*  0, or -1 with ERR and nothing kept. The owner may be gone as soon as this returns 0. */
static int start_worker(worker_t *self, const char *run_dir, cmlx_error_t *err)
{
    mlx_error_t problem = {0};
    self->loop = mlx_loop_new();
    self->bus = mlx_bus_new(self->loop, &(mlx_bus_options_t){.run_dir = run_dir}, &problem);
    if (self->bus && start_thread(self))
        return 0;
    if (self->bus)
        mlx_error_set(&problem, MLX_ERR_FAILED, "cannot start a thread for the bus");
    mlx_bus_destroy(&self->bus);
    mlx_loop_destroy(&self->loop);
    copy_error(err, &problem);
    return -1;
}

/*  Feeds. */

static void on_message(void *arg, const mlx_message_t *message)
{
    const interest_t *self = arg;
    if (!self->covered)
        self->feed->fn(self->feed->worker.arg, cmlx_message_copy(message));
}

/*  An interest that nobody has begun with, or NULL; what it covers is silent from now on. */
static interest_t *next_interest(const cmlx_feed_t *self)
{
    pthread_mutex_lock(&workers.lock);
    interest_t *found = self->interests;
    while (found && found->begun)
        found = found->next;
    for (interest_t *one = self->interests; found && one; one = one->next)
        if (one->begun && strncmp(one->prefix, found->prefix, strlen(found->prefix)) == 0)
            one->covered = true;
    if (found)
        found->begun = true;
    pthread_mutex_unlock(&workers.lock);
    return found;
}

static void start_feed(void *owner)
{
    const cmlx_feed_t *self = owner;
    for (interest_t *one = next_interest(self); one; one = next_interest(self))
        mlx_bus_subscribe(self->worker.bus, one->prefix, on_message, one);
}

static void free_feed(void *owner)
{
    cmlx_feed_t *self = owner;
    while (self->interests) {
        interest_t *first = self->interests;
        self->interests = first->next;
        free(first->prefix);
        free(first);
    }
    free(self);
}

static void add_interest(cmlx_feed_t *self, const char *prefix)
{
    interest_t *interest = mlx_alloc(1, sizeof *interest);
    interest->feed = self;
    interest->prefix = mlx_strdup(prefix);
    pthread_mutex_lock(&workers.lock);
    interest->next = self->interests;
    self->interests = interest;
    pthread_mutex_unlock(&workers.lock);
}

cmlx_feed_t *cmlx_feed_open(const char *run_dir, const char *prefix, cmlx_message_fn fn,
                            cmlx_end_fn end, void *arg, cmlx_error_t *err)
{
    cmlx_feed_t *self = mlx_alloc(1, sizeof *self);
    self->fn = fn;
    self->worker =
        (worker_t){.end = end, .arg = arg, .start = start_feed, .stop = free_feed, .owner = self};
    add_interest(self, prefix);
    if (start_worker(&self->worker, run_dir, err)) {
        free_feed(self);
        return NULL;
    }
    return self;
}

void cmlx_feed_add(cmlx_feed_t *self, const char *prefix)
{
    add_interest(self, prefix);
    wake(&self->worker, start_feed, self);
}

void cmlx_feed_close(cmlx_feed_t *self)
{
    wake(&self->worker, end_loop, self->worker.loop);
}

/*  Calls. */

static void on_reply(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    static const cmlx_reply_t kinds[] = {[MLX_REPLY_PROGRESS] = CMLX_PROGRESS,
                                         [MLX_REPLY_DONE] = CMLX_DONE,
                                         [MLX_REPLY_ERROR] = CMLX_ERROR};
    cmlx_call_t *self = arg;
    cmlx_error_t problem = {0};
    if (kind == MLX_REPLY_ERROR)
        copy_error(&problem, err);
    if (kind != MLX_REPLY_PROGRESS)
        self->call = NULL;
    self->fn(self->worker.arg, kinds[kind], value, &problem);
    if (self->closing && !self->call)
        mlx_loop_stop(self->worker.loop);
}

static void start_call(void *owner)
{
    cmlx_call_t *self = owner;
    self->call = mlx_bus_call(self->worker.bus, self->service, self->command, self->args,
                              self->timeout_ms, on_reply, self);
}

static void free_call(void *owner)
{
    cmlx_call_t *self = owner;
    mlx_value_destroy(&self->args);
    free(self->service);
    free(self->command);
    free(self);
}

static void cancel(void *arg)
{
    cmlx_call_t *self = arg;
    self->closing = true;
    if (!self->call) {
        mlx_loop_stop(self->worker.loop);
        return;
    }
    mlx_bus_cancel(self->worker.bus, self->call);
    self->patience =
        mlx_loop_after(self->worker.loop, CANCEL_PATIENCE_MS, end_loop, self->worker.loop);
}

cmlx_call_t *cmlx_call_open(const char *run_dir, const char *service, const char *command,
                            const cmlx_node_t *args, int64_t timeout_ms, cmlx_reply_fn fn,
                            cmlx_end_fn end, void *arg, cmlx_error_t *err)
{
    cmlx_call_t *self = mlx_alloc(1, sizeof *self);
    self->service = mlx_strdup(service);
    self->command = mlx_strdup(command);
    self->args = mlx_value_copy(args);
    self->timeout_ms = timeout_ms;
    self->fn = fn;
    self->worker =
        (worker_t){.end = end, .arg = arg, .start = start_call, .stop = free_call, .owner = self};
    if (start_worker(&self->worker, run_dir, err)) {
        free_call(self);
        return NULL;
    }
    return self;
}

void cmlx_call_close(cmlx_call_t *self)
{
    wake(&self->worker, cancel, self);
}
