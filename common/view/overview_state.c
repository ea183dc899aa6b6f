#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "proto/buf.h"

enum {
    SOURCES_MAX = 64,
    NAMES_SHOWN = 3,
    FORGET_US = 60 * 1000000, /* a program that is not a service and went silent has ended */
    MODELS_MAX = 64
};

static const double MEMORY_NEARLY_FULL = 0.95;

/*  Who speaks. */

typedef struct {
    const char *host;
    const char *src;
    int64_t age_us;  /* of what it said last */
    int64_t pace_us; /* of its most frequent topic; 0: unknown */
    bool service;    /* has a health */
} source_t;

/*  The sources of one host, and what is known of all others together: a fleet has many hundreds. */
typedef struct {
    const mlx_overview_t *overview;
    const char *host;
    source_t sources[SOURCES_MAX];
    size_t count;
    source_t elsewhere; /* its age is that of the newest; without a host: there are none */
} sources_t;

static source_t *source_of(sources_t *self, const mlx_message_t *message)
{
    if (!self->host || strcmp(self->host, message->host) != 0) {
        if (!self->elsewhere.host)
            self->elsewhere = (source_t){.host = message->host, .age_us = INT64_MAX};
        return &self->elsewhere;
    }
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->sources[i].src, message->src) == 0)
            return &self->sources[i];
    if (self->count == SOURCES_MAX)
        return NULL;
    source_t *source = &self->sources[self->count++];
    *source = (source_t){.host = message->host, .src = message->src, .age_us = INT64_MAX};
    return source;
}

/*  Length of the name in service.<name>.health. */
static size_t name_length(const char *topic)
{
    return strcspn(topic + strlen("service."), ".");
}

static bool is_own_health(const mlx_message_t *message)
{
    if (!mlx_starts_with(message->topic, "service."))
        return false;
    size_t len = name_length(message->topic);
    return strlen(message->src) == len &&
           strncmp(message->topic + strlen("service."), message->src, len) == 0;
}

/*  What is published for others to follow. Progress and results come when they come. */
static bool is_regular(const mlx_message_t *message)
{
    return mlx_starts_with(message->topic, "sensor.") ||
           mlx_starts_with(message->topic, "runtime.");
}

static void see_source(void *arg, const mlx_message_t *message, int64_t age_us)
{
    sources_t *self = arg;
    bool health = is_own_health(message);
    source_t *source = health || is_regular(message) ? source_of(self, message) : NULL;
    if (!source)
        return;
    int64_t pace = mlx_overview_pace(self->overview, message);
    if (age_us < source->age_us)
        source->age_us = age_us;
    if (pace > 0 && (source->pace_us == 0 || pace < source->pace_us))
        source->pace_us = pace;
    source->service = source->service || health;
}

static void look_at_sources(sources_t *self, const mlx_overview_t *overview, const char *host,
                            int64_t now_us)
{
    *self = (sources_t){.overview = overview, .host = host};
    mlx_overview_each(overview, "", now_us, see_source, self);
}

static bool is_silent(const source_t *source)
{
    if (source->service)
        return source->age_us > MLX_OVERVIEW_SILENT_US;
    int64_t limit = source->pace_us ? 2 * source->pace_us : MLX_OVERVIEW_STALE_US;
    if (limit < MLX_OVERVIEW_SILENT_US)
        limit = MLX_OVERVIEW_SILENT_US;
    return source->age_us > (limit < MLX_OVERVIEW_STALE_US ? limit : MLX_OVERVIEW_STALE_US);
}

bool mlx_overview_late(const mlx_overview_t *self, const mlx_message_t *message, int64_t now_us)
{
    sources_t sources;
    look_at_sources(&sources, self, message->host, now_us);
    const source_t *source = source_of(&sources, message);
    return source && is_silent(source);
}

typedef struct {
    sources_t sources;
    mlx_lateness_t late;
} lateness_t;

static void see_late(void *arg, const mlx_message_t *message, int64_t age_us)
{
    lateness_t *self = arg;
    const char *host = mlx_overview_host(self->sources.overview);
    if (!host || strcmp(host, message->host) != 0 || !is_regular(message) ||
        mlx_overview_stale(message->topic, age_us))
        return;
    const source_t *source = source_of(&self->sources, message);
    bool *late =
        mlx_starts_with(message->topic, "sensor.") ? &self->late.sensors : &self->late.runtimes;
    *late = *late || (source && is_silent(source));
}

mlx_lateness_t mlx_overview_lateness(const mlx_overview_t *self, int64_t now_us)
{
    lateness_t lateness = {.late = {0}};
    look_at_sources(&lateness.sources, self, mlx_overview_host(self), now_us);
    mlx_overview_each(self, "", now_us, see_late, &lateness);
    return lateness.late;
}

