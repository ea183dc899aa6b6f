/*  top_pages.h - what `mlxctl top` shows instead of one machine: its keys, and the fleet */
#ifndef MLX_TOOLS_MLXCTL_TOP_PAGES_H
#define MLX_TOOLS_MLXCTL_TOP_PAGES_H

#include "canvas.h"
#include "common/view/overview.h"

/*  A line of the help. */
typedef struct {
    const char *key;
    const char *text;
} mlx_top_help_t;

/*  Draw COUNT lines over the middle of what is on CANVAS. */
void mlx_top_draw_help(const mlx_top_help_t *lines, size_t count, mlx_canvas_t *canvas);

/*  Draw a row for each machine between the first and the last row. OVERVIEW shows the same host
 *  afterwards. */
void mlx_top_draw_fleet(mlx_overview_t *overview, int64_t now_us, mlx_canvas_t *canvas);

#endif
