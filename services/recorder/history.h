/*  history.h - values over time: every sample for two days, minutes for three months, hours for
 *  ever
 *
 *      mlx_history_t *history = mlx_history_open(&(mlx_history_options_t){.path = path,
 *          .raw_hours = 48, .minute_days = 90}, now_ms, &err);
 *      mlx_track_t *track = mlx_history_track(history, "studio/sensor.cpu/utilization",
 *                                             MLX_UNIT_RATIO, MLX_REAL);
 *      mlx_history_add(history, track, t_ms, 0.42);
 *      mlx_history_flush(history, now_ms, &err);      every few seconds
 *      mlx_history_destroy(&history);
 *
 *  A flush is one transaction. Most flushes append what is new to the tail; every ten minutes, or
 *  when there are many samples, the tail becomes chunks: one of raw samples for each series, and
 *  the rollups that go with them. So a crash loses what came after the last flush and nothing else,
 *  and chunks and rollups agree. When a flush fails (disk full) nothing is lost until
 *  MLX_HISTORY_HELD samples wait; then new ones are refused and counted.
 *
 *  Times are milliseconds since 1970; the clock is the caller's. One thread.
 */
#ifndef MLX_RECORDER_HISTORY_H
#define MLX_RECORDER_HISTORY_H

#include "store.h"

typedef struct mlx_history mlx_history_t;

enum {
    MLX_HISTORY_SEAL = 131072,    /* samples that are made into chunks at once */
    MLX_HISTORY_HELD = 262144,    /* samples in memory at most */
    MLX_HISTORY_SEAL_MS = 600000, /* time after which they are, however few */
};

typedef struct {
    const char *path;
    int64_t raw_hours;
    int64_t minute_days;
} mlx_history_options_t;

typedef struct {
    int64_t samples; /* taken since the start */
    int64_t lost; /* not taken for want of room: the disk is full, or there are too many series */
    int64_t refused; /* not finite, or too large */
    int64_t damaged; /* chunks that could not be read */
    int64_t pruned;  /* series dropped to make room: see mlx_history_track */
    int64_t crowded; /* samples among those lost because there were too many series */
} mlx_history_stats_t;

/*  Open or make the database. Code data_loss: it is damaged, see mlx_history_store_set_aside;
 *  usage: a newer program wrote it; busy: another recorder has it. */
mlx_history_t *mlx_history_open(const mlx_history_options_t *options, int64_t now_ms,
                                mlx_error_t *err);

/*  Does not flush. */
void mlx_history_destroy(mlx_history_t **self);

/*  The series NAME, made when it is new; borrowed. When there are too many, those of few values
 *  that have fallen silent make room: names come from outside, and most of these will have been
 *  made up. NULL when that does not help: counted. */
mlx_track_t *mlx_history_track(mlx_history_t *self, const char *name, mlx_unit_t unit,
                               mlx_type_t type);

/*  One sample. Repeats are dropped (see track.h). */
void mlx_history_add(mlx_history_t *self, mlx_track_t *track, int64_t t_ms, double value);

/*  Write what is new: 0, or -1 with ERR, and everything is tried again with the next flush. */
int mlx_history_flush(mlx_history_t *self, int64_t now_ms, mlx_error_t *err);

/*  Samples that wait for a flush. */
size_t mlx_history_waiting(const mlx_history_t *self);

/*  Drop what is past its time, at most one slot of each tier, and give unused space back bit by
 *  bit.
 */
int mlx_history_retain(mlx_history_t *self, int64_t now_ms, mlx_error_t *err);

/*  Since when TIER has every row: what is older is in the coarser ones. INT64_MIN: since ever. */
int64_t mlx_history_since(const mlx_history_t *self, mlx_tier_t tier);

/*  The slot of TIER that still grows; its rows are in the tracks. */
const mlx_history_slot_t *mlx_history_open_slot(const mlx_history_t *self, mlx_tier_t tier);

/*  Size and rows, with those that are in no chunk yet. */
int mlx_history_figures(mlx_history_t *self, mlx_history_store_figures_t *figures,
                        mlx_error_t *err);

mlx_history_stats_t mlx_history_stats(const mlx_history_t *self);
void mlx_history_count_damaged(mlx_history_t *self);
const mlx_tracks_t *mlx_history_tracks(const mlx_history_t *self);
mlx_history_store_t *mlx_history_store(mlx_history_t *self);

#endif
