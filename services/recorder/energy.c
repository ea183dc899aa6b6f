#include "energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/power_meter.h"
#include "energy_idle.h"
#include "proto/utf8.h"

enum {
    POINTS_MAX = 16384,
    REQUESTS_MAX = 20000, /* that wait to be settled */
    TOGETHER_MAX = 1000 * 1000,
    SERVERS = 16,
    NAMES_MAX = 500, /* pairs of a model and a client in one settlement, and in the totals */
};

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define MERGE_US (SECOND_US / 4)   /* readings of one look at the sensors */
#define MARGIN_US (10 * SECOND_US) /* by which a server may tell late that it works */
#define QUIET_US (30 * SECOND_US)  /* after work the fans still run */
#define STALE_US (20 * SECOND_US)

/*  Of a whole span: readings are a moment apart. */
static const double covered = 0.98;

typedef struct {
    mlx_sweep_span_t span;
    char *model, *client;
    int64_t tokens;
    int64_t requests; /* more than 1: told together */
    double known_s;   /* of it, settled with known power so far */
    bool counted;     /* has ended: false for one that runs on */
} item_t;

typedef struct {
    char topic[160];
    int64_t busy_since; /* 0: idle */
    int64_t heard;
    mlx_value_t *running; /* its list, or NULL */
    char *model;
} server_t;

struct mlx_joules {
    int64_t keep_us;
    mlx_power_meter_t *meter;
    mlx_power_point_t points[POINTS_MAX]; /* by time; the first is the last that is settled */
    size_t count;
    size_t saved; /* of the points */
    item_t *items;
    size_t item_count;
    server_t servers[SERVERS];
    size_t server_count;
    int64_t busy_at; /* when something ran last */
    mlx_idle_power_t idle;
    mlx_energy_state_t state;
    mlx_energy_totals_t totals;
    mlx_energy_row_t *models, *clients;
};

mlx_joules_t *mlx_energy_new(int64_t days)
{
    mlx_joules_t *self = mlx_alloc(1, sizeof *self);
    self->keep_us = days * DAY_US;
    self->meter = mlx_power_meter_new();
    self->models = mlx_alloc(NAMES_MAX, sizeof *self->models);
    self->clients = mlx_alloc(NAMES_MAX, sizeof *self->clients);
    self->totals.models = self->models;
    self->totals.clients = self->clients;
    return self;
}

static void free_item(item_t *item)
{
    free(item->model);
    free(item->client);
}

void mlx_energy_destroy(mlx_joules_t **self_p)
{
    mlx_joules_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->item_count; i++)
        free_item(&self->items[i]);
    for (size_t i = 0; i < self->server_count; i++) {
        mlx_value_destroy(&self->servers[i].running);
        free(self->servers[i].model);
    }
    mlx_power_meter_destroy(&self->meter);
    free(self->items);
    free(self->models);
    free(self->clients);
    free(self);
}

void mlx_energy_reset(mlx_joules_t *self)
{
    self->saved = 0;
}

/* ---- the curve ---- */

static bool works(const mlx_joules_t *self, int64_t now_us)
{
    for (size_t i = 0; i < self->server_count; i++)
        if (self->servers[i].busy_since && now_us - self->servers[i].heard < STALE_US)
            return true;
    return false;
}

static void learn_idle(mlx_joules_t *self, const mlx_power_point_t *point)
{
    const mlx_power_point_t *before = &self->points[self->count - 1];
    int64_t passed = point->t_us - before->t_us;
    double joules = (before->watts + point->watts) / 2 * (double)passed * 1e-6;
    if (works(self, point->t_us))
        self->busy_at = point->t_us;
    if (passed <= MLX_POWER_SILENT_US && !isnan(joules) && point->t_us - self->busy_at > QUIET_US)
        mlx_idle_power_add(&self->idle, joules, (double)passed * 1e-6);
}

/*  The clock was set back: what it says from now on has not been settled. */
static void go_back(mlx_joules_t *self, int64_t t_us)
{
    while (self->count && self->points[self->count - 1].t_us >= t_us)
        self->count--;
    self->saved = self->saved < self->count ? self->saved : self->count;
    if (self->state.settled_us > t_us)
        self->state.settled_us = t_us;
}

