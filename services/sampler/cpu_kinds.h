/*  cpu_kinds.h - which cores of a hybrid processor are of which kind
 *
 *  Intel lists them as event sources (cpu_core: P, cpu_atom: E; a third group without a shared
 *  cache is cpu_lowpower: LPE), Arm by their capacity (cpu_capacity: the largest are P, the others
 *  E and, of three sizes, M; less than a tenth apart is one size). A processor whose cores are all
 *  alike has no kinds.
 *
 *  And whether its clocks are held down: the kernel counts how often heat did that.
 */
#ifndef MLX_SAMPLER_CPU_KINDS_H
#define MLX_SAMPLER_CPU_KINDS_H

#include "proto/base.h"

enum {
    MLX_CPU_KINDS_MAX = 4,
    MLX_CPU_CORES_MAX = 4096
};

typedef struct {
    char names[MLX_CPU_KINDS_MAX][4]; /* "P", "E", ... fastest first */
    size_t count;                     /* below 2: all cores are alike */
    unsigned char
        kind[MLX_CPU_CORES_MAX]; /* of each core, an index of NAMES; MLX_CPU_KINDS_MAX: not told */
    int throttles[2];            /* descriptors of the kernel's counts */
    int64_t seen[2];
} mlx_cpu_kinds_t;

/*  Look at the machine below SYS_ROOT. The caller must close it. */
void mlx_cpu_kinds_open(mlx_cpu_kinds_t *self, const char *sys_root);
void mlx_cpu_kinds_close(mlx_cpu_kinds_t *self);

/*  Look again: a core that was switched on did not say its kind before. */
void mlx_cpu_kinds_refresh(mlx_cpu_kinds_t *self, const char *sys_root);

/*  The name of the kind of core ID; NULL when all are alike, or it is not told. */
const char *mlx_cpu_kinds_name(const mlx_cpu_kinds_t *self, size_t id);

/*  Did heat hold clocks down since the call before? 1, 0; -1: not known. */
int mlx_cpu_kinds_throttled(mlx_cpu_kinds_t *self);

#endif
