/*  cache.h - MLXCache: one verified copy of every model, shared by every app
 *
 *  The commands of `mlx-cache`, for it and for the daemon. Every answer is a value tree, which is
 *  the documented JSON of the command (docs: mlx-cache(1)); the CLI draws its tables from the same
 *  tree.
 *
 *      mlx_cache_t *cache = mlx_cache_open(&(mlx_cache_options_t){.home = home, .env = env,
 *                                          .now_s = clock, .write = true}, &err);
 *      mlx_value_t *report = mlx_cache_add_path(cache, "/models/x.gguf", &options, &err);
 *      mlx_cache_destroy(&cache);
 *
 *  To write, one process at a time holds the lock (code busy otherwise), and an operation that a
 *  crash left unfinished is brought to its end first. Sizes are bytes. NULL is an error in ERR;
 *  what is refused because it could lose data has code data_loss.
 */
#ifndef MLX_CACHE_CACHE_H
#define MLX_CACHE_CACHE_H

#include "services/cache/apps/adapter.h"
#include "services/cache/model/shape.h"
#include "services/cache/plan/engine.h"

typedef struct mlx_cache mlx_cache_t;

/*  Which content is taken in: with TRUST also models whose files could run code when an app loads
 *  them, and then with that in "findings" of the report. */
typedef struct {
    bool trust;
} mlx_cache_safety_t;

typedef struct {
    const char *home; /* the cache's folder, made when missing */
    mlx_env_t env;
    int64_t (*now_s)(void); /* seconds since the epoch */
    bool write;             /* take the lock, recover */
    bool one_command;       /* all that is done is one command, which undo takes back as one */
    mlx_cache_safety_t safety;
    mlx_fs_t fs;             /* zero: the real file system, never failing */
    bool (*stop)(void *arg); /* asked now and then: true ends the command (may be NULL) */
    void (*progress)(void *arg, const mlx_value_t *event); /* cache.progress (may be NULL) */
    void *arg;
} mlx_cache_options_t;

mlx_cache_t *mlx_cache_open(const mlx_cache_options_t *options, mlx_error_t *err);
void mlx_cache_destroy(mlx_cache_t **self);

/*  Options of a command may be NULL: all of them are then what 0 means. With dry_run, or DRY_RUN as
 *  an argument, the answer says what would be done and nothing is. */

/*  How files are fetched. */
typedef struct {
    unsigned streams; /* at most so many at a time; 0: 4 */
    int64_t pause_ms; /* first pause before a new try; 0: 1 s */
    int64_t stall_ms; /* a connection that brings nothing for so long is given up; 0: 30 s */
    uint64_t piece;   /* bytes of a large file that one connection fetches at a time; 0: 32 MiB */
} mlx_cache_transfer_t;

/* ---- what there is ---- */

/*  {"models": [{name, source, size, disk, cached, used_by: [{app, method, offline}], frees}],
 *   "total", "saved", "duplicates_avoided", "duplicate_bytes", "lookalike_bytes", "problems":
 *  [{app, path, text}]}.
 *  Lookalikes are weights not hashed yet that are as long as others: dedup tells. What lies on a
 *  volume that is not mounted now is "offline": kept, and a problem with its hint. */
mlx_value_t *mlx_cache_status(mlx_cache_t *self, mlx_error_t *err);

/*  The same of the cache in HOME, as long as what its registry keeps still holds: else NULL, and
 *  mlx_cache_status makes it. Needs nothing that scans or hashes: a program that asks only this
 *  starts fast. */
mlx_value_t *mlx_cache_kept_status(const char *home, const mlx_env_t *env);

/*  The same, looking at every file again: status may take what the registry keeps as long as no
 *  folder changed (a file that was written to in its place does not change its folder). */
mlx_value_t *mlx_cache_refresh(mlx_cache_t *self, mlx_error_t *err);

/*  The folders that the kept status depends on, to be watched. Caller owns the array and its
 *  strings; NULL with *COUNT 0 when no status is kept. */
char **mlx_cache_watched(mlx_cache_t *self, size_t *count);

