/*  tap_lookup.h - look a name up again without keeping a loop waiting
 *
 *  The resolver may take seconds; it works in a thread of its own, one lookup at a time. What it
 *  found comes back in the loop's thread; what it did not find is not told.
 *
 *      mlx_lookup_t *lookup = mlx_lookup_new(loop, "gpu-box.local:11434", NULL, on_found, self);
 *      mlx_lookup_start(lookup);              again and again; while one runs it does nothing
 *      mlx_lookup_destroy(&lookup);           does not wait for the resolver
 *
 *  All functions belong to the loop's thread, or to one that has joined it.
 */
#ifndef MLX_WATCHER_TAP_LOOKUP_H
#define MLX_WATCHER_TAP_LOOKUP_H

#include "common/bus/loop.h"
#include "tap_address.h"

typedef struct mlx_lookup mlx_lookup_t;

typedef void (*mlx_lookup_fn)(void *arg, const mlx_tap_address_t *list, int count);

/*  TEXT is copied. RESOLVE is asked in the thread; NULL: mlx_tap_resolve. */
mlx_lookup_t *mlx_lookup_new(mlx_loop_t *loop, const char *text, mlx_tap_resolve_fn resolve,
                             mlx_lookup_fn found, void *arg);
void mlx_lookup_destroy(mlx_lookup_t **self);

void mlx_lookup_start(mlx_lookup_t *self);

#endif
