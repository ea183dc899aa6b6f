#include "fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

enum {
    SALT_BYTES = 32
};

struct mlx_fingerprint {
    unsigned char salt[SALT_BYTES];
};

/*  Written beside and linked into place: two who start at once agree on one salt, and a crash
 *  leaves none that is half written. */
static int make_salt(const char *path, mlx_error_t *err)
{
    unsigned char salt[SALT_BYTES];
    if (RAND_bytes(salt, SALT_BYTES) != 1)
        return mlx_error_set(err, MLX_ERR_FAILED, "no random numbers for %s", path);
    MLX_CLEANUP(mlx_free_p) char *draft = mlx_format("%s.%d", path, (int)getpid());
    MLX_CLEANUP(mlx_close_p)
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = fd >= 0 && write(fd, salt, SALT_BYTES) == SALT_BYTES;
    bool placed = written && (link(draft, path) == 0 || errno == EEXIST);
    int problem = errno;
    if (fd >= 0)
        unlink(draft);
    return placed
               ? 0
               : mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(problem));
}

static int read_salt(mlx_fingerprint_t *self, const char *path, mlx_error_t *err)
{
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_file_read(path, SALT_BYTES, &len, err);
    if (!bytes)
        return -1;
    if (len != SALT_BYTES) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s does not contain a salt of %d bytes", path,
                      SALT_BYTES);
        return mlx_error_hint(err,
                              "remove it; a new one will be created, and fingerprints will change");
    }
    memcpy(self->salt, bytes, SALT_BYTES);
    return 0;
}

mlx_fingerprint_t *mlx_fingerprint_new(const char *path, mlx_error_t *err)
{
    mlx_fingerprint_t *self = mlx_alloc(1, sizeof *self);
    mlx_error_t first = {0};
    if (read_salt(self, path, &first) == 0)
        return self;
    if (first.code == MLX_ERR_NOT_FOUND && make_salt(path, err) == 0 &&
        read_salt(self, path, err) == 0)
        return self;
    if (err && first.code != MLX_ERR_NOT_FOUND)
        *err = first;
    mlx_fingerprint_destroy(&self);
    return NULL;
}

void mlx_fingerprint_destroy(mlx_fingerprint_t **self)
{
    mlx_free_p(self);
}

void mlx_fingerprint_of(const mlx_fingerprint_t *self, const char *key, size_t len,
                        char out[MLX_ASKER_KEY])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    out[0] = '\0';
    if (!self || len == 0 ||
        !HMAC(EVP_sha256(), self->salt, SALT_BYTES, (const unsigned char *)key, len, digest, &size))
        return;
    for (size_t i = 0; i < (MLX_ASKER_KEY - 1) / 2 && i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
