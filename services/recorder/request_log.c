#include "request_log.h"

#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"
#include "request_pack.h"
#include "spread.h"

enum {
    TEXT_CHARS = 200,   /* of a text that is kept */
    SAME_TIME = 1000,   /* requests that may end in one microsecond, more or less */
    DROP_ROWS = 5000,   /* in one flush */
    SCAN_ROWS = 100000, /* that one answer looks at */
};

#define DAY_US (INT64_C(86400) * 1000000)

typedef struct {
    int64_t id;
    char *text;
    int64_t used_us; /* as the database knows it */
} text_t;

struct mlx_request_log {
    int64_t keep_us;
    mlx_value_t *waiting; /* list of data */
    mlx_spread_t *spread; /* of the flush under way */
    text_t *texts;
    size_t text_count;
    bool loaded;         /* the texts of the database */
    mlx_db_t *db;        /* of the flush under way */
    int64_t end_us;      /* of the request that is being written */
    mlx_error_t problem; /* met in between */
};

mlx_request_log_t *mlx_request_log_new(int64_t days)
{
    mlx_request_log_t *self = mlx_alloc(1, sizeof *self);
    self->keep_us = days * DAY_US;
    self->waiting = mlx_value_list();
    self->spread = mlx_spread_new();
    return self;
}

void mlx_request_log_reset(mlx_request_log_t *self)
{
    while (self->text_count > 0)
        free(self->texts[--self->text_count].text);
    self->loaded = false;
}

void mlx_request_log_destroy(mlx_request_log_t **self_p)
{
    mlx_request_log_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_request_log_reset(self);
    mlx_value_destroy(&self->waiting);
    mlx_spread_destroy(&self->spread);
    free(self->texts);
    free(self);
}

/*  SEGMENTS of TOPIC, "runtime.<kind>.<endpoint>.request", into D. */
static void name_runtime(mlx_value_t *d, const char *topic)
{
    static const char *const keys[] = {"runtime", "endpoint"};
    const char *at = strchr(topic, '.');
    for (size_t i = 0; at && i < MLX_COUNT(keys); i++) {
        size_t len = strcspn(at + 1, ".");
        mlx_value_set(d, keys[i], mlx_value_new_strn(at + 1, len));
        at = at[1 + len] ? at + 1 + len : NULL;
    }
}

void mlx_request_log_put(mlx_request_log_t *self, const mlx_message_t *message)
{
    if (mlx_value_size(self->waiting) >= MLX_REQUEST_LOG_WAITING)
        return;
    int64_t end;
    mlx_value_t *d = mlx_value_append(self->waiting, mlx_value_copy(message->d));
    if (!mlx_value_int(d, "end", &end) || end <= 0 || end > message->t)
        mlx_value_set_int(d, "end", message->t);
    mlx_value_set_str(d, "host", message->host);
    name_runtime(d, message->topic);
}

/* ---- texts ---- */

static void add_text(mlx_request_log_t *self, int64_t id, const char *text, int64_t used_us)
{
    if (!self->texts)
        self->texts = mlx_alloc(MLX_REQUEST_LOG_TEXTS, sizeof *self->texts);
    if (self->text_count < MLX_REQUEST_LOG_TEXTS)
        self->texts[self->text_count++] =
            (text_t){.id = id, .text = mlx_strdup(text), .used_us = used_us};
}

static int load_texts(mlx_request_log_t *self, mlx_db_t *db, mlx_error_t *err)
{
    if (self->loaded)
        return 0;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err, "SELECT id, text, used FROM request_text", "");
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0)
        if (mlx_stmt_str(q, 1))
            add_text(self, mlx_stmt_int(q, 0), mlx_stmt_str(q, 1), mlx_stmt_int(q, 2));
    self->loaded = more == 0;
    return more;
}

