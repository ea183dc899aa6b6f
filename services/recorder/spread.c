#include "spread.h"

#include <stdlib.h>
#include <string.h>

#include "proto/catalogue.h"
#include "proto/utf8.h"
#include "sketch.h"

enum {
    WAITING = 32, /* rows at once */
    ROWS_A_DAY = 256,
    MODELS = 64,        /* that a day names; the others are one without a name */
    NAME_CHARS = 128,   /* of a model */
    STEPS = 48,         /* of a range of at most two days */
    DAY_STEPS = 120,    /* of a longer one */
    SCAN_ROWS = 300000, /* requests at the ends of a range */
};

#define DAY_US (INT64_C(86400) * 1000000)

typedef struct {
    const char *name;
    mlx_unit_t unit;
} measure_t;

static const measure_t measures[] = {
    {"ttft", MLX_UNIT_SECONDS}, {"latency", MLX_UNIT_SECONDS}, {"tokens", MLX_UNIT_NONE}};

enum {
    MEASURES = MLX_COUNT(measures)
};

typedef struct {
    int64_t day;
    char *model;
    mlx_sketch_t *sketches[MEASURES];
} row_t;

struct mlx_spread {
    row_t rows[WAITING];
    size_t n;
};

mlx_spread_t *mlx_spread_new(void)
{
    return mlx_alloc(1, sizeof(mlx_spread_t));
}

static void clear(mlx_spread_t *self)
{
    for (size_t i = 0; i < self->n; i++) {
        free(self->rows[i].model);
        for (size_t k = 0; k < MEASURES; k++)
            mlx_sketch_destroy(&self->rows[i].sketches[k]);
    }
    self->n = 0;
}

void mlx_spread_destroy(mlx_spread_t **self)
{
    if (*self)
        clear(*self);
    mlx_free_p(self);
}

/*  False: D does not tell it. */
static bool measure_of(const mlx_value_t *d, size_t which, double *value)
{
    int64_t start, end;
    if (which != 1)
        return mlx_value_real(d, measures[which].name, value);
    if (!mlx_value_int(d, "start", &start) || !mlx_value_int(d, "end", &end) || end < start)
        return false;
    *value = (double)(end - start) / 1e6;
    return true;
}

/*  Ended well, and seen by itself: of several told together the sums are nobody's figures. */
static bool went_well(const mlx_value_t *d)
{
    const char *outcome = mlx_value_str(d, "outcome");
    return (!outcome || strcmp(outcome, "ok") == 0) && !mlx_value_get(d, "requests");
}

static row_t *find_row(mlx_spread_t *self, int64_t day, const char *model)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->rows[i].day == day && strcmp(self->rows[i].model, model) == 0)
            return &self->rows[i];
    return NULL;
}

static row_t *add_row(mlx_spread_t *self, int64_t day, const char *model)
{
    row_t *row = &self->rows[self->n++];
    *row = (row_t){.day = day, .model = mlx_strdup(model)};
    for (size_t k = 0; k < MEASURES; k++)
        row->sketches[k] = mlx_sketch_new();
    return row;
}

int mlx_spread_put(mlx_spread_t *self, mlx_db_t *db, const mlx_value_t *d, mlx_error_t *err)
{
    int64_t end = 0;
    double value;
    const char *said = mlx_value_str(d, "model");
    if (!went_well(d) || !mlx_value_int(d, "end", &end))
        return 0;
    MLX_CLEANUP(mlx_free_p) char *model = mlx_utf8_line(said ? said : "", NAME_CHARS);
    row_t *row = find_row(self, end / DAY_US, model);
    if (!row && self->n == WAITING && mlx_spread_write(self, db, err))
        return -1;
    if (!row)
        row = add_row(self, end / DAY_US, model);
    for (size_t k = 0; k < MEASURES; k++)
        if (measure_of(d, k, &value))
            mlx_sketch_put(row->sketches[k], value);
    return 0;
}