/*  The connection. */

static mlx_connection_t lost(int64_t age_us, const char *who, const char *why)
{
    mlx_connection_t link = {.state = MLX_LINK_LOST, .seconds = (double)age_us / 1e6};
    double whole = floor(link.seconds);
    MLX_CLEANUP(mlx_free_p)
    char *age = whole < 60 ? mlx_format("%.0f s", whole) : mlx_format_unit(whole, MLX_UNIT_SECONDS);
    snprintf(link.text, sizeof link.text, "no data%s%s for %s%s%s", who ? " from " : "",
             who ? who : "", age, why ? ": " : "", why ? why : "");
    return link;
}

/*  Everything comes through the broker of the machine that looks: it is gone when nobody is heard,
 *  though some service should be. NULL: it is not, or there is no telling. */
static const source_t *silent_bus(const sources_t *self)
{
    const source_t *newest = self->elsewhere.host ? &self->elsewhere : NULL;
    bool services = self->elsewhere.service;
    for (size_t i = 0; i < self->count; i++) {
        const source_t *source = &self->sources[i];
        services = services || source->service;
        if (!newest || source->age_us < newest->age_us)
            newest = source;
    }
    bool quiet = newest && (services ? newest->age_us > MLX_OVERVIEW_SILENT_US : is_silent(newest));
    return quiet ? newest : NULL;
}

/*  The silent sources of the host in words, those that are known to have ended left out. */
static mlx_connection_t partly(const sources_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t names = {0};
    int64_t least = INT64_MAX;
    size_t silent = 0;
    for (size_t i = 0; i < self->count; i++) {
        const source_t *source = &self->sources[i];
        if (!is_silent(source) || (!source->service && source->age_us > FORGET_US))
            continue;
        if (silent++ < NAMES_SHOWN)
            mlx_buf_printf(&names, "%s%.32s", silent > 1 ? ", " : "", source->src);
        least = source->age_us < least ? source->age_us : least;
    }
    if (silent == 0)
        return (mlx_connection_t){.state = MLX_LINK_LIVE};
    if (silent > NAMES_SHOWN)
        mlx_buf_printf(&names, " and %zu more", silent - NAMES_SHOWN);
    mlx_connection_t link = lost(least, mlx_buf_str(&names), NULL);
    link.state = MLX_LINK_PARTLY;
    return link;
}

mlx_connection_t mlx_overview_connection(const mlx_overview_t *self, int64_t now_us)
{
    sources_t sources;
    const char *host = mlx_overview_host(self);
    const source_t *newest = NULL;
    look_at_sources(&sources, self, host, now_us);
    for (size_t i = 0; i < sources.count; i++)
        if (!newest || sources.sources[i].age_us < newest->age_us)
            newest = &sources.sources[i];
    if (!newest)
        return (mlx_connection_t){.state = MLX_LINK_NONE, .text = "nothing received yet"};
    const source_t *bus = silent_bus(&sources);
    if (bus)
        return lost(bus->age_us, NULL, "the bus does not answer");
    if (is_silent(newest)) {
        MLX_CLEANUP(mlx_free_p) char *who = mlx_format("%.64s", host);
        return lost(newest->age_us, who, NULL);
    }
    return partly(&sources);
}

const char *mlx_link_name(mlx_link_t state)
{
    static const char *const names[] = {[MLX_LINK_NONE] = "none",
                                        [MLX_LINK_LIVE] = "live",
                                        [MLX_LINK_PARTLY] = "partly",
                                        [MLX_LINK_LOST] = "lost"};
    return names[state];
}

mlx_value_t *mlx_overview_connection_value(const mlx_overview_t *self, int64_t now_us)
{
    mlx_connection_t link = mlx_overview_connection(self, now_us);
    mlx_value_t *value = mlx_value_map();
    mlx_value_set_str(value, "state", mlx_link_name(link.state));
    if (link.state == MLX_LINK_PARTLY || link.state == MLX_LINK_LOST)
        mlx_value_set_real(value, "seconds", floor(link.seconds));
    if (link.text[0])
        mlx_value_set_str(value, "text", link.text);
    return value;
}

/*  What is at work. */

