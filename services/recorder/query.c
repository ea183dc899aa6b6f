#include "query.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t min, max;
    double sum; /* of up to a year: too large for an integer */
    int64_t count;
} cell_t;

/*  Reads the rows of one series and tier, wherever they are, and gives those of a range to FN. */
typedef struct scan scan_t;
struct scan {
    mlx_history_t *history;
    const mlx_track_t *track;
    mlx_tier_t tier;
    int64_t since, until; /* rows with since < end of row, begin of row < until */
    void (*fn)(void *arg, const mlx_rollup_t *row);
    void *arg;
    bool (*more)(void *arg, int64_t slot); /* asked after each chunk; NULL: always */
    void *rows;                            /* room for a chunk */
};

static void give(scan_t *self, const mlx_rollup_t *row)
{
    int64_t width = mlx_tier_width(self->tier);
    if (row->t < self->until && row->t + (width ? width : 1) > self->since && row->count > 0)
        self->fn(self->arg, row);
}

static mlx_rollup_t rollup_of(const mlx_sample_t *sample)
{
    int64_t v = sample->value;
    return (mlx_rollup_t){.t = sample->t, .min = v, .max = v, .sum = v, .last = v, .count = 1};
}

static bool give_chunk(void *arg, int64_t slot, const void *data, size_t len)
{
    scan_t *self = arg;
    size_t n;
    if (self->tier == MLX_TIER_RAW) {
        mlx_sample_t *samples = self->rows;
        n = mlx_chunk_get_samples(data, len, samples);
        for (size_t i = 0; i < n; i++) {
            mlx_rollup_t row = rollup_of(&samples[i]);
            give(self, &row);
        }
    } else {
        mlx_rollup_t *rollups = self->rows;
        n = mlx_chunk_get_rollups(data, len, rollups);
        for (size_t i = 0; i < n; i++)
            give(self, &rollups[i]);
    }
    if (n == 0)
        mlx_history_count_damaged(self->history);
    return !self->more || self->more(self->arg, slot);
}

static void give_open(scan_t *self)
{
    const mlx_track_t *track = self->track;
    const mlx_rollups_t *rollups = &track->rollups[self->tier];
    for (size_t i = 0; self->tier == MLX_TIER_RAW && i < track->n; i++) {
        mlx_rollup_t row = rollup_of(&track->raw[i]);
        give(self, &row);
    }
    for (size_t i = 0; self->tier != MLX_TIER_RAW && i < rollups->n; i++)
        give(self, &rollups->rows[i]);
}

static int scan_chunks(scan_t *self, int64_t from, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    void *rows = mlx_alloc(MLX_CHUNK_MAX, sizeof(mlx_rollup_t));
    self->rows = rows;
    mlx_chunk_range_t range = {.tier = self->tier,
                               .series = self->track->id,
                               .from = from,
                               .before = mlx_history_open_slot(self->history, self->tier)->id,
                               .since = self->since,
                               .until = self->until};
    return mlx_history_store_each_chunk(mlx_history_store(self->history), &range, give_chunk, self,
                                        err);
}

typedef struct {
    int64_t since, step;
    cell_t *cells;
    size_t n;
} grid_t;

static void add_to_grid(void *arg, const mlx_rollup_t *row)
{
    grid_t *grid = arg;
    int64_t t = row->t > grid->since ? row->t : grid->since;
    size_t at = (size_t)((t - grid->since) / grid->step);
    if (at >= grid->n)
        return;
    cell_t *cell = &grid->cells[at];
    cell->min = cell->count == 0 || row->min < cell->min ? row->min : cell->min;
    cell->max = cell->count == 0 || row->max > cell->max ? row->max : cell->max;
    cell->sum += (double)row->sum;
    cell->count += row->count;
}

static int64_t up_to(int64_t t, int64_t width)
{
    int64_t rest = t % width;
    return rest ? t + (width - rest) : t;
}

/*  Where TIER begins in the range: at the end of a row of the next coarser one, so that nothing is
 *  counted twice. */
static int64_t begin_of(const mlx_history_t *history, mlx_tier_t tier)
{
    int64_t since = mlx_history_since(history, tier);
    return since == INT64_MIN ? INT64_MIN : up_to(since, mlx_tier_width(tier + 1));
}

