/*  store.h - the database of the history: what is in which table, and nothing of when
 *
 *  table    holds
 *  series   id, name, unit, steps per unit, time of the newest sample
 *  slot     a stretch of time of one tier whose rows are in chunks; an open one still grows
 *  raw, minute, hour   chunks (chunk.h), rowid = slot << 20 | series: in order of time, so that
 *  what
 *           is dropped is one range, and read by number, so that there is no index to keep
 *  tail     samples that are in no chunk yet, one row a flush: what a crash would lose otherwise
 *  result   benchmark results whole, as JSON
 *  request, request_text   requests of models that have ended (request_log.h)
 *  spread   percentiles of their times and tokens, a row for each day and model (spread.h)
 *
 *      mlx_history_store_t *store = mlx_history_store_open(path, &err);
 *      if (mlx_history_store_begin(store, &err) == 0) ... mlx_history_store_commit(store, &err)
 *
 *  Error codes as in common/base/db.h.
 */
#ifndef MLX_RECORDER_STORE_H
#define MLX_RECORDER_STORE_H

#include "common/base/db.h"
#include "track.h"

typedef struct mlx_history_store mlx_history_store_t;

/*  Times in milliseconds. */
typedef struct {
    int64_t id;
    int64_t opened; /* when it was begun, by the recorder's clock */
    int64_t since;  /* time of its oldest row; INT64_MAX: it has none */
    int64_t until;  /* of its newest sample */
    int64_t rows;
    bool open;
} mlx_history_slot_t;

/*  A damaged file is an error of code data_loss: see mlx_history_store_set_aside. */
mlx_history_store_t *mlx_history_store_open(const char *path, mlx_error_t *err);
void mlx_history_store_destroy(mlx_history_store_t **self);

/*  Is the file that is open still the one at its path? */
typedef enum {
    MLX_HISTORY_IN_PLACE,
    MLX_HISTORY_MISSING,  /* deleted or moved away */
    MLX_HISTORY_REPLACED, /* another is there */
} mlx_history_place_t;

mlx_history_place_t mlx_history_store_place(const mlx_history_store_t *self);

/*  Write what is in the open database, wherever its file is, to PATH.saved-YYYYMMDD-HHMMSS. Caller
 *  owns the name; NULL with ERR. */
char *mlx_history_store_save(mlx_history_store_t *self, int64_t now_ms, mlx_error_t *err);

/*  Make the file SAVED the database of PATH, where none is and none is open. */
int mlx_history_store_put_back(const char *saved, const char *path, mlx_error_t *err);

/*  Move a damaged database and its journal out of the way, to PATH.damaged-YYYYMMDD-HHMMSS. Caller
 *  owns the new name; NULL with ERR. */
char *mlx_history_store_set_aside(const char *path, int64_t now_ms, mlx_error_t *err);

mlx_db_t *mlx_history_store_db(mlx_history_store_t *self);

int mlx_history_store_begin(mlx_history_store_t *self, mlx_error_t *err);
int mlx_history_store_commit(mlx_history_store_t *self, mlx_error_t *err);
void mlx_history_store_rollback(mlx_history_store_t *self);

/*  Series. load adds those of the database to TRACKS; put writes one whose id is
 *  set, with LAST as the time of its newest sample in a chunk. */
int mlx_history_store_load_series(mlx_history_store_t *self, mlx_tracks_t *tracks,
                                  mlx_error_t *err);
int mlx_history_store_put_series(mlx_history_store_t *self, const mlx_track_t *track, int64_t last,
                                 mlx_error_t *err);

/*  Drop all chunks of places that hold no series (MLX_TRACK_UNUSED). */
int mlx_history_store_clear_series(mlx_history_store_t *self, mlx_error_t *err);

/*  The tail: append a flush, call FN for each in order, drop all. */
typedef void (*mlx_tail_fn)(void *arg, const void *data, size_t len);
int mlx_history_store_put_tail(mlx_history_store_t *self, const mlx_buf_t *data, mlx_error_t *err);
int mlx_history_store_each_tail(mlx_history_store_t *self, mlx_tail_fn fn, void *arg,
                                mlx_error_t *err);
int mlx_history_store_drop_tail(mlx_history_store_t *self, mlx_error_t *err);

/*  Slots. newest leaves *SLOT as it is when there is none; oldest gives when the oldest one was
 *  begun, or INT64_MAX; drop_old drops the oldest closed slot whose rows are all before T, *DROPPED
 *  says whether there was one. */
int mlx_history_store_put_slot(mlx_history_store_t *self, mlx_tier_t tier,
                               const mlx_history_slot_t *slot, mlx_error_t *err);
int mlx_history_store_newest_slot(mlx_history_store_t *self, mlx_tier_t tier,
                                  mlx_history_slot_t *slot, mlx_error_t *err);
int mlx_history_store_oldest(mlx_history_store_t *self, mlx_tier_t tier, int64_t *opened,
                             mlx_error_t *err);
int mlx_history_store_drop_old(mlx_history_store_t *self, mlx_tier_t tier, int64_t t, bool *dropped,
                               mlx_error_t *err);

/*  Chunks of one series. FN is called for those of the slots from FROM up to but without BEFORE
 *  that reach into SINCE..UNTIL, in order; it returns false to end the reading. */
typedef bool (*mlx_chunk_fn)(void *arg, int64_t slot, const void *data, size_t len);
int mlx_history_store_put_chunk(mlx_history_store_t *self, mlx_tier_t tier, int64_t slot,
                                int64_t series, const mlx_buf_t *data, mlx_error_t *err);
typedef struct {
    mlx_tier_t tier;
    int64_t series;
    int64_t from, before;
    int64_t since, until;
} mlx_chunk_range_t;
int mlx_history_store_each_chunk(mlx_history_store_t *self, const mlx_chunk_range_t *range,
                                 mlx_chunk_fn fn, void *arg, mlx_error_t *err);

typedef struct {
    int64_t bytes;            /* of the file */
    int64_t free;             /* of them, not in use */
    int64_t since[MLX_TIERS]; /* time of the oldest row of each tier, or INT64_MAX */
    int64_t oldest;           /* of the first sample, or INT64_MAX: mlx_history_figures tells it */
    int64_t rows[MLX_TIERS];  /* of finished slots */
} mlx_history_store_figures_t;

int mlx_history_store_figures(mlx_history_store_t *self, mlx_history_store_figures_t *figures,
                              mlx_error_t *err);

/*  Give at most PAGES unused pages back to the file system. */
int mlx_history_store_shrink(mlx_history_store_t *self, int pages, mlx_error_t *err);

#endif
