/*  track.h - what is kept in memory of one series: the rows that are in no finished chunk yet
 *
 *  A series is named host/topic/field, as in "studio/sensor.gpu.0/utilization" or
 *  "studio/runtime.ollama.127_0_0_1-11434.models/models[qwen3:8b,Q4_K_M].vram". Its values are kept
 *  as whole steps of the resolution of its unit: no sensor is finer, and sums stay exact.
 *
 *      mlx_tracks_t *tracks = mlx_tracks_new();
 *      mlx_track_t *track = mlx_tracks_get(tracks, name, MLX_UNIT_CELSIUS, MLX_REAL);
 *      mlx_track_add(track, t_ms, mlx_track_steps(track, 48.5));
 */
#ifndef MLX_RECORDER_TRACK_H
#define MLX_RECORDER_TRACK_H

#include "chunk.h"
#include "proto/catalogue.h"

typedef enum {
    MLX_TIER_RAW,
    MLX_TIER_MINUTE,
    MLX_TIER_HOUR,
    MLX_TIERS
} mlx_tier_t;

enum {
    MLX_TRACKS_MAX = 4096,   /* series: names come from outside */
    MLX_TRACK_NAME_MAX = 512 /* bytes of a name */
};

typedef struct {
    mlx_rollup_t *rows;
    size_t n;
    bool changed; /* since it was last written */
} mlx_rollups_t;

typedef struct {
    size_t index; /* among all, from 0 */
    int64_t id;   /* from 1; 0: not in the database yet */
    char *name;
    mlx_unit_t unit;
    int64_t scale; /* steps in one unit */
    int64_t last;  /* time of the newest sample, or INT64_MIN */
    mlx_sample_t *raw;
    size_t n;
    mlx_rollups_t rollups[MLX_TIERS]; /* that of MLX_TIER_RAW is not used */
    int64_t heard_ms;                 /* by the recorder's clock; 0: not since the start */
    bool changed;                     /* last differs from the database */
    bool stored;                      /* it is in the database */
} mlx_track_t;

typedef struct mlx_tracks mlx_tracks_t;

/*  "raw", "minute", "hour"; and back, -1 for another word. Width of a row in milliseconds (raw: 0).
 */
const char *mlx_tier_name(mlx_tier_t tier);
int mlx_tier_find(const char *name);
int64_t mlx_tier_width(mlx_tier_t tier);

/*  Steps per unit: 10000 for a ratio, 100 for a degree, 1 for a byte, ... */
int64_t mlx_resolution(mlx_unit_t unit, mlx_type_t type);

mlx_tracks_t *mlx_tracks_new(void);
void mlx_tracks_destroy(mlx_tracks_t **self);

/*  The series NAME, made when it is new. NULL when there are too many or the name is too long. */
mlx_track_t *mlx_tracks_get(mlx_tracks_t *self, const char *name, mlx_unit_t unit, mlx_type_t type);

/*  Forget the names and the rows of the series that GOES chooses: their places, and their ids, are
 *  those of the next new ones. Returns their number. */
size_t mlx_tracks_release(mlx_tracks_t *self, bool (*goes)(void *arg, const mlx_track_t *track),
                          void *arg);

/*  Names of places without a series begin with it; no series' name does. */
#define MLX_TRACK_UNUSED "/"

/*  The same without making one; NULL when there is none. */
mlx_track_t *mlx_tracks_find(const mlx_tracks_t *self, const char *name);

/*  In the order they were made; NULL behind the last. */
mlx_track_t *mlx_tracks_at(const mlx_tracks_t *self, size_t index);
size_t mlx_tracks_count(const mlx_tracks_t *self); /* with places that hold none now */
size_t mlx_tracks_used(const mlx_tracks_t *self);

/*  VALUE in steps into *STEPS; false when it is not finite or too large to sum up exactly. */
bool mlx_track_steps(const mlx_track_t *self, double value, int64_t *steps);

/*  Add a sample to the raw rows and to the rollups. False: not taken, because it has been seen
 *  before (times within 5 s before the newest sample are repeats; earlier ones are taken, because
 *  then the clock was set back) or the track is full. */
bool mlx_track_add(mlx_track_t *self, int64_t t_ms, int64_t steps);

/*  Put ROW behind the rows of a rollup tier, or add it to the last one if that has the same time.
 *  False when it does not fit. */
bool mlx_rollups_add(mlx_rollups_t *self, const mlx_rollup_t *row);

#endif
