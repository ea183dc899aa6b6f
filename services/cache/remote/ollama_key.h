/*  ollama_key.h - the log-in at an Ollama registry: a key of ~/.ollama and a token signed for
 *  with it
 *
 *      mlx_ollama_key_t key;
 *      if (mlx_ollama_key_parse(pem, len, &key, &err) == 0)
 *          char *auth = mlx_ollama_key_sign(&key, "GET,https://..", &err);
 *      mlx_ollama_key_clear(&key);
 *
 *  The file is OpenSSH's format for an ed25519 key without a passphrase (PROTOCOL.key of OpenSSH):
 *  base64 between two lines of dashes. The key never leaves this process.
 */
#ifndef MLX_CACHE_REMOTE_OLLAMA_KEY_H
#define MLX_CACHE_REMOTE_OLLAMA_KEY_H

#include "common/base/env.h"
#include "proto/error.h"

#include <stddef.h>

enum {
    MLX_ED25519_BYTES = 32,
    MLX_OLLAMA_KEY_MAX = 8 * 1024 /* of its file */
};

typedef struct {
    unsigned char seed[MLX_ED25519_BYTES];
    unsigned char public_key[MLX_ED25519_BYTES];
} mlx_ollama_key_t;

/*  0, or -1 with ERR: no such key. */
int mlx_ollama_key_parse(const char *pem, size_t len, mlx_ollama_key_t *key, mlx_error_t *err);

/*  Overwrite it. */
void mlx_ollama_key_clear(mlx_ollama_key_t *key);

/*  "<base64 of the public key as ssh writes it>:<base64 of the signature of TEXT>". Caller owns it
 *  and must free it; NULL with ERR. */
char *mlx_ollama_key_sign(const mlx_ollama_key_t *key, const char *text, mlx_error_t *err);

/*  Answer HEADER (WWW-Authenticate: Bearer realm, service, scope) of the registry at ORIGIN with
 *  the key of $HOME/.ollama/id_ed25519, anonymously when there is none. "Bearer <token>" as an
 *  allocated string; NULL with ERR. A realm at another host than the registry gets nothing. */
char *mlx_ollama_login(const mlx_env_t *env, const char *origin, const char *header, int64_t now_s,
                       mlx_error_t *err);

#endif
