/*  probe.h - what answers at an address: kind of runtime, version, models and how long they stay
 *
 *  A few GET requests in the loop, the answers of which are hostile: bounded and checked.
 *
 *      mlx_probe_t *probe = mlx_probe_new(http, keys, "http://127.0.0.1:11434", on_probed,
 *                                         self);
 *      ... on_probed(self, &found, &err)
 *      mlx_probe_destroy(&probe);             at any time; on_probed is not called afterwards
 */
#ifndef MLX_BENCHER_PROBE_H
#define MLX_BENCHER_PROBE_H

#include "common/http/http.h"
#include "common/runtime/keys.h"
#include "proto/value.h"

typedef struct mlx_probe mlx_probe_t;

typedef struct {
    const char *kind; /* static: a word of proto/runtimes.h */
    char version[64]; /* "": not said */
    /*  Maps: "name", "digest", "quantization", "context" (tokens), "loaded" (bool), "expires_at"
     *  (µs since the epoch; absent: not loaded, or stays for ever), "loading" (bool: somebody
     *  else's request is loading it just now). */
    mlx_value_t *models;
} mlx_found_t;

/*  FOUND is NULL with ERR set: nothing there, or nothing known. Both are borrowed; the function may
 *  destroy the probe. */
typedef void (*mlx_probe_fn)(void *arg, const mlx_found_t *found, const mlx_error_t *err);

/*  KEYS are those that HTTP sends, to say what is wrong with one; borrowed; may be NULL. */
mlx_probe_t *mlx_probe_new(mlx_http_t *http, const mlx_runtime_keys_t *keys, const char *url,
                           mlx_probe_fn fn, void *arg);
void mlx_probe_destroy(mlx_probe_t **self);

/*  The entry that WANTED means, borrowed: by its name, the name without ":latest", or the last part
 *  of a name that is a path. NULL: none. */
const mlx_value_t *mlx_probe_model(const mlx_value_t *models, const char *wanted);

/*  Whether WANTED means the model called NAME. */
bool mlx_probe_same_model(const char *name, const char *wanted);

#endif
