/*  memory_limit.h - the memory limits of the control groups that we are in
 *
 *  Version 2: memory.max, memory.high and memory.current
 *  (Documentation/admin-guide/cgroup-v2.rst); version 1: memory.limit_in_bytes and
 *  memory.usage_in_bytes of the memory controller (Documentation/admin-guide/cgroup-v1/memory.rst).
 *  All groups from ours up to the root hold at once. In a container the root of the tree that we
 *  see is itself a limited group.
 *
 *      mlx_memory_limits_t limits;
 *      mlx_memory_limits_open(&limits, "/proc", "/sys");
 *      mlx_memory_limit_t limit;
 *      if (mlx_memory_limits_read(&limits, total, &limit))
 *          ...limit.left bytes can still be had
 *      mlx_memory_limits_close(&limits);
 */
#ifndef MLX_SAMPLER_MEMORY_LIMIT_H
#define MLX_SAMPLER_MEMORY_LIMIT_H

#include "proto/base.h"

enum {
    MLX_MEMORY_GROUPS = 32
};

typedef struct {
    struct {
        int version;
        int limit, used; /* descriptors */
    } groups[MLX_MEMORY_GROUPS];
    size_t count;
} mlx_memory_limits_t;

typedef struct {
    int64_t limit; /* the lowest one, bytes */
    int64_t used;  /* of the group that has the least left */
    int64_t left;  /* in that group, not below 0; -1: no group tells */
    int version;   /* of that group */
} mlx_memory_limit_t;

void mlx_memory_limits_open(mlx_memory_limits_t *self, const char *proc_root, const char *sys_root);
void mlx_memory_limits_close(mlx_memory_limits_t *self);

/*  The present limits. False when none of them is below TOTAL, the machine's memory in bytes. */
bool mlx_memory_limits_read(const mlx_memory_limits_t *self, int64_t total,
                            mlx_memory_limit_t *out);

#endif
