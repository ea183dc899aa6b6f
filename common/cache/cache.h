/*  cache.h - MLXCache: one verified copy of every model, shared by every app
 *
 *  The commands of `mlx-cache`, for it and for the daemon. Every answer is a value tree, which is
 * the documented JSON of the command (docs: mlx-cache(1)); the CLI draws its tables from the same
 * tree.
 *
 *      mlx_cache_t *cache = mlx_cache_open(&(mlx_cache_options_t){.home = home, .env = env,
 *                                          .now_s = clock, .write = true}, &err);
 *      mlx_value_t *report = mlx_cache_add_path(cache, "/models/x.gguf", &options, &err);
 *      mlx_cache_destroy(&cache);
 *
 *  To write, one process at a time holds the lock (code busy otherwise), and an operation that a
 * crash left unfinished is brought to its end first. Sizes are bytes. NULL is an error in ERR; what
 * is refused because it could lose data has code data_loss.
 */
#ifndef MLX_COMMON_CACHE_CACHE_H
#define MLX_COMMON_CACHE_CACHE_H

#include "common/cache/adapter.h"
#include "common/cache/engine.h"

typedef struct mlx_cache mlx_cache_t;

typedef struct {
    const char *home; /* the cache's folder, made when missing */
    mlx_env_t env;
    int64_t (*now_s)(void);  /* seconds since the epoch */
    bool write;              /* take the lock, recover */
    mlx_fs_t fs;             /* zero: the real file system, never failing */
    bool (*stop)(void *arg); /* asked now and then: true ends the command (may be NULL) */
    void (*progress)(void *arg, const mlx_value_t *event); /* cache.progress (may be NULL) */
    void *arg;
} mlx_cache_options_t;

mlx_cache_t *mlx_cache_open(const mlx_cache_options_t *options, mlx_error_t *err);
void mlx_cache_destroy(mlx_cache_t **self);

/*  What most commands take. */
typedef struct {
    bool dry_run;
    bool copy;       /* allow a second copy where bytes cannot be shared */
    const char *as;  /* name for the model, or for the app */
    int64_t older_s; /* clean: only what was not used for this long */
} mlx_cache_how_t;

/*  {"models": [{name, source, size, disk, cached, used_by: [{app, method}], frees}],
 *   "total", "saved", "duplicates_avoided", "duplicate_bytes", "problems": [{app, path, text}]} */
mlx_value_t *mlx_cache_status(mlx_cache_t *self, mlx_error_t *err);

/*  A file or folder of this machine, as model "local/<its name>" or HOW->as. */
mlx_value_t *mlx_cache_add_path(mlx_cache_t *self, const char *path, const mlx_cache_how_t *how,
                                mlx_error_t *err);

/*  The models that the app APP has (NULL: all apps), or only MODEL of them. */
mlx_value_t *mlx_cache_adopt(mlx_cache_t *self, const char *app, const char *model,
                             const mlx_cache_how_t *how, mlx_error_t *err);

/*  Make MODEL of the cache appear in APP (STORE: its folder, NULL for the app's usual one); take
 * that back. */
mlx_value_t *mlx_cache_link(mlx_cache_t *self, const char *app, const char *store,
                            const char *model, const mlx_cache_how_t *how, mlx_error_t *err);
mlx_value_t *mlx_cache_unlink(mlx_cache_t *self, const char *app, const char *model,
                              const mlx_cache_how_t *how, mlx_error_t *err);

/*  Replace files of the same content by shares of one: a plan unless APPLY. */
mlx_value_t *mlx_cache_dedup(mlx_cache_t *self, bool apply, mlx_error_t *err);

/*  Forget a model, and free what nothing else needs; all that is unused (see HOW->older_s). */
mlx_value_t *mlx_cache_remove(mlx_cache_t *self, const char *model, const mlx_cache_how_t *how,
                              mlx_error_t *err);
mlx_value_t *mlx_cache_clean(mlx_cache_t *self, const mlx_cache_how_t *how, mlx_error_t *err);

/*  Take back the operation ID, or the newest one that can be (0). */
mlx_value_t *mlx_cache_undo(mlx_cache_t *self, int64_t id, const mlx_cache_how_t *how,
                            mlx_error_t *err);

/*  Check every blob: by its recorded identity, or by reading it all when FULL. {"checked", "bytes",
 *  "bad": [{sha256, text}]}; bad ones are set aside in tmp/../quarantine when REPAIR. */
mlx_value_t *mlx_cache_verify(mlx_cache_t *self, const char *model, bool full, mlx_error_t *err);

/*  The apps: {"apps": [{name, title, stores: [{path, exists, models}], can_link}]} */
mlx_value_t *mlx_cache_apps(mlx_cache_t *self, mlx_error_t *err);

#endif