/* ---- the table ---- */

static bool merge_row(mlx_sketch_t *const *sketches, const void *data, size_t len)
{
    size_t pos = 0;
    for (size_t k = 0; k < MEASURES; k++)
        if (!mlx_sketch_merge_packed(sketches[k], data, len, &pos))
            return false;
    return true;
}

/*  Rows are read by number: there is no index to keep. */
static int64_t id_of(int64_t day, int64_t number)
{
    return day * ROWS_A_DAY + number;
}

/*  Add what is stored for ROW to it, *ID is its place: its name's, or a new one, or where the day
 *  names enough already that of all others. */
static int merge_stored(mlx_db_t *db, row_t *row, int64_t *id, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err, "SELECT id, model, data FROM spread WHERE id >= ? AND id < ? ORDER BY id", "ii",
        id_of(row->day, 0), id_of(row->day + 1, 0));
    int more;
    *id = id_of(row->day, 0);
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const char *model = mlx_stmt_str(q, 1);
        const void *data = mlx_stmt_bytes(q, 2, &len);
        bool others = *id == id_of(row->day, MODELS);
        if (others || (model && strcmp(model, row->model) == 0)) {
            merge_row(row->sketches, data, len);
            return 0;
        }
        *id = mlx_stmt_int(q, 0) + 1;
    }
    return more;
}

static int write_row(mlx_db_t *db, row_t *row, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t data = {0};
    int64_t id;
    if (merge_stored(db, row, &id, err))
        return -1;
    for (size_t k = 0; k < MEASURES; k++)
        mlx_sketch_pack(row->sketches[k], &data);
    const char *name = id == id_of(row->day, MODELS) ? "" : row->model;
    return mlx_db_run(db, err, "INSERT OR REPLACE INTO spread (id, model, data) VALUES (?, ?, ?)",
                      "isb", id, name, (const void *)data.data, data.len);
}

int mlx_spread_write(mlx_spread_t *self, mlx_db_t *db, mlx_error_t *err)
{
    int rc = 0;
    for (size_t i = 0; db && rc == 0 && i < self->n; i++)
        rc = write_row(db, &self->rows[i], err);
    clear(self);
    return rc;
}

/* ---- reading ---- */

typedef struct {
    size_t which;
    int64_t since, until, step;
    const char *model; /* part of its name; NULL: any */
    mlx_sketch_t *all;
    mlx_sketch_t **steps; /* each NULL: nothing there */
    size_t n;
    int64_t scanned;
} asked_t;

static mlx_sketch_t *step_at(asked_t *self, int64_t t)
{
    size_t at = t > self->since ? (size_t)((t - self->since) / self->step) : 0;
    mlx_sketch_t **step = &self->steps[at < self->n ? at : self->n - 1];
    if (!*step)
        *step = mlx_sketch_new();
    return *step;
}

static bool is_wanted(const asked_t *self, const char *model)
{
    return !self->model || (model && strcasestr(model, self->model));
}

static bool take_request(void *arg, const mlx_value_t *d)
{
    asked_t *self = arg;
    double value;
    int64_t end = self->since;
    mlx_value_int(d, "end", &end);
    if (went_well(d) && is_wanted(self, mlx_value_str(d, "model")) &&
        measure_of(d, self->which, &value)) {
        mlx_sketch_put(self->all, value);
        mlx_sketch_put(step_at(self, end), value);
    }
    return ++self->scanned < SCAN_ROWS;
}

static int take_requests(asked_t *self, mlx_db_t *db, mlx_request_log_t *log, int64_t since,
                         int64_t until, mlx_error_t *err)
{
    if (since >= until)
        return 0;
    if (mlx_request_log_each(log, db, since, until, take_request, self, err))
        return -1;
    if (self->scanned < SCAN_ROWS)
        return 0;
    mlx_error_set(err, MLX_ERR_USAGE, "the days at the ends have more than %d requests", SCAN_ROWS);
    return mlx_error_hint(err, "take a shorter range, or one that starts at midnight UTC");
}

