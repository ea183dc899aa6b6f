#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/suggest.h"
#include "event_log.h"
#include "finding_log.h"
#include "query.h"
#include "results.h"

enum {
    HOUR_MS = 3600000,
    SERIES_BYTES = 512 * 1024 /* of names in one answer: half of what a message takes */
};

/*  NAME as it is, or on this host, or on the only host that has it. */
static const mlx_track_t *find_series(const mlx_asked_t *asked, const char *name, mlx_error_t *err)
{
    const mlx_tracks_t *tracks = mlx_history_tracks(asked->history);
    mlx_suggest_t near = {.word = name};
    if (!name) {
        mlx_error_set(err, MLX_ERR_USAGE, "\"series\" is missing");
        return NULL;
    }
    MLX_CLEANUP(mlx_free_p) char *here = mlx_format("%s/%s", asked->host, name);
    const mlx_track_t *track = mlx_tracks_find(tracks, name);
    if (!track)
        track = mlx_tracks_find(tracks, here);
    if (track)
        return track;
    const mlx_track_t *each;
    for (size_t i = 0; (each = mlx_tracks_at(tracks, i)); i++) {
        const char *rest = strchr(each->name, '/');
        if (rest && strcmp(rest + 1, name) == 0)
            return each;
        mlx_suggest_try(&near, each->name);
        if (rest)
            mlx_suggest_try(&near, rest + 1);
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "there is no series %s", name);
    mlx_error_hint(err, near.best ? "did you mean %s?" : "`mlxctl history list` shows all%s",
                   near.best ? near.best : "");
    return NULL;
}

/*  A time argument in microseconds as milliseconds; FALLBACK when it is absent. */
static int64_t time_ms(const mlx_value_t *args, const char *key, int64_t fallback)
{
    int64_t t;
    return mlx_value_int(args, key, &t) ? t / 1000 : fallback;
}

static void name_series(mlx_value_t *result, const mlx_track_t *track)
{
    mlx_value_set_str(result, "series", track->name);
    if (track->unit != MLX_UNIT_NONE)
        mlx_value_set_str(result, "unit", mlx_unit_name(track->unit));
}

static void append_point(mlx_value_t *list, const mlx_point_t *point)
{
    mlx_value_t *item = mlx_value_append(list, mlx_value_list());
    mlx_value_append(item, mlx_value_new_int(point->t * 1000));
    mlx_value_append(item, mlx_value_new_real(point->min));
    mlx_value_append(item, mlx_value_new_real(point->max));
    mlx_value_append(item, mlx_value_new_real(point->mean));
    mlx_value_append(item, mlx_value_new_int(point->count));
}

static mlx_value_t *answer_query(const mlx_asked_t *asked, const mlx_value_t *args,
                                 mlx_error_t *err)
{
    const mlx_track_t *track = find_series(asked, mlx_value_str(args, "series"), err);
    mlx_query_t query = {.until = time_ms(args, "until", asked->now_ms)};
    query.since = time_ms(args, "since", query.until - HOUR_MS);
    double step = 0;
    mlx_value_int(args, "points", &query.points);
    if (!track)
        return NULL;
    if (mlx_value_real(args, "step", &step) && !(step >= 0 && step < 1e10)) {
        mlx_error_set(err, MLX_ERR_USAGE, "step must be a number of seconds");
        return NULL;
    }
    query.step = step > 0 && step < 0.001 ? 1 : (int64_t)(step * 1000);
    mlx_points_t points = {0};
    if (mlx_history_query(asked->history, track, &query, &points, err))
        return NULL;
    mlx_value_t *result = mlx_value_map();
    name_series(result, track);
    mlx_value_set_str(result, "tier", mlx_tier_name(points.tier));
    mlx_value_set_real(result, "step", (double)points.step / 1000);
    mlx_value_t *list = mlx_value_set(result, "points", mlx_value_list());
    for (size_t i = 0; i < points.n; i++)
        append_point(list, &points.all[i]);
    mlx_points_clear(&points);
    mlx_value_t *events =
        mlx_event_log_list(mlx_history_store_db(mlx_history_store(asked->history)),
                           query.since * 1000, query.until * 1000, err);
    if (!events) {
        mlx_value_destroy(&result);
        return NULL;
    }
    mlx_value_set(result, "events", events);
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static mlx_value_t *answer_series(const mlx_asked_t *asked, const mlx_value_t *args,
                                  mlx_error_t *err)
{
    const mlx_tracks_t *tracks = mlx_history_tracks(asked->history);
    const char *prefix = mlx_value_str(args, "prefix"), *after = mlx_value_str(args, "after");
    size_t n = 0, bytes = 0, count = mlx_tracks_count(tracks);
    (void)err;
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        const char *name = mlx_tracks_at(tracks, i)->name;
        if (name[0] != MLX_TRACK_UNUSED[0] &&
            (!prefix || strncmp(name, prefix, strlen(prefix)) == 0) &&
            (!after || strcmp(name, after) > 0))
            names[n++] = name;
    }
    qsort(names, n, sizeof *names, by_name);
    mlx_value_t *result = mlx_value_map();
    mlx_value_t *list = mlx_value_set(result, "series", mlx_value_list());
    for (size_t i = 0; i < n && bytes < SERIES_BYTES; i++) {
        bytes += strlen(names[i]);
        mlx_value_append(list, mlx_value_new_str(names[i]));
        if (bytes >= SERIES_BYTES && i + 1 < n)
            mlx_value_set_str(result, "next", names[i]);
    }
    return result;
}

