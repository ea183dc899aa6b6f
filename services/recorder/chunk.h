/*  chunk.h - many samples, or many rollups, of one series in one blob
 *
 *  Values are whole multiples of the resolution of their unit (mlx_resolution in track.h), so that
 *  sums are exact, and a rollup of rollups is exactly the rollup of the samples. Times are
 *  milliseconds since 1970.
 *
 *      mlx_chunk_put_samples(&buf, samples, n);
 *      n = mlx_chunk_get_samples(data, len, samples, MLX_CHUNK_MAX);    0: damaged
 *
 *  Layout: one byte kind (1 samples, 2 rollups), varint count, then columns as in ints.h.
 *  Samples: t, value. Rollups: t, count, min, max - min, and then, behind a byte that names the
 *  guess, what a guess misses of last (0: min, 1: max, which a counter always hits) and of the sum
 *  (0: count times the mean before, 1: times min, 2: times the middle of min and max).
 */
#ifndef MLX_RECORDER_CHUNK_H
#define MLX_RECORDER_CHUNK_H

#include "proto/buf.h"

enum {
    MLX_CHUNK_MAX = 8192 /* rows in one chunk */
};

typedef struct {
    int64_t t;
    int64_t value;
} mlx_sample_t;

/*  All samples with T <= time < T + the tier's width. */
typedef struct {
    int64_t t;
    int64_t min, max, sum, last;
    int64_t count;
} mlx_rollup_t;

/*  Append N rows, 1 to MLX_CHUNK_MAX, as one chunk. */
void mlx_chunk_put_samples(mlx_buf_t *out, const mlx_sample_t *rows, size_t n);
void mlx_chunk_put_rollups(mlx_buf_t *out, const mlx_rollup_t *rows, size_t n);

/*  Read a whole chunk into ROWS, which has room for MLX_CHUNK_MAX. Returns how many rows, or 0 when
 *  the bytes are damaged: none of our chunks is empty. */
size_t mlx_chunk_get_samples(const void *data, size_t len, mlx_sample_t *rows);
size_t mlx_chunk_get_rollups(const void *data, size_t len, mlx_rollup_t *rows);

#endif
