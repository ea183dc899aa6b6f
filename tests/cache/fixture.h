/*  fixture.h - private folders and model files for the cache's tests */
#ifndef MLX_TESTS_CACHE_FIXTURE_H
#define MLX_TESTS_CACHE_FIXTURE_H

#include "proto/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*  A new private folder, removed with all in it by fixture_remove, which frees the string. */
char *fixture_dir(void);
void fixture_remove(char **dir);

/*  "DIR/<formatted>". Caller owns the string and must free it. */
char *fixture_path(const char *dir, const char *fmt, ...) MLX_PRINTF(2, 3);

/*  Write a file and the folders above it; read one whole (empty when there is none). */
void fixture_write(const char *path, const void *data, size_t len);
void fixture_read(const char *path, mlx_buf_t *out);

/*  Append to OUT a GGUF with one F32 tensor of ELEMENTS values made from SEED, and a safetensors
 *  file likewise. Two seeds give two contents. */
void fixture_gguf(mlx_buf_t *out, size_t elements, unsigned seed);
void fixture_safetensors(mlx_buf_t *out, size_t elements, unsigned seed);

/*  Little-endian numbers and length-prefixed strings, for files made by hand. */
void put_u32(mlx_buf_t *out, uint32_t value);
void put_u64(mlx_buf_t *out, uint64_t value);
void put_str(mlx_buf_t *out, const char *s);

#endif
