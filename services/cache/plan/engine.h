/*  engine.h - carries out plans so that a crash at any moment loses nothing
 *
 *  Every file appears in one motion: made under a temporary name, synced, its inode written to the
 *  journal, then moved to its name, which never replaces anything. After a crash, recover looks at
 *  what is on the disk, compares it with the journal and either takes an unfinished operation back
 *  (link, add) or finishes the step it was in (dedup, clean, remove): running the command again
 *  then does the rest. What does not match the journal is somebody else's and is left alone. What
 *  is missing, with its folder or without, is taken back already; what cannot be ended is set aside
 *  with its reason and tried again by the next recover. It never stops anything else.
 *
 *      mlx_engine_t engine = {.db = db, .roots = roots, .now_s = clock};
 *      if (mlx_engine_recover(&engine, &count, &err) == 0)
 *          mlx_engine_apply(&engine, plan, &err);
 */
#ifndef MLX_CACHE_PLAN_ENGINE_H
#define MLX_CACHE_PLAN_ENGINE_H

#include "services/cache/store/registry.h"
#include "services/cache/store/roots.h"

typedef struct {
    mlx_fs_t fs;
    mlx_db_t *db;
    mlx_roots_t *roots;
    int64_t (*now_s)(void); /* seconds since the epoch */

    /*  May the name of this step not be removed, because an app still needs it? Asked right before
     *  a removal, of the live state of the stores. NULL: nothing is ever in use. */
    bool (*in_use)(void *arg, const mlx_cache_plan_t *plan, const mlx_cache_step_t *step);

    /*  Is the volume of this step's root not mounted now? Then what is missing there is not gone.
     *  NULL: never. */
    bool (*is_away)(void *arg, const mlx_cache_plan_t *plan, const mlx_cache_step_t *step);

    bool one_command; /* all operations are of one command */
    int64_t command;  /* its number; 0: not known yet, or each operation is one of its own */

    /*  Asked before each piece (MLX_DIGEST_PIECE) that is hashed: true ends it as interrupted.
     *  NULL: never. */
    bool (*stop)(void *arg);
    void *arg;
} mlx_engine_t;

/*  Write PLAN to the journal and carry it out. When a step of a link or add fails, all is taken
 *  back and the error is that step's; steps of the other kinds stand alone: one that cannot be done
 *  is skipped with its reason, and the rest go on. */
int mlx_engine_apply(mlx_engine_t *self, mlx_cache_plan_t *plan, mlx_error_t *err);

/*  Take a finished operation back, in reverse order. What is in use or was changed by someone else
 *  since is kept and its step says why. -1: the rest of it is set aside with the error as reason.
 */
int mlx_engine_reverse(mlx_engine_t *self, mlx_cache_plan_t *plan, mlx_error_t *err);

/*  Is the file of step SEQ, which this cache made, another one now or written to since? A name that
 *  is gone, or shares the bytes of the cache, is not changed. */
bool mlx_engine_changed(mlx_engine_t *self, const mlx_cache_plan_t *plan, size_t seq);

/*  Bring every unfinished operation to a sound end, or set it aside. COUNT (may be NULL): how many
 *  came to their end. -1 only when the registry cannot be used or the engine was told to stop. */
int mlx_engine_recover(mlx_engine_t *self, size_t *count, mlx_error_t *err);

#endif
