#include "recorder.h"

#include "common/base/held.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert_board.h"
#include "commands.h"
#include "energy.h"
#include "event_log.h"
#include "fields.h"
#include "finding_log.h"
#include "findings.h"
#include "query.h"
#include "request_log.h"
#include "results.h"
#include "rules.h"
#include "speed_watch.h"
#include "spread.h"

enum {
    FLUSH_SAMPLES = 20000, /* that wait, before the time is up */
    SHRINK_PAGES = 256,
    USUAL_SAMPLES = 100 /* that a usual value needs */
};

#define AHEAD_US (INT64_C(600) * 1000000) /* a clock that is further ahead is wrong */
#define WEEK_MS (INT64_C(7) * 86400000)

struct mlx_recorder {
    mlx_recorder_options_t options;
    char *path;
    char *host;
    mlx_history_t *history;
    mlx_request_log_t *requests;
    mlx_joules_t *energy;
    mlx_speed_watch_t *speeds;
    mlx_rules_t *rules;
    mlx_alert_board_t *alerts;
    mlx_event_log_t *events;
    mlx_findings_t *findings;
    char *set_aside; /* what was said about a damaged database, or NULL */
    bool failing;    /* the newest flush failed */
    bool crowded;    /* samples were lost of late because there are too many series */
    mlx_history_stats_t told;
    bool misplaced; /* the database is not where it should be */
    mlx_buf_t series;
    double flush_s; /* that the newest flush took */
};

static int64_t now_ms(const mlx_recorder_t *self)
{
    return self->options.wall_us() / 1000;
}

static mlx_db_t *database(mlx_recorder_t *self)
{
    return mlx_history_store_db(mlx_history_store(self->history));
}

static void note(mlx_recorder_t *self, const char *kind, char *text)
{
    free(self->set_aside);
    self->set_aside = text;
    self->options.problem(self->options.arg, kind, text);
}

/*  Open the database; one that is damaged makes way for a new one. */
static int open_history(mlx_recorder_t *self, mlx_error_t *err)
{
    mlx_error_t first = {0};
    self->history = mlx_history_open(&self->options.history, now_ms(self), &first);
    if (!self->history && first.code == MLX_ERR_DATA_LOSS) {
        MLX_CLEANUP(mlx_free_p)
        char *kept = mlx_history_store_set_aside(self->path, now_ms(self), err);
        if (!kept)
            return -1;
        note(self, "damaged",
             mlx_format("the history was damaged: saved as %s, starting afresh", kept));
        self->history = mlx_history_open(&self->options.history, now_ms(self), &first);
    }
    if (!self->history && err)
        *err = first;
    return self->history ? 0 : -1;
}

/*  After an error of the database in use. One that is damaged is replaced; when that does not work
 *  either, samples are lost until it does. */
static void recover(mlx_recorder_t *self, const mlx_error_t *err)
{
    mlx_error_t second = {0};
    if (err->code != MLX_ERR_DATA_LOSS)
        return;
    mlx_history_destroy(&self->history);
    mlx_request_log_reset(self->requests);
    mlx_energy_reset(self->energy);
    if (open_history(self, &second))
        self->options.problem(self->options.arg, "open", second.text);
}

static void say_health(const mlx_recorder_t *self)
{
    const char *reason = !self->history ? "the history cannot be opened"
                         : self->misplaced
                             ? "the history file was removed and cannot be created again"
                         : self->crowded ? "there are too many series to record them all"
                         : self->failing ? "the history cannot be written: is the disk full?"
                                         : self->set_aside;
    self->options.health(self->options.arg, reason);
}

/*  Somebody deleted, moved or replaced the database under us. What is open still has everything: it
 *  becomes the file that is missing, or is saved beside the one that took its place, which is used
 *  from now on. */
