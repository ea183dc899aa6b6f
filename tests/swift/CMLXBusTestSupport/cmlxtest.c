#include "cmlxtest.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bus/bus.h"
#include "services/bus/broker.h"

struct cmlxtest_bus {
    pthread_t thread;
    char *run_dir;
    mlx_loop_t *loop;
    mlx_broker_t *broker;
    mlx_bus_t *bus;
    mlx_bus_t *cache; /* the service "cache" */
    mlx_request_t *endless;
    mlx_request_t *added; /* a download */
    int steps;            /* of it */
    mlx_timer_t *reporter;
    int cancels;

    /* one order at a time, from the test's thread to the loop's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool obeyed;
    int seen_cancels;

    int number;
    double utilization;
    int64_t next, count, per_second;
    mlx_timer_t *ticker;
};

enum {
    TICK_MS = 10
};

static void *run(void *arg)
{
    cmlxtest_bus_t *self = arg;
    mlx_loop_run(self->loop);
    return NULL;
}

static void obeyed(cmlxtest_bus_t *self)
{
    pthread_mutex_lock(&self->lock);
    self->obeyed = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void order(cmlxtest_bus_t *self, mlx_timer_fn fn)
{
    pthread_mutex_lock(&self->lock);
    self->obeyed = false;
    mlx_loop_wake(self->loop, fn, self);
    while (!self->obeyed)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static void serve(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    cmlxtest_bus_t *self = arg;
    const char *model = mlx_value_str(args, "model");
    mlx_error_t err = {0};
    if (strcmp(cmd, "bench.run") != 0 || !model) {
        mlx_error_set(&err, MLX_ERR_USAGE, "bencher: no model");
        mlx_error_hint(&err, "name one");
        mlx_request_error(&request, &err);
        return;
    }
    if (strcmp(model, "endless") == 0) {
        self->endless = request;
        return;
    }
    for (int prompt = 1; prompt <= 3; prompt++) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *progress = mlx_value_map();
        mlx_value_set_str(progress, "model", model);
        mlx_value_set_int(progress, "prompt", prompt);
        mlx_value_set_int(progress, "prompts", 3);
        mlx_request_progress(request, progress);
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    mlx_value_t *rate = mlx_value_map();
    mlx_value_set_str(result, "model", model);
    mlx_value_set_real(rate, "median", 42.5);
    mlx_value_set(result, "tokens_per_second", rate);
    mlx_request_done(&request, result);
}

static void report_download(cmlxtest_bus_t *self, const char *model, int done)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *progress = mlx_value_map();
    mlx_value_set_str(progress, "model", model);
    mlx_value_set_str(progress, "phase", "download");
    mlx_value_set_int(progress, "done", done);
    mlx_value_set_int(progress, "total", 100);
    mlx_bus_publish(self->cache, "cache.progress", progress);
}

/*  Some ticks for the reader to connect, then half, then all, then the end. */
static void go_on_downloading(cmlxtest_bus_t *self)
{
    self->steps++;
    if (self->steps == 20)
        report_download(self, "m:latest", 50);
    if (self->steps == 22)
        report_download(self, "another", 60);
    if (self->steps == 24)
        report_download(self, "m:latest", 100);
    if (self->steps == 26)
        mlx_request_done(&self->added, NULL);
}

static void report(void *arg)
{
    cmlxtest_bus_t *self = arg;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *progress = mlx_value_map();
    mlx_value_set_str(progress, "phase", "prompts");
    if (self->endless)
        mlx_request_progress(self->endless, progress);
    if (self->added)
        go_on_downloading(self);
}

/*  "small" fits, "large" does without another, and of the rest nothing is known. */
static void answer_fits(mlx_request_t *request, const char *model)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    bool is_small = model && strcmp(model, "small") == 0;
    mlx_value_set_str(result, "model", model ? model : "");
    if (is_small || (model && strcmp(model, "large") == 0))
        mlx_value_set_bool(result, "fits", is_small);
    if (!is_small) {
        mlx_value_t *others = mlx_value_list();
        mlx_value_append(others, mlx_value_new_str("other"));
        mlx_value_set(result, "fits_without", others);
    }
    mlx_request_done(&request, result);
}

static void serve_cache(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    cmlxtest_bus_t *self = arg;
    const char *model = mlx_value_str(args, "model");
    mlx_error_t err = {0};
    if (strcmp(cmd, "cache.fits") == 0) {
        answer_fits(request, model);
        return;
    }
    if (strcmp(cmd, "cache.add") != 0 || !model || strcmp(model, "absent") == 0) {
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "no hub has it");
        mlx_request_error(&request, &err);
        return;
    }
    self->steps = 0;
    self->added = request;
}

static void cancelled(void *arg, mlx_request_t *request)
{
    cmlxtest_bus_t *self = arg;
    mlx_error_t err = {0};
    self->cancels++;
    self->endless = self->added = NULL;
    mlx_error_set(&err, MLX_ERR_INTERRUPTED, "bencher: cancelled");
    mlx_request_error(&request, &err);
}

static void on_presence(void *arg, const char *service, bool up)
{
    (void)arg;
    (void)service;
    (void)up;
}

static void on_refused(void *arg, const char *kind, const char *text)
{
    (void)arg;
    mlx_panic("the broker refused something: %s: %s", kind, text);
}

static void start_broker(void *arg)
{
    cmlxtest_bus_t *self = arg;
    mlx_broker_options_t options = {.run_dir = self->run_dir,
                                    .host = "test",
                                    .boot = "0123456789abcdef",
                                    .retain_gone_ms = 3600000,
                                    .on_presence = on_presence,
                                    .on_refused = on_refused};
    mlx_error_t err = {0};
    self->broker = mlx_broker_new(self->loop, &options, &err);
    if (!self->broker)
        mlx_panic("no broker: %s", err.text);
    obeyed(self);
}

