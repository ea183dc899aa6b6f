/*  plan.h - what an operation is going to do, as a list of steps, before any of it is done
 *
 *  Planning only looks. A plan can be shown (--dry-run), applied and undone (engine.h), and is what
 *  the journal keeps. Each step makes, replaces or removes one name inside one root.
 *
 *      mlx_cache_plan_t *plan = mlx_cache_plan_new("link", "org/name", "ollama");
 *      mlx_cache_plan_mkdir(plan, store, "blobs");
 *      mlx_cache_step_t *step = mlx_cache_plan_add(plan, MLX_STEP_PLACE, store, "blobs/sha256-..");
 *      ...
 *      mlx_cache_plan_destroy(&plan);
 */
#ifndef MLX_CACHE_PLAN_PLAN_H
#define MLX_CACHE_PLAN_PLAN_H

#include "proto/value.h"
#include "services/cache/plan/fsops.h"
#include "services/cache/store/digest.h"

typedef enum {
    MLX_STEP_MKDIR,   /* a folder, with those above it */
    MLX_STEP_PLACE,   /* a verified file under a new name, sharing its bytes */
    MLX_STEP_WRITE,   /* a small file made by us */
    MLX_STEP_SYMLINK, /* a symbolic link */
    MLX_STEP_REPLACE, /* an existing file by one of the same content */
    MLX_STEP_REMOVE,  /* an existing file */
} mlx_cache_step_kind_t;

/*  How a file comes under its name. Methods allowed for a step are tried in this order. */
typedef enum {
    MLX_METHOD_NONE = 0,
    MLX_METHOD_CLONE = 1,    /* shares blocks until one of both is written to */
    MLX_METHOD_HARDLINK = 2, /* the same file */
    MLX_METHOD_SYMLINK = 4,  /* points to the other name */
    MLX_METHOD_COPY = 8,     /* bytes of its own: small files, or when asked for */
} mlx_method_t;

typedef enum {
    MLX_STATE_PLANNED,
    MLX_STATE_STAGED, /* the temporary is there and its identity is written down */
    MLX_STATE_DONE,
    MLX_STATE_UNDONE,
    MLX_STATE_SKIPPED,
} mlx_cache_step_state_t;

typedef struct {
    mlx_cache_step_kind_t kind;
    char *root; /* absolute; the name is PATH inside it */
    char *path;
    char *stage; /* folder inside the root where the temporary is made; "" is the root itself */
    char *source_root;
    char *source; /* place, replace: path inside source_root; symlink: the target */
    char *data;   /* write: the content; not kept in the journal */
    size_t len;
    char sha256[MLX_HEX_MAX]; /* content of the file, where it is known */
    uint64_t size;
    unsigned methods;    /* allowed */
    mlx_method_t method; /* taken */
    mlx_identity_t made; /* under its name at last; all 0: not made yet */
    mlx_identity_t old;  /* replace, remove: what was there */
    unsigned old_mode;
    mlx_cache_step_state_t state;
    char why[200]; /* of a step that was skipped */
} mlx_cache_step_t;

typedef struct {
    char *kind;  /* "link", "add", "dedup", "clean", "remove", "repair" */
    char *model; /* NULL: none */
    char *app;
    char *volume;    /* link: where the app's folder lies; NULL: not known */
    char *record;    /* clean, remove: JSON of what was freed, for undo; NULL: none */
    char *reason;    /* why it could not be ended and was set aside; NULL: it was not */
    int64_t id;      /* in the journal; 0: not there yet */
    int64_t command; /* operations of one command have the same; 0: not there yet */
    mlx_cache_step_t *steps;
    size_t count;
} mlx_cache_plan_t;

mlx_cache_plan_t *mlx_cache_plan_new(const char *kind, const char *model, const char *app);
void mlx_cache_plan_destroy(mlx_cache_plan_t **self);

/*  A new step, borrowed until the next one is added; strings are copied. */
mlx_cache_step_t *mlx_cache_plan_add(mlx_cache_plan_t *self, mlx_cache_step_kind_t kind,
                                     const char *root, const char *path);

/*  The steps in full. A folder that is planned already is not planned twice. */
void mlx_cache_plan_mkdir(mlx_cache_plan_t *self, const char *root, const char *path);
void mlx_cache_plan_place(mlx_cache_plan_t *self, const char *root, const char *path,
                          const char *stage, const char *source_root, const char *source,
                          const char *sha256, uint64_t size, unsigned methods);
void mlx_cache_plan_write(mlx_cache_plan_t *self, const char *root, const char *path,
                          const char *stage, const void *data, size_t len);
void mlx_cache_plan_symlink(mlx_cache_plan_t *self, const char *root, const char *path,
                            const char *stage, const char *target);

/*  Name of the temporary of a step of the stored plan ID: unique, and of a form that the Hugging
 *  Face tools collect as left over. Caller owns the string and must free it. */
char *mlx_cache_step_temporary(int64_t id, size_t seq, const mlx_cache_step_t *step);

/*  {"operation", "model", "app", "steps": [{"action", "path", "method", "size", ..}]} */
mlx_value_t *mlx_cache_plan_value(const mlx_cache_plan_t *self);

const char *mlx_cache_step_name(mlx_cache_step_kind_t kind); /* "mkdir", "place", .. */
const char *mlx_method_name(mlx_method_t method);         /* "clone", "hardlink", ..; "" for none */
const char *mlx_state_name(mlx_cache_step_state_t state); /* "planned", .. */
int mlx_cache_step_kind(const char *name); /* and back, for the journal; -1: unknown */
int mlx_state(const char *name);
mlx_method_t mlx_method(const char *name);

#endif
