#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ints.h"

enum {
    ROWS_TO_SEAL = MLX_CHUNK_MAX / 2, /* of one series, raw */
    ROLLUPS_TO_SEAL = 65536,          /* of all series */
    SHRINK_PAGES = 64,                /* with each flush */
    FEW = 60,                         /* samples of a series that may make room */
    SILENT_MS = 6000,                 /* since when it must not have been heard */
    PRUNE_MS = 5000,                  /* how often room is made at most */
};

/*  How long a slot of each tier grows. Long ones compress better, but a rollup slot is rewritten
 *  with every seal. */
static const int64_t spans_ms[MLX_TIERS] = {MLX_HISTORY_SEAL_MS, 3 * 3600000LL, 10 * 86400000LL};

struct mlx_history {
    mlx_history_store_t *store;
    int lock;                   /* held open: two recorders on one file would mix their slots */
    int64_t keep_ms[MLX_TIERS]; /* hours: not used */
    mlx_tracks_t *tracks;
    mlx_history_slot_t slots[MLX_TIERS]; /* the open ones */
    mlx_history_slot_t next[MLX_TIERS];  /* those that follow when the transaction is through */
    int64_t oldest[MLX_TIERS];           /* when the oldest slot kept was begun */
    mlx_buf_t tail;                      /* encoded samples that wait */
    size_t waiting;
    int64_t tail_t;
    size_t open_samples;
    size_t longest; /* raw rows of the fullest track */
    int64_t next_id;
    int64_t now; /* of the newest flush */
    int64_t pruned_ms;
    mlx_history_stats_t stats;
};

static mlx_history_slot_t fresh_slot(int64_t id, int64_t now)
{
    return (mlx_history_slot_t){
        .id = id, .opened = now, .since = INT64_MAX, .until = INT64_MIN, .open = true};
}

static void note_time(mlx_history_slot_t *slot, int64_t since, int64_t until)
{
    slot->since = since < slot->since ? since : slot->since;
    slot->until = until > slot->until ? until : slot->until;
}

/*  Take a sample into memory, not into the tail. */
static bool take(mlx_history_t *self, mlx_track_t *track, int64_t t, int64_t steps)
{
    if (!mlx_track_add(track, t, steps))
        return false;
    for (mlx_tier_t tier = MLX_TIER_RAW; tier < MLX_TIERS; tier++) {
        int64_t width = mlx_tier_width(tier);
        note_time(&self->slots[tier], width ? t - t % width : t, t);
    }
    self->open_samples++;
    self->longest = track->n > self->longest ? track->n : self->longest;
    return true;
}

/*  A tail is a run of samples: series, time since the one before, value. */
static void read_tail(void *arg, const void *data, size_t len)
{
    mlx_history_t *self = arg;
    const uint8_t *bytes = data;
    int64_t t = 0;
    for (size_t pos = 0; pos < len;) {
        uint64_t id, delta, value;
        if (!mlx_varint_get(bytes, len, &pos, &id) || !mlx_varint_get(bytes, len, &pos, &delta) ||
            !mlx_varint_get(bytes, len, &pos, &value)) {
            self->stats.damaged++;
            return;
        }
        t = (int64_t)((uint64_t)t + (uint64_t)mlx_unfold(delta));
        mlx_track_t *track = mlx_tracks_at(self->tracks, (size_t)id - 1);
        if (track && t >= 0)
            take(self, track, t, mlx_unfold(value));
    }
}

typedef struct {
    mlx_history_t *history;
    mlx_track_t *track;
    mlx_tier_t tier;
} load_t;

static bool load_rollups(void *arg, int64_t slot, const void *data, size_t len)
{
    load_t *load = arg;
    (void)slot;
    MLX_CLEANUP(mlx_free_p) mlx_rollup_t *rows = mlx_alloc(MLX_CHUNK_MAX, sizeof *rows);
    size_t n = mlx_chunk_get_rollups(data, len, rows);
    if (n == 0)
        load->history->stats.damaged++;
    for (size_t i = 0; i < n; i++)
        mlx_rollups_add(&load->track->rollups[load->tier], &rows[i]);
    load->track->rollups[load->tier].changed = false;
    return true;
}

