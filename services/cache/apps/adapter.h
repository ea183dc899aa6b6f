/*  adapter.h - one app that keeps models: where, in what layout, and how a model is put there
 *
 *  One file per app (adapter_<name>.c), one line in the table of adapters.c. An adapter plans and
 *  looks; it never changes anything itself. What it cannot read it reports and keeps.
 */
#ifndef MLX_CACHE_APPS_ADAPTER_H
#define MLX_CACHE_APPS_ADAPTER_H

#include "services/cache/plan/plan.h"
#include "services/cache/store/registry.h"
#include "services/cache/store/scan.h"

enum {
    MLX_STORES_MAX = 8
};

/*  What is to be exposed and how. */
typedef struct {
    const mlx_model_t *model;
    const mlx_root_t *home;  /* of the cache: blobs are at mlx_blob_path */
    const mlx_root_t *store; /* of the app */
    unsigned weights;        /* methods allowed for weights */
    unsigned small;          /* and for other files */
    const char *as;          /* name for the app; NULL: the model's own */

    /*  Receives a step for each large file that the app has already, as a second copy: to share it.
     *  NULL: not wanted. */
    mlx_cache_plan_t *twins;
} mlx_expose_t;

typedef struct {
    const char *name;
    const char *title; /* as people call it */

    /*  Folders where the app may keep its models, best first, as allocated strings. The first one
     *  is where new models go, existing or not. Returns how many. */
    size_t (*stores)(const mlx_env_t *env, char *paths[MLX_STORES_MAX]);

    /*  The files that tell where they are, likewise, there or not. NULL: there are none. */
    size_t (*settings)(const mlx_env_t *env, char *paths[MLX_STORES_MAX]);

    /*  Is the folder one of this app's stores (it has its marks). */
    bool (*is_store)(const mlx_root_t *root);

    void (*scan)(mlx_scan_t *scan, const char *store, const mlx_root_t *root);

    /*  Add the steps that make the model appear in the app. NULL: the app cannot be given models.
     */
    int (*expose)(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err);

    /*  Does the app's live state need the file PATH of its store; unknown is yes. NULL: never. */
    bool (*in_use)(const mlx_root_t *root, const char *path);

    /*  The lock file that the app's own tools hold while they write PATH, as an allocated path in
     *  the store, or NULL. NULL: the app has no locks. */
    char *(*lock_path)(const char *path);
} mlx_adapter_t;

extern const mlx_adapter_t mlx_adapter_huggingface;
extern const mlx_adapter_t mlx_adapter_ollama;
extern const mlx_adapter_t mlx_adapter_lmstudio;
extern const mlx_adapter_t mlx_adapter_llamacpp;
extern const mlx_adapter_t mlx_adapter_hubapi;
extern const mlx_adapter_t mlx_adapter_jan;
extern const mlx_adapter_t mlx_adapter_koboldcpp;
extern const mlx_adapter_t mlx_adapter_localai;
extern const mlx_adapter_t mlx_adapter_dockermodel;
extern const mlx_adapter_t mlx_adapter_ramalama;
extern const mlx_adapter_t mlx_adapter_dir;

/*  All of them; ends with NULL. */
extern const mlx_adapter_t *const mlx_adapters[];

/*  After a link into the app's usual store: does the running app see it. 0: yes, it does not run,
 *  or it cannot be asked; -1 with ERR: it runs and does not. */
int mlx_adapter_confirm(const mlx_adapter_t *adapter, const mlx_env_t *env,
                        const mlx_cache_plan_t *plan, mlx_error_t *err);

/*  By name, or NULL with not_found and the names there are. */
const mlx_adapter_t *mlx_adapter_find(const char *name, mlx_error_t *err);

/*  The hub's cache layout, which llama.cpp shares. */
void mlx_hf_scan(mlx_scan_t *scan, const char *app, const char *store, const mlx_root_t *root);
int mlx_hf_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err);
bool mlx_hf_in_use(const mlx_root_t *root, const char *path);
char *mlx_hf_lock_path(const char *path);

/*  The commit of the repository NAME that is current: the one of refs/main where its snapshot is
 *  here, else the snapshot that came last; NULL without any. Caller owns it. */
char *mlx_hf_current(const mlx_root_t *root, const char *name);

/*  Path in the hub's cache of its client's listing of NAME at COMMIT. Caller owns it. */
char *mlx_hf_listing(const char *name, const char *commit);

/*  Path of a blob inside the cache's home: "blobs/sha256/aa/aabb..". Caller owns it. */
char *mlx_blob_path(const char *sha256);

/*  "$VAR<tail>" if VAR is set and absolute, as an allocated string, else NULL. */
char *mlx_env_path(const mlx_env_t *env, const char *name, const char *tail);

/*  The same as the hub's clients read theirs: "~", "$NAME" and "${NAME}" are expanded, where they
 *  are set, and a path that is relative begins in the current folder. */
char *mlx_env_expand(const mlx_env_t *env, const char *name, const char *tail);

/*  Plan the file of a model under PATH of the store, by the methods for its kind. A file of the
 *  same content that is there already needs no step; another one is an error (data_loss). */
int mlx_expose_file(const mlx_expose_t *what, mlx_cache_plan_t *plan, const mlx_model_file_t *file,
                    const char *path, const char *stage, mlx_error_t *err);

/*  Plan a folder of the store, with those above it, one step each. */
void mlx_expose_folder(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *path);

#endif
