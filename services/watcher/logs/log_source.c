#include "log_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "log_journal.h"
#include "log_place.h"
#include "log_story.h"

enum {
    TURN_MS = 250, /* while it is written; at rest it is looked at on the loop's grid */
    FIND_MIN_US = 2 * 1000 * 1000, /* looking for the process costs some milliseconds */
    FIND_MAX_US = 60 * 1000 * 1000,
    NEWEST_US = 10 * 1000 * 1000,
};

struct mlx_log_source {
    mlx_log_source_options_t options;
    const mlx_log_grammar_t *format;
    mlx_log_story_t *story;
    mlx_timer_t *timer;
    mlx_log_place_t place;
    mlx_log_tail_t *tail;
    mlx_log_journal_t *journal;
    int64_t find_us; /* when to look for the place next */
    int64_t pause_us;
    uint64_t skipped;
    bool told; /* by this turn's lines: something new */
    bool grew; /* there were lines in this turn */
    bool denied;
    size_t models;
    char reason[300];
};

static void on_line(void *arg, const char *line)
{
    mlx_log_source_t *self = arg;
    char text[MLX_LOG_LINE_MAX];
    int64_t wall_us = mlx_wall_us();
    mlx_log_fact_t fact;
    self->grew = true;
    if (self->place.wrap != MLX_LOG_PLAIN) {
        if (!mlx_log_unwrap(self->place.wrap, line, text, &wall_us)) {
            self->denied = self->denied || strstr(line, "permission") || strstr(line, "not seeing");
            return;
        }
        line = text;
    }
    self->format->read(line, &fact);
    if (fact.what == MLX_LOG_NOTHING)
        return;
    self->told = true;
    mlx_log_story_add(self->story, &fact, mlx_now_us(), wall_us);
}

static void close_place(mlx_log_source_t *self)
{
    mlx_log_tail_destroy(&self->tail);
    mlx_log_journal_destroy(&self->journal);
    self->skipped = 0;
}

static void open_journal(mlx_log_source_t *self)
{
    mlx_error_t err = {0};
    self->journal =
        mlx_log_journal_new(&(mlx_log_journal_options_t){.loop = self->options.loop,
                                                         .unit = self->place.unit,
                                                         .user_unit = self->place.user_unit,
                                                         .line = on_line,
                                                         .arg = self},
                            &err);
    if (!self->journal)
        snprintf(self->reason, sizeof self->reason, "%.250s", err.text);
}

static void find(mlx_log_source_t *self, int64_t now_us)
{
    close_place(self);
    self->reason[0] = '\0';
    mlx_log_place_find(&self->place, self->format, self->options.port, self->options.proc_root);
    if (self->place.how == MLX_LOG_FILE)
        self->tail = mlx_log_tail_new(self->place.path, self->place.owner);
    else if (self->place.how == MLX_LOG_UNIT)
        open_journal(self);
    else
        snprintf(self->reason, sizeof self->reason, "%s", self->place.reason);
    self->find_us = now_us + self->pause_us;
    self->pause_us = self->pause_us < FIND_MAX_US / 2 ? self->pause_us * 2 : FIND_MAX_US;
}

static void say_skipped(mlx_log_source_t *self, const char *how)
{
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("the log of the %s on port %u grows too fast: %s", self->options.kind,
                            (unsigned)self->options.port, how);
    mlx_log_story_forget(self->story);
    self->options.problem(self->options.arg, text);
}

static void read_file(mlx_log_source_t *self, int64_t now_us)
{
    mlx_error_t err = {0};
    ssize_t got = mlx_log_tail_read(self->tail, on_line, self, &err);
    if (got < 0) {
        bool gone = err.code == MLX_ERR_NOT_FOUND;
        snprintf(self->reason, sizeof self->reason, "%.290s", gone ? "its log is gone" : err.text);
        if (gone && self->pause_us > FIND_MIN_US)
            self->find_us = now_us; /* the process ended, and there may be another */
        self->pause_us = gone ? FIND_MIN_US : self->pause_us;
        mlx_log_story_forget(self->story);
        return;
    }
    self->reason[0] = '\0';
    uint64_t skipped = mlx_log_tail_skipped(self->tail);
    if (skipped > self->skipped) {
        MLX_CLEANUP(mlx_free_p)
        char *how =
            mlx_format("%.1f MB of it were skipped", (double)(skipped - self->skipped) / 1e6);
        self->skipped = skipped;
        say_skipped(self, how);
    }
}

