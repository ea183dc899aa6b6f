#include "track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPEAT_MS = 5000,
    SLOTS_LEAST = 256 /* of the hash table; a power of two */
};

/*  2^47 steps, 2^16 to a row: a sum stays below 2^63. */
#define STEPS_MAX 140737488355328.0

struct mlx_tracks {
    mlx_track_t **all;
    size_t n;
    size_t unused;   /* places without a series */
    uint32_t *slots; /* index + 1 into all; 0: empty; linear probing */
    size_t slot_count;
};

static const struct {
    const char *name;
    int64_t width_ms;
} tiers[MLX_TIERS] = {{"raw", 0}, {"minute", 60000}, {"hour", 3600000}};

const char *mlx_tier_name(mlx_tier_t tier)
{
    return tiers[tier].name;
}

int mlx_tier_find(const char *name)
{
    for (int i = 0; i < MLX_TIERS; i++)
        if (strcmp(tiers[i].name, name) == 0)
            return i;
    return -1;
}

int64_t mlx_tier_width(mlx_tier_t tier)
{
    return tiers[tier].width_ms;
}

int64_t mlx_resolution(mlx_unit_t unit, mlx_type_t type)
{
    static const int64_t steps[] = {
        [MLX_UNIT_NONE] = 1000,       [MLX_UNIT_BYTES] = 1,
        [MLX_UNIT_SECONDS] = 1000000, [MLX_UNIT_MICROSECONDS_EPOCH] = 1,
        [MLX_UNIT_WATTS] = 1000,      [MLX_UNIT_JOULES] = 1000,
        [MLX_UNIT_CELSIUS] = 100,     [MLX_UNIT_RATIO] = 10000,
        [MLX_UNIT_HERTZ] = 1,         [MLX_UNIT_TOKENS_PER_SECOND] = 1000,
        [MLX_UNIT_RPM] = 1,           [MLX_UNIT_BYTES_PER_SECOND] = 1,
    };
    return type == MLX_REAL ? steps[unit] : 1;
}

mlx_tracks_t *mlx_tracks_new(void)
{
    mlx_tracks_t *self = mlx_alloc(1, sizeof *self);
    self->slot_count = SLOTS_LEAST;
    self->slots = mlx_alloc(self->slot_count, sizeof *self->slots);
    return self;
}

static void free_track(mlx_track_t *track)
{
    for (int i = 0; i < MLX_TIERS; i++)
        free(track->rollups[i].rows);
    free(track->raw);
    free(track->name);
    free(track);
}

void mlx_tracks_destroy(mlx_tracks_t **self)
{
    mlx_tracks_t *tracks = *self;
    *self = NULL;
    if (!tracks)
        return;
    for (size_t i = 0; i < tracks->n; i++)
        free_track(tracks->all[i]);
    free(tracks->all);
    free(tracks->slots);
    free(tracks);
}

/*  FNV-1a, 64 bits. */
static size_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3;
    return (size_t)(h ^ h >> 32);
}

/*  The slot that holds NAME, or the empty one where it belongs. */
static uint32_t *slot_of(const mlx_tracks_t *self, const char *name)
{
    size_t at = hash(name) & (self->slot_count - 1);
    while (self->slots[at] && strcmp(self->all[self->slots[at] - 1]->name, name) != 0)
        at = (at + 1) & (self->slot_count - 1);
    return &self->slots[at];
}

static bool is_unused(const mlx_track_t *track)
{
    return track->name[0] == MLX_TRACK_UNUSED[0];
}

/*  Fill the hash table again, with SLOT_COUNT slots. */
static void index_all(mlx_tracks_t *self, size_t slot_count)
{
    free(self->slots);
    self->slot_count = slot_count;
    self->slots = mlx_alloc(self->slot_count, sizeof *self->slots);
    for (size_t i = 0; i < self->n; i++)
        if (!is_unused(self->all[i]))
            *slot_of(self, self->all[i]->name) = (uint32_t)i + 1;
}

mlx_track_t *mlx_tracks_find(const mlx_tracks_t *self, const char *name)
{
    uint32_t index = *slot_of(self, name);
    return index ? self->all[index - 1] : NULL;
}

/*  A place for a new series: one without, else a further one; NULL: there are too many. */
static mlx_track_t *place(mlx_tracks_t *self)
{
    for (size_t i = 0; self->unused && i < self->n; i++)
        if (is_unused(self->all[i])) {
            self->unused--;
            return self->all[i];
        }
    if (self->n == MLX_TRACKS_MAX)
        return NULL;
    self->all = mlx_grow(self->all, self->n, sizeof(mlx_track_t *));
    mlx_track_t *track = mlx_alloc(1, sizeof *track);
    track->index = self->n;
    return self->all[self->n++] = track;
}

