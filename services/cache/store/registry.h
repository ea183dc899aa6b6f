/*  registry.h - registry.db: what the cache holds, what its operations did, which hash a file had
 *
 *  Rows are hints, the file system is the truth: a row without its file means "gone", a file
 *  without a row is found by the next scan. Only the journal (ops, steps) is relied on, for
 *  recovery.
 *
 *      mlx_db_t *db = mlx_registry_open("/home/a/.mlx-cache/registry.db", false, &err);
 *      mlx_model_t model = {.name = "org/name", ...};
 *      mlx_registry_put_model(db, &model, &err);
 *      mlx_db_destroy(&db);
 */
#ifndef MLX_CACHE_STORE_REGISTRY_H
#define MLX_CACHE_STORE_REGISTRY_H

#include "common/base/db.h"
#include "services/cache/model/file.h"
#include "services/cache/plan/fsops.h"
#include "services/cache/plan/plan.h"

/*  What to do about a registry whose rows are damaged. */
#define MLX_REGISTRY_MEND "move registry.db aside and add the models again from models/"

typedef struct {
    int64_t id;
    char *name;       /* "org/name", "qwen:7b", "local/name" */
    char *source;     /* "huggingface", "ollama", "path", "oci" */
    char *revision;   /* commit or digest; NULL: none */
    char *view;       /* folder under models/ */
    char *origin;     /* where it came from: "org/name", "host/space/model:tag", "oci://..", a
                       * path; NULL: from an app, or not known */
    int64_t added_at; /* seconds since the epoch */
    int64_t used_at;
    mlx_model_file_t *files;
    size_t count;
} mlx_model_t;

mlx_db_t *mlx_registry_open(const char *path, bool read_only, mlx_error_t *err);

/*  Models. put replaces the one of the same name with all its files. get: caller owns the result;
 *  NULL with not_found, and names that come near in the hint. */
int mlx_registry_put_model(mlx_db_t *db, const mlx_model_t *model, mlx_error_t *err);
mlx_model_t *mlx_registry_get_model(mlx_db_t *db, const char *name, mlx_error_t *err);
int mlx_registry_delete_model(mlx_db_t *db, const char *name, mlx_error_t *err);

/*  All models in order of their names. Caller owns the array; NULL with *COUNT 0 when none. */
mlx_model_t *mlx_registry_models(mlx_db_t *db, size_t *count, mlx_error_t *err);
void mlx_models_free(mlx_model_t **models, size_t count);
void mlx_model_destroy(mlx_model_t **self);

/*  A file of a model under construction; borrowed until the next one. */
mlx_model_file_t *mlx_model_add_file(mlx_model_t *self, const char *path);
uint64_t mlx_model_size(const mlx_model_t *self);

/*  The SHA-256 of the file that the hub names ETAG. 1 and HEX, or 0. */
int mlx_registry_by_etag(mlx_db_t *db, const char *etag, char hex[MLX_HEX_MAX], mlx_error_t *err);

/*  Hashes by identity: a file whose device, inode, size and times are what they were has the hash
 *  it had. get: 1 and HEX, or 0. */
int mlx_registry_get_hash(mlx_db_t *db, const mlx_identity_t *id, char hex[MLX_HEX_MAX],
                          mlx_error_t *err);
int mlx_registry_put_hash(mlx_db_t *db, const mlx_identity_t *id, const char *hex,
                          mlx_error_t *err);

/*  A name that we made or removed moved the ctime of a file and nothing else: what was known of it
 *  BEFORE stands. Nothing happens when it was not known then. */
int mlx_registry_keep_hash(mlx_db_t *db, const mlx_identity_t *before, const mlx_identity_t *now,
                           mlx_error_t *err);

/*  The content of a file that a finished link placed and that nobody changed since. 1 and HEX, or
 *  0. */
int mlx_registry_placed(mlx_db_t *db, const mlx_identity_t *id, char hex[MLX_HEX_MAX],
                        mlx_error_t *err);

/*  Is the inode of ID one that a link of this cache placed, whatever became of its content. */
bool mlx_registry_was_placed(mlx_db_t *db, const mlx_identity_t *id);

/*  The registry is that of HOME: follow it when its file system has another device number now. To
 *  be called when it is opened to write. */
int mlx_registry_at(mlx_db_t *db, const mlx_root_t *home, mlx_error_t *err);

/*  Journal. insert stores a plan with all its steps, durably, as open and gives it its id; a plan
 *  without a command is one of its own. step stores what has become of one step; close ends it as
 *  STATE ("done", "undone", "failed", "forgotten"). set_aside: why an operation could not be ended;
 *  it stays what it is, and is tried again. */
int mlx_journal_insert(mlx_db_t *db, mlx_cache_plan_t *plan, int64_t now_s, mlx_error_t *err);
int mlx_journal_step(mlx_db_t *db, const mlx_cache_plan_t *plan, size_t seq, mlx_error_t *err);
int mlx_journal_close(mlx_db_t *db, const mlx_cache_plan_t *plan, const char *state, int64_t now_s,
                      mlx_error_t *err);
int mlx_journal_set_aside(mlx_db_t *db, int64_t id, const char *reason, mlx_error_t *err);

/*  Ids of the operations in STATE (kind, app and model may be NULL: any), newest first. */
int64_t *mlx_journal_find(mlx_db_t *db, const char *state, const char *kind, const char *app,
                          const char *model, size_t *count, mlx_error_t *err);
mlx_cache_plan_t *mlx_journal_load(mlx_db_t *db, int64_t id, mlx_error_t *err);

#endif
