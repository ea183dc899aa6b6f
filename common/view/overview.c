#include "common/view/overview.h"

#include "common/base/held.h"
#include "common/view/details.h"
#include "common/view/figures.h"
#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"
#include "common/view/room.h"
#include "proto/catalogue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    EACH_MAX = 256, /* hosts */
    OVERHEAD = 512  /* bytes of a message beside its data: names, and the entry */
};

/*  Sources that have been silent for this long are forgotten, provided that others are heard: when
 *  nobody is, it is the bus that is gone. */
static const int64_t GONE_US = 60000000, SWEEP_US = 5000000;

static const mlx_room_limits_t limits = {.count = 16384, .bytes = 32 << 20};

typedef struct {
    mlx_message_t message; /* first: mlx_overview_pace gets its address */
    int64_t t;             /* when it was made, as far as that can be believed */
    int64_t pace_us;
    int64_t heard_us;
    size_t bytes;
} entry_t;

struct mlx_overview {
    char *host;
    entry_t *entries; /* in order of topic, then host */
    size_t count;
    size_t bytes;
    int64_t swept_us;
};

mlx_overview_t *mlx_overview_new(const char *host)
{
    mlx_overview_t *self = mlx_alloc(1, sizeof *self);
    self->host = mlx_strdup(host);
    self->entries = mlx_grow(NULL, 0, sizeof *self->entries);
    return self;
}

void mlx_overview_destroy(mlx_overview_t **self_p)
{
    mlx_overview_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        mlx_message_clear(&self->entries[i].message);
    free(self->entries);
    free(self->host);
    free(self);
}

static int compare(const entry_t *entry, const char *topic, const char *host)
{
    int order = strcmp(entry->message.topic, topic);
    return order ? order : strcmp(entry->message.host, host);
}

/*  Index of the first message not before (topic, host). */
static size_t lower_bound(const mlx_overview_t *self, const char *topic, const char *host)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&self->entries[middle], topic, host) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static mlx_message_t copy_of(const mlx_message_t *message)
{
    mlx_value_t *d = mlx_value_copy(message->d);
    mlx_held_drop_stale(d);
    return (mlx_message_t){.topic = mlx_strdup(message->topic),
                           .host = mlx_strdup(message->host),
                           .src = mlx_strdup(message->src),
                           .boot = mlx_strdup(message->boot),
                           .seq = message->seq,
                           .t = message->t,
                           .d = d};
}

/*  Seconds between messages of one source run; 0 when there is no telling. */
static int64_t pace_of(const entry_t *before, const mlx_message_t *message, int64_t t)
{
    bool same = strcmp(before->message.boot, message->boot) == 0 && t > before->t;
    return same ? t - before->t : 0;
}

/*  A place for the first message of its topic and host. */
static entry_t *make_place(mlx_overview_t *self, size_t at)
{
    self->entries = mlx_grow(self->entries, self->count, sizeof *self->entries);
    memmove(&self->entries[at + 1], &self->entries[at], (self->count - at) * sizeof *self->entries);
    self->count++;
    return &self->entries[at];
}

/*  Drop what must go: for want of room, or with sources silent since BEFORE_US. */
static void drop(mlx_overview_t *self, const int64_t *before_us)
{
    MLX_CLEANUP(mlx_free_p) mlx_room_item_t *items = mlx_alloc(self->count + 1, sizeof *items);
    MLX_CLEANUP(mlx_free_p) bool *go = mlx_alloc(self->count + 1, sizeof *go);
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        const entry_t *entry = &self->entries[i];
        items[i] = (mlx_room_item_t){.index = i,
                                     .host = entry->message.host,
                                     .src = entry->message.src,
                                     .boot = entry->message.boot,
                                     .bytes = entry->bytes,
                                     .heard_us = entry->heard_us};
    }
    if (before_us)
        mlx_room_gone(items, self->count, *before_us);
    else
        mlx_room_choose(items, self->count, &limits);
    for (size_t i = 0; i < self->count; i++)
        go[items[i].index] = items[i].go;
    for (size_t i = 0; i < self->count; i++) {
        if (!go[i]) {
            self->entries[kept++] = self->entries[i];
            continue;
        }
        self->bytes -= self->entries[i].bytes;
        mlx_message_clear(&self->entries[i].message);
    }
    self->count = kept;
}

