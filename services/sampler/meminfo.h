/*  meminfo.h - amounts of /proc/meminfo (proc_meminfo(5)) */
#ifndef MLX_SAMPLER_MEMINFO_H
#define MLX_SAMPLER_MEMINFO_H

#include "proto/base.h"

/*  The value of KEY in the text of /proc/meminfo, in bytes. False when it is absent or cannot be
 *  an amount. */
bool mlx_meminfo_amount(const char *text, const char *key, int64_t *out);

#endif