static void read_journal(mlx_log_source_t *self, int64_t now_us)
{
    if (self->denied || mlx_log_journal_ended(self->journal)) {
        if (self->denied)
            snprintf(self->reason, sizeof self->reason,
                     "the journal of %.150s may not be read by this user: add it to the group "
                     "systemd-journal",
                     self->place.unit);
        else
            snprintf(self->reason, sizeof self->reason, "journalctl has ended");
        mlx_log_journal_destroy(&self->journal);
        self->denied = false;
        self->find_us = now_us + FIND_MAX_US;
    } else if (!mlx_log_journal_turn(self->journal)) {
        mlx_log_journal_destroy(&self->journal);
        say_skipped(self, "some of it was skipped");
        open_journal(self);
    }
}

static void on_turn(void *arg);

static void wait_for_turn(mlx_log_source_t *self, int64_t now_us)
{
    bool lively = self->grew || mlx_log_story_busy(self->story) || self->journal;
    int64_t grid_us = mlx_loop_grid_us(now_us, (int64_t)MLX_LOOP_GRID_MS * 1000);
    int64_t rest_ms = lively ? TURN_MS : (grid_us - now_us + 999) / 1000;
    self->grew = false;
    self->timer = mlx_loop_after(self->options.loop, rest_ms, on_turn, self);
}

static void on_turn(void *arg)
{
    mlx_log_source_t *self = arg;
    int64_t now_us = mlx_now_us();
    wait_for_turn(self, now_us);
    bool working = mlx_log_source_reading(self);
    if (!working && now_us >= self->find_us)
        find(self, now_us);
    else if (self->place.newest && now_us >= self->find_us) {
        mlx_log_place_t again;
        mlx_log_place_find(&again, self->format, self->options.port, self->options.proc_root);
        if (again.how == MLX_LOG_FILE && self->tail)
            mlx_log_tail_path(self->tail, again.path);
        self->find_us = now_us + NEWEST_US;
    }
    if (self->tail)
        read_file(self, now_us);
    else if (self->journal)
        read_journal(self, now_us);
    mlx_log_story_tick(self->story, now_us);
    if (self->told) {
        self->told = false;
        self->options.changed(self->options.arg);
    }
}

static void on_ended(void *arg, const mlx_ended_t *request)
{
    mlx_log_source_t *self = arg;
    if (mlx_log_source_reading(self))
        mlx_ended_tell(&self->options.ended, request);
}

mlx_log_source_t *mlx_log_source_new(const mlx_log_source_options_t *options)
{
    const mlx_log_grammar_t *format = mlx_log_grammar(options->kind);
    if (!format)
        return NULL;
    mlx_log_source_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->format = format;
    self->pause_us = FIND_MIN_US;
    self->story = mlx_log_story_new(format, (mlx_ended_sink_t){on_ended, self});
    wait_for_turn(self, mlx_now_us());
    find(self, mlx_now_us());
    if (self->tail)
        read_file(self, mlx_now_us()); /* the end that it has now is where reading begins */
    return self;
}

void mlx_log_source_destroy(mlx_log_source_t **self_p)
{
    mlx_log_source_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->options.loop, &self->timer);
    close_place(self);
    mlx_log_story_destroy(&self->story);
    free(self);
}

void mlx_log_source_models(mlx_log_source_t *self, size_t loaded)
{
    if (loaded == 0 && self->models > 0)
        mlx_log_story_forget(self->story);
    self->models = loaded;
}

bool mlx_log_source_reading(const mlx_log_source_t *self)
{
    bool several = self->format->nameless && self->models > 1;
    return (self->tail || self->journal) && !self->reason[0] && !several &&
           !mlx_log_story_strange(self->story);
}

bool mlx_log_source_busy(const mlx_log_source_t *self)
{
    return mlx_log_source_reading(self) && mlx_log_story_busy(self->story);
}

bool mlx_log_source_loading(const mlx_log_source_t *self)
{
    return mlx_log_source_reading(self) && mlx_log_story_loading(self->story);
}

void mlx_log_source_activity(const mlx_log_source_t *self, int64_t now_us, mlx_activity_t *out)
{
    mlx_log_story_activity(self->story, now_us, out);
    out->available = mlx_log_source_reading(self);
}

const char *mlx_log_source_reason(const mlx_log_source_t *self)
{
    if (mlx_log_source_reading(self))
        return NULL;
    if (self->reason[0])
        return self->reason;
    if (mlx_log_story_strange(self->story))
        return "its log has an unknown format";
    return "several models are loaded, and its log does not tell them apart";
}