void mlx_recorder_check_place(mlx_recorder_t *self)
{
    mlx_error_t err = {0};
    if (!self->history) {
        open_history(self, NULL);
        return;
    }
    mlx_history_store_t *store = mlx_history_store(self->history);
    mlx_history_place_t place = mlx_history_store_place(store);
    if (place == MLX_HISTORY_IN_PLACE)
        return;
    mlx_history_flush(self->history, now_ms(self), NULL);
    MLX_CLEANUP(mlx_free_p) char *saved = mlx_history_store_save(store, now_ms(self), &err);
    if (!saved) {
        self->misplaced = true; /* and goes on as it is: to be tried again */
        self->options.problem(self->options.arg, "place", err.text);
        say_health(self);
        return;
    }
    mlx_history_destroy(&self->history);
    mlx_request_log_reset(self->requests);
    mlx_energy_reset(self->energy);
    if (place == MLX_HISTORY_REPLACED)
        note(self, "place",
             mlx_format("%s was replaced: what it held until then is in %s", self->path, saved));
    else if (mlx_history_store_put_back(saved, self->path, &err) == 0)
        note(self, "place",
             mlx_format("%s was deleted or moved away: it was recreated from the open database",
                        self->path));
    if (open_history(self, &err))
        self->options.problem(self->options.arg, "open", err.text);
    self->misplaced = false;
    say_health(self);
}

static bool usual(void *arg, const char *series, int64_t t_us, double *value)
{
    mlx_recorder_t *self = arg;
    const mlx_track_t *track =
        self->history ? mlx_tracks_find(mlx_history_tracks(self->history), series) : NULL;
    mlx_query_t query = {.since = t_us / 1000 - WEEK_MS, .until = t_us / 1000, .step = WEEK_MS};
    mlx_points_t points = {0};
    double sum = 0;
    int64_t count = 0;
    if (!track || mlx_history_query(self->history, track, &query, &points, NULL))
        return false;
    for (size_t i = 0; i < points.n; i++) {
        sum += points.all[i].mean * (double)points.all[i].count;
        count += points.all[i].count;
    }
    mlx_points_clear(&points);
    *value = count ? sum / (double)count : 0;
    return count >= USUAL_SAMPLES;
}

static void on_alert(void *arg, const char *topic, const mlx_value_t *d)
{
    mlx_recorder_t *self = arg;
    mlx_alert_board_take(self->alerts, topic, d, self->options.wall_us());
    mlx_event_log_alert(self->events, topic + strlen("alert."), d, self->options.wall_us());
}

/*  A finding began or ended: keep it, and say so. */
static void on_finding(void *arg, const char *topic, const mlx_value_t *d)
{
    mlx_recorder_t *self = arg;
    mlx_error_t err = {0};
    const char *rule = topic + strlen("finding.");
    self->options.publish(self->options.arg, topic, d);
    if (self->history &&
        mlx_finding_log_put(database(self), self->host, self->options.wall_us(), rule, d, &err)) {
        self->options.problem(self->options.arg, "finding", err.text);
        recover(self, &err);
    }
}

mlx_recorder_t *mlx_recorder_new(const mlx_recorder_options_t *options, mlx_error_t *err)
{
    mlx_recorder_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->path = mlx_strdup(options->history.path);
    self->options.history.path = self->path;
    self->host = mlx_strdup(options->host);
    self->requests = mlx_request_log_new(options->request_days);
    self->energy = mlx_energy_new(options->energy_days);
    self->events = mlx_event_log_new();
    self->speeds = mlx_speed_watch_new(options->system, options->driver);
    self->alerts =
        mlx_alert_board_new(options->rules, &(mlx_alert_board_hooks_t){.publish = options->publish,
                                                                       .notify = options->notify,
                                                                       .arg = options->arg});
    mlx_rules_hooks_t hooks = {
        .publish = on_alert, .publish_arg = self, .usual = usual, .usual_arg = self};
    self->rules = mlx_rules_new(options->rules, &hooks, err);
    self->findings = mlx_findings_new(&(mlx_findings_hooks_t){.publish = on_finding, .arg = self});
    if (!self->rules || open_history(self, err) ||
        mlx_energy_load(self->energy, database(self), self->requests, err) ||
        mlx_speed_watch_load(self->speeds, database(self), self->requests, err) ||
        mlx_alert_board_load(self->alerts, database(self), err)) {
        mlx_recorder_destroy(&self);
        return NULL;
    }
    options->health(options->arg, self->set_aside);
    return self;
}