static void add_point(mlx_joules_t *self, int64_t t_us, double watts)
{
    mlx_power_point_t *last = self->count ? &self->points[self->count - 1] : NULL;
    if (last && t_us < last->t_us - MARGIN_US) {
        go_back(self, t_us);
        last = self->count ? &self->points[self->count - 1] : NULL;
    }
    if (last && t_us - last->t_us < MERGE_US) {
        if (self->count > self->saved)
            last->watts = watts;
        return;
    }
    if (self->count == POINTS_MAX) { /* no flush has worked for long */
        memmove(self->points, self->points + 1, (--self->count) * sizeof *self->points);
        self->saved -= self->saved > 0;
    }
    mlx_power_point_t point = {.t_us = t_us, .watts = watts};
    if (self->count)
        learn_idle(self, &point);
    self->points[self->count++] = point;
    if (self->state.settled_us == 0)
        self->state.settled_us = t_us;
}

/* ---- who runs ---- */

static server_t *server_of(mlx_joules_t *self, const char *topic)
{
    for (size_t i = 0; i < self->server_count; i++)
        if (strcmp(self->servers[i].topic, topic) == 0)
            return &self->servers[i];
    if (self->server_count == SERVERS || strlen(topic) >= sizeof self->servers[0].topic)
        return NULL;
    server_t *server = &self->servers[self->server_count++];
    snprintf(server->topic, sizeof server->topic, "%s", topic);
    return server;
}

static void hear_activity(mlx_joules_t *self, const mlx_message_t *message)
{
    server_t *server = server_of(self, message->topic);
    bool busy = false;
    if (!server)
        return;
    mlx_value_bool(message->d, "busy", &busy);
    if (!busy)
        server->busy_since = 0;
    else if (!server->busy_since || message->t - server->heard > STALE_US)
        server->busy_since = message->t;
    server->heard = message->t;
    mlx_value_destroy(&server->running);
    server->running = mlx_value_copy(mlx_value_get(message->d, "running"));
    free(server->model);
    server->model = mlx_strdup(mlx_value_str(message->d, "model"));
}

static char *name_of(const char *text)
{
    return text ? mlx_utf8_line(text, MLX_ENERGY_CHARS) : mlx_strdup("");
}

static void hear_request(mlx_joules_t *self, const mlx_value_t *d)
{
    item_t item = {.counted = true, .requests = 1};
    if (!mlx_value_int(d, "end", &item.span.end_us) || self->item_count == REQUESTS_MAX)
        return;
    item.span.start_us = item.span.end_us;
    mlx_value_int(d, "start", &item.span.start_us);
    mlx_value_int(d, "tokens", &item.tokens);
    item.tokens = item.tokens > 0 ? item.tokens : 0;
    mlx_value_int(d, "requests", &item.requests);
    item.requests = item.requests > 1 && item.requests <= TOGETHER_MAX ? item.requests : 1;
    item.model = name_of(mlx_value_str(d, "model"));
    item.client = name_of(mlx_value_str(d, "client"));
    self->items = mlx_grow(self->items, self->item_count, sizeof *self->items);
    self->items[self->item_count++] = item;
}

void mlx_energy_message(mlx_joules_t *self, const mlx_message_t *message)
{
    if (mlx_power_meter_hear(self->meter, message->topic, message->d, message->t))
        add_point(self, message->t, mlx_power_meter_watts(self->meter, message->t));
    if (strncmp(message->topic, "runtime.", strlen("runtime.")) != 0)
        return;
    if (mlx_ends_with(message->topic, ".activity"))
        hear_activity(self, message);
    else if (mlx_ends_with(message->topic, ".request"))
        hear_request(self, message->d);
}

/* ---- what an earlier process left ---- */

static bool take_stored(void *arg, const mlx_value_t *d)
{
    hear_request(arg, d);
    return true;
}