/*  Where the models called NAME lie, or when there are none those with NAME as a part: {"models":
 *  [{name, names, source, cached, complete, size, disk, used_by, "places": [{app, store, name,
 *  complete, size, files_count, "files": [{name, size, path}]}]}]}. The cache itself is the app
 *  "mlx-cache". A file without a path lies outside the app's store. not_found: no store has it. */
mlx_value_t *mlx_cache_where(mlx_cache_t *self, const char *name, mlx_error_t *err);

/* ---- into the cache ---- */

typedef struct {
    bool dry_run;
    bool copy;            /* a second copy is allowed where bytes cannot be shared */
    const char *as;       /* name of the model; NULL: the one it has there */
    const char *revision; /* of a hub: branch, tag or commit; NULL: main */

    /*  Of a hub: patterns, each list ending with NULL, instead of the files that models of that
     *  kind need; "oci://host/path" registries that are asked before it, likewise. */
    const char *const *include;
    const char *const *exclude;
    const char *const *mirrors;
    mlx_cache_transfer_t transfer;
} mlx_cache_add_options_t;

/*  Whatever MODEL names: a path of this machine, "org/name", "hf.co/org/name[:QUANT]" or the page's
 *  URL at the hub, "name[:tag]" or "namespace/name:tag" in Ollama's registry. */
mlx_value_t *mlx_cache_add(mlx_cache_t *self, const char *model,
                           const mlx_cache_add_options_t *options, mlx_error_t *err);

/*  A repository of the hub: its MLX set, or with QUANT (may be NULL) or no safetensors one
 *  quantisation of its GGUF files. Identical bytes that an app here has already are shared, the
 *  rest is downloaded, resumed and verified. {"model", "files", "adopted", "downloaded", "present"}
 *  in bytes. */
mlx_value_t *mlx_cache_add_hub(mlx_cache_t *self, const char *repo, const char *quant,
                               const mlx_cache_add_options_t *options, mlx_error_t *err);

/*  A model of an Ollama registry, as "[host/][namespace/]model[:tag]". */
mlx_value_t *mlx_cache_add_ollama(mlx_cache_t *self, const char *name,
                                  const mlx_cache_add_options_t *options, mlx_error_t *err);

/*  A model of an OCI registry, "oci://host/name/of/it:tag". */
mlx_value_t *mlx_cache_add_oci(mlx_cache_t *self, const char *reference,
                               const mlx_cache_add_options_t *options, mlx_error_t *err);

/*  A file or folder of this machine, as model "local/<its name>" unless the options name it. */
mlx_value_t *mlx_cache_add_path(mlx_cache_t *self, const char *path,
                                const mlx_cache_add_options_t *options, mlx_error_t *err);

typedef struct {
    bool dry_run;
    bool copy; /* a second copy is allowed where bytes cannot be shared */
} mlx_cache_adopt_options_t;

/*  The models that the app APP has (NULL: all apps), or only MODEL of them. */
mlx_value_t *mlx_cache_adopt(mlx_cache_t *self, const char *app, const char *model,
                             const mlx_cache_adopt_options_t *options, mlx_error_t *err);

/* ---- out of the cache ---- */

/*  Put MODEL into an OCI registry, as "oci://host/name/of/it:tag". */
mlx_value_t *mlx_cache_push(mlx_cache_t *self, const char *model, const char *reference,
                            bool dry_run, mlx_error_t *err);

typedef struct {
    bool dry_run;
    bool copy;         /* a second copy is allowed where bytes cannot be shared */
    const char *as;    /* name under which the app sees it; NULL: the model's */
    const char *store; /* folder of the app's models; NULL: its usual one */
} mlx_cache_link_options_t;

/*  Make MODEL of the cache appear in APP. */
mlx_value_t *mlx_cache_link(mlx_cache_t *self, const char *app, const char *model,
                            const mlx_cache_link_options_t *options, mlx_error_t *err);

/*  Every model that APP does not have: {"app", "dry_run", "results": [of link], "refused": [{model,
 *  text, hint}], "has": models that it had}. What it cannot take does not stop the others. */
mlx_value_t *mlx_cache_link_all(mlx_cache_t *self, const char *app,
                                const mlx_cache_link_options_t *options, mlx_error_t *err);

/*  Take back what link did. */
mlx_value_t *mlx_cache_unlink(mlx_cache_t *self, const char *app, const char *model, bool dry_run,
                              mlx_error_t *err);

