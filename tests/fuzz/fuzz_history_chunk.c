/*  fuzz_history_chunk.c - whatever bytes a damaged database holds: refused, or rows that write and
 *  read back as themselves */
#include <stdlib.h>
#include <string.h>

#include "services/recorder/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_samples(const uint8_t *data, size_t size)
{
    static mlx_sample_t rows[MLX_CHUNK_MAX], again[MLX_CHUNK_MAX];
    size_t n = mlx_chunk_get_samples(data, size, rows);
    if (!n)
        return;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_chunk_put_samples(&out, rows, n);
    if (mlx_chunk_get_samples(out.data, out.len, again) != n ||
        memcmp(rows, again, n * sizeof *rows))
        mlx_panic("samples do not come back");
}

static void check_rollups(const uint8_t *data, size_t size)
{
    static mlx_rollup_t rows[MLX_CHUNK_MAX], again[MLX_CHUNK_MAX];
    size_t n = mlx_chunk_get_rollups(data, size, rows);
    if (!n)
        return;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_chunk_put_rollups(&out, rows, n);
    if (mlx_chunk_get_rollups(out.data, out.len, again) != n ||
        memcmp(rows, again, n * sizeof *rows))
        mlx_panic("rollups do not come back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_samples(data, size);
    check_rollups(data, size);
    return 0;
}
