#include "speed_watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERIES = 64,
    SERVERS = 16,
    LOADED_MAX = 20000, /* requests that are read back */
    TOKENS_MIN = 16,    /* of a request that says something of the speed */
    FRESH_MAX = 256,    /* changes that wait for a flush */
};

#define STANDS_US (INT64_C(7) * 86400 * 1000000)

/*  What speed may change with. */
typedef struct {
    char version[64], digest[96], system[64], driver[64];
} cause_t;

typedef struct {
    mlx_slower_t slower; /* names the series too */
    cause_t cause, old;
    bool known;     /* it has a cause */
    bool comparing; /* it changed: new requests are compared with the old ones */
    bool lost;
    bool loaded; /* these are the options that the model is loaded with */
    int64_t used_us;
    mlx_speed_t before[MLX_SPEED_BEFORE_MAX];
    size_t n;
    mlx_speed_t after[MLX_SPEED_AFTER_MAX];
    size_t m;
} series_t;

typedef struct {
    char topic[160];
    int64_t crowded_us; /* when more than one request ran last */
    int64_t end_us;     /* of the newest request */
} server_t;

typedef struct {
    int64_t t_us;
    char topic[160], model[128], options[64];
    cause_t cause;
} change_t;

struct mlx_speed_watch {
    char system[64], driver[64];
    series_t *series[SERIES];
    size_t count;
    server_t servers[SERVERS];
    size_t server_count;
    change_t *fresh;
    size_t fresh_count;
};

mlx_speed_watch_t *mlx_speed_watch_new(const char *system, const char *driver)
{
    mlx_speed_watch_t *self = mlx_alloc(1, sizeof *self);
    snprintf(self->system, sizeof self->system, "%s", system);
    snprintf(self->driver, sizeof self->driver, "%s", driver);
    return self;
}

void mlx_speed_watch_destroy(mlx_speed_watch_t **self_p)
{
    mlx_speed_watch_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free(self->series[i]);
    free(self->fresh);
    free(self);
}

/* ---- series ---- */

static bool means(const char *name, const char *wanted)
{
    size_t len = strlen(wanted);
    return strncmp(name, wanted, len) == 0 && (!name[len] || strcmp(name + len, ":latest") == 0);
}

/*  The series of a change; that which was not used for longest makes room. */
static series_t *series_of(mlx_speed_watch_t *self, const change_t *change)
{
    size_t oldest = 0;
    for (size_t i = 0; i < self->count; i++) {
        const mlx_slower_t *name = &self->series[i]->slower;
        if (strcmp(name->topic, change->topic) == 0 && strcmp(name->model, change->model) == 0 &&
            strcmp(name->options, change->options) == 0)
            return self->series[i];
        if (self->series[i]->used_us < self->series[oldest]->used_us)
            oldest = i;
    }
    if (self->count < SERIES) {
        oldest = self->count++;
        self->series[oldest] = mlx_alloc(1, sizeof *self->series[oldest]);
    }
    series_t *series = self->series[oldest];
    memset(series, 0, sizeof *series);
    memcpy(series->slower.topic, change->topic, sizeof series->slower.topic);
    memcpy(series->slower.model, change->model, sizeof series->slower.model);
    memcpy(series->slower.options, change->options, sizeof series->slower.options);
    series->used_us = change->t_us;
    return series;
}

static void keep_before(series_t *self, const mlx_speed_t *one)
{
    if (self->n == MLX_SPEED_BEFORE_MAX)
        memmove(self->before, self->before + 1, --self->n * sizeof *self->before);
    self->before[self->n++] = *one;
}

/*  There was no loss, or it has become what is usual. */
static void adopt(series_t *self, bool afresh)
{
    self->n = afresh ? 0 : self->n;
    for (size_t i = 0; i < self->m; i++)
        keep_before(self, &self->after[i]);
    self->m = 0;
    self->comparing = self->lost = false;
}

static size_t say_change(char *out, size_t size, const char *what, const char *from, const char *to)
{
    int len = 0;
    if (*from && *to && strcmp(from, to) != 0)
        len = snprintf(out, size, "%s went from %s to %s", what, from, to);
    return len < 0 || (size_t)len >= size ? 0 : (size_t)len;
}

