#include "chunk.h"

#include <stdlib.h>
#include <string.h>

#include "ints.h"

enum {
    KIND_SAMPLES = 1,
    KIND_ROLLUPS = 2
};

/*  A column is a function from row to number, so that both kinds share one loop. */
typedef int64_t (*column_fn)(const void *rows, size_t i);

static int64_t sample_t(const void *rows, size_t i)
{
    return ((const mlx_sample_t *)rows)[i].t;
}

static int64_t sample_value(const void *rows, size_t i)
{
    return ((const mlx_sample_t *)rows)[i].value;
}

static int64_t rollup_t(const void *rows, size_t i)
{
    return ((const mlx_rollup_t *)rows)[i].t;
}

static int64_t rollup_count(const void *rows, size_t i)
{
    return ((const mlx_rollup_t *)rows)[i].count;
}

static int64_t rollup_min(const void *rows, size_t i)
{
    return ((const mlx_rollup_t *)rows)[i].min;
}

static int64_t rollup_width(const void *rows, size_t i)
{
    const mlx_rollup_t *row = (const mlx_rollup_t *)rows + i;
    return (int64_t)((uint64_t)row->max - (uint64_t)row->min);
}

/*  Guesses of a number from the others of its row and from the row before. Damaged rows may hold
 *  anything, so the arithmetic wraps. */
typedef uint64_t (*guess_fn)(const mlx_rollup_t *rows, size_t i);

static uint64_t guess_min(const mlx_rollup_t *rows, size_t i)
{
    return (uint64_t)rows[i].min;
}

static uint64_t guess_max(const mlx_rollup_t *rows, size_t i)
{
    return (uint64_t)rows[i].max;
}

static uint64_t guess_mean_before(const mlx_rollup_t *rows, size_t i)
{
    if (i == 0 || rows[i - 1].count <= 0)
        return 0;
    return (uint64_t)(rows[i - 1].sum / rows[i - 1].count) * (uint64_t)rows[i].count;
}

static uint64_t guess_all_min(const mlx_rollup_t *rows, size_t i)
{
    return (uint64_t)rows[i].min * (uint64_t)rows[i].count;
}

static uint64_t guess_middle(const mlx_rollup_t *rows, size_t i)
{
    uint64_t half = ((uint64_t)rows[i].max - (uint64_t)rows[i].min) / 2;
    return ((uint64_t)rows[i].min + half) * (uint64_t)rows[i].count;
}

static const guess_fn last_guesses[] = {guess_min, guess_max};
static const guess_fn sum_guesses[] = {guess_mean_before, guess_all_min, guess_middle};

static const column_fn sample_columns[] = {sample_t, sample_value};
static const column_fn rollup_columns[] = {rollup_t, rollup_count, rollup_min, rollup_width};

static void put(mlx_buf_t *out, int kind, const column_fn *columns, size_t count, const void *rows,
                size_t n)
{
    MLX_CLEANUP(mlx_free_p) int64_t *values = mlx_alloc(n, sizeof *values);
    mlx_buf_putc(out, (char)kind);
    mlx_varint_put(out, n);
    for (size_t c = 0; c < count; c++) {
        for (size_t i = 0; i < n; i++)
            values[i] = columns[c](rows, i);
        mlx_ints_encode(out, values, n);
    }
}

/*  Which number of a row is guessed. */
static int64_t *last_of(mlx_rollup_t *row)
{
    return &row->last;
}

static int64_t *sum_of(mlx_rollup_t *row)
{
    return &row->sum;
}

typedef struct {
    int64_t *(*number)(mlx_rollup_t *row);
    const guess_fn *guesses;
    size_t count;
} guessed_t;

/*  In the order of the file: the sum is guessed from the rest. */
static const guessed_t guessed[] = {{last_of, last_guesses, MLX_COUNT(last_guesses)},
                                    {sum_of, sum_guesses, MLX_COUNT(sum_guesses)}};

