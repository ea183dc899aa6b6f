/*  open_nodes.h - which processes have a device of a kind open: /dev/dri/renderD128,
 *  /dev/accel/accel0
 *
 *  That takes a walk over the descriptors of all processes, which is dear. So a process is walked
 *  over when it is new or its folder of descriptors shows a change (since Linux 6.2 the kernel
 *  tells their number), else every four minutes, or every minute where the kernel tells nothing.
 *
 *      mlx_open_nodes_t *nodes = mlx_open_nodes_new("/proc", "dri");
 *      mlx_open_nodes_find(nodes, now_us, found, arg);
 *      mlx_open_nodes_destroy(&nodes);
 */
#ifndef MLX_SAMPLER_OPEN_NODES_H
#define MLX_SAMPLER_OPEN_NODES_H

#include "proto/base.h"

typedef struct mlx_open_nodes mlx_open_nodes_t;

/*  Constructor: of the devices in /dev/<KIND>. Strings are borrowed. Caller owns it and must
 *  destroy it. */
mlx_open_nodes_t *mlx_open_nodes_new(const char *proc_root, const char *kind);
void mlx_open_nodes_destroy(mlx_open_nodes_t **self);

/*  Descriptor FD of process PID is the device NODE ("renderD128", borrowed). */
typedef void (*mlx_open_nodes_fn)(void *arg, int pid, unsigned fd, const char *node);

/*  Look for them; those that were found before in a process that shows no change are not told
 *  again. NOW_US is monotonic. */
void mlx_open_nodes_find(mlx_open_nodes_t *self, int64_t now_us, mlx_open_nodes_fn found,
                         void *arg);

enum {
    MLX_OPEN_NODES_ALL = -1
};

/*  Walk over process PID, or all, at the next look, whatever it looks like then. */
void mlx_open_nodes_forget(mlx_open_nodes_t *self, int pid);

#endif