static void name_cause(series_t *self)
{
    mlx_slower_t *slower = &self->slower;
    char kind[64] = "", digest[2][16];
    sscanf(slower->topic, "runtime.%63[^.].", kind);
    snprintf(digest[0], sizeof digest[0], "%.12s", self->old.digest);
    snprintf(digest[1], sizeof digest[1], "%.12s", self->cause.digest);
    const struct {
        const char *what, *from, *to;
    } parts[] = {{kind, self->old.version, self->cause.version},
                 {"the model's digest", digest[0], digest[1]},
                 {"the system", self->old.system, self->cause.system},
                 {"the GPU driver", self->old.driver, self->cause.driver}};
    size_t len = 0;
    slower->cause[0] = slower->back[0] = '\0';
    for (size_t i = 0; i < MLX_COUNT(parts); i++) {
        char part[200];
        if (say_change(part, sizeof part, parts[i].what, parts[i].from, parts[i].to) == 0)
            continue;
        int added = snprintf(slower->cause + len, sizeof slower->cause - len, "%s%s",
                             len ? ", " : "", part);
        len += added > 0 && len + (size_t)added < sizeof slower->cause ? (size_t)added : 0;
        if (!slower->back[0] && i != 1)
            snprintf(slower->back, sizeof slower->back, "%s %.60s",
                     i == 0   ? parts[i].what
                     : i == 2 ? "the system"
                              : "the driver",
                     parts[i].from);
    }
}

/*  Is a thing known of both, and another? What is not told has not changed. */
static bool differs(const char *a, const char *b)
{
    return *a && *b && strcmp(a, b) != 0;
}

static bool changed(const cause_t *a, const cause_t *b)
{
    return differs(a->version, b->version) || differs(a->digest, b->digest) ||
           differs(a->system, b->system) || differs(a->driver, b->driver);
}

static void fill(char *to, const char *from, size_t size)
{
    if (*from)
        memcpy(to, from, size);
}

static void merge(cause_t *to, const cause_t *from)
{
    fill(to->version, from->version, sizeof to->version);
    fill(to->digest, from->digest, sizeof to->digest);
    fill(to->system, from->system, sizeof to->system);
    fill(to->driver, from->driver, sizeof to->driver);
}

/*  What a model runs with, as of CHANGE. True: that is news. */
static bool see(mlx_speed_watch_t *self, const change_t *change)
{
    series_t *series = series_of(self, change);
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->series[i]->slower.topic, change->topic) == 0 &&
            strcmp(self->series[i]->slower.model, change->model) == 0)
            self->series[i]->loaded = self->series[i] == series;
    if (series->known && !changed(&series->cause, &change->cause)) {
        merge(&series->cause, &change->cause);
        return false;
    }
    if (series->known) {
        /* A second change before the first is decided: both are compared with what was before. */
        if (!series->comparing)
            series->old = series->cause;
        series->m = 0;
        series->lost = false;
        series->comparing = changed(&series->old, &change->cause);
        series->slower.changed_us = change->t_us;
    }
    merge(&series->cause, &change->cause);
    series->known = true;
    return true;
}

/* ---- requests ---- */

static void compare_speeds(series_t *self)
{
    if (!mlx_speed_is_look(self->m))
        return;
    self->lost = mlx_speed_lost(self->before, self->n, self->after, self->m, &self->slower.loss);
    if (self->lost) {
        self->slower.before = self->n;
        self->slower.after = self->m;
        self->slower.last_us = self->before[self->n - 1].t_us;
        self->slower.first_us = self->after[0].t_us;
        name_cause(self);
    } else if (self->m == MLX_SPEED_AFTER_MAX || self->n < MLX_SPEED_BEFORE_MIN) {
        adopt(self, self->n < MLX_SPEED_BEFORE_MIN);
    }
}

static void add(series_t *self, const mlx_speed_t *one)
{
    self->used_us = one->t_us;
    if (self->lost && one->t_us - self->slower.changed_us > STANDS_US)
        adopt(self, true);
    if (!self->comparing) {
        keep_before(self, one);
        return;
    }
    if (self->m < MLX_SPEED_AFTER_MAX)
        self->after[self->m++] = *one;
    if (!self->lost)
        compare_speeds(self);
}