static int flush(mlx_recorder_t *self)
{
    mlx_error_t err = {0};
    int64_t begun = self->options.wall_us();
    if (!self->history)
        return open_history(self, NULL);
    int rc = mlx_history_flush(self->history, begun / 1000, &err) ||
             mlx_request_log_flush(self->requests, database(self), begun, &err) ||
             mlx_energy_flush(self->energy, database(self), begun, &err) ||
             mlx_event_log_flush(self->events, database(self), begun, &err) ||
             mlx_speed_watch_flush(self->speeds, database(self), &err);
    self->flush_s = (double)(self->options.wall_us() - begun) / 1e6;
    self->failing = rc != 0;
    if (rc) {
        self->options.problem(self->options.arg, "flush", err.text);
        recover(self, &err);
    }
    return rc;
}

void mlx_recorder_destroy(mlx_recorder_t **self)
{
    mlx_recorder_t *recorder = *self;
    *self = NULL;
    if (!recorder)
        return;
    if (recorder->history)
        flush(recorder);
    mlx_history_destroy(&recorder->history);
    mlx_request_log_destroy(&recorder->requests);
    mlx_energy_destroy(&recorder->energy);
    mlx_event_log_destroy(&recorder->events);
    mlx_speed_watch_destroy(&recorder->speeds);
    mlx_rules_destroy(&recorder->rules);
    mlx_alert_board_destroy(&recorder->alerts);
    mlx_findings_destroy(&recorder->findings);
    mlx_buf_clear(&recorder->series);
    free(recorder->set_aside);
    free(recorder->path);
    free(recorder->host);
    free(recorder);
}

typedef struct {
    mlx_recorder_t *recorder;
    size_t prefix; /* of the series' names, less the field */
    int64_t t_ms;
    const mlx_value_t *d;
} visit_t;

static void on_number(void *arg, const char *path, const mlx_field_t *field, double value)
{
    visit_t *visit = arg;
    mlx_recorder_t *self = visit->recorder;
    if (!mlx_field_recorded(field) || mlx_held_age(visit->d, path) > MLX_HELD_STALE_S)
        return;
    self->series.len = visit->prefix;
    mlx_buf_puts(&self->series, path);
    mlx_track_t *track =
        mlx_history_track(self->history, mlx_buf_str(&self->series), field->unit, field->type);
    if (track)
        mlx_history_add(self->history, track, visit->t_ms, value);
}

static void record(mlx_recorder_t *self, const mlx_topic_t *topic, const mlx_message_t *message)
{
    visit_t visit = {.recorder = self, .t_ms = message->t / 1000, .d = message->d};
    mlx_buf_reset(&self->series);
    mlx_series_prefix(&self->series, message->host, message->topic);
    visit.prefix = self->series.len;
    mlx_fields_each(topic, message->d, on_number, &visit);
    if (mlx_history_waiting(self->history) >= FLUSH_SAMPLES)
        flush(self);
}

static void store_result(mlx_recorder_t *self, const mlx_message_t *message)
{
    mlx_error_t err = {0};
    if (mlx_results_put(database(self), message->host, message->t, message->d, &err) == 0)
        return;
    self->options.problem(self->options.arg, "bench.result", err.text);
    recover(self, &err);
}

static bool is_request(const mlx_topic_t *topic)
{
    return strcmp(topic->pattern, "runtime.<kind>.<endpoint>.request") == 0;
}

