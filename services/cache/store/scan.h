/*  scan.h - what lies in the stores of the apps right now
 *
 *  Adapters fill it; status, dedup, adopt and clean read it. Looking only: nothing is hashed. A
 *  hash that a file's name claims (Ollama's digests, the hub's LFS ids) is noted as a claim.
 *
 *      mlx_scan_t *scan = mlx_scan_new();
 *      mlx_scan_all(scan, &env, roots, &err);
 *      mlx_scan_destroy(&scan);
 */
#ifndef MLX_CACHE_STORE_SCAN_H
#define MLX_CACHE_STORE_SCAN_H

#include "common/base/env.h"
#include "services/cache/store/digest.h"
#include "services/cache/store/roots.h"

typedef struct {
    const char *app;  /* name of the adapter */
    const char *root; /* of the store; borrowed from the scan */
    char *model;      /* as the app calls it */
    char *name;       /* of the file inside the model: "model-00001-of-00002.safetensors" */
    char *path;       /* of the file that holds the bytes, inside the root; "" when outside of it */
    char claim[MLX_HEX_MAX];         /* SHA-256 that its name claims; "" when none */
    char etag[MLX_HEX_MAX];          /* hub: the blob id, when it is not a SHA-256 */
    char revision[MLX_SHA1_HEX + 1]; /* hub: the commit; "" elsewhere */
    mlx_identity_t id;
    uint64_t disk_bytes; /* what the file system counts for it */
    uint64_t names;      /* hard links, wherever they are */
    bool weights;
    bool shared;     /* its bytes are worth sharing: weights, and whatever is large */
    bool incomplete; /* its model lacks files that it names itself */
    bool by_symlink; /* the app reaches the bytes through a symbolic link of its own */
} mlx_seen_t;

/*  Something that could not be understood: whatever it is, it is kept. */
typedef struct {
    const char *app;
    char *path;
    char text[200];
} mlx_problem_t;

typedef struct {
    const char *app;
    char *path; /* resolved */
    uint64_t dev;
} mlx_cache_store_t;

/*  A folder that was listed, as it was then: nothing came or went in it while its mtime stands. */
typedef struct {
    uint64_t dev;
    uint64_t ino;
    int64_t mtime_ns;
    char *path; /* absolute */
} mlx_watched_t;

typedef struct {
    mlx_seen_t *files;
    size_t count;
    mlx_problem_t *problems;
    size_t problem_count;
    mlx_cache_store_t **stores; /* each allocated alone, so that its path can be borrowed */
    size_t store_count;
    mlx_watched_t *watched;
    size_t watched_count;
} mlx_scan_t;

mlx_scan_t *mlx_scan_new(void);
void mlx_scan_destroy(mlx_scan_t **self);

/*  Scan every store of every app that exists. A store that cannot be read is a problem, not an
 *  error. */
int mlx_scan_all(mlx_scan_t *self, const mlx_env_t *env, mlx_roots_t *roots, mlx_error_t *err);

/*  Order of files so that those of one model as one app has them in one folder come together: a
 *  tree. 0: of one tree. */
int mlx_seen_compare_trees(const mlx_seen_t *a, const mlx_seen_t *b);

/*  For adapters. add returns the new entry, borrowed until the next one. */
const char *mlx_scan_store(mlx_scan_t *self, const char *app, const mlx_root_t *root);
mlx_seen_t *mlx_scan_add(mlx_scan_t *self, const char *app, const char *root, const char *model,
                         const char *name, const char *path, const struct stat *st);
void mlx_scan_drop(mlx_seen_t *seen);           /* free its strings: it is taken out of the list */
void mlx_scan_watch(mlx_scan_t *self, int dir); /* an open folder; passed over when negative */
void mlx_scan_watch_file(mlx_scan_t *self, const mlx_identity_t *id, char *path); /* takes PATH */
void mlx_scan_problem(mlx_scan_t *self, const char *app, const char *path, const char *fmt, ...)
    MLX_PRINTF(4, 5);

/*  A plain folder of models. A model is a folder with its whole tree where a configuration says
 *  that it is one (config.json, model_index.json, modules.json) or, with DEPTH above 0, where it
 *  lies so many folders below ROOT; elsewhere it is the files of one folder. Its name is the
 *  folder's path. Hidden files and folders are passed over. A link to a folder is followed, once:
 *  what is there has a root of its own. A broken one is a problem. */
void mlx_scan_folder(mlx_scan_t *self, const char *app, const mlx_root_t *root, unsigned depth);

#endif
