#include "alert_board.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/suggest.h"
#include "proto/catalogue.h"

#define YEAR_S (366.0 * 86400)

typedef struct {
    char *topic;         /* "alert.hot" */
    const char *rule;    /* behind its dot */
    mlx_value_t *news;   /* what it said last, or NULL */
    int64_t silenced_us; /* until then; 0: it is not */
    int64_t test_us;     /* a test fires until then; 0: none */
} entry_t;

struct mlx_alert_board {
    mlx_alert_board_hooks_t hooks;
    entry_t *all;
    size_t count;
};

mlx_alert_board_t *mlx_alert_board_new(const mlx_value_t *rules,
                                       const mlx_alert_board_hooks_t *hooks)
{
    mlx_alert_board_t *self = mlx_alloc(1, sizeof *self);
    self->hooks = *hooks;
    self->count = mlx_value_size(rules);
    self->all = mlx_alloc(self->count + 1, sizeof *self->all);
    for (size_t i = 0; i < self->count; i++) {
        const char *name = mlx_value_str(mlx_value_at(rules, i), "name");
        MLX_CLEANUP(mlx_free_p) char *segment = mlx_topic_segment(name ? name : "");
        self->all[i].topic = mlx_format("alert.%s", segment);
        self->all[i].rule = strchr(self->all[i].topic, '.') + 1;
    }
    return self;
}

void mlx_alert_board_destroy(mlx_alert_board_t **self_p)
{
    mlx_alert_board_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        mlx_value_destroy(&self->all[i].news);
        free(self->all[i].topic);
    }
    free(self->all);
    free(self);
}

static entry_t *find(const mlx_alert_board_t *self, const char *rule, mlx_error_t *err)
{
    mlx_suggest_t near = {.word = rule};
    for (size_t i = 0; rule && i < self->count; i++) {
        if (strcmp(self->all[i].rule, rule) == 0)
            return &self->all[i];
        mlx_suggest_try(&near, self->all[i].rule);
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "there is no alert rule %s",
                  rule ? rule : "without name");
    mlx_error_hint(err, near.best ? "did you mean %s?" : "`mlxctl alerts` shows all%s",
                   near.best ? near.best : "");
    return NULL;
}

static bool fires(const entry_t *entry)
{
    const char *state = mlx_value_str(entry->news, "state");
    return state && strcmp(state, "firing") == 0;
}

/*  Say what ENTRY has to say, as its silence lets it. */
static void tell(const mlx_alert_board_t *self, const entry_t *entry, int64_t now_us)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_copy(entry->news);
    bool silenced = entry->silenced_us > now_us;
    if (!d)
        return;
    if (silenced)
        mlx_value_set_int(d, "silenced_until", entry->silenced_us);
    self->hooks.publish(self->hooks.arg, entry->topic, d);
    if (!silenced && self->hooks.notify)
        self->hooks.notify(self->hooks.arg, entry->topic, d);
}

void mlx_alert_board_take(mlx_alert_board_t *self, const char *topic, const mlx_value_t *d,
                          int64_t now_us)
{
    entry_t *entry = find(self, strchr(topic, '.') + 1, NULL);
    if (!entry)
        return;
    mlx_value_destroy(&entry->news);
    entry->news = mlx_value_copy(d);
    entry->test_us = 0; /* the real one goes before a test */
    tell(self, entry, now_us);
}

void mlx_alert_board_tick(mlx_alert_board_t *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        entry_t *entry = &self->all[i];
        if (entry->test_us && entry->test_us <= now_us) {
            entry->test_us = 0;
            mlx_value_set_str(entry->news, "state", "resolved");
            mlx_value_set_str(entry->news, "summary", "over: a test of this alert");
            mlx_value_set_int(entry->news, "since", now_us);
            tell(self, entry, now_us);
        }
        if (entry->silenced_us && entry->silenced_us <= now_us) {
            entry->silenced_us = 0;
            if (fires(entry))
                tell(self, entry, now_us);
        }
    }
}

int mlx_alert_board_load(mlx_alert_board_t *self, mlx_db_t *db, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err, "SELECT rule, until FROM alert_silence", "");
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        entry_t *entry = find(self, mlx_stmt_str(q, 0), NULL);
        if (entry)
            entry->silenced_us = mlx_stmt_int(q, 1);
    }
    return more;
}

int mlx_alert_board_silence(mlx_alert_board_t *self, mlx_db_t *db, const char *rule, double seconds,
                            int64_t now_us, mlx_error_t *err)
{
    entry_t *entry = find(self, rule, err);
    if (!entry)
        return -1;
    if (!(seconds >= 0 && seconds <= YEAR_S))
        return mlx_error_set(err, MLX_ERR_USAGE, "a silence must last from 0 seconds to a year");
    int64_t until = now_us + (int64_t)(seconds * 1e6);
    if (mlx_db_run(db, err, "INSERT OR REPLACE INTO alert_silence (rule, until) VALUES (?, ?)",
                   "si", rule, until) ||
        mlx_db_run(db, err, "DELETE FROM alert_silence WHERE until <= ?", "i", now_us))
        return -1;
    entry->silenced_us = until;
    if (fires(entry) && seconds > 0)
        tell(self, entry, now_us);
    mlx_alert_board_tick(self, now_us);
    return 0;
}

int mlx_alert_board_test(mlx_alert_board_t *self, const char *rule, int64_t now_us,
                         mlx_error_t *err)
{
    entry_t *entry = find(self, rule, err);
    if (!entry)
        return -1;
    if (fires(entry))
        return mlx_error_set(err, MLX_ERR_BUSY, "%s fires already", rule);
    mlx_value_destroy(&entry->news);
    entry->news = mlx_value_map();
    mlx_value_set_str(entry->news, "state", "firing");
    mlx_value_set_str(entry->news, "summary", "a test of this alert: nothing is wrong");
    mlx_value_set_int(entry->news, "since", now_us);
    entry->test_us = now_us + MLX_ALERT_TEST_S * INT64_C(1000000);
    tell(self, entry, now_us);
    return 0;
}

mlx_value_t *mlx_alert_board_list(const mlx_alert_board_t *self, int64_t now_us)
{
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < self->count; i++) {
        const entry_t *entry = &self->all[i];
        mlx_value_t *item =
            mlx_value_append(list, entry->news ? mlx_value_copy(entry->news) : mlx_value_map());
        mlx_value_set_str(item, "rule", entry->rule);
        if (entry->silenced_us > now_us)
            mlx_value_set_int(item, "silenced_until", entry->silenced_us);
    }
    return list;
}