static double sum(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

double mlx_activity_rate(const mlx_value_t *d)
{
    double rate = NAN, one;
    if (mlx_value_real(d, "tokens_per_second", &rate))
        return rate;
    const mlx_value_t *running = mlx_value_get(d, "running");
    for (size_t i = 0; i < mlx_value_size(running); i++)
        if (mlx_value_real(mlx_value_at(running, i), "tokens_per_second", &one))
            rate = sum(rate, one);
    return rate;
}

static bool same_model(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

double mlx_activity_model(const mlx_value_t *d, const char *model, size_t *requests)
{
    double rate = NAN, one;
    int64_t count = 0;
    bool busy = false;
    const mlx_value_t *running = mlx_value_get(d, "running");
    for (size_t i = 0; i < mlx_value_size(running); i++) {
        const mlx_value_t *request = mlx_value_at(running, i);
        const char *name = mlx_value_str(request, "model");
        if (!same_model(name ? name : mlx_value_str(d, "model"), model))
            continue;
        count++;
        if (mlx_value_real(request, "tokens_per_second", &one))
            rate = sum(rate, one);
    }
    mlx_value_bool(d, "busy", &busy);
    if (mlx_value_size(running) == 0 && busy && same_model(mlx_value_str(d, "model"), model)) {
        rate = mlx_activity_rate(d);
        if (!mlx_value_int(d, "requests", &count) || count < 1)
            count = 1;
    }
    if (requests)
        *requests = (size_t)count;
    return rate;
}

typedef struct {
    const mlx_overview_t *overview;
    mlx_work_t *work;
    size_t count;
    size_t max;
} gather_t;

static void add_work(gather_t *self, const mlx_message_t *message, const char *model)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->work[i].topic == message->topic && same_model(self->work[i].model, model))
            return;
    if (self->count == self->max)
        return;
    mlx_work_t *work = &self->work[self->count++];
    *work = (mlx_work_t){.topic = message->topic, .model = model};
    work->running = mlx_value_get(message->d, "running");
    work->tokens_per_second = mlx_activity_model(message->d, model, &work->requests);
}

static void see_activity(void *arg, const mlx_message_t *message, int64_t age_us)
{
    gather_t *self = arg;
    bool busy = false;
    const char *host = mlx_overview_host(self->overview), *end = strrchr(message->topic, '.');
    mlx_value_bool(message->d, "busy", &busy);
    if (!busy || strcmp(end, ".activity") != 0 || !host || strcmp(host, message->host) != 0 ||
        mlx_overview_stale(message->topic, age_us))
        return;
    const mlx_value_t *running = mlx_value_get(message->d, "running");
    const char *newest = mlx_value_str(message->d, "model");
    for (size_t i = 0; i < mlx_value_size(running); i++) {
        const char *model = mlx_value_str(mlx_value_at(running, i), "model");
        add_work(self, message, model ? model : newest);
    }
    if (mlx_value_size(running) == 0)
        add_work(self, message, newest);
}

size_t mlx_overview_work(const mlx_overview_t *self, int64_t now_us, mlx_work_t *work, size_t max)
{
    gather_t gather = {.overview = self, .work = work, .max = max};
    mlx_overview_each(self, "runtime.", now_us, see_activity, &gather);
    return gather.count;
}

enum {
    CLIENTS_MAX = 32, /* told apart */
    CLIENTS_SHOWN = 3,
};

typedef struct {
    const mlx_overview_t *overview;
    const char *names[CLIENTS_MAX];
    size_t count;
} clients_t;

static void add_client(clients_t *self, const char *name)
{
    for (size_t i = 0; name && i < self->count; i++)
        if (strcmp(self->names[i], name) == 0)
            return;
    if (name && self->count < CLIENTS_MAX)
        self->names[self->count++] = name;
}

static void see_clients(void *arg, const mlx_message_t *message, int64_t age_us)
{
    clients_t *self = arg;
    const char *host = mlx_overview_host(self->overview), *end = strrchr(message->topic, '.');
    if (strcmp(end, ".activity") != 0 || !host || strcmp(host, message->host) != 0 ||
        mlx_overview_stale(message->topic, age_us))
        return;
    const mlx_value_t *running = mlx_value_get(message->d, "running");
    for (size_t i = 0; i < mlx_value_size(running); i++)
        add_client(self, mlx_value_str(mlx_value_at(running, i), "client"));
}

char *mlx_overview_clients(const mlx_overview_t *self, int64_t now_us)
{
    clients_t clients = {.overview = self};
    mlx_buf_t text = {0};
    mlx_overview_each(self, "runtime.", now_us, see_clients, &clients);
    for (size_t i = 0; i < clients.count && i < CLIENTS_SHOWN; i++)
        mlx_buf_printf(&text, "%s%s", i ? ", " : "", clients.names[i]);
    if (clients.count > CLIENTS_SHOWN)
        mlx_buf_printf(&text, " and %zu more", clients.count - CLIENTS_SHOWN);
    return clients.count ? mlx_buf_take(&text) : NULL;
}