int mlx_energy_load(mlx_joules_t *self, mlx_db_t *db, mlx_request_log_t *requests, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) mlx_power_point_t *points = NULL;
    size_t count;
    if (mlx_energy_log_get_state(db, &self->state, err) ||
        mlx_energy_log_get_points(db, &points, &count, err))
        return -1;
    size_t from = count > POINTS_MAX / 2 ? count - POINTS_MAX / 2 : 0;
    while (from + 1 < count && points[from + 1].t_us <= self->state.settled_us)
        from++;
    for (size_t i = from; i < count; i++)
        self->points[self->count++] = points[i];
    self->saved = self->count;
    if (self->state.settled_us == 0 && self->count)
        self->state.settled_us = self->points[0].t_us;
    if (!isnan(self->state.idle_watts))
        mlx_idle_power_add(&self->idle, self->state.idle_watts * 60, 60);
    if (!self->state.settled_us)
        return 0;
    return mlx_request_log_each(requests, db, self->state.settled_us + 1, INT64_MAX, take_stored,
                                self, err);
}

/* ---- settling ---- */

/*  Up to when the curve can be settled. */
static int64_t bound_at(const mlx_joules_t *self, int64_t now_us)
{
    int64_t bound = now_us - MLX_ENERGY_LAG_US, last = now_us - MLX_ENERGY_HORIZON_US;
    for (size_t i = 0; i < self->server_count; i++) {
        const server_t *server = &self->servers[i];
        if (server->busy_since && now_us - server->heard < STALE_US &&
            server->busy_since - MARGIN_US < bound)
            bound = server->busy_since - MARGIN_US;
    }
    if (isnan(mlx_idle_power(&self->idle)) || bound < last)
        bound = last;
    /* After a long pause step by step: each has few enough hours. */
    if (self->state.settled_us && bound - self->state.settled_us > 2 * DAY_US)
        bound = self->state.settled_us + 2 * DAY_US;
    return bound;
}

typedef struct {
    mlx_joules_t *energy;
    int64_t bound_us;
    item_t *items; /* those that have a share: borrowed and running ones */
    size_t count, running_from;
    mlx_energy_row_t *rows;
    size_t row_count;
} apportion_t;

static void add_running(apportion_t *self, const server_t *server, const mlx_value_t *map)
{
    double age = 0;
    const char *model = mlx_value_str(map, "model");
    mlx_value_real(map, "age", &age);
    int64_t start =
        map ? server->heard - (int64_t)(fmin(fmax(age, 0), 1e6) * 1e6) : server->busy_since;
    self->items = mlx_grow(self->items, self->count, sizeof *self->items);
    self->items[self->count++] = (item_t){.span = {.start_us = start, .end_us = self->bound_us},
                                          .model = name_of(model ? model : server->model),
                                          .client = name_of(mlx_value_str(map, "client"))};
}

/*  Those that have ended, and those that have run for so long that we do not wait for their end. */
static void collect_items(apportion_t *self)
{
    const mlx_joules_t *energy = self->energy;
    for (size_t i = 0; i < energy->item_count; i++) {
        self->items = mlx_grow(self->items, self->count, sizeof *self->items);
        self->items[self->count++] = energy->items[i];
    }
    self->running_from = self->count;
    for (size_t i = 0; i < energy->server_count; i++) {
        const server_t *server = &energy->servers[i];
        if (!server->busy_since || server->busy_since >= self->bound_us ||
            self->bound_us - server->heard > STALE_US)
            continue;
        for (size_t k = 0; k < mlx_value_size(server->running); k++)
            add_running(self, server, mlx_value_at(server->running, k));
        if (mlx_value_size(server->running) == 0)
            add_running(self, server, NULL);
    }
}

static void add(mlx_energy_row_t *to, const mlx_energy_row_t *row)
{
    to->joules += row->joules;
    to->seconds += row->seconds;
    to->requests += row->requests;
    to->metered += row->metered;
    to->tokens += row->tokens;
}

static bool same(const mlx_energy_row_t *a, const mlx_energy_row_t *b)
{
    return a->hour_us == b->hour_us && a->kind == b->kind && strcmp(a->model, b->model) == 0 &&
           strcmp(a->client, b->client) == 0;
}