/*  Write what each guess misses, and keep the shortest. */
static void put_guessed(mlx_buf_t *out, const guessed_t *column, const mlx_rollup_t *rows, size_t n)
{
    MLX_CLEANUP(mlx_free_p) int64_t *values = mlx_alloc(n, sizeof *values);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t best = {0};
    for (size_t g = 0; g < column->count; g++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        for (size_t i = 0; i < n; i++) {
            mlx_rollup_t row = rows[i];
            values[i] = (int64_t)((uint64_t)*column->number(&row) - column->guesses[g](rows, i));
        }
        mlx_buf_putc(&text, (char)g);
        mlx_ints_encode(&text, values, n);
        if (best.len == 0 || text.len < best.len) {
            mlx_buf_t worse = best;
            best = text;
            text = worse;
        }
    }
    mlx_buf_append(out, best.data, best.len);
}

static bool get_guessed(const uint8_t *data, size_t len, size_t *pos, const guessed_t *column,
                        mlx_rollup_t *rows, size_t n)
{
    if (*pos == len || data[*pos] >= column->count)
        return false;
    guess_fn guess = column->guesses[data[(*pos)++]];
    MLX_CLEANUP(mlx_free_p) int64_t *values = mlx_alloc(n, sizeof *values);
    size_t used = mlx_ints_decode(data + *pos, len - *pos, values, n);
    for (size_t i = 0; used && i < n; i++)
        *column->number(&rows[i]) = (int64_t)((uint64_t)values[i] + guess(rows, i));
    *pos += used;
    return used > 0;
}

void mlx_chunk_put_samples(mlx_buf_t *out, const mlx_sample_t *rows, size_t n)
{
    put(out, KIND_SAMPLES, sample_columns, MLX_COUNT(sample_columns), rows, n);
}

void mlx_chunk_put_rollups(mlx_buf_t *out, const mlx_rollup_t *rows, size_t n)
{
    put(out, KIND_ROLLUPS, rollup_columns, MLX_COUNT(rollup_columns), rows, n);
    for (size_t i = 0; i < MLX_COUNT(guessed); i++)
        put_guessed(out, &guessed[i], rows, n);
}

/*  Read COLUMNS columns of the same length behind one another. *POS: where they end. Caller owns
 *  the result; NULL when damaged. */
static int64_t *get(const uint8_t *data, size_t len, int kind, size_t columns, size_t *pos,
                    size_t *n)
{
    uint64_t count;
    *pos = 1;
    if (len < 1 || data[0] != kind || !mlx_varint_get(data, len, pos, &count) || count < 1 ||
        count > MLX_CHUNK_MAX)
        return NULL;
    int64_t *values = mlx_alloc(columns * (size_t)count, sizeof *values);
    for (size_t c = 0; c < columns; c++) {
        size_t used = mlx_ints_decode(data + *pos, len - *pos, values + c * count, (size_t)count);
        if (!used) {
            free(values);
            return NULL;
        }
        *pos += used;
    }
    *n = (size_t)count;
    return values;
}

size_t mlx_chunk_get_samples(const void *data, size_t len, mlx_sample_t *rows)
{
    size_t n = 0, pos;
    MLX_CLEANUP(mlx_free_p)
    int64_t *values = get(data, len, KIND_SAMPLES, MLX_COUNT(sample_columns), &pos, &n);
    if (!values || pos != len)
        return 0;
    for (size_t i = 0; i < n; i++)
        rows[i] = (mlx_sample_t){.t = values[i], .value = values[n + i]};
    return n;
}

size_t mlx_chunk_get_rollups(const void *data, size_t len, mlx_rollup_t *rows)
{
    size_t n = 0, pos;
    MLX_CLEANUP(mlx_free_p)
    int64_t *values = get(data, len, KIND_ROLLUPS, MLX_COUNT(rollup_columns), &pos, &n);
    if (!values)
        return 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t min = (uint64_t)values[2 * n + i];
        rows[i] = (mlx_rollup_t){.t = values[i],
                                 .count = values[n + i],
                                 .min = (int64_t)min,
                                 .max = (int64_t)(min + (uint64_t)values[3 * n + i])};
    }
    for (size_t i = 0; i < MLX_COUNT(guessed); i++)
        if (!get_guessed(data, len, &pos, &guessed[i], rows, n))
            return 0;
    return pos == len ? n : 0;
}
