#include "services/cache/store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mlx_digest {
    EVP_MD_CTX *ctx;
};

mlx_digest_t *mlx_digest_new(mlx_digest_kind_t kind, uint64_t size)
{
    mlx_digest_t *self = mlx_alloc(1, sizeof *self);
    self->ctx = EVP_MD_CTX_new();
    const EVP_MD *md = kind == MLX_SHA256 ? EVP_sha256() : EVP_sha1();
    if (!self->ctx || EVP_DigestInit_ex(self->ctx, md, NULL) != 1)
        mlx_panic("the crypto library does not support SHA");
    if (kind == MLX_GIT_BLOB) {
        char head[32];
        int len = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
        mlx_digest_update(self, head, (size_t)len + 1);
    }
    return self;
}

void mlx_digest_destroy(mlx_digest_t **self)
{
    if (*self)
        EVP_MD_CTX_free((*self)->ctx);
    free(*self);
    *self = NULL;
}

void mlx_digest_update(mlx_digest_t *self, const void *data, size_t len)
{
    if (len && EVP_DigestUpdate(self->ctx, data, len) != 1)
        mlx_panic("the crypto library failed to hash");
}

void mlx_digest_hex(mlx_digest_t *self, char hex[MLX_HEX_MAX])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(self->ctx, raw, &len) != 1 || len * 2 >= MLX_HEX_MAX)
        mlx_panic("the crypto library failed to finish a hash");
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[(size_t)2 * len] = '\0';
}

void mlx_sha256_hex(const void *data, size_t len, char hex[MLX_HEX_MAX])
{
    MLX_CLEANUP(mlx_digest_destroy) mlx_digest_t *d = mlx_digest_new(MLX_SHA256, 0);
    mlx_digest_update(d, data, len);
    mlx_digest_hex(d, hex);
}

static void read_ahead(int fd)
{
#ifdef POSIX_FADV_SEQUENTIAL
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#else
    (void)fd;
#endif
}

int mlx_digest_fd(int fd, mlx_digest_kind_t kind, char hex[MLX_HEX_MAX], uint64_t *size,
                  bool (*stop)(void *arg), void *arg, mlx_error_t *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot examine a file to hash: %s",
                             strerror(errno));
    MLX_CLEANUP(mlx_digest_destroy)
    mlx_digest_t *digest = mlx_digest_new(kind, (uint64_t)st.st_size);
    MLX_CLEANUP(mlx_free_p) unsigned char *chunk = mlx_alloc(1, MLX_DIGEST_PIECE);
    read_ahead(fd);
    off_t at = 0;
    for (;;) {
        if (stop && stop(arg))
            return mlx_error_set(err, MLX_ERR_INTERRUPTED, "hashing was interrupted");
        ssize_t got = pread(fd, chunk, MLX_DIGEST_PIECE, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mlx_error_set(err, MLX_ERR_FAILED, "cannot read a file to hash: %s",
                                 strerror(errno));
        if (got == 0)
            break;
        mlx_digest_update(digest, chunk, (size_t)got);
        at += got;
    }
    mlx_digest_hex(digest, hex);
    if (size)
        *size = (uint64_t)at;
    return 0;
}