/*  Make identical files share one copy: a plan unless APPLY. */
mlx_value_t *mlx_cache_dedup(mlx_cache_t *self, bool apply, mlx_error_t *err);

/* ---- away, and back ---- */

/*  Forget a model, and free what nothing else needs. */
mlx_value_t *mlx_cache_remove(mlx_cache_t *self, const char *model, bool dry_run, mlx_error_t *err);

#define MLX_CACHE_ANY_AGE (-1)

typedef struct {
    bool dry_run;
    int64_t older_s; /* only what was not used for this long, or MLX_CACHE_ANY_AGE; 0: 30 days, and
                      * 7 for abandoned downloads */
} mlx_cache_clean_options_t;

/*  The same for all that is unused. */
mlx_value_t *mlx_cache_clean(mlx_cache_t *self, const mlx_cache_clean_options_t *options,
                             mlx_error_t *err);

typedef struct {
    bool dry_run;
    bool forget; /* let an operation that is set aside go as it is */
    mlx_cache_transfer_t transfer;
} mlx_cache_undo_options_t;

/*  Take back the command that operation ID belongs to, or the newest one that changed something
 *  (0). A command of several operations: {"operations": [..]}. What remove or clean freed comes
 *  back from this machine where any app has it, the rest from where it came, at the same commit:
 *  {"restored": [{model, source, revision, size, missing, adopted, downloaded}]} in bytes. */
mlx_value_t *mlx_cache_undo(mlx_cache_t *self, int64_t id, const mlx_cache_undo_options_t *options,
                            mlx_error_t *err);

/* ---- is it sound ---- */

/*  Check every file: by its recorded identity, or by reading it all when FULL. {"checked", "bytes",
 *  "bad": [{sha256, model, file, path, text, hint}]}; model and file are absent where none has it.
 */
mlx_value_t *mlx_cache_verify(mlx_cache_t *self, const char *model, bool full, mlx_error_t *err);

/*  The same, and mend it: damaged blobs go to quarantine/, and their models are brought back from
 *  this machine or from where they came; names that this cache made get the right bytes. "bad" is
 *  what is still wrong then, "found" what was, "repaired" as undo's "restored", "problems" why not.
 *  TRANSFER may be NULL. */
mlx_value_t *mlx_cache_repair(mlx_cache_t *self, const char *model, bool full,
                              const mlx_cache_transfer_t *transfer, mlx_error_t *err);

/* ---- will it fit ---- */

/*  What a model would be loaded on: memory that is free now and in all, bytes (0: not known), that
 *  of a GPU with its own, models that are loaded ([{name, size}], may be NULL), and how fast this
 *  machine generated with a model of so many bytes (0: not known). */
typedef struct {
    uint64_t available, total, gpu_available;
    const mlx_value_t *loaded;
    double tokens_per_second;
    uint64_t measured_bytes;
} mlx_machine_t;

/*  Would MODEL, of the cache, of this machine or of a hub that is asked for its header only, fit in
 *  MACHINE's memory: {"model", "context", "weights", "cache", "state", "compute", "output",
 *  "total", "available", "machine", "fits", "fits_without": [names], "tokens_per_second"} in bytes;
 *  what is not known is absent. */
mlx_value_t *mlx_cache_fits(mlx_cache_t *self, const char *model, const mlx_load_t *load,
                            const mlx_machine_t *machine, mlx_error_t *err);

/*  The same in this machine as it is now: what the system has free and, where the bus runs, what
 *  its GPUs have, which models are loaded and how fast the newest benchmark was. */
mlx_value_t *mlx_cache_fits_here(mlx_cache_t *self, const char *model, const mlx_load_t *load,
                                 mlx_error_t *err);

/* ---- what is wrong ---- */

/*  What is wrong and the hint: {"checks": [{name, ok, text, hint}]}. */
mlx_value_t *mlx_cache_doctor(mlx_cache_t *self, mlx_error_t *err);

/*  The apps: {"apps": [{name, title, stores: [{path, exists, models}], can_link}]} */
mlx_value_t *mlx_cache_apps(mlx_cache_t *self, mlx_error_t *err);

#endif