static int64_t new_text(mlx_request_log_t *self, const char *text)
{
    if (self->text_count == MLX_REQUEST_LOG_TEXTS ||
        mlx_db_run(self->db, &self->problem, "INSERT INTO request_text (text, used) VALUES (?, ?)",
                   "si", text, self->end_us))
        return 0;
    int64_t id = mlx_db_last_id(self->db);
    add_text(self, id, text, self->end_us);
    return id;
}

/*  Noted once a day, so that texts which nobody uses any more can go. */
static void note_use(mlx_request_log_t *self, text_t *text)
{
    if (self->end_us - text->used_us < DAY_US)
        return;
    text->used_us = self->end_us;
    mlx_db_run(self->db, &self->problem, "UPDATE request_text SET used = ? WHERE id = ?", "ii",
               text->used_us, text->id);
}

static int64_t text_id(void *arg, const char *said)
{
    mlx_request_log_t *self = arg;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_utf8_line(said, TEXT_CHARS);
    for (size_t i = 0; i < self->text_count; i++)
        if (strcmp(self->texts[i].text, text) == 0) {
            note_use(self, &self->texts[i]);
            return self->texts[i].id;
        }
    return new_text(self, text);
}

static const char *text_of(void *arg, int64_t id)
{
    const mlx_request_log_t *self = arg;
    for (size_t i = 0; i < self->text_count; i++)
        if (self->texts[i].id == id)
            return self->texts[i].text;
    return NULL;
}

/* ---- writing ---- */

static int write_one(mlx_request_log_t *self, const mlx_value_t *d, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t data = {0};
    mlx_value_int(d, "end", &self->end_us);
    mlx_request_pack(&data, d, text_id, self);
    for (int64_t id = self->end_us; id < self->end_us + SAME_TIME; id++) {
        if (mlx_db_run(self->db, err, "INSERT OR IGNORE INTO request (id, data) VALUES (?, ?)",
                       "ib", id, (const void *)data.data, data.len))
            return -1;
        if (mlx_db_changes(self->db) > 0)
            return mlx_spread_put(self->spread, self->db, d, err);
    }
    return 0;
}

static int drop_old(const mlx_request_log_t *self, int64_t now_us, mlx_error_t *err)
{
    int64_t before_us = now_us - self->keep_us;
    return mlx_db_run(self->db, err,
                      "DELETE FROM request WHERE id IN"
                      " (SELECT id FROM request WHERE id < ? ORDER BY id LIMIT ?)",
                      "ii", before_us, (int64_t)DROP_ROWS) ||
                   mlx_db_run(self->db, err, "DELETE FROM request_text WHERE used < ?", "i",
                              before_us - 2 * DAY_US)
               ? -1
               : 0;
}

static int write_all(mlx_request_log_t *self, int64_t now_us, mlx_error_t *err)
{
    self->problem = (mlx_error_t){0};
    if (load_texts(self, self->db, err) || mlx_db_begin(self->db, err))
        return -1;
    int rc = drop_old(self, now_us, err);
    for (size_t i = 0; rc == 0 && i < mlx_value_size(self->waiting); i++)
        rc = write_one(self, mlx_value_at(self->waiting, i), err);
    if (rc == 0 && self->problem.code) {
        if (err)
            *err = self->problem;
        rc = -1;
    }
    if (mlx_spread_write(self->spread, rc == 0 ? self->db : NULL, err))
        rc = -1;
    if (rc == 0)
        rc = mlx_db_commit(self->db, err);
    if (rc)
        mlx_db_rollback(self->db);
    return rc;
}

int mlx_request_log_flush(mlx_request_log_t *self, mlx_db_t *db, int64_t now_us, mlx_error_t *err)
{
    self->db = db;
    int rc = write_all(self, now_us, err);
    self->db = NULL;
    if (rc) {
        mlx_request_log_reset(self); /* texts of a transaction that did not happen */
        return rc;
    }
    mlx_value_destroy(&self->waiting);
    self->waiting = mlx_value_list();
    return 0;
}

/* ---- reading ---- */

typedef struct {
    const char *client;
    const char *model;
    const char *host;
    int64_t since, until;
    int64_t limit;
} wanted_t;

