/*  sysctl.h - the sysctl of macOS, for compiling macOS sources natively
 *
 *  glibc has no such header any more. Held against Apple's by layout.c.
 */
#ifndef MLX_TESTS_SYSCTL_H
#define MLX_TESTS_SYSCTL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CTL_KERN 1
#define KERN_ARGMAX 8
#define KERN_PROCARGS2 49

struct xsw_usage {
    uint64_t xsu_total;
    uint64_t xsu_avail;
    uint64_t xsu_used;
    uint32_t xsu_pagesize;
    unsigned int xsu_encrypted;
};

struct loadavg {
    uint32_t ldavg[3];
    long fscale;
};

int sysctl(int *mib, unsigned int levels, void *old, size_t *old_size, void *fresh,
           size_t fresh_size);
int sysctlbyname(const char *name, void *old, size_t *old_size, void *fresh, size_t fresh_size);

#endif
