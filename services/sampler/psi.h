/*  psi.h - pressure stall information of the Linux kernel (Documentation/accounting/psi.rst)
 *
 *  A ratio: the share of the last 10 s in which some task (or all of them: "full") waited for the
 *  resource.
 *
 *      int fd = mlx_psi_open("/proc", "memory");
 *      mlx_psi_add(fd, "some", readings, "sensor.memory", "pressure");
 */
#ifndef MLX_SAMPLER_PSI_H
#define MLX_SAMPLER_PSI_H

#include "sensor.h"

/*  Open PROC_ROOT/pressure/RESOURCE; -1 when the kernel has none. */
int mlx_psi_open(const char *proc_root, const char *resource);

/*  Set FIELD of TOPIC to avg10 of the line LINE ("some" or "full"), or note it as missing. */
void mlx_psi_add(int fd, const char *line, mlx_readings_t *out, const char *topic,
                 const char *field);

#endif
