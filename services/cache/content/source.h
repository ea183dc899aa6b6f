/*  source.h - a piece of a file or of memory, read by position: what the content checks look at
 *
 *      mlx_source_t all = mlx_source_fd(fd, size);
 *      mlx_source_t part = mlx_source_part(&all, 512, 100);
 *      size_t got = mlx_source_read(&part, 0, bytes, sizeof bytes);
 */
#ifndef MLX_CACHE_CONTENT_SOURCE_H
#define MLX_CACHE_CONTENT_SOURCE_H

#include "proto/base.h"

typedef struct {
    int fd;                      /* where MEMORY is NULL; borrowed */
    const unsigned char *memory; /* borrowed */
    uint64_t from;               /* offset of the first byte */
    uint64_t size;               /* bytes */
} mlx_source_t;

mlx_source_t mlx_source_fd(int fd, uint64_t size);
mlx_source_t mlx_source_memory(const void *memory, size_t len);

/*  SIZE bytes from AT on, less where the source ends before. */
mlx_source_t mlx_source_part(const mlx_source_t *self, uint64_t at, uint64_t size);

/*  Up to LEN bytes from AT on; how many were read, 0 at the end or when they cannot be read. */
size_t mlx_source_read(const mlx_source_t *self, uint64_t at, void *out, size_t len);

/*  Do the bytes at AT begin with LEN bytes of MARK. */
bool mlx_source_has(const mlx_source_t *self, uint64_t at, const void *mark, size_t len);

/*  Position of the first occurrence of LEN bytes of WORD (at most 256), or UINT64_MAX. */
uint64_t mlx_source_find(const mlx_source_t *self, const void *word, size_t len);

/*  All of it, at most MAX bytes, with a NUL behind it; NULL when it is longer or cannot be read.
 *  Caller owns it and must free it. */
char *mlx_source_text(const mlx_source_t *self, size_t max, size_t *len);

/*  The little-endian number in LEN bytes. */
uint64_t mlx_little(const unsigned char *bytes, size_t len);

#endif
