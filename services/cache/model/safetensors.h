/*  safetensors.h - is this a complete safetensors file? One header read answers it
 *
 *  Format (github.com/huggingface/safetensors): u64 little-endian header length N, N bytes of JSON,
 *  data. The header names each tensor's dtype, shape and data_offsets, relative to byte 8 + N. The
 *  file is whole if and only if the tensors, in order of their offsets, cover the rest of the file
 *  without a gap, each as long as its shape and dtype say: every truncation shows.
 *
 *      mlx_safetensors_t info;
 *      int rc = mlx_safetensors_check(fd, size, &info, &err);
 *
 *  Only the header is read. It is refused over 16 MiB: the format allows 100 MB, files that exist
 *  stay under 2 MB, and what it costs to parse is ours.
 */
#ifndef MLX_CACHE_MODEL_SAFETENSORS_H
#define MLX_CACHE_MODEL_SAFETENSORS_H

#include "proto/error.h"

typedef struct {
    uint64_t tensors;
    uint64_t parameters;    /* sum of the shapes; packed ones count as stored */
    uint64_t unknown_types; /* tensors whose dtype is not known here: their length is not checked */
    char format[16];        /* "mlx", "pt", ... from the metadata; "" when absent */
} mlx_safetensors_t;

/*  Check the file of SIZE bytes open as FD. 0, or -1 with code failed and what is wrong. */
int mlx_safetensors_check(int fd, uint64_t size, mlx_safetensors_t *info, mlx_error_t *err);

/*  The same for a header of LEN bytes in memory, without its length, of a file of SIZE bytes. */
int mlx_safetensors_header(const char *json, size_t len, uint64_t size, mlx_safetensors_t *info,
                           mlx_error_t *err);

#endif
