#include "event_log.h"

#include <stdlib.h>
#include <string.h>

#include "finding_log.h"
#include "proto/utf8.h"

enum {
    TEXT_CHARS = 160,
    WAITING = 500,
    TOPICS = 64 /* whose models are known */
};

#define GAP_US (INT64_C(60) * 1000000) /* between two flushes: the machine slept */

struct mlx_event_log {
    mlx_value_t *runtimes; /* topic: {version, models: {name: true}} */
    mlx_value_t *alerts;   /* rule: state */
    mlx_value_t *waiting;
    int64_t flushed_us; /* 0: not yet */
};

mlx_event_log_t *mlx_event_log_new(void)
{
    mlx_event_log_t *self = mlx_alloc(1, sizeof *self);
    self->runtimes = mlx_value_map();
    self->alerts = mlx_value_map();
    self->waiting = mlx_value_list();
    return self;
}

void mlx_event_log_destroy(mlx_event_log_t **self_p)
{
    mlx_event_log_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_value_destroy(&self->runtimes);
    mlx_value_destroy(&self->alerts);
    mlx_value_destroy(&self->waiting);
    free(self);
}

static void append(mlx_value_t *list, int64_t t_us, const char *kind, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(text, TEXT_CHARS);
    mlx_value_t *event = mlx_value_append(list, mlx_value_map());
    mlx_value_set_int(event, "t", t_us);
    mlx_value_set_str(event, "kind", kind);
    mlx_value_set_str(event, "text", line);
}

static void note(mlx_event_log_t *self, int64_t t_us, const char *kind, char *text)
{
    if (mlx_value_size(self->waiting) < WAITING)
        append(self->waiting, t_us, kind, text);
    free(text);
}

static mlx_value_t *names_of(const mlx_value_t *models)
{
    mlx_value_t *names = mlx_value_map();
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        const char *name = mlx_value_str(model, "name"), *state = mlx_value_str(model, "state");
        if (name && *name && (!state || strcmp(state, "loaded") == 0))
            mlx_value_set_bool(names, name, true);
    }
    return names;
}

/*  Those of A that are not in B. */
static void note_missing(mlx_event_log_t *self, int64_t t_us, const mlx_value_t *a,
                         const mlx_value_t *b, const char *what)
{
    for (size_t i = 0; i < mlx_value_size(a); i++)
        if (!mlx_value_get(b, mlx_value_key(a, i)))
            note(self, t_us, "model", mlx_format("%s %s", mlx_value_key(a, i), what));
}

/*  The first message of a server says what is; only what differs later happened. */
void mlx_event_log_message(mlx_event_log_t *self, const mlx_message_t *message)
{
    static const char end[] = ".models";
    size_t len = strlen(message->topic);
    bool reachable = false;
    if (len < sizeof end || strcmp(message->topic + len - strlen(end), end) != 0 ||
        !mlx_value_bool(message->d, "reachable", &reachable) || !reachable)
        return;
    const char *version = mlx_value_str(message->d, "version");
    const char *kind = mlx_value_str(message->d, "kind");
    const mlx_value_t *before = mlx_value_get(self->runtimes, message->topic);
    if (!before && mlx_value_size(self->runtimes) >= TOPICS)
        return;
    mlx_value_t *now = mlx_value_map();
    mlx_value_set(now, "models", names_of(mlx_value_get(message->d, "models")));
    const char *old = before ? mlx_value_str(before, "version") : NULL;
    mlx_value_set_str(now, "version", version ? version : old);
    if (before) {
        const mlx_value_t *was = mlx_value_get(before, "models"),
                          *is = mlx_value_get(now, "models");
        note_missing(self, message->t, is, was, "loaded");
        note_missing(self, message->t, was, is, "freed");
    }
    if (old && version && strcmp(old, version) != 0)
        note(self, message->t, "runtime",
             mlx_format("%s went from %s to %s", kind ? kind : "runtime", old, version));
    mlx_value_set(self->runtimes, message->topic, now);
}

void mlx_event_log_alert(mlx_event_log_t *self, const char *rule, const mlx_value_t *d,
                         int64_t now_us)
{
    const char *state = mlx_value_str(d, "state"), *last = mlx_value_str(self->alerts, rule);
    if (!state || strcmp(state, last ? last : "resolved") == 0)
        return;
    note(self, now_us, "alert", mlx_format("%s %s", rule, state));
    mlx_value_set_str(self->alerts, rule, state);
}

static int write_all(const mlx_event_log_t *self, mlx_db_t *db, mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_value_size(self->waiting); i++) {
        const mlx_value_t *event = mlx_value_at(self->waiting, i);
        int64_t t = 0;
        mlx_value_int(event, "t", &t);
        if (mlx_db_run(db, err, "INSERT INTO event (t, kind, text) VALUES (?, ?, ?)", "iss", t,
                       mlx_value_str(event, "kind"), mlx_value_str(event, "text")))
            return -1;
    }
    return mlx_db_run(db, err, "DELETE FROM event WHERE n <= (SELECT max(n) FROM event) - ?", "i",
                      (int64_t)MLX_EVENT_LOG_KEPT);
}

int mlx_event_log_flush(mlx_event_log_t *self, mlx_db_t *db, int64_t now_us, mlx_error_t *err)
{
    if (self->flushed_us && now_us - self->flushed_us > GAP_US)
        note(self, self->flushed_us, "gap",
             mlx_format("asleep or stopped for %lld s",
                        (long long)((now_us - self->flushed_us) / 1000000)));
    self->flushed_us = now_us;
    if (mlx_value_size(self->waiting) == 0)
        return 0;
    if (mlx_db_begin(db, err))
        return -1;
    if (write_all(self, db, err) || mlx_db_commit(db, err)) {
        mlx_db_rollback(db);
        return -1;
    }
    mlx_value_destroy(&self->waiting);
    self->waiting = mlx_value_list();
    return 0;
}

mlx_value_t *mlx_event_log_list(mlx_db_t *db, int64_t since_us, int64_t until_us, mlx_error_t *err)
{
    if (mlx_finding_log_prepare(db, err))
        return NULL;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err,
        "SELECT * FROM (SELECT t, kind, text FROM event WHERE t >= ?1 AND t < ?2 UNION ALL"
        " SELECT t, 'finding', rule || ' ' || coalesce(json_extract(data, '$.state'), '')"
        " FROM finding WHERE t >= ?1 AND t < ?2 UNION ALL"
        " SELECT t, 'benchmark', coalesce(model, '') FROM result WHERE t >= ?1 AND t < ?2"
        " ORDER BY t DESC LIMIT ?3) ORDER BY t",
        "iii", since_us, until_us, (int64_t)MLX_EVENT_LOG_MAX);
    mlx_value_t *list = mlx_value_list();
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        const char *kind = mlx_stmt_str(q, 1), *text = mlx_stmt_str(q, 2);
        append(list, mlx_stmt_int(q, 0), kind ? kind : "", text ? text : "");
    }
    if (more < 0)
        mlx_value_destroy(&list);
    return list;
}
