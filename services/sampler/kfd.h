/*  kfd.h - who computes on AMD's GPUs through ROCm: the account of the kernel's compute driver
 *
 *  Queues of ROCm go past the graphics driver, so its accounts (drm_fdinfo.h) count no time of
 *  theirs. The compute driver has /sys/class/kfd/kfd/proc/<pid>/ for each of its processes, those
 *  of other users too: vram_<gpu> in bytes and stats_<gpu>/cu_occupancy, the compute units that
 *  work for it now; topology/nodes says which GPU is which, and how many units it has.
 *
 *      mlx_kfd_update(kfd, now_us);
 *      mlx_kfd_add(kfd, "0000:03:00.0", processes);
 *
 *  cu_occupancy is read from the GPU: ask about none that sleeps.
 */
#ifndef MLX_SAMPLER_KFD_H
#define MLX_SAMPLER_KFD_H

#include "proto/value.h"

typedef struct mlx_kfd mlx_kfd_t;

/*  Constructor. Strings are borrowed. Caller owns it and must destroy it. */
mlx_kfd_t *mlx_kfd_new(const char *proc_root, const char *sys_root);
void mlx_kfd_destroy(mlx_kfd_t **self);

/*  Look for processes that came or went, every few seconds. NOW_US is monotonic. */
void mlx_kfd_update(mlx_kfd_t *self, int64_t now_us);

/*  Add to LIST, of {pid, program, memory, utilization}, what is known of the GPU in PCI slot SLOT:
 *  of a process that is there the larger values count, others are appended. */
void mlx_kfd_add(const mlx_kfd_t *self, const char *slot, mlx_value_t *list);

#endif
