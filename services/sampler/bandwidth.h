/*  bandwidth.h - the counters of memory controllers, found in sysfs and opened through perf */
#ifndef MLX_SAMPLER_BANDWIDTH_H
#define MLX_SAMPLER_BANDWIDTH_H

#include "proto/base.h"

/*  Open a counter: event source TYPE, code CONFIG, on processor CPU. A descriptor whose reads give
 *  8 bytes, or -1 with errno. The system call perf_event_open, or a test's stand-in. */
typedef int (*mlx_perf_open_fn)(uint32_t type, uint64_t config, int cpu);

enum {
    MLX_BANDWIDTH_COUNTERS = 2 /* reads, writes */
};

/*  One controller (or channel) on one socket. */
typedef struct {
    struct {
        int fd;
        bool writes;
        double bytes; /* that one count is worth */
        uint64_t last;
        double sum;
    } counters[MLX_BANDWIDTH_COUNTERS];
    size_t count;
} mlx_bandwidth_pmu_t;

/*  Find and open at most MAX controllers below SYS_ROOT; *COUNT is set. OPEN NULL: the system call.
 *  0, or the errno of the first that could not be opened. The caller must close those there are. */
int mlx_bandwidth_find(mlx_bandwidth_pmu_t *out, size_t max, size_t *count, const char *sys_root,
                       mlx_perf_open_fn open);

/*  Add what the controller has read and written since it was opened, in bytes. False when it does
 *  not answer. */
bool mlx_bandwidth_count(mlx_bandwidth_pmu_t *self, double *read, double *written);
void mlx_bandwidth_close(mlx_bandwidth_pmu_t *self);

#endif