static void tidy(mlx_overview_t *self, int64_t heard_us)
{
    if (self->count > limits.count || self->bytes > limits.bytes)
        drop(self, NULL);
    if (heard_us == INT64_MAX || heard_us - self->swept_us < SWEEP_US)
        return;
    int64_t before_us = heard_us - GONE_US, since_us = heard_us - self->swept_us;
    /* After a silence of all, time for them to be heard again. */
    if (self->swept_us && since_us < 2 * SWEEP_US)
        drop(self, &before_us);
    self->swept_us = heard_us;
}

void mlx_overview_hear(mlx_overview_t *self, const mlx_message_t *message, int64_t heard_us)
{
    if (!self->host)
        self->host = mlx_strdup(message->host);
    size_t at = lower_bound(self, message->topic, message->host);
    int64_t t = message->t < 0 ? 0 : message->t > heard_us ? heard_us : message->t, pace = 0;
    entry_t *entry = &self->entries[at];
    if (at < self->count && compare(entry, message->topic, message->host) == 0) {
        pace = pace_of(entry, message, t);
        self->bytes -= entry->bytes;
        mlx_message_clear(&entry->message);
    } else {
        entry = make_place(self, at);
    }
    *entry = (entry_t){.message = copy_of(message), .t = t, .pace_us = pace, .heard_us = heard_us};
    entry->bytes = mlx_value_footprint(entry->message.d) + OVERHEAD;
    self->bytes += entry->bytes;
    tidy(self, heard_us);
}

void mlx_overview_put(mlx_overview_t *self, const mlx_message_t *message)
{
    mlx_overview_hear(self, message, INT64_MAX);
}

int64_t mlx_overview_pace(const mlx_overview_t *self, const mlx_message_t *message)
{
    (void)self;
    return ((const entry_t *)(const void *)message)->pace_us;
}

void mlx_overview_select(mlx_overview_t *self, const char *host)
{
    char *copy = mlx_strdup(host); /* HOST may be ours */
    free(self->host);
    self->host = copy;
}

size_t mlx_overview_hosts(const mlx_overview_t *self, const char **hosts, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const char *host = self->entries[i].message.host;
        size_t at = 0;
        while (at < count && strcmp(hosts[at], host) < 0)
            at++;
        if (count == max || (at < count && strcmp(hosts[at], host) == 0))
            continue;
        memmove(&hosts[at + 1], &hosts[at], (count - at) * sizeof *hosts);
        hosts[at] = host;
        count++;
    }
    return count;
}

void mlx_overview_each_host(mlx_overview_t *self, size_t max,
                            void (*fn)(mlx_overview_t *self, void *arg), void *arg)
{
    const char *hosts[EACH_MAX];
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_strdup(mlx_overview_host(self));
    size_t count = mlx_overview_hosts(self, hosts, max < EACH_MAX ? max : EACH_MAX);
    for (size_t i = 0; i < count; i++) {
        mlx_overview_select(self, hosts[i]);
        fn(self, arg);
    }
    mlx_overview_select(self, shown);
}

static int64_t age_of(const entry_t *entry, int64_t now_us)
{
    return now_us > entry->t ? now_us - entry->t : 0;
}

bool mlx_overview_stale(const char *topic, int64_t age_us)
{
    const mlx_topic_t *entry = mlx_catalogue_find(topic);
    bool event = entry && entry->retained && entry->period_s == 0;
    return !event && age_us > MLX_OVERVIEW_STALE_US;
}

const char *mlx_overview_host(const mlx_overview_t *self)
{
    return self->host;
}

