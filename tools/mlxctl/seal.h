/*  seal.h - a benchmark result that others can check: canonical JSON, its SHA-256, a signature
 *
 *  The sealed document is {"format": "mlx-bench-1", "result": {...}, "sha256": hex, "key": hex,
 *  "signature": hex}. Hashed is the result as canonical JSON: one line, keys sorted by their bytes,
 *  reals with the fewest digits that read back. Signed (Ed25519) is that hash; the signing key is
 *  derived from the machine's secret key by SHA-256, so that it needs no file of its own. `mlxctl
 *  keys signing` prints its public half, by which others know the machine.
 *
 *      MLX_CLEANUP(mlx_value_destroy) mlx_value_t *sealed = mlx_seal(result, secret, &err);
 *      if (mlx_seal_check(sealed, &err) == 0) ...      unchanged since "key" signed it
 */
#ifndef MLX_TOOLS_MLXCTL_SEAL_H
#define MLX_TOOLS_MLXCTL_SEAL_H

#include "common/bus/keys.h"
#include "proto/buf.h"
#include "proto/value.h"

enum {
    MLX_SEAL_HEX = 65 /* of a hash or a public key, with its NUL */
};

/*  Append VALUE as canonical JSON. */
void mlx_canonical_json(mlx_buf_t *out, const mlx_value_t *value);

/*  The sealed document of RESULT. Caller owns it; NULL with ERR. */
mlx_value_t *mlx_seal(const mlx_value_t *result, const unsigned char secret[MLX_KEY_SECRET_BYTES],
                      mlx_error_t *err);

/*  0: hash and signature fit. -1 with ERR: data_loss when they do not, usage for something else
 *  than a sealed result. */
int mlx_seal_check(const mlx_value_t *sealed, mlx_error_t *err);

/*  The public half of the signing key, as hex digits. 0, or -1 with ERR. */
int mlx_seal_key(const unsigned char secret[MLX_KEY_SECRET_BYTES], char hex[MLX_SEAL_HEX],
                 mlx_error_t *err);

#endif