mlx_track_t *mlx_tracks_get(mlx_tracks_t *self, const char *name, mlx_unit_t unit, mlx_type_t type)
{
    mlx_track_t *track = mlx_tracks_find(self, name);
    if (track)
        return track;
    if (strlen(name) > MLX_TRACK_NAME_MAX || !(track = place(self)))
        return NULL;
    free(track->name);
    track->name = mlx_strdup(name);
    track->unit = unit;
    track->scale = mlx_resolution(unit, type);
    track->last = INT64_MIN;
    track->stored = false;
    if (self->n * 2 > self->slot_count)
        index_all(self, self->slot_count * 2);
    else if (!is_unused(track))
        *slot_of(self, name) = (uint32_t)track->index + 1;
    return track;
}

static void release(mlx_track_t *track)
{
    free(track->name);
    track->name = mlx_format(MLX_TRACK_UNUSED "%zu", track->index);
    track->n = 0;
    for (int i = 0; i < MLX_TIERS; i++) {
        track->rollups[i].n = 0;
        track->rollups[i].changed = false;
    }
    track->last = INT64_MIN;
    track->changed = false;
}

size_t mlx_tracks_release(mlx_tracks_t *self, bool (*goes)(void *arg, const mlx_track_t *track),
                          void *arg)
{
    size_t before = self->unused;
    for (size_t i = 0; i < self->n; i++)
        if (goes(arg, self->all[i])) {
            release(self->all[i]);
            self->unused++;
        }
    index_all(self, self->slot_count);
    return self->unused - before;
}

mlx_track_t *mlx_tracks_at(const mlx_tracks_t *self, size_t index)
{
    return index < self->n ? self->all[index] : NULL;
}

size_t mlx_tracks_count(const mlx_tracks_t *self)
{
    return self->n;
}

size_t mlx_tracks_used(const mlx_tracks_t *self)
{
    return self->n - self->unused;
}

bool mlx_track_steps(const mlx_track_t *self, double value, int64_t *steps)
{
    double scaled = value * (double)self->scale;
    if (!isfinite(scaled) || fabs(scaled) > STEPS_MAX)
        return false;
    *steps = llround(scaled);
    return true;
}

static bool merge(mlx_rollup_t *into, const mlx_rollup_t *row)
{
    int64_t sum, count;
    if (__builtin_add_overflow(into->sum, row->sum, &sum) ||
        __builtin_add_overflow(into->count, row->count, &count))
        return false;
    into->sum = sum;
    into->count = count;
    into->min = row->min < into->min ? row->min : into->min;
    into->max = row->max > into->max ? row->max : into->max;
    into->last = row->last;
    return true;
}

bool mlx_rollups_add(mlx_rollups_t *self, const mlx_rollup_t *row)
{
    if (self->n && self->rows[self->n - 1].t == row->t) {
        self->changed = true;
        return merge(&self->rows[self->n - 1], row);
    }
    if (self->n == MLX_CHUNK_MAX)
        return false;
    self->rows = mlx_grow(self->rows, self->n, sizeof *self->rows);
    self->rows[self->n++] = *row;
    self->changed = true;
    return true;
}

static void add_raw(mlx_track_t *self, int64_t t_ms, int64_t steps)
{
    self->raw = mlx_grow(self->raw, self->n, sizeof *self->raw);
    self->raw[self->n++] = (mlx_sample_t){.t = t_ms, .value = steps};
}

bool mlx_track_add(mlx_track_t *self, int64_t t_ms, int64_t steps)
{
    if (self->last != INT64_MIN && t_ms <= self->last && t_ms >= self->last - REPEAT_MS)
        return false;
    if (self->n == MLX_CHUNK_MAX || self->rollups[MLX_TIER_MINUTE].n == MLX_CHUNK_MAX ||
        self->rollups[MLX_TIER_HOUR].n == MLX_CHUNK_MAX)
        return false;
    for (mlx_tier_t tier = MLX_TIER_MINUTE; tier < MLX_TIERS; tier++) {
        int64_t begin = t_ms - t_ms % tiers[tier].width_ms;
        mlx_rollup_t row = {
            .t = begin, .min = steps, .max = steps, .sum = steps, .last = steps, .count = 1};
        mlx_rollups_add(&self->rollups[tier], &row);
    }
    add_raw(self, t_ms, steps);
    self->last = t_ms;
    self->changed = true;
    return true;
}