/*  Find the slot that was open, with its rows, or begin the next one. */
static int load_tier(mlx_history_t *self, mlx_tier_t tier, int64_t now, mlx_error_t *err)
{
    mlx_history_slot_t slot = {.id = 0};
    if (mlx_history_store_newest_slot(self->store, tier, &slot, err) ||
        mlx_history_store_oldest(self->store, tier, &self->oldest[tier], err))
        return -1;
    if (!slot.open) {
        self->slots[tier] = fresh_slot(slot.id + 1, now);
        return 0;
    }
    self->slots[tier] = slot;
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        load_t load = {.history = self, .track = track, .tier = tier};
        mlx_chunk_range_t range = {.tier = tier,
                                   .series = track->id,
                                   .from = slot.id,
                                   .before = slot.id + 1,
                                   .since = INT64_MIN,
                                   .until = INT64_MAX};
        if (mlx_history_store_each_chunk(self->store, &range, load_rollups, &load, err))
            return -1;
    }
    return 0;
}

static int load_all(mlx_history_t *self, int64_t now, mlx_error_t *err)
{
    if (mlx_history_store_load_series(self->store, self->tracks, err))
        return -1;
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++)
        if (track->id != (int64_t)i + 1)
            return mlx_error_set(err, MLX_ERR_DATA_LOSS, "series %zu is missing", i + 1);
    self->next_id = (int64_t)mlx_tracks_count(self->tracks) + 1;
    for (mlx_tier_t tier = MLX_TIER_RAW; tier < MLX_TIERS; tier++)
        if (load_tier(self, tier, now, err))
            return -1;
    /* What the tail holds is newer than the series' last times in the database, which were written
     * with the chunks. */
    return mlx_history_store_each_tail(self->store, read_tail, self, err);
}

static int lock(mlx_history_t *self, const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("%s.lock", path);
    self->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot open %s: %s", name, strerror(errno));
    if (flock(self->lock, LOCK_EX | LOCK_NB)) {
        mlx_error_set(err, MLX_ERR_BUSY, "%s is in use by another recorder", path);
        return mlx_error_hint(err, "stop that one first");
    }
    return 0;
}

mlx_history_t *mlx_history_open(const mlx_history_options_t *options, int64_t now_ms,
                                mlx_error_t *err)
{
    mlx_history_t *self = mlx_alloc(1, sizeof *self);
    self->lock = -1;
    self->now = now_ms;
    self->keep_ms[MLX_TIER_RAW] = options->raw_hours * 3600000;
    self->keep_ms[MLX_TIER_MINUTE] = options->minute_days * 86400000;
    /* A query goes from each tier to the next coarser one: no hole between them. */
    if (self->keep_ms[MLX_TIER_MINUTE] < self->keep_ms[MLX_TIER_RAW])
        self->keep_ms[MLX_TIER_MINUTE] = self->keep_ms[MLX_TIER_RAW];
    self->tracks = mlx_tracks_new();
    if (lock(self, options->path, err) ||
        !(self->store = mlx_history_store_open(options->path, err)) || load_all(self, now_ms, err))
        mlx_history_destroy(&self);
    return self;
}

void mlx_history_destroy(mlx_history_t **self)
{
    mlx_history_t *history = *self;
    *self = NULL;
    if (!history)
        return;
    mlx_history_store_destroy(&history->store);
    mlx_tracks_destroy(&history->tracks);
    mlx_buf_clear(&history->tail);
    mlx_close_p(&history->lock);
    free(history);
}

void mlx_history_add(mlx_history_t *self, mlx_track_t *track, int64_t t_ms, double value)
{
    int64_t steps;
    if (t_ms < 0 || !mlx_track_steps(track, value, &steps)) {
        self->stats.refused++;
        return;
    }
    if (self->open_samples >= MLX_HISTORY_HELD || track->n == MLX_CHUNK_MAX) {
        self->stats.lost++;
        return;
    }
    if (!take(self, track, t_ms, steps))
        return;
    mlx_varint_put(&self->tail, (uint64_t)track->id);
    mlx_varint_put(&self->tail, mlx_fold(t_ms - self->tail_t));
    mlx_varint_put(&self->tail, mlx_fold(steps));
    self->tail_t = t_ms;
    self->waiting++;
    self->stats.samples++;
}

size_t mlx_history_waiting(const mlx_history_t *self)
{
    return self->waiting;
}

static bool is_due(const mlx_history_t *self, int64_t now)
{
    return self->open_samples >= MLX_HISTORY_SEAL || self->longest >= ROWS_TO_SEAL ||
           (self->open_samples && now - self->slots[MLX_TIER_RAW].opened >= MLX_HISTORY_SEAL_MS);
}

