/*  query.h - points of one series: the coarsest tier that is fine enough, gaps left out
 *
 *      mlx_query_t query = {.since = t0, .until = t1, .points = 600};
 *      mlx_points_t points = {0};
 *      if (mlx_history_query(history, track, &query, &points, &err) == 0) ...
 *      mlx_points_clear(&points);
 *
 *  A range is cut into steps that begin at whole multiples of the step; a step without samples
 *  gives no point. Steps of a minute and more are read from the minutes, of an hour and more from
 *  the hours; what the finer tier no longer has comes from the coarser, one point a row.
 */
#ifndef MLX_RECORDER_QUERY_H
#define MLX_RECORDER_QUERY_H

#include "history.h"

enum {
    MLX_POINTS_MAX = 8000,
    MLX_POINTS_USUAL = 600,
    MLX_ROWS_MAX = 4000 /* rows of one piece of an export, before its last chunk */
};

typedef struct {
    int64_t since, until; /* milliseconds, since < until */
    int64_t step;         /* milliseconds; 0: so that there are POINTS steps */
    int64_t points;       /* 0: MLX_POINTS_USUAL */
} mlx_query_t;

typedef struct {
    int64_t t; /* where the step begins */
    double min, max, mean;
    int64_t count;
} mlx_point_t;

typedef struct {
    mlx_point_t *all;
    size_t n;
    int64_t step;
    mlx_tier_t tier; /* the finest that was read */
} mlx_points_t;

/*  Usage error: an empty range, or more than MLX_POINTS_MAX points. */
int mlx_history_query(mlx_history_t *self, const mlx_track_t *track, const mlx_query_t *query,
                      mlx_points_t *points, mlx_error_t *err);
void mlx_points_clear(mlx_points_t *self);

/*  Rows as they are stored, in pieces: give CURSOR 0 first and then what came back, until it is 0
 *  again. Samples are rollups of one. ROWS belongs to the caller, who must free it. */
typedef struct {
    mlx_tier_t tier;
    int64_t since, until;
    int64_t cursor;
} mlx_export_t;

int mlx_history_export(mlx_history_t *self, const mlx_track_t *track, mlx_export_t *export,
                       mlx_rollup_t **rows, size_t *n, mlx_error_t *err);

#endif
