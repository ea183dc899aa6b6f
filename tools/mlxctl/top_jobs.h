/*  top_jobs.h - what `mlxctl top` asks services for: a benchmark, and loading or freeing a model
 *
 *  Each answers in words through a function, at once or when the service has; none blocks.
 */
#ifndef MLX_TOOLS_MLXCTL_TOP_JOBS_H
#define MLX_TOOLS_MLXCTL_TOP_JOBS_H

#include "common/bus/bus.h"
#include "common/view/overview_state.h"

typedef struct mlx_top_jobs mlx_top_jobs_t;

/*  TEXT is the callee's to free. */
typedef void (*mlx_top_note_fn)(void *arg, char *text);

mlx_top_jobs_t *mlx_top_jobs_new(mlx_bus_t *bus, mlx_top_note_fn note, void *arg);

/*  Calls under way are forgotten by the caller's closing of the bus. */
void mlx_top_jobs_destroy(mlx_top_jobs_t **self);

/*  Begin a benchmark, or cancel the one that runs. LINK: whether the bus answers. */
void mlx_top_jobs_bench(mlx_top_jobs_t *self, const mlx_connection_t *link);

/*  Call CMD ("model.load", "model.unload", "model.pin") for MODEL of RUNTIME (a URL or a
 *  kind; NULL: the only one that has it). */
void mlx_top_jobs_model(mlx_top_jobs_t *self, const char *cmd, const char *model,
                        const char *runtime);

#endif