static void take_row(asked_t *self, int64_t day, const void *data, size_t len)
{
    mlx_sketch_t *sketches[MEASURES];
    for (size_t k = 0; k < MEASURES; k++)
        sketches[k] = mlx_sketch_new();
    if (merge_row(sketches, data, len)) {
        mlx_sketch_merge(self->all, sketches[self->which]);
        mlx_sketch_merge(step_at(self, day * DAY_US), sketches[self->which]);
    }
    for (size_t k = 0; k < MEASURES; k++)
        mlx_sketch_destroy(&sketches[k]);
}

static int take_days(asked_t *self, mlx_db_t *db, int64_t from, int64_t before, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err, "SELECT id, model, data FROM spread WHERE id >= ? AND id < ? ORDER BY id", "ii",
        id_of(from, 0), id_of(before, 0));
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const void *data = mlx_stmt_bytes(q, 2, &len);
        if (is_wanted(self, mlx_stmt_str(q, 1)))
            take_row(self, mlx_stmt_int(q, 0) / ROWS_A_DAY, data, len);
    }
    return more;
}

static int64_t number(mlx_db_t *db, const char *sql, int64_t fallback, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy) mlx_stmt_t *q = mlx_db_query(db, err, sql, "");
    return mlx_stmt_step(q, err) > 0 && !mlx_stmt_is_null(q, 0) ? mlx_stmt_int(q, 0) : fallback;
}

static int64_t days_up(int64_t t)
{
    return t / DAY_US + (t % DAY_US != 0);
}

/*  A range of parts of days is read from requests. Else days are read from their sketches that are
 *  wholly in the range, but not the first one that has
 *  any (it may have begun before there were sketches); and, whole, those whose requests are gone or
 *  going. */
static int take_all(asked_t *self, mlx_db_t *db, mlx_request_log_t *log, mlx_error_t *err)
{
    int64_t oldest = number(db, "SELECT min(id) FROM request", INT64_MAX, err) / DAY_US;
    int64_t first = number(db, "SELECT min(id) FROM spread", INT64_MAX, err) / ROWS_A_DAY;
    int64_t gone = first < oldest ? oldest + 1 : 0; /* days before this one */
    int64_t from = days_up(self->since), before = self->until / DAY_US, end = days_up(self->until);
    bool kept = self->since / DAY_US >= gone;
    if (!kept) {
        from = self->since / DAY_US;
        gone = gone < end ? gone : end;
        before = before > gone ? before : gone;
    } else if (from <= first) {
        from = first + 1;
    }
    if (from >= before || (kept && self->step < DAY_US))
        return take_requests(self, db, log, self->since, self->until, err);
    return take_requests(self, db, log, self->since, from * DAY_US, err) ||
                   take_days(self, db, from, before, err) ||
                   take_requests(self, db, log, before * DAY_US, self->until, err)
               ? -1
               : 0;
}

static const struct {
    const char *key;
    double share;
} percentiles[] = {{"p10", 0.1}, {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}};

static void put_figures(mlx_value_t *d, const mlx_sketch_t *sketch)
{
    mlx_value_set_int(d, "count", mlx_sketch_count(sketch));
    if (mlx_sketch_count(sketch) == 0)
        return;
    mlx_value_set_real(d, "min", mlx_sketch_min(sketch));
    mlx_value_set_real(d, "max", mlx_sketch_max(sketch));
    mlx_value_set_real(d, "mean", mlx_sketch_mean(sketch));
    for (size_t i = 0; i < MLX_COUNT(percentiles); i++)
        mlx_value_set_real(d, percentiles[i].key,
                           mlx_sketch_quantile(sketch, percentiles[i].share));
}

