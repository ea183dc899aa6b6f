/*  fingerprint.h - tell API keys apart without knowing any
 *
 *  A fingerprint is the beginning of HMAC-SHA256 of the key under a salt of this installation, a
 *  private file with 32 random bytes: the same key has the same fingerprint here for ever and
 *  another one elsewhere, and nobody without the salt can try keys against it.
 *
 *      mlx_fingerprint_t *prints = mlx_fingerprint_new(path, &err);
 *      char text[MLX_ASKER_KEY];
 *      mlx_fingerprint_of(prints, key, len, text);
 *
 *  Any thread may call mlx_fingerprint_of.
 */
#ifndef MLX_WATCHER_FINGERPRINT_H
#define MLX_WATCHER_FINGERPRINT_H

#include "asker.h"
#include "proto/error.h"

typedef struct mlx_fingerprint mlx_fingerprint_t;

/*  The salt is in the file PATH, which is made if it is missing. NULL with ERR: it can be neither
 *  read nor made, or is not of 32 bytes. Caller owns the result and must destroy it. */
mlx_fingerprint_t *mlx_fingerprint_new(const char *path, mlx_error_t *err);
void mlx_fingerprint_destroy(mlx_fingerprint_t **self);

/*  The fingerprint of KEY; "" when SELF is NULL or KEY is empty. */
void mlx_fingerprint_of(const mlx_fingerprint_t *self, const char *key, size_t len,
                        char out[MLX_ASKER_KEY]);

#endif
