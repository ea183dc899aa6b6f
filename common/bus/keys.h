/*  keys.h - CURVE keys of this machine and of those it lets read its bus
 *
 *  The keys directory holds server.key (public) and server.key_secret (mode 0600), and in allowed/
 *  one certificate per machine that may connect. Files are zcert's (ZPL text).
 */
#ifndef MLX_COMMON_BUS_KEYS_H
#define MLX_COMMON_BUS_KEYS_H

#include "common/base/config.h"

enum {
    MLX_KEY_CHARACTERS = 40, /* a public key in Z85 */
    MLX_KEY_SECRET_BYTES = 32,
};

/*  The directory: bus.keys_dir of CONFIG. It need not exist. Caller owns the string. NULL with ERR.
 */
char *mlx_keys_dir(const mlx_config_t *config, mlx_error_t *err);

/*  Make the directory and this machine's key pair. Keys that are there already are kept (data_loss)
 *  unless FORCE. 0, or -1 with ERR. */
int mlx_keys_init(const char *dir, bool force, mlx_error_t *err);

/*  This machine's public key. Caller owns the string. NULL with ERR (not_found). */
char *mlx_keys_public(const char *dir, mlx_error_t *err);

/*  This machine's secret key, to derive others from: overwrite it after use. 0, or -1 with ERR
 *  (not_found). */
int mlx_keys_secret(const char *dir, unsigned char secret[MLX_KEY_SECRET_BYTES], mlx_error_t *err);

/*  Let the machine NAME with the public KEY connect, or no longer. 0, or -1 with ERR. */
int mlx_keys_allow(const char *dir, const char *name, const char *key, mlx_error_t *err);
int mlx_keys_deny(const char *dir, const char *name, mlx_error_t *err);

/*  Append {name, key} of each machine that may connect to LIST. */
int mlx_keys_list(const char *dir, mlx_value_t *list, mlx_error_t *err);

#endif
