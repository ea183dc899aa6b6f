/*  darwin_clients.h - who uses a GPU of macOS: the driver's account of its clients
 *
 *  Each program that has a GPU open is a child of the GPU in the registry (no registered service,
 *  so it is found as a child only). "IOUserClientCreator" is "pid 512, WindowServer"; "AppUsage"
 *  lists the GPU time of each of its interfaces in nanoseconds (Apple's
 *  drivers; others have the sum itself).
 */
#ifndef MLX_SAMPLER_DARWIN_CLIENTS_H
#define MLX_SAMPLER_DARWIN_CLIENTS_H

#include "darwin_get.h"
#include "proto/value.h"

enum {
    MLX_CLIENTS_MAX = 512
};

/*  What the last look saw. Zeroed before the first. */
typedef struct {
    struct {
        int64_t pid, used_ns;
    } seen[MLX_CLIENTS_MAX];
    size_t count;
    int64_t t_us;
} mlx_clients_t;

/*  The processes that have GPU open, as a list of {pid, program, utilization}, those of one process
 *  together; utilization from the second look on. Caller owns it. NULL: the driver has no such
 *  account. */
mlx_value_t *mlx_clients_read(mlx_clients_t *self, io_object_t gpu, int64_t now_us);

#endif