/*  Series that are new; with their newest times when the tail, which knows them too, is dropped. */
static int write_series(mlx_history_t *self, bool sealing, mlx_error_t *err)
{
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++)
        if (sealing ? track->changed : !track->stored)
            if (mlx_history_store_put_series(self->store, track, sealing ? track->last : INT64_MIN,
                                             err))
                return -1;
    return 0;
}

static int write_samples(mlx_history_t *self, mlx_error_t *err)
{
    mlx_history_slot_t slot = self->slots[MLX_TIER_RAW];
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t blob = {0};
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        if (track->n == 0)
            continue;
        mlx_buf_reset(&blob);
        mlx_chunk_put_samples(&blob, track->raw, track->n);
        if (mlx_history_store_put_chunk(self->store, MLX_TIER_RAW, slot.id, track->id, &blob, err))
            return -1;
    }
    slot.rows = (int64_t)self->open_samples;
    slot.open = false;
    return mlx_history_store_put_slot(self->store, MLX_TIER_RAW, &slot, err);
}

static size_t count_rollups(const mlx_history_t *self, mlx_tier_t tier)
{
    size_t rows = 0, most = 0;
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        rows += track->rollups[tier].n;
        most = track->rollups[tier].n > most ? track->rollups[tier].n : most;
    }
    return most >= MLX_CHUNK_MAX / 2 ? ROLLUPS_TO_SEAL : rows;
}

/*  Does the last row of ROLLUPS, when its slot is closed, go on in the next? So each row is
 *  whole. */
static bool goes_on(const mlx_rollups_t *rollups, mlx_tier_t tier, int64_t now)
{
    return rollups->changed && rollups->n > 1 &&
           rollups->rows[rollups->n - 1].t + mlx_tier_width(tier) > now;
}

static int write_chunk(mlx_history_t *self, mlx_tier_t tier, int64_t slot, int64_t series,
                       const mlx_rollup_t *rows, size_t n, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t blob = {0};
    mlx_chunk_put_rollups(&blob, rows, n);
    return mlx_history_store_put_chunk(self->store, tier, slot, series, &blob, err);
}

/*  Begin the slot behind a closed one with the rows that go on in it. */
static int write_next(mlx_history_t *self, mlx_tier_t tier, int64_t now, mlx_error_t *err)
{
    mlx_history_slot_t slot = fresh_slot(self->slots[tier].id + 1, now);
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        const mlx_rollups_t *rollups = &track->rollups[tier];
        if (!goes_on(rollups, tier, now))
            continue;
        const mlx_rollup_t *row = &rollups->rows[rollups->n - 1];
        note_time(&slot, row->t, track->last);
        if (write_chunk(self, tier, slot.id, track->id, row, 1, err))
            return -1;
    }
    self->next[tier] = slot;
    return mlx_history_store_put_slot(self->store, tier, &slot, err);
}

/*  Write the rollups of TIER again that have changed. *CLOSED: the slot ends here. */
static int write_rollups(mlx_history_t *self, mlx_tier_t tier, int64_t now, bool *closed,
                         mlx_error_t *err)
{
    mlx_history_slot_t slot = self->slots[tier];
    size_t rows = count_rollups(self, tier);
    *closed = now - slot.opened >= spans_ms[tier] || rows >= ROLLUPS_TO_SEAL;
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        const mlx_rollups_t *rollups = &track->rollups[tier];
        bool carried = *closed && goes_on(rollups, tier, now);
        size_t n = rollups->n - carried;
        rows -= carried;
        if (rollups->changed && write_chunk(self, tier, slot.id, track->id, rollups->rows, n, err))
            return -1;
    }
    slot.rows = (int64_t)rows;
    slot.open = !*closed;
    return mlx_history_store_put_slot(self->store, tier, &slot, err) ||
                   (*closed && write_next(self, tier, now, err))
               ? -1
               : 0;
}

/*  Memory follows once the transaction is through. */
static void forget(mlx_history_t *self, mlx_tier_t tier, bool closed, int64_t now)
{
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        mlx_rollups_t *rollups = &track->rollups[tier];
        if (tier == MLX_TIER_RAW) {
            track->n = 0;
        } else if (closed) {
            bool keep = goes_on(rollups, tier, now);
            if (keep)
                rollups->rows[0] = rollups->rows[rollups->n - 1];
            rollups->n = keep;
        }
        rollups->changed = false;
    }
    if (self->slots[tier].opened < self->oldest[tier])
        self->oldest[tier] = self->slots[tier].opened;
    if (tier == MLX_TIER_RAW)
        self->slots[tier] = fresh_slot(self->slots[tier].id + 1, now);
    else if (closed)
        self->slots[tier] = self->next[tier];
}

