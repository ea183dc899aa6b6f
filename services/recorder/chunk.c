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

static int64_t rollup_last(const void *rows, size_t i)
{
    const mlx_rollup_t *row = (const mlx_rollup_t *)rows + i;
    return (int64_t)((uint64_t)row->last - (uint64_t)row->min);
}

/*  What the sum would be if row I had the mean of the row before. Damaged rows may hold anything,
 *  so the arithmetic wraps. */
static uint64_t guess_sum(const mlx_rollup_t *rows, size_t i)
{
    if (i == 0 || rows[i - 1].count <= 0)
        return 0;
    return (uint64_t)(rows[i - 1].sum / rows[i - 1].count) * (uint64_t)rows[i].count;
}

static int64_t rollup_sum(const void *rows, size_t i)
{
    const mlx_rollup_t *all = rows;
    return (int64_t)((uint64_t)all[i].sum - guess_sum(all, i));
}

static const column_fn sample_columns[] = {sample_t, sample_value};
static const column_fn rollup_columns[] = {rollup_t,     rollup_count, rollup_min,
                                           rollup_width, rollup_last,  rollup_sum};

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

void mlx_chunk_put_samples(mlx_buf_t *out, const mlx_sample_t *rows, size_t n)
{
    put(out, KIND_SAMPLES, sample_columns, MLX_COUNT(sample_columns), rows, n);
}

void mlx_chunk_put_rollups(mlx_buf_t *out, const mlx_rollup_t *rows, size_t n)
{
    put(out, KIND_ROLLUPS, rollup_columns, MLX_COUNT(rollup_columns), rows, n);
}

/*  Read COLUMNS columns of the same length behind one another. Caller owns the result; NULL when
 *  damaged. */
static int64_t *get(const uint8_t *data, size_t len, int kind, size_t columns, size_t *n)
{
    uint64_t count;
    size_t pos = 1;
    if (len < 1 || data[0] != kind || !mlx_varint_get(data, len, &pos, &count) || count < 1 ||
        count > MLX_CHUNK_MAX)
        return NULL;
    int64_t *values = mlx_alloc(columns * (size_t)count, sizeof *values);
    for (size_t c = 0; c < columns; c++) {
        size_t used = mlx_ints_decode(data + pos, len - pos, values + c * count, (size_t)count);
        pos += used;
        if (!used)
            mlx_free_p(&values);
        if (!used)
            return NULL;
    }
    if (pos != len)
        mlx_free_p(&values);
    *n = (size_t)count;
    return values;
}

size_t mlx_chunk_get_samples(const void *data, size_t len, mlx_sample_t *rows)
{
    size_t n = 0;
    MLX_CLEANUP(mlx_free_p)
    int64_t *values = get(data, len, KIND_SAMPLES, MLX_COUNT(sample_columns), &n);
    for (size_t i = 0; values && i < n; i++)
        rows[i] = (mlx_sample_t){.t = values[i], .value = values[n + i]};
    return values ? n : 0;
}

size_t mlx_chunk_get_rollups(const void *data, size_t len, mlx_rollup_t *rows)
{
    size_t n = 0;
    MLX_CLEANUP(mlx_free_p)
    int64_t *values = get(data, len, KIND_ROLLUPS, MLX_COUNT(rollup_columns), &n);
    for (size_t i = 0; values && i < n; i++) {
        uint64_t min = (uint64_t)values[2 * n + i];
        rows[i] = (mlx_rollup_t){.t = values[i],
                                 .count = values[n + i],
                                 .min = (int64_t)min,
                                 .max = (int64_t)(min + (uint64_t)values[3 * n + i]),
                                 .last = (int64_t)(min + (uint64_t)values[4 * n + i])};
        rows[i].sum = (int64_t)((uint64_t)values[5 * n + i] + guess_sum(rows, i));
    }
    return values ? n : 0;
}
