/*  top_view.h - what `mlxctl top` shows: a pure function from the overview and its history to a
 *  canvas */
#ifndef MLX_TOOLS_MLXCTL_TOP_VIEW_H
#define MLX_TOOLS_MLXCTL_TOP_VIEW_H

#include "canvas.h"
#include "common/view/overview.h"
#include "plot.h"

typedef struct mlx_top mlx_top_t;

enum {
    MLX_TOP_HISTORY = 600 /* seconds that are kept of each */
};

mlx_top_t *mlx_top_new(void);
void mlx_top_destroy(mlx_top_t **self);

/*  Add one step (a second) to the history plots. */
void mlx_top_tick(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us);

/*  Put COUNT values of FIGURE (its id, static) before the steps that are added from now on, the
 *  newest last; NaN: a gap. What is part of a total is a share of it. */
void mlx_top_history(mlx_top_t *self, const char *figure, const double *values, size_t count);

/*  Show the machine's details (common/view/details.h) instead of plots, or plots again. */
void mlx_top_toggle_details(mlx_top_t *self);

/*  Draw everything that fits, most important first: 80 x 24 holds all of it, less drops plots, then
 *  tables. NOTE is shown at the bottom ("benchmark: prompt 3 of 10"), or NULL. */
void mlx_top_draw(const mlx_top_t *self, const mlx_overview_t *overview, const char *note,
                  int64_t now_us, mlx_canvas_t *canvas);

#endif