void mlx_recorder_message(mlx_recorder_t *self, const mlx_message_t *message)
{
    const mlx_topic_t *topic = mlx_catalogue_find(message->topic);
    if (!topic)
        return;
    if (message->t > self->options.wall_us() + AHEAD_US) {
        self->options.problem(self->options.arg, "clock",
                              "dropped a message with a time in the future");
        return;
    }
    if (strcmp(message->topic, "bench.result") == 0) {
        if (self->history)
            store_result(self, message);
        return;
    }
    if (is_request(topic))
        mlx_request_log_put(self->requests, message);
    if (self->history && topic->retained)
        record(self, topic, message);
    mlx_rules_message(self->rules, message);
    if (strcmp(message->host, self->host) != 0)
        return;
    mlx_energy_message(self->energy, message);
    mlx_speed_watch_message(self->speeds, message);
    mlx_event_log_message(self->events, message);
    mlx_findings_message(self->findings, message);
}

static void report_history(mlx_recorder_t *self)
{
    mlx_history_store_figures_t figures;
    if (!self->history || mlx_history_figures(self->history, &figures, NULL))
        return;
    mlx_history_stats_t stats = mlx_history_stats(self->history);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "path", self->path);
    mlx_value_set_int(d, "bytes", figures.bytes);
    mlx_value_set_int(d, "series", (int64_t)mlx_tracks_used(mlx_history_tracks(self->history)));
    mlx_value_set_int(d, "samples", stats.samples);
    mlx_value_set_int(d, "lost", stats.lost);
    if (figures.oldest != INT64_MAX)
        mlx_value_set_int(d, "oldest", figures.oldest * 1000);
    mlx_value_set_real(d, "flush", self->flush_s);
    self->options.publish(self->options.arg, "history.status", d);
}

static void put_energies(mlx_value_t *d, const char *key, const mlx_energy_row_t *rows, size_t n)
{
    mlx_value_t *list = mlx_value_set(d, key, mlx_value_list());
    for (size_t i = 0; i < n; i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(item, "name", *rows[i].model ? rows[i].model : rows[i].client);
        mlx_value_set_real(item, "joules", rows[i].joules);
        mlx_value_set_int(item, "requests", rows[i].requests);
    }
}

/*  Counters since our start; nothing where no power was ever known. */
static void report_energy(const mlx_recorder_t *self)
{
    mlx_energy_totals_t totals = mlx_energy_totals(self->energy, self->options.wall_us());
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    if (*totals.scope)
        mlx_value_set_str(d, "scope", totals.scope);
    else
        mlx_value_set_str(d, "reason", "this machine reports no power: `mlxctl status` says why");
    if (!isnan(totals.idle_watts))
        mlx_value_set_real(d, "idle_power", totals.idle_watts);
    if (totals.measured > 0) {
        mlx_value_set_real(d, "measured", totals.measured);
        mlx_value_set_real(d, "base", totals.base);
        mlx_value_set_real(d, "other", totals.other);
        mlx_value_set_real(d, "requests", totals.requests);
        put_energies(d, "models", totals.models, totals.model_count);
        put_energies(d, "clients", totals.clients, totals.client_count);
    }
    self->options.publish(self->options.arg, "energy.status", d);
}

void mlx_recorder_report(mlx_recorder_t *self)
{
    report_history(self);
    report_energy(self);
}

/*  Names that others made up are not recorded, or no longer, in silence. */
static void tell_of_series(mlx_recorder_t *self)
{
    if (!self->history)
        return;
    mlx_history_stats_t now = mlx_history_stats(self->history);
    int64_t pruned = now.pruned - self->told.pruned;
    self->crowded = now.crowded > self->told.crowded;
    self->told = now;
    if (pruned <= 0)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *text =
        mlx_format("%lld inactive series with few values were dropped to make room for others",
                   (long long)pruned);
    self->options.problem(self->options.arg, "series", text);
}

