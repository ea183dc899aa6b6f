/*  digest.h - SHA-256 of content, and the SHA-1 that git gives a file; streamed through OpenSSL EVP
 *
 *  EVP picks the CPU's SHA instructions; a plain C SHA-256 is several times slower.
 *
 *      mlx_digest_t *d = mlx_digest_new(MLX_SHA256, 0);
 *      mlx_digest_update(d, data, len);
 *      char hex[MLX_HEX_MAX];
 *      mlx_digest_hex(d, hex);
 *      mlx_digest_destroy(&d);
 */
#ifndef MLX_CACHE_STORE_DIGEST_H
#define MLX_CACHE_STORE_DIGEST_H

#include "proto/error.h"
#include "services/cache/store/hex.h"

typedef struct mlx_digest mlx_digest_t;

typedef enum {
    MLX_SHA256,   /* 64 hex digits: Git-LFS oid, Ollama and OCI digest */
    MLX_GIT_BLOB, /* 40 hex digits: SHA-1 over "blob <size>\0" and the content */
} mlx_digest_kind_t;

enum {
    MLX_SHA256_HEX = 64,
    MLX_SHA1_HEX = 40,
    MLX_HEX_MAX = 65, /* the longest with its NUL */
};

/*  SIZE: length of the content to come, only needed for MLX_GIT_BLOB. Never NULL. */
mlx_digest_t *mlx_digest_new(mlx_digest_kind_t kind, uint64_t size);
void mlx_digest_destroy(mlx_digest_t **self);
void mlx_digest_update(mlx_digest_t *self, const void *data, size_t len);

/*  Finish and write lower-case hex digits with a NUL; the digest can only be destroyed then. */
void mlx_digest_hex(mlx_digest_t *self, char hex[MLX_HEX_MAX]);

/*  SHA-256 of LEN bytes in memory. */
void mlx_sha256_hex(const void *data, size_t len, char hex[MLX_HEX_MAX]);

enum {
    MLX_DIGEST_PIECE = 256 * 1024 /* fits the second-level cache: a byte is read from memory once */
};

/*  Hash the open file FD from offset 0 to its end (the file position is left alone). SIZE gets the
 *  number of bytes hashed (may be NULL). STOP (may be NULL) is asked before each piece: true ends
 *  it with code interrupted. */
int mlx_digest_fd(int fd, mlx_digest_kind_t kind, char hex[MLX_HEX_MAX], uint64_t *size,
                  bool (*stop)(void *arg), void *arg, mlx_error_t *err);

#endif
