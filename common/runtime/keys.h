/*  keys.h - the API keys of model servers: where the settings say that they are, and for whom
 *
 *  An entry of watcher.runtimes may have a key_file (a file that only its owner can read, the key
 *  in its first line) or a key_env (the name of an environment variable). A key is read when it is
 *  sent, so that a new one is taken at once, and only ever given out for the scheme, host and port
 *  of its own entry. Nothing said here contains one.
 *
 *      mlx_runtime_keys_t *keys = mlx_runtime_keys_new(mlx_config_value(config,
 *                                                                       "watcher.runtimes"));
 *      mlx_http_set_keys(http, mlx_runtime_keys_find, keys);
 *      mlx_runtime_keys_advice(keys, url, text, sizeof text);      after a 401
 *      mlx_runtime_keys_destroy(&keys);
 */
#ifndef MLX_COMMON_RUNTIME_KEYS_H
#define MLX_COMMON_RUNTIME_KEYS_H

#include "proto/value.h"

typedef struct mlx_runtime_keys mlx_runtime_keys_t;

enum {
    MLX_RUNTIME_KEY_MAX = 4096,   /* bytes of a key */
    MLX_RUNTIME_ADVICE_MAX = 300, /* bytes of an advice */
};

/*  RUNTIMES is the list of the settings, or NULL; it is not kept. Caller owns the result. */
mlx_runtime_keys_t *mlx_runtime_keys_new(const mlx_value_t *runtimes);
void mlx_runtime_keys_destroy(mlx_runtime_keys_t **self);

/*  The key for URL, as mlx_http_set_keys wants it: SELF is a mlx_runtime_keys_t, the caller owns
 *  the result and must free it. NULL: it has none, or it cannot be read. */
char *mlx_runtime_keys_find(void *self, const char *url);

/*  What to say of a server at URL that denies access: "needs a key: ...". SELF may be NULL. */
void mlx_runtime_keys_advice(const mlx_runtime_keys_t *self, const char *url, char *out,
                             size_t cap);

/*  Overwrite the key for URL wherever TEXT, a server's own words, repeats it. SELF may be NULL. */
void mlx_runtime_keys_hide(const mlx_runtime_keys_t *self, const char *url, char *text);

/*  Call FN with a line for each key that is named in the settings and cannot be used. */
void mlx_runtime_keys_check(const mlx_runtime_keys_t *self, void (*fn)(void *arg, const char *text),
                            void *arg);

#endif