void mlx_recorder_tick(mlx_recorder_t *self)
{
    mlx_error_t err = {0};
    mlx_recorder_check_place(self);
    flush(self);
    if (self->history && mlx_history_retain(self->history, now_ms(self), &err)) {
        self->failing = true;
        self->options.problem(self->options.arg, "retention", err.text);
        recover(self, &err);
    }
    mlx_rules_tick(self->rules, self->options.wall_us());
    int64_t now_us = self->options.wall_us();
    mlx_alert_board_tick(self->alerts, now_us);
    mlx_findings_slower(self->findings, mlx_speed_watch_slower(self->speeds, now_us));
    mlx_findings_tick(self->findings, now_us);
    tell_of_series(self);
    say_health(self);
}

static mlx_value_t *answer_requests(mlx_recorder_t *self, const mlx_value_t *args, mlx_error_t *err)
{
    if (mlx_request_log_flush(self->requests, database(self), self->options.wall_us(), err))
        return NULL;
    return mlx_request_log_list(self->requests, database(self), args, err);
}

static mlx_value_t *answer_spread(mlx_recorder_t *self, const mlx_value_t *args, mlx_error_t *err)
{
    if (mlx_request_log_flush(self->requests, database(self), self->options.wall_us(), err))
        return NULL;
    return mlx_spread_list(database(self), self->requests, args, self->options.wall_us(), err);
}

/*  alert.list, alert.silence and alert.test: each answers with the list. */
static mlx_value_t *answer_alerts(mlx_recorder_t *self, const char *cmd, const mlx_value_t *args,
                                  mlx_error_t *err)
{
    const char *rule = mlx_value_str(args, "rule");
    int64_t now_us = self->options.wall_us();
    double seconds = 3600;
    mlx_value_real(args, "seconds", &seconds);
    if (strcmp(cmd, "alert.silence") == 0 &&
        mlx_alert_board_silence(self->alerts, database(self), rule, seconds, now_us, err))
        return NULL;
    if (strcmp(cmd, "alert.test") == 0 && mlx_alert_board_test(self->alerts, rule, now_us, err))
        return NULL;
    mlx_value_t *result = mlx_value_map();
    mlx_value_set(result, "alerts", mlx_alert_board_list(self->alerts, now_us));
    return result;
}

/*  Commands that need more than the history. */
static mlx_value_t *answer(mlx_recorder_t *self, const char *cmd, const mlx_value_t *args,
                           mlx_error_t *err)
{
    mlx_asked_t asked = {
        .history = self->history, .path = self->path, .host = self->host, .now_ms = now_ms(self)};
    if (strcmp(cmd, "requests.list") == 0)
        return answer_requests(self, args, err);
    if (strcmp(cmd, "requests.spread") == 0)
        return answer_spread(self, args, err);
    if (strcmp(cmd, "energy.list") == 0)
        return mlx_energy_list(database(self), &self->options.prices, args, self->options.wall_us(),
                               err);
    if (strncmp(cmd, "alert.", strlen("alert.")) == 0)
        return answer_alerts(self, cmd, args, err);
    return mlx_history_answer(&asked, cmd, args, err);
}

mlx_value_t *mlx_recorder_answer(mlx_recorder_t *self, const char *cmd, const mlx_value_t *args,
                                 mlx_error_t *err)
{
    mlx_error_t problem = {0};
    if (!self->history) {
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the history cannot be opened");
        return NULL;
    }
    mlx_value_t *result = answer(self, cmd, args, &problem);
    if (result)
        return result;
    recover(self, &problem);
    if (err)
        *err = problem;
    return NULL;
}

int mlx_recorder_shrink(mlx_recorder_t *self, int64_t *bytes, bool *more, mlx_error_t *err)
{
    mlx_history_store_figures_t figures;
    if (!self->history)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the history cannot be opened");
    mlx_history_store_t *store = mlx_history_store(self->history);
    if (mlx_history_store_shrink(store, SHRINK_PAGES, err) ||
        mlx_history_store_figures(store, &figures, err))
        return -1;
    *bytes = figures.bytes;
    *more = figures.free > 0;
    return 0;
}