static bool holds(const mlx_value_t *d, const char *key, const char *part)
{
    const char *text = mlx_value_str(d, key);
    return text && strcasestr(text, part);
}

static bool is_wanted(const mlx_value_t *d, const wanted_t *wanted)
{
    static const char *const names[] = {"client", "process", "agent", "key", "address"};
    bool client = wanted->client == NULL;
    for (size_t i = 0; i < MLX_COUNT(names) && !client; i++)
        client = holds(d, names[i], wanted->client);
    const char *host = mlx_value_str(d, "host");
    return client && (!wanted->model || holds(d, "model", wanted->model)) &&
           (!wanted->host || (host && strcmp(host, wanted->host) == 0));
}

static int read_wanted(const mlx_value_t *args, wanted_t *wanted, mlx_error_t *err)
{
    *wanted = (wanted_t){.client = mlx_value_str(args, "client"),
                         .model = mlx_value_str(args, "model"),
                         .host = mlx_value_str(args, "host"),
                         .until = INT64_MAX,
                         .limit = 100};
    mlx_value_int(args, "since", &wanted->since);
    mlx_value_int(args, "until", &wanted->until);
    mlx_value_int(args, "cursor", &wanted->until);
    mlx_value_int(args, "limit", &wanted->limit);
    if (wanted->limit < 1 || wanted->limit > MLX_REQUEST_LOG_LIST)
        return mlx_error_set(err, MLX_ERR_USAGE, "limit must be from 1 to %d",
                             MLX_REQUEST_LOG_LIST);
    return 0;
}

/*  -1 with ERR; else *CURSOR is where to go on, 0 at the end. */
static int collect(mlx_request_log_t *self, mlx_db_t *db, const wanted_t *wanted, mlx_value_t *list,
                   int64_t *cursor, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT id, data FROM request WHERE id >= ? AND id < ?"
                                 " ORDER BY id DESC",
                                 "ii", wanted->since, wanted->until);
    int more;
    int64_t last = 0;
    *cursor = 0;
    for (int64_t seen = 0; (more = mlx_stmt_step(q, err)) > 0; seen++) {
        if ((int64_t)mlx_value_size(list) == wanted->limit || seen == SCAN_ROWS) {
            *cursor = last;
            return 0;
        }
        size_t len;
        const void *data = mlx_stmt_bytes(q, 1, &len);
        last = mlx_stmt_int(q, 0);
        mlx_value_t *d = mlx_request_unpack(data, len, last, text_of, self);
        if (d && is_wanted(d, wanted))
            mlx_value_append(list, d);
        else
            mlx_value_destroy(&d);
    }
    return more;
}

mlx_value_t *mlx_request_log_list(mlx_request_log_t *self, mlx_db_t *db, const mlx_value_t *args,
                                  mlx_error_t *err)
{
    wanted_t wanted;
    int64_t cursor;
    if (read_wanted(args, &wanted, err) || load_texts(self, db, err))
        return NULL;
    mlx_value_t *result = mlx_value_map();
    mlx_value_t *list = mlx_value_set(result, "requests", mlx_value_list());
    if (collect(self, db, &wanted, list, &cursor, err)) {
        mlx_value_destroy(&result);
        return NULL;
    }
    if (cursor)
        mlx_value_set_int(result, "cursor", cursor);
    return result;
}

int mlx_request_log_each(mlx_request_log_t *self, mlx_db_t *db, int64_t since_us, int64_t until_us,
                         mlx_request_log_fn fn, void *arg, mlx_error_t *err)
{
    if (load_texts(self, db, err))
        return -1;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err, "SELECT id, data FROM request WHERE id >= ? AND id < ? ORDER BY id DESC", "ii",
        since_us, until_us);
    int more;
    bool go_on = true;
    while (go_on && (more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const void *data = mlx_stmt_bytes(q, 1, &len);
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *d = mlx_request_unpack(data, len, mlx_stmt_int(q, 0), text_of, self);
        go_on = !d || fn(arg, d);
    }
    return go_on ? more : 0;
}