static server_t *server_of(mlx_speed_watch_t *self, const char *topic)
{
    for (size_t i = 0; i < self->server_count; i++)
        if (strcmp(self->servers[i].topic, topic) == 0)
            return &self->servers[i];
    if (self->server_count == SERVERS)
        return NULL;
    server_t *server = &self->servers[self->server_count++];
    snprintf(server->topic, sizeof server->topic, "%s", topic);
    return server;
}

/*  A request of TOPIC's server that has ended: D. */
static void hear_request(mlx_speed_watch_t *self, const char *topic, const mlx_value_t *d)
{
    const char *model = mlx_value_str(d, "model"), *outcome = mlx_value_str(d, "outcome");
    double tokens = mlx_value_real_or_nan(d, "tokens"),
           rate = mlx_value_real_or_nan(d, "tokens_per_second");
    double prompt = mlx_value_real_or_nan(d, "prompt_tokens");
    int64_t start = 0, end = 0;
    server_t *server = server_of(self, topic);
    mlx_value_int(d, "end", &end);
    if (!server || !mlx_value_int(d, "start", &start) || start > end)
        return;
    bool alone = start >= server->end_us && start > server->crowded_us;
    server->end_us = end > server->end_us ? end : server->end_us;
    if (!alone || !model || !outcome || strcmp(outcome, "ok") != 0 ||
        !(tokens >= (double)TOKENS_MIN) || !(rate > 0 && rate < 1e6))
        return;
    mlx_speed_t one = {.t_us = end,
                       .log_speed = (float)log(rate),
                       .depth = (float)log2(64 + (prompt > 0 ? prompt : 0) + tokens / 2)};
    for (size_t i = 0; i < self->count; i++) {
        series_t *series = self->series[i];
        if (series->loaded && strcmp(series->slower.topic, topic) == 0 &&
            means(series->slower.model, model)) {
            add(series, &one);
            return;
        }
    }
}

/* ---- messages ---- */

static void put_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static void note_fresh(mlx_speed_watch_t *self, const change_t *change)
{
    if (self->fresh_count == FRESH_MAX)
        return;
    self->fresh = mlx_grow(self->fresh, self->fresh_count, sizeof *self->fresh);
    self->fresh[self->fresh_count++] = *change;
}

static void hear_models(mlx_speed_watch_t *self, const char *topic, const mlx_message_t *message)
{
    const mlx_value_t *list = mlx_value_get(message->d, "models");
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *model = mlx_value_at(list, i);
        const char *name = mlx_value_str(model, "name");
        const char *quantization = mlx_value_str(model, "quantization");
        change_t change = {.t_us = message->t};
        int64_t context = 0;
        if (!name || !*name || strlen(name) >= sizeof change.model)
            continue;
        mlx_value_int(model, "context", &context);
        put_text(change.topic, sizeof change.topic, topic);
        put_text(change.model, sizeof change.model, name);
        snprintf(change.options, sizeof change.options, "%.31s, context %lld",
                 quantization ? quantization : "", (long long)context);
        put_text(change.cause.version, sizeof change.cause.version,
                 mlx_value_str(message->d, "version"));
        put_text(change.cause.digest, sizeof change.cause.digest, mlx_value_str(model, "digest"));
        put_text(change.cause.system, sizeof change.cause.system, self->system);
        put_text(change.cause.driver, sizeof change.cause.driver, self->driver);
        if (see(self, &change))
            note_fresh(self, &change);
    }
}

void mlx_speed_watch_message(mlx_speed_watch_t *self, const mlx_message_t *message)
{
    char topic[160];
    const char *end = strrchr(message->topic, '.');
    int64_t running = 0;
    if (strncmp(message->topic, "runtime.", strlen("runtime.")) != 0)
        return;
    size_t len = (size_t)(end - message->topic) + 1;
    if (len >= sizeof topic)
        return;
    memcpy(topic, message->topic, len);
    topic[len] = '\0';
    if (strcmp(end, ".models") == 0)
        hear_models(self, topic, message);
    else if (strcmp(end, ".request") == 0)
        hear_request(self, topic, message->d);
    else if (mlx_value_int(message->d, "requests", &running) && running > 1 &&
             server_of(self, topic))
        server_of(self, topic)->crowded_us = message->t;
}