static void put_buckets(mlx_value_t *list, const mlx_sketch_t *sketch)
{
    mlx_sketch_bucket_t bucket;
    for (size_t at = 0; mlx_sketch_next(sketch, &at, &bucket);) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_list());
        mlx_value_append(item, mlx_value_new_real(bucket.above));
        mlx_value_append(item, mlx_value_new_real(bucket.upto));
        mlx_value_append(item, mlx_value_new_int(bucket.count));
    }
}

static mlx_value_t *result_of(const asked_t *self)
{
    mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "measure", measures[self->which].name);
    if (measures[self->which].unit != MLX_UNIT_NONE)
        mlx_value_set_str(result, "unit", mlx_unit_name(measures[self->which].unit));
    mlx_value_set_int(result, "since", self->since);
    mlx_value_set_int(result, "until", self->until);
    mlx_value_set_real(result, "step", (double)self->step / 1e6);
    mlx_value_set_real(result, "error", MLX_SKETCH_ERROR);
    put_figures(result, self->all);
    put_buckets(mlx_value_set(result, "buckets", mlx_value_list()), self->all);
    mlx_value_t *points = mlx_value_set(result, "points", mlx_value_list());
    for (size_t i = 0; i < self->n; i++) {
        if (!self->steps[i])
            continue;
        mlx_value_t *point = mlx_value_append(points, mlx_value_map());
        mlx_value_set_int(point, "t", self->since + (int64_t)i * self->step);
        put_figures(point, self->steps[i]);
    }
    return result;
}

static int read_measure(asked_t *self, const char *name, mlx_error_t *err)
{
    for (size_t i = 0; name && i < MEASURES; i++)
        if (strcmp(measures[i].name, name) == 0) {
            self->which = i;
            return 0;
        }
    return mlx_error_set(err, MLX_ERR_USAGE, "measure must be ttft, latency or tokens");
}

/*  Days begin where days of UTC do when the range is long. */
static int read_asked(asked_t *self, mlx_db_t *db, const mlx_value_t *args, int64_t now_us,
                      mlx_error_t *err)
{
    int64_t none = id_of(now_us / DAY_US + 2, 0);
    int64_t first = number(db, "SELECT min(id) FROM spread", none, err) / ROWS_A_DAY * DAY_US;
    self->model = mlx_value_str(args, "model");
    self->until = now_us;
    mlx_value_int(args, "until", &self->until);
    self->since = self->until - DAY_US;
    mlx_value_int(args, "since", &self->since);
    int64_t oldest = number(db, "SELECT min(id) FROM request", INT64_MAX, err);
    first = oldest < first ? oldest : first;
    self->since = self->since < first ? first : self->since;
    if (self->until > now_us)
        self->until = now_us;
    if (self->since >= self->until)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no request was recorded then");
    int64_t range = self->until - self->since;
    self->step = range / STEPS + 1;
    if (range > 2 * DAY_US) {
        self->since -= self->since % DAY_US;
        self->step = ((self->until - self->since) / DAY_US / DAY_STEPS + 1) * DAY_US;
    }
    self->n = (size_t)((self->until - self->since) / self->step) + 1;
    return read_measure(self, mlx_value_str(args, "measure"), err);
}

mlx_value_t *mlx_spread_list(mlx_db_t *db, mlx_request_log_t *log, const mlx_value_t *args,
                             int64_t now_us, mlx_error_t *err)
{
    asked_t asked = {0};
    if (read_asked(&asked, db, args, now_us, err))
        return NULL;
    asked.all = mlx_sketch_new();
    asked.steps = mlx_alloc(asked.n, sizeof *asked.steps);
    int rc = take_all(&asked, db, log, err);
    mlx_value_t *result = rc ? NULL : result_of(&asked);
    for (size_t i = 0; i < asked.n; i++)
        mlx_sketch_destroy(&asked.steps[i]);
    free(asked.steps);
    mlx_sketch_destroy(&asked.all);
    return result;
}
