/*  store.h - the cache's home and its content store
 *
 *  <home>/            0700
 *    blobs/sha256/<aa>/<64 hex>   one file for each content; a name appears only after its hash
 *                                 matched
 *    models/<org>--<name>/<path>  the models with upstream's file names
 *    tmp/                         files being made; emptied at the start of every change
 *    partial/                     downloads, resumed by what lies beside them
 *    quarantine/<64 hex>          blobs that were damaged
 *    registry.db  config.yaml  logs/  .lock
 *
 *      mlx_root_t *home = mlx_cache_store_open("/home/a/.mlx-cache", &err);
 *      mlx_cache_store_adopt(&engine, home, root, "model.gguf", "", methods, hex, &err);
 */
#ifndef MLX_CACHE_STORE_STORE_H
#define MLX_CACHE_STORE_STORE_H

#include "services/cache/plan/engine.h"

/*  Open the home, making what is missing. Refused when it belongs to another user or others may
 *  write to it. */
mlx_root_t *mlx_cache_store_open(const char *path, mlx_error_t *err);

/*  Presence is not validity. A blob is sound while it is what was hashed last, by its whole
 *  identity; one that changed since is hashed again. NONE: it does not exist; FAILED: ERR. SIZE may
 *  be MLX_BLOB_ANY. */
typedef enum {
    MLX_BLOB_FAILED = -1,
    MLX_BLOB_NONE,
    MLX_BLOB_SOUND,
    MLX_BLOB_DAMAGED,
} mlx_blob_t;

#define MLX_BLOB_ANY UINT64_MAX

mlx_blob_t mlx_cache_store_check(const mlx_engine_t *engine, const mlx_root_t *home,
                                 const char *sha256, uint64_t size, mlx_error_t *err);

/*  Put a damaged blob into quarantine/, so that nothing is given its bytes and nothing of it is
 *  lost. */
int mlx_cache_store_set_aside(const mlx_engine_t *engine, const mlx_root_t *home,
                              const char *sha256, mlx_error_t *err);

/*  Is the blob SHA256 the file that git names ETAG (its SHA-1). */
bool mlx_cache_store_is_git(const mlx_root_t *home, const char *sha256, const char *etag);

/*  1: the blob is there with that size; 0: not; -1: ERR (data_loss: it is there with another size).
 */
int mlx_cache_store_has(const mlx_root_t *home, const char *sha256, uint64_t size,
                        mlx_error_t *err);

/*  Take the file PATH of ROOT in, by the first of METHODS that works there; the file itself is not
 *  changed. Its hash is computed (or known), compared with EXPECTED unless that is "", its header
 *  is checked as NAME says, and only then it gets its name. HEX receives the hash. */
int mlx_cache_store_adopt(mlx_engine_t *engine, const mlx_root_t *home, const mlx_root_t *root,
                          const char *path, const char *name, const char *expected,
                          unsigned methods, char hex[MLX_HEX_MAX], mlx_error_t *err);

/*  Give the finished file tmp/NAME, whose content has been hashed as SHA256, its place. */
int mlx_cache_store_commit(mlx_engine_t *engine, const mlx_root_t *home, const char *temporary,
                           const char *sha256, mlx_error_t *err);

/*  Store LEN bytes of memory. */
int mlx_cache_store_put(mlx_engine_t *engine, const mlx_root_t *home, const void *data, size_t len,
                        char hex[MLX_HEX_MAX], mlx_error_t *err);

/*  Remove what a crash left in tmp/. Only under the lock. */
int mlx_cache_store_sweep(const mlx_fs_t *fs, const mlx_root_t *home, mlx_error_t *err);

/*  Call FN for each blob; a result other than 0 ends it and is returned. */
int mlx_cache_store_each(const mlx_root_t *home,
                         int (*fn)(void *arg, const char *sha256, const struct stat *st),
                         void *arg);

#endif
