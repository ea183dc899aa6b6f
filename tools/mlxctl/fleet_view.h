/*  fleet_view.h - several machines at a glance: one row each */
#ifndef MLX_TOOLS_MLXCTL_FLEET_VIEW_H
#define MLX_TOOLS_MLXCTL_FLEET_VIEW_H

#include "common/view/overview.h"
#include "proto/buf.h"

enum {
    MLX_FLEET_MAX = 256
};

/*  Append a table of all machines that OVERVIEW knows. OVERVIEW shows the same host afterwards. */
void mlx_fleet_text(mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out);

/*  {host, t, headline} of each machine; caller owns it. */
mlx_value_t *mlx_fleet_value(mlx_overview_t *overview, int64_t now_us);

/*  Let OVERVIEW show the machine HOST (NULL: leave it). 0, or -1 with ERR (no such thing), which
 *  names those that are heard. */
int mlx_fleet_select(mlx_overview_t *overview, const char *host, mlx_error_t *err);

#endif