static int fill(mlx_history_t *self, const mlx_track_t *track, mlx_tier_t finest, grid_t *grid,
                int64_t until, mlx_error_t *err)
{
    for (mlx_tier_t tier = finest; tier < MLX_TIERS && until > grid->since; tier++) {
        int64_t begin = tier == MLX_TIER_HOUR ? INT64_MIN : begin_of(self, tier);
        scan_t scan = {.history = self,
                       .track = track,
                       .tier = tier,
                       .since = begin > grid->since ? begin : grid->since,
                       .until = until,
                       .fn = add_to_grid,
                       .arg = grid};
        if (scan.since < until) {
            if (scan_chunks(&scan, 0, err))
                return -1;
            give_open(&scan);
            until = scan.since;
        }
    }
    return 0;
}

static void collect(const grid_t *grid, const mlx_track_t *track, mlx_points_t *points)
{
    double scale = (double)track->scale;
    points->all = mlx_alloc(grid->n, sizeof *points->all);
    points->n = 0;
    for (size_t i = 0; i < grid->n; i++) {
        const cell_t *cell = &grid->cells[i];
        if (cell->count)
            points->all[points->n++] =
                (mlx_point_t){.t = grid->since + (int64_t)i * grid->step,
                              .min = (double)cell->min / scale,
                              .max = (double)cell->max / scale,
                              .mean = cell->sum / (double)cell->count / scale,
                              .count = cell->count};
    }
}

static int check(const mlx_query_t *query, int64_t *step, mlx_error_t *err)
{
    *step = 1;
    if (query->since < 0 || query->until <= query->since)
        return mlx_error_set(err, MLX_ERR_USAGE, "'since' must be before 'until'");
    if (query->step < 0 || query->points < 0 || query->points > MLX_POINTS_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "step must be above 0, and points from 1 to %d",
                             MLX_POINTS_MAX);
    int64_t points = query->points ? query->points : MLX_POINTS_USUAL;
    int64_t range = query->until - query->since;
    *step = query->step > 0 ? query->step : (range + points - 1) / points;
    if (*step < 1)
        *step = 1;
    if (range / *step >= MLX_POINTS_MAX) {
        mlx_error_set(err, MLX_ERR_USAGE, "that would be more than %d points", MLX_POINTS_MAX);
        return mlx_error_hint(err, "take a longer step or a shorter range");
    }
    return 0;
}

int mlx_history_query(mlx_history_t *self, const mlx_track_t *track, const mlx_query_t *query,
                      mlx_points_t *points, mlx_error_t *err)
{
    int64_t step = 1;
    if (check(query, &step, err))
        return -1;
    mlx_tier_t tier = MLX_TIER_HOUR;
    while (mlx_tier_width(tier) > step)
        tier--;
    grid_t grid = {.since = query->since - query->since % step, .step = step};
    grid.n = (size_t)((query->until - grid.since + step - 1) / step);
    grid.cells = mlx_alloc(grid.n, sizeof *grid.cells);
    points->step = step;
    points->tier = tier;
    int rc = fill(self, track, tier, &grid, query->until, err);
    if (rc == 0)
        collect(&grid, track, points);
    free(grid.cells);
    return rc;
}

void mlx_points_clear(mlx_points_t *self)
{
    free(self->all);
    *self = (mlx_points_t){0};
}

typedef struct {
    mlx_rollup_t *rows;
    size_t n;
    int64_t next; /* slot to go on with; 0: none */
} piece_t;

static void add_to_piece(void *arg, const mlx_rollup_t *row)
{
    piece_t *piece = arg;
    piece->rows = mlx_grow(piece->rows, piece->n, sizeof *piece->rows);
    piece->rows[piece->n++] = *row;
}

static bool piece_has_room(void *arg, int64_t slot)
{
    piece_t *piece = arg;
    piece->next = piece->n >= MLX_ROWS_MAX ? slot + 1 : 0;
    return piece->next == 0;
}

int mlx_history_export(mlx_history_t *self, const mlx_track_t *track, mlx_export_t *export,
                       mlx_rollup_t **rows, size_t *n, mlx_error_t *err)
{
    piece_t piece = {0};
    scan_t scan = {.history = self,
                   .track = track,
                   .tier = export->tier,
                   .since = export->since,
                   .until = export->until,
                   .fn = add_to_piece,
                   .arg = &piece,
                   .more = piece_has_room};
    int rc = scan_chunks(&scan, export->cursor, err);
    if (rc == 0 && piece.next == 0)
        give_open(&scan);
    *rows = piece.rows;
    *n = piece.n;
    export->cursor = piece.next;
    return rc;
}
