/*  top_fill.h - what the plots of `mlxctl top` show before it has seen anything itself */
#ifndef MLX_TOOLS_MLXCTL_TOP_FILL_H
#define MLX_TOOLS_MLXCTL_TOP_FILL_H

#include "common/bus/bus.h"
#include "top_view.h"

/*  Ask the recorder for the last minutes of HOST and give them to TOP. Runs LOOP for a second at
 *  most; without a recorder the plots begin empty. */
void mlx_top_fill(mlx_top_t *top, mlx_loop_t *loop, mlx_bus_t *bus, const char *host,
                  int64_t now_us);

#endif