mlx_value_t *mlx_overview_work_value(const mlx_overview_t *self, int64_t now_us)
{
    mlx_work_t work[MODELS_MAX];
    mlx_value_t *list = mlx_value_list();
    size_t count = mlx_overview_work(self, now_us, work, MODELS_MAX);
    for (size_t i = 0; i < count; i++) {
        mlx_value_t *map = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(map, "model", work[i].model);
        mlx_value_set_int(map, "requests", (int64_t)work[i].requests);
        mlx_value_set_real(map, "tokens_per_second", work[i].tokens_per_second);
        MLX_CLEANUP(mlx_free_p)
        char *prompt = mlx_prompt_words_of(work[i].running, work[i].model);
        mlx_value_set_str(map, "prompt", prompt);
    }
    return list;
}

/*  What is wrong. */

typedef struct {
    const mlx_overview_t *overview;
    mlx_value_t *list;
} warnings_t;

/*  Takes over TEXT. */
static void warn(mlx_value_t *list, const char *kind, const char *name, char *text)
{
    mlx_value_t *map = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(map, "kind", kind);
    mlx_value_set_str(map, "name", name);
    mlx_value_set_str(map, "text", text);
    free(text);
}

static bool is_here(const warnings_t *self, const mlx_message_t *message)
{
    const char *host = mlx_overview_host(self->overview);
    return host && strcmp(host, message->host) == 0;
}

static void see_alert(void *arg, const mlx_message_t *message, int64_t age_us)
{
    warnings_t *self = arg;
    const char *state = mlx_value_str(message->d, "state");
    const char *summary = mlx_value_str(message->d, "summary");
    const char *rule = message->topic + strlen("alert.");
    (void)age_us;
    if (mlx_value_get(message->d, "silenced_until"))
        return;
    if (is_here(self, message) && state && strcmp(state, "firing") == 0)
        warn(self->list, "alert", rule, mlx_strdup(summary && *summary ? summary : rule));
}

/*  What was found, and what helps against it. */
static void see_finding(void *arg, const mlx_message_t *message, int64_t age_us)
{
    warnings_t *self = arg;
    const char *state = mlx_value_str(message->d, "state");
    const char *summary = mlx_value_str(message->d, "summary");
    const char *remedy = mlx_value_str(message->d, "remedy");
    (void)age_us;
    if (!is_here(self, message) || !state || strcmp(state, "firing") != 0 || !summary)
        return;
    warn(self->list, "finding", message->topic + strlen("finding."),
         mlx_format("%s%s%s", summary, remedy && *remedy ? "; " : "", remedy ? remedy : ""));
}

static void see_service(void *arg, const mlx_message_t *message, int64_t age_us)
{
    warnings_t *self = arg;
    const char *state = mlx_value_str(message->d, "state");
    const char *reason = mlx_value_str(message->d, "reason");
    MLX_CLEANUP(mlx_free_p)
    char *name =
        mlx_format("%.*s", (int)name_length(message->topic), message->topic + strlen("service."));
    bool up = state && strcmp(state, "up") == 0;
    /* A service that went silent is reported with the connection. */
    if (!is_here(self, message) ||
        (up && (age_us <= MLX_OVERVIEW_STALE_US || is_own_health(message))))
        return;
    if (up)
        warn(self->list, "service", name, mlx_format("%s is silent", name));
    else
        warn(self->list, "service", name,
             mlx_format("%s is %s%s%s%s", name, state ? state : "in an unknown state",
                        reason ? " (" : "", reason ? reason : "", reason ? ")" : ""));
}

mlx_value_t *mlx_overview_warnings(const mlx_overview_t *self, int64_t now_us)
{
    warnings_t warnings = {.overview = self, .list = mlx_value_list()};
    double used = NAN, total = NAN;
    mlx_overview_each(self, "alert.", now_us, see_alert, &warnings);
    mlx_overview_each(self, "finding.", now_us, see_finding, &warnings);
    mlx_overview_each(self, "service.", now_us, see_service, &warnings);
    const mlx_value_t *memory = mlx_overview_get(self, "sensor.memory", now_us, NULL);
    mlx_value_real(memory, "used", &used);
    mlx_value_real(memory, "total", &total);
    if (used / total > MEMORY_NEARLY_FULL)
        warn(warnings.list, "memory", "memory",
             mlx_format("memory is nearly full: %.0f%%", used / total * 100));
    mlx_connection_t link = mlx_overview_connection(self, now_us);
    if (link.state == MLX_LINK_PARTLY)
        warn(warnings.list, "silent", "connection", mlx_strdup(link.text));
    return warnings.list;
}