static void stop_broker(void *arg)
{
    cmlxtest_bus_t *self = arg;
    mlx_broker_destroy(&self->broker);
    obeyed(self);
}

cmlxtest_bus_t *cmlxtest_bus_new(const char *run_dir)
{
    cmlxtest_bus_t *self = mlx_alloc(1, sizeof *self);
    mlx_error_t err = {0};
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->run_dir = mlx_strdup(run_dir);
    self->loop = mlx_loop_new();
    start_broker(self);
    self->bus = mlx_bus_new(
        self->loop, &(mlx_bus_options_t){.run_dir = run_dir, .src = "bencher", .hwm = 100000},
        &err);
    if (!self->bus)
        mlx_panic("no client: %s", err.text);
    mlx_bus_serve(self->bus, serve, cancelled, self);
    self->cache =
        mlx_bus_new(self->loop, &(mlx_bus_options_t){.run_dir = run_dir, .src = "cache"}, &err);
    mlx_bus_serve(self->cache, serve_cache, cancelled, self);
    self->reporter = mlx_loop_every(self->loop, TICK_MS, report, self);
    if (pthread_create(&self->thread, NULL, run, self))
        mlx_panic("no thread");
    return self;
}

static void stop_loop(void *arg)
{
    cmlxtest_bus_t *self = arg;
    mlx_loop_stop(self->loop);
}

void cmlxtest_bus_free(cmlxtest_bus_t *self)
{
    mlx_loop_wake(self->loop, stop_loop, self);
    pthread_join(self->thread, NULL);
    mlx_loop_cancel(self->loop, &self->reporter);
    mlx_bus_destroy(&self->cache);
    mlx_bus_destroy(&self->bus);
    mlx_broker_destroy(&self->broker);
    mlx_loop_destroy(&self->loop);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->run_dir);
    free(self);
}

static void publish_gpu(void *arg)
{
    cmlxtest_bus_t *self = arg;
    char topic[32];
    snprintf(topic, sizeof topic, "sensor.gpu.%d", self->number);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "name", "Test GPU");
    mlx_value_set_real(d, "utilization", self->utilization);
    mlx_value_set_int(d, "memory_total", 8000000000);
    mlx_value_t *missing = mlx_value_set(d, "missing", mlx_value_list());
    mlx_value_t *note = mlx_value_append(missing, mlx_value_map());
    mlx_value_set_str(note, "field", "power");
    mlx_value_set_str(note, "why", "a test has none");
    mlx_value_set_real(d, "fan", 0.5); /* as it was 31 s ago: nobody shows it as the present */
    mlx_value_set_real(d, "temperature", 61);
    static const struct {
        const char *field;
        double age;
    } old[] = {{"fan", 31}, {"temperature", 3}};
    mlx_value_t *held = mlx_value_set(d, "held", mlx_value_list());
    for (size_t i = 0; i < MLX_COUNT(old); i++) {
        note = mlx_value_append(held, mlx_value_map());
        mlx_value_set_str(note, "field", old[i].field);
        mlx_value_set_real(note, "age", old[i].age);
    }
    mlx_value_t *throttle = mlx_value_set(d, "throttle", mlx_value_list());
    mlx_value_append(throttle, mlx_value_new_str("thermal"));
    mlx_bus_publish(self->bus, topic, d);
    obeyed(self);
}

void cmlxtest_publish_gpu(cmlxtest_bus_t *self, int number, double utilization)
{
    self->number = number;
    self->utilization = utilization;
    order(self, publish_gpu);
}

static void publish_some(void *arg)
{
    cmlxtest_bus_t *self = arg;
    int64_t batch = self->per_second ? self->per_second * TICK_MS / 1000 : 200;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    for (int64_t i = 0; i < batch && self->next <= self->count; i++) {
        mlx_value_set_int(d, "used", self->next++);
        mlx_bus_publish(self->bus, "sensor.memory", d);
    }
    if (self->next > self->count) {
        mlx_loop_cancel(self->loop, &self->ticker);
        obeyed(self);
    }
}

static void start_publishing(void *arg)
{
    cmlxtest_bus_t *self = arg;
    self->ticker = mlx_loop_every(self->loop, self->per_second ? TICK_MS : 1, publish_some, self);
}

void cmlxtest_publish_memory(cmlxtest_bus_t *self, int64_t count, int64_t per_second)
{
    self->next = 1;
    self->count = count;
    self->per_second = per_second;
    order(self, start_publishing);
}

void cmlxtest_stop_broker(cmlxtest_bus_t *self)
{
    order(self, stop_broker);
}

void cmlxtest_start_broker(cmlxtest_bus_t *self)
{
    order(self, start_broker);
}

static void count_cancels(void *arg)
{
    cmlxtest_bus_t *self = arg;
    self->seen_cancels = self->cancels;
    obeyed(self);
}

int cmlxtest_cancels(cmlxtest_bus_t *self)
{
    order(self, count_cancels);
    return self->seen_cancels;
}

/*  A sanitizer's own bookkeeping grows with every access: nothing to learn from it. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

int64_t cmlxtest_resident_bytes(void)
{
#ifdef SANITIZED
    return 0;
#else
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen("/proc/self/statm", "r");
    long long pages = 0;
    if (!file || fscanf(file, "%*s %lld", &pages) != 1)
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
#endif
}

int cmlxtest_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}