/*  Add ROW to one like it; those of names beyond the limit go to one without names. */
static void add_to(mlx_energy_row_t *rows, size_t *count, const mlx_energy_row_t *row)
{
    mlx_energy_row_t wanted = *row;
    for (size_t i = 0; i < *count; i++)
        if (same(&rows[i], &wanted)) {
            add(&rows[i], row);
            return;
        }
    if (*count + 1 >= NAMES_MAX && (*wanted.model || *wanted.client)) {
        wanted.model[0] = wanted.client[0] = '\0';
        add_to(rows, count, &wanted);
        return;
    }
    if (*count < NAMES_MAX)
        rows[(*count)++] = wanted;
}

static void put_hour(apportion_t *self, const mlx_energy_hour_t *hour)
{
    const struct {
        mlx_energy_kind_t kind;
        double joules, seconds;
    } parts[] = {
        {MLX_ENERGY_BASE, hour->base, hour->known_s},
        {MLX_ENERGY_OTHER, hour->other, 0},
        {MLX_ENERGY_UNSPLIT, hour->unsplit, 0},
        {MLX_ENERGY_UNKNOWN, 0, hour->unknown_s},
    };
    for (size_t i = 0; i < MLX_COUNT(parts); i++) {
        mlx_energy_row_t row = {.hour_us = hour->begin_us,
                                .kind = parts[i].kind,
                                .joules = parts[i].joules,
                                .seconds = parts[i].seconds};
        if (row.joules > 0 || row.seconds > 0)
            add_to(self->rows, &self->row_count, &row);
    }
}

