/*  replace.h - one file replaced by a link to, or shared blocks with, another of the same content
 *
 *  The order that keeps this safe (each line can be the last one that runs):
 *    1. both files are opened without following links, looked at, and hashed in full, now;
 *    2. where the file system can compare and share blocks itself, it does, and nothing is renamed;
 *    3. else a link to, or clone of, the source is made beside the target, under a temporary name;
 *    4. the target is looked at again: it must be what it was in 1;
 *    5. the two names are exchanged in one motion; what came out must still be what it was, or they
 *       are exchanged back;
 *    6. the old file, now under the temporary name, is removed.
 *
 *  Used by the engine only.
 */
#ifndef MLX_CACHE_PLAN_REPLACE_H
#define MLX_CACHE_PLAN_REPLACE_H

#include "services/cache/plan/plan.h"

typedef struct {
    const mlx_fs_t *fs;
    const mlx_root_t *root; /* of the target: step->path */
    const mlx_root_t *from; /* of the source: step->source */
    mlx_cache_step_t *step;
    char *temporary;
    bool mends; /* the target's bytes went bad: they need not be those of the source */

    /*  Called between 3 and 4, to write to the journal which inode was made. */
    int (*staged)(void *arg, mlx_error_t *err);
    void *arg;

    /*  Asked before each piece that is hashed (may be NULL): true ends it as interrupted. */
    bool (*stop)(void *arg);
    void *stop_arg;
} mlx_replace_t;

/*  May the file OLD become a name of SOURCE, with its owner and mode: they are the same, or SOURCE
 *  is read-only besides (undo gives the old mode back). */
bool mlx_replace_fits(const struct stat *old, const struct stat *source);

int mlx_replace_do(const mlx_replace_t *self, mlx_error_t *err);

/*  After a crash: remove the temporary, whichever of the two it is. DONE: the target is the new
 *  one. */
int mlx_replace_recover(const mlx_replace_t *self, bool *done, mlx_error_t *err);

/*  Give the target bytes of its own again, with the mode and time it had. */
int mlx_replace_undo(const mlx_replace_t *self, mlx_error_t *err);

#endif
