/*  drm_fdinfo.h - who uses the GPUs: the kernel's account per open DRM file
 *
 *  Linux says in /proc/<pid>/fdinfo/<fd> of every open /dev/dri file what its holder keeps busy and
 *  how much memory it holds (Documentation/gpu/drm-usage-stats.rst). For Intel GPUs this is the one
 *  source that needs no root; processes of other users stay unseen without it.
 *
 *      mlx_fdinfo_update(usage, now_us, may_read, cards);
 *      double busy = mlx_fdinfo_utilization(usage, "0000:00:02.0");
 *
 *  Finding the files means a walk over all descriptors of all processes. So every 15 s those of
 *  processes are walked over that are new or show a change, and of the others every few minutes;
 *  between, only the known files are read. Drivers wake a suspended GPU to write such a file:
 *  the caller says whose may be read.
 */
#ifndef MLX_SAMPLER_DRM_FDINFO_H
#define MLX_SAMPLER_DRM_FDINFO_H

#include "proto/value.h"

typedef struct mlx_fdinfo mlx_fdinfo_t;

/*  Constructor: of the devices in /dev/<KIND>, "dri" or "accel" (NPUs). All strings are borrowed.
 *  Caller owns it and must destroy it. */
mlx_fdinfo_t *mlx_fdinfo_new(const char *proc_root, const char *sys_root, const char *kind);
void mlx_fdinfo_destroy(mlx_fdinfo_t **self);

/*  May files of the GPU in PCI slot SLOT be read now? "": it is not known whose the file is. */
typedef bool (*mlx_fdinfo_may_read_fn)(void *arg, const char *slot);

/*  Read again what may be read; rates are differences to the call before. NOW_US is monotonic. */
void mlx_fdinfo_update(mlx_fdinfo_t *self, int64_t now_us, mlx_fdinfo_may_read_fn may_read,
                       void *arg);

/*  False when there are more open files than are looked at (16384): sums are then too low. */
bool mlx_fdinfo_complete(const mlx_fdinfo_t *self);

/*  Number of clients seen on the GPU in PCI slot SLOT. */
size_t mlx_fdinfo_clients(const mlx_fdinfo_t *self, const char *slot);

/*  Ratio 0..1 of the busiest engine class, all clients together; NAN when not known. */
double mlx_fdinfo_utilization(const mlx_fdinfo_t *self, const char *slot);

/*  The same of the engines for video alone. */
double mlx_fdinfo_media(const mlx_fdinfo_t *self, const char *slot);

/*  Bytes resident in the GPU's own memory, or in main memory when it has none; in both when the two
 *  are UNIFIED: a GPU in the processor's package works in either. */
int64_t mlx_fdinfo_memory(const mlx_fdinfo_t *self, const char *slot, bool unified);

/*  List of {pid, program, memory, utilization}. Caller owns it. */
mlx_value_t *mlx_fdinfo_processes(const mlx_fdinfo_t *self, const char *slot, bool unified);

#endif