static mlx_energy_row_t row_of(const item_t *item, int64_t hour_us)
{
    mlx_energy_row_t row = {.hour_us = hour_us, .kind = MLX_ENERGY_REQUESTS};
    snprintf(row.model, sizeof row.model, "%s", item->model);
    snprintf(row.client, sizeof row.client, "%s", item->client);
    return row;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/*  The share of ITEM in each hour, and the item itself in the hour of its end. */
static void put_item(apportion_t *self, item_t *item, const mlx_sweep_t *sweep)
{
    const mlx_energy_hour_t *hours;
    size_t count = mlx_sweep_hours(sweep, &hours);
    double whole_s = (double)(item->span.end_us - item->span.start_us) * 1e-6;
    for (size_t i = 0; i < count; i++) {
        double seconds;
        mlx_energy_row_t row = row_of(item, hours[i].begin_us);
        int64_t from = most(item->span.start_us, hours[i].from_us);
        int64_t to = least(item->span.end_us, hours[i].to_us);
        row.joules = mlx_sweep_share(sweep, from, to, &seconds);
        row.seconds = to > from ? (double)(to - from) * 1e-6 : 0;
        item->known_s += seconds;
        if (row.seconds > 0)
            add_to(self->rows, &self->row_count, &row);
    }
    if (!item->counted || item->span.end_us > self->bound_us)
        return;
    mlx_energy_row_t row = row_of(item, mlx_hour_begin(item->span.end_us));
    row.requests = item->requests;
    row.tokens = item->tokens;
    row.metered = whole_s > 0 && item->known_s >= covered * whole_s;
    add_to(self->rows, &self->row_count, &row);
}

/*  Make the rows of what lies before the bound. */
static void apportion(apportion_t *self)
{
    const mlx_joules_t *energy = self->energy;
    collect_items(self);
    MLX_CLEANUP(mlx_free_p) mlx_sweep_span_t *spans = mlx_alloc(self->count + 1, sizeof *spans);
    for (size_t i = 0; i < self->count; i++)
        spans[i] = self->items[i].span;
    mlx_sweep_t *sweep =
        mlx_sweep_new(&(mlx_sweep_input_t){.points = energy->points,
                                           .count = energy->count,
                                           .spans = spans,
                                           .span_count = self->count,
                                           .from_us = energy->state.settled_us,
                                           .to_us = self->bound_us,
                                           .idle_watts = mlx_idle_power(&energy->idle)});
    const mlx_energy_hour_t *hours;
    size_t count = mlx_sweep_hours(sweep, &hours);
    for (size_t i = 0; i < count; i++)
        put_hour(self, &hours[i]);
    for (size_t i = 0; i < self->count; i++)
        put_item(self, &self->items[i], sweep);
    mlx_sweep_destroy(&sweep);
}

static int write_all(const mlx_joules_t *self, const apportion_t *settled, mlx_db_t *db,
                     int64_t now_us, mlx_error_t *err)
{
    mlx_energy_state_t state = {.settled_us = most(settled->bound_us, self->state.settled_us),
                                .idle_watts = mlx_idle_power(&self->idle)};
    size_t fresh = self->count - self->saved;
    if (mlx_db_begin(db, err))
        return -1;
    int rc = fresh ? mlx_energy_log_put_points(db, self->points + self->saved, fresh, err) : 0;
    for (size_t i = 0; rc == 0 && i < settled->row_count; i++)
        rc = mlx_energy_log_add(db, &settled->rows[i], err);
    if (rc == 0)
        rc = mlx_energy_log_put_state(db, &state, now_us - self->keep_us, err);
    if (rc == 0)
        rc = mlx_db_commit(db, err);
    if (rc)
        mlx_db_rollback(db);
    return rc;
}

static void count_totals(mlx_joules_t *self, const apportion_t *settled)
{
    for (size_t i = 0; i < settled->row_count; i++) {
        mlx_energy_row_t row = settled->rows[i], client;
        self->totals.measured += row.joules;
        self->totals.base += row.kind == MLX_ENERGY_BASE ? row.joules : 0;
        self->totals.other += row.kind == MLX_ENERGY_OTHER ? row.joules : 0;
        self->totals.requests += row.kind == MLX_ENERGY_REQUESTS ? row.joules : 0;
        if (row.kind != MLX_ENERGY_REQUESTS)
            continue;
        row.hour_us = 0;
        client = row;
        row.client[0] = client.model[0] = '\0';
        add_to(self->models, &self->totals.model_count, &row);
        add_to(self->clients, &self->totals.client_count, &client);
    }
}

/*  What was settled is done with; the last point before stays, from which the curve goes on. */
static void forget(mlx_joules_t *self, const apportion_t *settled)
{
    int64_t bound_us = settled->bound_us;
    size_t first = 0, kept = 0;
    while (first + 1 < self->count && self->points[first + 1].t_us <= bound_us)
        first++;
    memmove(self->points, self->points + first, (self->count - first) * sizeof *self->points);
    self->count -= first;
    self->saved = self->count;
    for (size_t i = 0; i < self->item_count && settled->items; i++)
        if (self->items[i].span.end_us > bound_us)
            self->items[kept++] = settled->items[i];
        else
            free_item(&self->items[i]);
    self->item_count = kept;
    self->state.settled_us = most(bound_us, self->state.settled_us);
}

int mlx_energy_flush(mlx_joules_t *self, mlx_db_t *db, int64_t now_us, mlx_error_t *err)
{
    apportion_t settled = {.energy = self, .bound_us = bound_at(self, now_us)};
    if (self->state.settled_us == 0 && self->item_count == 0)
        return 0;
    if (self->state.settled_us == 0) /* requests, but no power ever */
        self->state.settled_us = settled.bound_us;
    settled.rows = mlx_alloc(NAMES_MAX, sizeof *settled.rows);
    if (settled.bound_us > self->state.settled_us)
        apportion(&settled);
    int rc = write_all(self, &settled, db, now_us, err);
    if (rc == 0) {
        self->saved = self->count;
        count_totals(self, &settled);
        if (settled.bound_us > self->state.settled_us)
            forget(self, &settled);
    }
    for (size_t i = settled.running_from; i < settled.count; i++)
        free_item(&settled.items[i]);
    free(settled.items);
    free(settled.rows);
    return rc;
}

mlx_energy_totals_t mlx_energy_totals(const mlx_joules_t *self, int64_t now_us)
{
    mlx_energy_totals_t totals = self->totals;
    totals.idle_watts = mlx_idle_power(&self->idle);
    totals.scope = mlx_power_meter_scope(self->meter, now_us);
    return totals;
}
