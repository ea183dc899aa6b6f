/*  top.h - `mlxctl top`: the full-screen monitor */
#ifndef MLX_TOOLS_MLXCTL_TOP_H
#define MLX_TOOLS_MLXCTL_TOP_H

#include "common/bus/bus.h"

/*  Run until q, Ctrl-C or SIGTERM. BUS lives in LOOP. HOST: the machine shown first; NULL: this
 *  one. 0, or -1 with ERR (no terminal). */
int mlx_top_run(mlx_loop_t *loop, mlx_bus_t *bus, const char *host, mlx_error_t *err);

#endif
