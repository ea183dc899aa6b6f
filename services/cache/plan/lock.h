/*  lock.h - one writer at a time
 *
 *  An advisory lock on the file .lock of the cache's home, held as long as the descriptor lives:
 *  the kernel releases it however the process ends. The file names the process that holds it.
 *
 *      int lock = mlx_lock_take(home, &err);   -1 with code busy: somebody else is writing
 *      close(lock);
 */
#ifndef MLX_CACHE_PLAN_LOCK_H
#define MLX_CACHE_PLAN_LOCK_H

#include "services/cache/plan/fsops.h"

/*  Take the lock without waiting. The descriptor, to be closed by the caller; -1 with ERR. */
int mlx_lock_take(const mlx_root_t *home, mlx_error_t *err);

/*  Take the lock of an app on PATH of its store, made with the folders above it when missing; it
 *  stays there, as theirs do. The descriptor; -1 with busy when one of the app's own tools holds
 *  it. */
int mlx_lock_take_in(const mlx_fs_t *fs, const mlx_root_t *store, const char *path,
                     mlx_error_t *err);

#endif