static int write_all(mlx_history_t *self, bool sealing, int64_t now, bool *closed, mlx_error_t *err)
{
    if (write_series(self, sealing, err))
        return -1;
    if (!sealing)
        return mlx_history_store_put_tail(self->store, &self->tail, err);
    closed[MLX_TIER_RAW] = true;
    return write_samples(self, err) ||
                   write_rollups(self, MLX_TIER_MINUTE, now, &closed[MLX_TIER_MINUTE], err) ||
                   write_rollups(self, MLX_TIER_HOUR, now, &closed[MLX_TIER_HOUR], err) ||
                   mlx_history_store_drop_tail(self->store, err)
               ? -1
               : 0;
}

static void settle(mlx_history_t *self, bool sealing, int64_t now, const bool *closed)
{
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        track->stored = true;
        track->changed = track->changed && !sealing;
    }
    mlx_buf_reset(&self->tail);
    self->waiting = 0;
    self->tail_t = 0;
    if (!sealing)
        return;
    for (mlx_tier_t tier = MLX_TIER_RAW; tier < MLX_TIERS; tier++)
        forget(self, tier, closed[tier], now);
    self->open_samples = 0;
    self->longest = 0;
}

static int flush(mlx_history_t *self, int64_t now_ms, bool sealing, mlx_error_t *err)
{
    bool closed[MLX_TIERS] = {false};
    if (mlx_history_store_begin(self->store, err))
        return -1;
    if (write_all(self, sealing, now_ms, closed, err)) {
        mlx_history_store_rollback(self->store);
        return -1;
    }
    if (mlx_history_store_commit(self->store, err))
        return -1;
    settle(self, sealing, now_ms, closed);
    return 0;
}

int mlx_history_flush(mlx_history_t *self, int64_t now_ms, mlx_error_t *err)
{
    bool sealing = is_due(self, now_ms);
    self->now = now_ms;
    return sealing || self->waiting ? flush(self, now_ms, sealing, err) : 0;
}

static bool count_samples(void *arg, int64_t slot, const void *data, size_t len)
{
    int64_t *samples = arg;
    MLX_CLEANUP(mlx_free_p) mlx_rollup_t *rows = mlx_alloc(MLX_CHUNK_MAX, sizeof *rows);
    size_t n = mlx_chunk_get_rollups(data, len, rows);
    (void)slot;
    for (size_t i = 0; i < n && *samples < FEW; i++)
        *samples += rows[i].count;
    return *samples < FEW;
}

/*  Has TRACK fallen silent after a few values? All of them are in chunks. */
static bool is_dispensable(void *arg, const mlx_track_t *track)
{
    const mlx_history_t *self = arg;
    int64_t samples = 0;
    mlx_chunk_range_t range = {.tier = MLX_TIER_HOUR,
                               .series = track->id,
                               .before = INT64_MAX >> 20,
                               .since = INT64_MIN,
                               .until = INT64_MAX};
    return track->name[0] != MLX_TRACK_UNUSED[0] && self->now - track->heard_ms >= SILENT_MS &&
           mlx_history_store_each_chunk(self->store, &range, count_samples, &samples, NULL) == 0 &&
           samples < FEW;
}

static int write_unused(mlx_history_t *self, mlx_error_t *err)
{
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++)
        if (track->name[0] == MLX_TRACK_UNUSED[0] &&
            mlx_history_store_put_series(self->store, track, INT64_MIN, err))
            return -1;
    return mlx_history_store_clear_series(self->store, err);
}

/*  Make room for new series. The tail, which knows series by their numbers, is sealed before. */
static void prune(mlx_history_t *self)
{
    self->pruned_ms = self->now;
    if (flush(self, self->now, true, NULL))
        return;
    size_t released = mlx_tracks_release(self->tracks, is_dispensable, self);
    self->stats.pruned += (int64_t)released;
    if (released == 0 || mlx_history_store_begin(self->store, NULL))
        return;
    if (write_unused(self, NULL) || mlx_history_store_commit(self->store, NULL))
        mlx_history_store_rollback(self->store);
}