static void append_row(mlx_value_t *list, const mlx_rollup_t *row, const mlx_track_t *track,
                       mlx_tier_t tier)
{
    double scale = (double)track->scale;
    mlx_value_t *item = mlx_value_append(list, mlx_value_list());
    mlx_value_append(item, mlx_value_new_int(row->t * 1000));
    if (tier == MLX_TIER_RAW) {
        mlx_value_append(item, mlx_value_new_real((double)row->last / scale));
        return;
    }
    mlx_value_append(item, mlx_value_new_real((double)row->min / scale));
    mlx_value_append(item, mlx_value_new_real((double)row->max / scale));
    mlx_value_append(item, mlx_value_new_real((double)row->sum / (double)row->count / scale));
    mlx_value_append(item, mlx_value_new_real((double)row->last / scale));
    mlx_value_append(item, mlx_value_new_int(row->count));
}

static mlx_value_t *answer_export(const mlx_asked_t *asked, const mlx_value_t *args,
                                  mlx_error_t *err)
{
    const mlx_track_t *track = find_series(asked, mlx_value_str(args, "series"), err);
    const char *name = mlx_value_str(args, "tier");
    int tier = name ? mlx_tier_find(name) : MLX_TIER_RAW;
    if (!track)
        return NULL;
    if (tier < 0) {
        mlx_error_set(err, MLX_ERR_USAGE, "there is no tier %s: raw, minute or hour", name);
        return NULL;
    }
    mlx_export_t export = {.tier = (mlx_tier_t)tier,
                           .since = time_ms(args, "since", 0),
                           .until = time_ms(args, "until", asked->now_ms)};
    mlx_value_int(args, "cursor", &export.cursor);
    MLX_CLEANUP(mlx_free_p) mlx_rollup_t *rows = NULL;
    size_t n;
    if (mlx_history_export(asked->history, track, &export, &rows, &n, err))
        return NULL;
    mlx_value_t *result = mlx_value_map();
    name_series(result, track);
    mlx_value_t *list = mlx_value_set(result, "rows", mlx_value_list());
    for (size_t i = 0; i < n; i++)
        append_row(list, &rows[i], track, export.tier);
    if (export.cursor)
        mlx_value_set_int(result, "cursor", export.cursor);
    return result;
}

static void append_tier(mlx_value_t *list, const mlx_history_t *history, mlx_tier_t tier,
                        int64_t rows)
{
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    int64_t since = mlx_history_since(history, tier);
    mlx_value_set_str(item, "name", mlx_tier_name(tier));
    mlx_value_set_int(item, "rows", rows);
    if (since != INT64_MIN)
        mlx_value_set_int(item, "since", since * 1000);
}

static mlx_value_t *answer_info(const mlx_asked_t *asked, const mlx_value_t *args, mlx_error_t *err)
{
    mlx_history_stats_t stats = mlx_history_stats(asked->history);
    mlx_history_store_figures_t figures;
    (void)args;
    if (mlx_history_figures(asked->history, &figures, err))
        return NULL;
    mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "path", asked->path);
    mlx_value_set_int(result, "bytes", figures.bytes);
    mlx_value_set_int(result, "free", figures.free);
    mlx_value_set_int(result, "series",
                      (int64_t)mlx_tracks_used(mlx_history_tracks(asked->history)));
    if (figures.oldest != INT64_MAX)
        mlx_value_set_int(result, "oldest", figures.oldest * 1000);
    mlx_value_t *tiers = mlx_value_set(result, "tiers", mlx_value_list());
    for (mlx_tier_t tier = MLX_TIER_RAW; tier < MLX_TIERS; tier++)
        append_tier(tiers, asked->history, tier, figures.rows[tier]);
    mlx_value_set_int(result, "samples", stats.samples);
    mlx_value_set_int(result, "lost", stats.lost);
    mlx_value_set_int(result, "refused", stats.refused);
    mlx_value_set_int(result, "damaged", stats.damaged);
    return result;
}

static mlx_value_t *answer_results(const mlx_asked_t *asked, const mlx_value_t *args,
                                   mlx_error_t *err)
{
    int64_t limit = 50;
    mlx_value_int(args, "limit", &limit);
    mlx_value_t *list =
        mlx_results_list(mlx_history_store_db(mlx_history_store(asked->history)),
                         mlx_value_str(args, "model"), mlx_value_str(args, "id"), limit, err);
    if (!list)
        return NULL;
    mlx_value_t *result = mlx_value_map();
    mlx_value_set(result, "results", list);
    return result;
}

static mlx_value_t *answer_findings(const mlx_asked_t *asked, const mlx_value_t *args,
                                    mlx_error_t *err)
{
    int64_t limit = 50;
    mlx_value_int(args, "limit", &limit);
    mlx_value_t *list =
        mlx_finding_log_list(mlx_history_store_db(mlx_history_store(asked->history)), limit, err);
    if (!list)
        return NULL;
    mlx_value_t *result = mlx_value_map();
    mlx_value_set(result, "findings", list);
    return result;
}

mlx_value_t *mlx_history_answer(const mlx_asked_t *asked, const char *cmd, const mlx_value_t *args,
                                mlx_error_t *err)
{
    static const struct {
        const char *name;
        mlx_value_t *(*answer)(const mlx_asked_t *, const mlx_value_t *, mlx_error_t *);
    } table[] = {
        {"history.query", answer_query},   {"history.series", answer_series},
        {"history.export", answer_export}, {"history.info", answer_info},
        {"bench.list", answer_results},    {"finding.list", answer_findings},
    };
    for (size_t i = 0; i < MLX_COUNT(table); i++)
        if (strcmp(table[i].name, cmd) == 0)
            return table[i].answer(asked, args, err);
    mlx_error_set(err, MLX_ERR_USAGE, "no such command: %s", cmd);
    return NULL;
}
