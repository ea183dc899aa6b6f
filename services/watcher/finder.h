/*  finder.h - model servers of this machine, found by their sockets and programs
 *
 *  Looks at what listens (listeners.h) every few seconds. A socket that is new is matched by its
 *  program's name and arguments against the kinds that are known, without a request; what another
 *  server of the table has started for itself is left to that one. A program that nobody knows is
 *  told of only where it listens on a port that is usual for some kind, and then once in its life.
 *
 *      mlx_finder_t *finder = mlx_finder_new(&options);
 *      ... found(arg, &what), gone(arg, &endpoint)
 *      mlx_finder_foreign(finder, &endpoint);       it is none: never tell of it again
 *      mlx_finder_destroy(&finder);
 */
#ifndef MLX_WATCHER_FINDER_H
#define MLX_WATCHER_FINDER_H

#include "common/bus/loop.h"
#include "common/runtime/endpoint.h"
#include "common/runtime/runtime.h"

typedef struct mlx_finder mlx_finder_t;

typedef struct {
    mlx_endpoint_t endpoint;
    const mlx_runtime_backend_t *backend; /* by its program; NULL: not known */
    const char *probe_path;               /* then: the one path to ask for */
} mlx_found_server_t;

typedef struct {
    mlx_loop_t *loop;
    const char *proc_root; /* borrowed */
    void (*found)(void *arg, const mlx_found_server_t *server);
    void (*gone)(void *arg, const mlx_endpoint_t *endpoint);
    void *arg;
} mlx_finder_options_t;

/*  Looks for the first time in the loop's next turn. Caller owns it. */
mlx_finder_t *mlx_finder_new(const mlx_finder_options_t *options);
void mlx_finder_destroy(mlx_finder_t **self);

/*  What listens at ENDPOINT has answered, and is not a model server. */
void mlx_finder_foreign(mlx_finder_t *self, const mlx_endpoint_t *endpoint);

#endif