mlx_track_t *mlx_history_track(mlx_history_t *self, const char *name, mlx_unit_t unit,
                               mlx_type_t type)
{
    mlx_track_t *track = mlx_tracks_get(self->tracks, name, unit, type);
    if (!track && self->now - self->pruned_ms >= PRUNE_MS && strlen(name) <= MLX_TRACK_NAME_MAX) {
        prune(self);
        track = mlx_tracks_get(self->tracks, name, unit, type);
    }
    if (!track) {
        self->stats.lost++;
        self->stats.crowded++;
        return NULL;
    }
    if (track->id == 0)
        track->id = self->next_id++;
    track->heard_ms = self->now;
    return track;
}

/*  Space is given back only when much of the file is unused: what one day drops the next day needs.
 */
static int shrink(mlx_history_t *self, mlx_error_t *err)
{
    mlx_history_store_figures_t figures;
    if (mlx_history_store_figures(self->store, &figures, err))
        return -1;
    return figures.free > figures.bytes / 4 + (1 << 20)
               ? mlx_history_store_shrink(self->store, SHRINK_PAGES, err)
               : 0;
}

static int drop_old(mlx_history_t *self, int64_t now, bool *any, mlx_error_t *err)
{
    for (mlx_tier_t tier = MLX_TIER_RAW; tier < MLX_TIER_HOUR; tier++) {
        bool dropped;
        if (mlx_history_store_drop_old(self->store, tier, now - self->keep_ms[tier], &dropped,
                                       err) ||
            (dropped && mlx_history_store_oldest(self->store, tier, &self->oldest[tier], err)))
            return -1;
        *any |= dropped;
    }
    return 0;
}

int mlx_history_retain(mlx_history_t *self, int64_t now_ms, mlx_error_t *err)
{
    bool any = false;
    self->now = now_ms;
    if (mlx_history_store_begin(self->store, err))
        return -1;
    if (drop_old(self, now_ms, &any, err)) {
        mlx_history_store_rollback(self->store);
        return -1;
    }
    if (mlx_history_store_commit(self->store, err))
        return -1;
    return any ? shrink(self, err) : 0;
}

int64_t mlx_history_since(const mlx_history_t *self, mlx_tier_t tier)
{
    if (tier == MLX_TIER_HOUR)
        return INT64_MIN;
    int64_t begun[MLX_TIERS];
    for (int i = 0; i < MLX_TIERS; i++)
        begun[i] =
            self->oldest[i] < self->slots[i].opened ? self->oldest[i] : self->slots[i].opened;
    int64_t kept = self->now - self->keep_ms[tier];
    /* Nothing older anywhere: a new database has no need of coarser rows. */
    if (begun[tier] <= begun[MLX_TIER_HOUR] && kept < begun[tier])
        return INT64_MIN;
    return begun[tier] > kept ? begun[tier] : kept;
}

const mlx_history_slot_t *mlx_history_open_slot(const mlx_history_t *self, mlx_tier_t tier)
{
    return &self->slots[tier];
}

/*  A row of a tier begins up to its width before its first sample, which a finer tier may have. */
static int64_t first_sample(const int64_t since[MLX_TIERS])
{
    int64_t oldest = INT64_MAX;
    for (int tier = MLX_TIERS - 1; tier >= MLX_TIER_RAW; tier--) {
        int64_t width = tier + 1 < MLX_TIERS ? mlx_tier_width((mlx_tier_t)(tier + 1)) : 0;
        if (since[tier] - width < oldest)
            oldest = since[tier];
    }
    return oldest;
}

int mlx_history_figures(mlx_history_t *self, mlx_history_store_figures_t *figures, mlx_error_t *err)
{
    if (mlx_history_store_figures(self->store, figures, err))
        return -1;
    mlx_track_t *track;
    for (size_t i = 0; (track = mlx_tracks_at(self->tracks, i)); i++) {
        figures->rows[MLX_TIER_RAW] += (int64_t)track->n;
        for (mlx_tier_t tier = MLX_TIER_MINUTE; tier < MLX_TIERS; tier++)
            figures->rows[tier] += (int64_t)track->rollups[tier].n;
    }
    for (int i = 0; i < MLX_TIERS; i++)
        if (self->slots[i].since < figures->since[i])
            figures->since[i] = self->slots[i].since;
    figures->oldest = first_sample(figures->since);
    return 0;
}

mlx_history_stats_t mlx_history_stats(const mlx_history_t *self)
{
    return self->stats;
}

void mlx_history_count_damaged(mlx_history_t *self)
{
    self->stats.damaged++;
}

const mlx_tracks_t *mlx_history_tracks(const mlx_history_t *self)
{
    return self->tracks;
}

mlx_history_store_t *mlx_history_store(mlx_history_t *self)
{
    return self->store;
}