const mlx_slower_t *mlx_speed_watch_slower(const mlx_speed_watch_t *self, int64_t now_us)
{
    const mlx_slower_t *newest = NULL;
    for (size_t i = 0; i < self->count; i++) {
        const mlx_slower_t *slower = &self->series[i]->slower;
        if (self->series[i]->lost && now_us - slower->changed_us < STANDS_US &&
            (!newest || slower->changed_us > newest->changed_us))
            newest = slower;
    }
    return newest;
}

/* ---- the database ---- */

int mlx_speed_watch_flush(mlx_speed_watch_t *self, mlx_db_t *db, mlx_error_t *err)
{
    if (self->fresh_count == 0)
        return 0;
    if (mlx_db_begin(db, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < self->fresh_count; i++) {
        const change_t *c = &self->fresh[i];
        rc = mlx_db_run(db, err,
                        "INSERT INTO speed_change"
                        " (t, topic, model, options, version, digest, system, driver)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        "isssssss", c->t_us, c->topic, c->model, c->options, c->cause.version,
                        c->cause.digest, c->cause.system, c->cause.driver);
    }
    if (rc == 0)
        rc = mlx_db_run(db, err,
                        "DELETE FROM speed_change WHERE n <="
                        " (SELECT max(n) FROM speed_change) - 5000",
                        "");
    if (rc == 0)
        rc = mlx_db_commit(db, err);
    if (rc)
        mlx_db_rollback(db);
    else
        self->fresh_count = 0;
    return rc;
}

static bool take_stored(void *arg, const mlx_value_t *d)
{
    mlx_value_append(arg, mlx_value_copy(d));
    return mlx_value_size(arg) < LOADED_MAX;
}

static void replay_request(mlx_speed_watch_t *self, const mlx_value_t *d)
{
    char topic[160];
    const char *kind = mlx_value_str(d, "runtime"), *endpoint = mlx_value_str(d, "endpoint");
    int len =
        snprintf(topic, sizeof topic, "runtime.%s.%s.", kind ? kind : "", endpoint ? endpoint : "");
    if (len > 0 && (size_t)len < sizeof topic)
        hear_request(self, topic, d);
}

static void read_change(mlx_stmt_t *q, change_t *change)
{
    *change = (change_t){.t_us = mlx_stmt_int(q, 0)};
    put_text(change->topic, sizeof change->topic, mlx_stmt_str(q, 1));
    put_text(change->model, sizeof change->model, mlx_stmt_str(q, 2));
    put_text(change->options, sizeof change->options, mlx_stmt_str(q, 3));
    put_text(change->cause.version, sizeof change->cause.version, mlx_stmt_str(q, 4));
    put_text(change->cause.digest, sizeof change->cause.digest, mlx_stmt_str(q, 5));
    put_text(change->cause.system, sizeof change->cause.system, mlx_stmt_str(q, 6));
    put_text(change->cause.driver, sizeof change->cause.driver, mlx_stmt_str(q, 7));
}

int mlx_speed_watch_load(mlx_speed_watch_t *self, mlx_db_t *db, mlx_request_log_t *requests,
                         mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_value_list(); /* the newest first */
    if (mlx_request_log_each(requests, db, 0, INT64_MAX, take_stored, all, err))
        return -1;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT t, topic, model, options, version, digest, system, driver"
                                 " FROM speed_change ORDER BY t, n",
                                 "");
    size_t left = mlx_value_size(all);
    change_t change;
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        read_change(q, &change);
        for (; left > 0; left--) {
            int64_t end = 0;
            mlx_value_int(mlx_value_at(all, left - 1), "end", &end);
            if (end >= change.t_us)
                break;
            replay_request(self, mlx_value_at(all, left - 1));
        }
        see(self, &change);
    }
    while (left > 0)
        replay_request(self, mlx_value_at(all, --left));
    return more;
}