const mlx_value_t *mlx_overview_get(const mlx_overview_t *self, const char *topic, int64_t now_us,
                                    int64_t *age_us)
{
    if (!self->host)
        return NULL;
    size_t at = lower_bound(self, topic, self->host);
    if (at >= self->count || compare(&self->entries[at], topic, self->host) != 0)
        return NULL;
    int64_t age = age_of(&self->entries[at], now_us);
    if (mlx_overview_stale(topic, age))
        return NULL;
    if (age_us)
        *age_us = age;
    return self->entries[at].message.d;
}

bool mlx_overview_has(const mlx_overview_t *self, const char *topic, const char *host)
{
    size_t at = lower_bound(self, topic, host);
    return at < self->count && compare(&self->entries[at], topic, host) == 0;
}

void mlx_overview_each(const mlx_overview_t *self, const char *prefix, int64_t now_us,
                       mlx_overview_fn fn, void *arg)
{
    size_t len = strlen(prefix);
    for (size_t at = lower_bound(self, prefix, "");
         at < self->count && strncmp(self->entries[at].message.topic, prefix, len) == 0; at++)
        fn(arg, &self->entries[at].message, age_of(&self->entries[at], now_us));
}

/*  The headline. */

static double sum(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

static double first_known(double a, double b)
{
    return isnan(a) ? b : a;
}

typedef struct {
    const mlx_overview_t *overview;
    mlx_headline_t *headline;
    int64_t now_us;
    int64_t newest_request;
    const char *loaded_model;
    double gpu_power;
    double gpu_temperature;
} gather_t;

static bool usable(const gather_t *gather, const mlx_message_t *message, int64_t age_us)
{
    return strcmp(message->host, gather->overview->host) == 0 && age_us <= MLX_OVERVIEW_STALE_US;
}

static void gather_models(gather_t *gather, const mlx_value_t *d)
{
    bool reachable = false;
    mlx_value_bool(d, "reachable", &reachable);
    gather->headline->runtimes_up += reachable;
    const mlx_value_t *models = mlx_value_get(d, "models");
    gather->headline->models_loaded += mlx_value_size(models);
    if (!gather->loaded_model)
        gather->loaded_model = mlx_value_str(mlx_value_at(models, 0), "name");
}

static void gather_activity(gather_t *gather, const mlx_value_t *d)
{
    mlx_headline_t *headline = gather->headline;
    bool busy = false;
    int64_t ended = 0;
    mlx_value_bool(d, "busy", &busy);
    if (busy) {
        headline->busy = true;
        headline->tokens_per_second = sum(headline->tokens_per_second, mlx_activity_rate(d));
        if (!headline->model)
            headline->model = mlx_value_str(d, "model");
        if (!headline->prompt && isnan(mlx_activity_rate(d)))
            headline->prompt = mlx_value_get(d, "running");
        if (!headline->source)
            headline->source = mlx_value_str(d, "source");
    }
    const mlx_value_t *last = mlx_value_get(d, "last");
    if (mlx_value_int(last, "t", &ended) && ended >= gather->newest_request) {
        gather->newest_request = ended;
        headline->last_tokens_per_second = mlx_value_real_or_nan(last, "tokens_per_second");
    }
}

static void gather_runtime(void *arg, const mlx_message_t *message, int64_t age_us)
{
    if (!usable(arg, message, age_us))
        return;
    if (mlx_ends_with(message->topic, ".models"))
        gather_models(arg, message->d);
    else if (mlx_ends_with(message->topic, ".activity"))
        gather_activity(arg, message->d);
}

static void gather_gpu(void *arg, const mlx_message_t *message, int64_t age_us)
{
    gather_t *gather = arg;
    mlx_headline_t *headline = gather->headline;
    if (!usable(gather, message, age_us))
        return;
    headline->gpu_utilization =
        fmax(headline->gpu_utilization, mlx_value_real_or_nan(message->d, "utilization"));
    headline->gpu_memory_used =
        sum(headline->gpu_memory_used, mlx_value_real_or_nan(message->d, "memory_used"));
    headline->gpu_memory_total =
        sum(headline->gpu_memory_total, mlx_value_real_or_nan(message->d, "memory_total"));
    gather->gpu_power = sum(gather->gpu_power, mlx_value_real_or_nan(message->d, "power"));
    gather->gpu_temperature =
        fmax(gather->gpu_temperature, mlx_value_real_or_nan(message->d, "temperature"));
}

static void gather_service(void *arg, const mlx_message_t *message, int64_t age_us)
{
    const gather_t *gather = arg;
    /* The broker goes on telling that a service is down; what nobody tells any more is no
     * service. */
    if (!usable(gather, message, age_us))
        return;
    const char *state = mlx_value_str(message->d, "state");
    bool up = state && strcmp(state, "up") == 0;
    *(up ? &gather->headline->services_up : &gather->headline->services_down) += 1;
}

static void gather_alert(void *arg, const mlx_message_t *message, int64_t age_us)
{
    const gather_t *gather = arg;
    const char *state = mlx_value_str(message->d, "state");
    (void)age_us;
    if (strcmp(message->host, gather->overview->host) == 0 && state &&
        strcmp(state, "firing") == 0 && !mlx_value_get(message->d, "silenced_until"))
        gather->headline->alerts++;
}

static void count_work(gather_t *gather)
{
    enum {
        WORK_MAX = 64
    };
    mlx_work_t work[WORK_MAX];
    mlx_headline_t *headline = gather->headline;
    size_t count = mlx_overview_work(gather->overview, gather->now_us, work, WORK_MAX);
    for (size_t i = 0; i < count; i++)
        headline->requests += work[i].requests;
    headline->models_busy = count;
    if (count)
        headline->model = work[0].model ? work[0].model : headline->model;
}

static void gather_machine(gather_t *gather, int64_t now_us)
{
    const mlx_overview_t *self = gather->overview;
    mlx_headline_t *headline = gather->headline;
    const mlx_value_t *memory = mlx_overview_get(self, "sensor.memory", now_us, NULL);
    const mlx_value_t *cpu = mlx_overview_get(self, "sensor.cpu", now_us, NULL);
    const mlx_value_t *heat = mlx_overview_get(self, "sensor.temperature", now_us, NULL);
    const mlx_value_t *power = mlx_overview_get(self, "sensor.power", now_us, NULL);
    const mlx_value_t *cache = mlx_overview_get(self, "cache.status", now_us, NULL);
    headline->memory_used = mlx_value_real_or_nan(memory, "used");
    headline->memory_total = mlx_value_real_or_nan(memory, "total");
    headline->cpu_utilization = mlx_value_real_or_nan(cpu, "utilization");
    headline->temperature = first_known(
        gather->gpu_temperature, first_known(mlx_value_real_or_nan(heat, "gpu"),
                                             first_known(mlx_value_real_or_nan(heat, "cpu"),
                                                         mlx_value_real_or_nan(heat, "max"))));
    headline->power = first_known(mlx_value_real_or_nan(power, "total"),
                                  sum(gather->gpu_power, mlx_value_real_or_nan(power, "package")));
    headline->cache_bytes = mlx_value_real_or_nan(cache, "bytes");
    headline->cache_saved = mlx_value_real_or_nan(cache, "saved");
    headline->cache_models = mlx_value_real_or_nan(cache, "models_count");
}

mlx_headline_t mlx_overview_headline(const mlx_overview_t *self, int64_t now_us)
{
    mlx_headline_t headline = {.tokens_per_second = NAN,
                               .last_tokens_per_second = NAN,
                               .memory_used = NAN,
                               .memory_total = NAN,
                               .gpu_utilization = NAN,
                               .gpu_memory_used = NAN,
                               .gpu_memory_total = NAN,
                               .cpu_utilization = NAN,
                               .temperature = NAN,
                               .power = NAN,
                               .cache_bytes = NAN,
                               .cache_saved = NAN,
                               .cache_models = NAN};
    if (!self->host)
        return headline;
    gather_t gather = {.overview = self,
                       .headline = &headline,
                       .now_us = now_us,
                       .gpu_power = NAN,
                       .gpu_temperature = NAN};
    mlx_overview_each(self, "runtime.", now_us, gather_runtime, &gather);
    mlx_overview_each(self, "sensor.gpu.", now_us, gather_gpu, &gather);
    mlx_overview_each(self, "service.", now_us, gather_service, &gather);
    mlx_overview_each(self, "alert.", now_us, gather_alert, &gather);
    mlx_lateness_t late = mlx_overview_lateness(self, now_us);
    headline.sensors_late = late.sensors;
    headline.runtimes_late = late.runtimes;
    gather_machine(&gather, now_us);
    count_work(&gather);
    if (!headline.model)
        headline.model = gather.loaded_model;
    return headline;
}

mlx_value_t *mlx_overview_headline_value(const mlx_overview_t *self, int64_t now_us)
{
    mlx_headline_t now = mlx_overview_headline(self, now_us);
    mlx_value_t *headline = mlx_value_map();
    mlx_value_set_str(headline, "model", now.model);
    mlx_value_set_int(headline, "models_loaded", (int64_t)now.models_loaded);
    mlx_value_set_int(headline, "models_busy", (int64_t)now.models_busy);
    mlx_value_set_int(headline, "requests", (int64_t)now.requests);
    mlx_value_set(headline, "work", mlx_overview_work_value(self, now_us));
    mlx_value_set_bool(headline, "busy", now.busy);
    mlx_value_set_real(headline, "tokens_per_second", now.tokens_per_second);
    mlx_value_set_real(headline, "last_tokens_per_second", now.last_tokens_per_second);
    MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words_of(now.prompt, NULL);
    mlx_value_set_str(headline, "prompt", prompt);
    mlx_value_set_str(headline, "source", now.source);
    mlx_value_set_real(headline, "memory_used", now.memory_used);
    mlx_value_set_real(headline, "memory_total", now.memory_total);
    mlx_value_set_real(headline, "gpu_utilization", now.gpu_utilization);
    mlx_value_set_real(headline, "gpu_memory_used", now.gpu_memory_used);
    mlx_value_set_real(headline, "gpu_memory_total", now.gpu_memory_total);
    mlx_value_set_real(headline, "cpu_utilization", now.cpu_utilization);
    mlx_value_set_real(headline, "temperature", now.temperature);
    mlx_value_set_real(headline, "power", now.power);
    mlx_value_set_real(headline, "cache_bytes", now.cache_bytes);
    mlx_value_set_real(headline, "cache_saved", now.cache_saved);
    mlx_value_set_int(headline, "services_up", (int64_t)now.services_up);
    mlx_value_set_int(headline, "services_down", (int64_t)now.services_down);
    mlx_value_set_int(headline, "alerts", (int64_t)now.alerts);
    mlx_value_set(headline, "warnings", mlx_overview_warnings(self, now_us));
    mlx_value_set(headline, "figures", mlx_figures_value(self, now_us));
    mlx_value_set(headline, "details", mlx_details(self, now_us));
    mlx_value_set(headline, "connection", mlx_overview_connection_value(self, now_us));
    return headline;
}

static void add_message(void *arg, const mlx_message_t *message, int64_t age_us)
{
    (void)age_us;
    mlx_value_append(arg, mlx_message_value(message));
}

mlx_value_t *mlx_overview_value(const mlx_overview_t *self, int64_t now_us)
{
    mlx_value_t *all = mlx_value_map();
    mlx_value_set_str(all, "host", self->host);
    mlx_value_set_int(all, "t", now_us);
    mlx_value_set(all, "headline", mlx_overview_headline_value(self, now_us));
    mlx_value_t *messages = mlx_value_set(all, "messages", mlx_value_list());
    mlx_overview_each(self, "", now_us, add_message, messages);
    return all;
}
