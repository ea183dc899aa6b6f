/*  plot.h - history plots in text: braille dots (2 x 4 a cell), or blocks where there is no UTF-8
 */
#ifndef MLX_TOOLS_MLXCTL_PLOT_H
#define MLX_TOOLS_MLXCTL_PLOT_H

#include "canvas.h"

/*  Values over time at a steady step, newest last; NaN: a gap. */
typedef struct {
    double *values;
    size_t size;  /* room */
    size_t count; /* values held, at most size */
    size_t next;  /* where the next goes */
} mlx_series_t;

void mlx_series_init(mlx_series_t *self, size_t size);
void mlx_series_clear(mlx_series_t *self);
void mlx_series_add(mlx_series_t *self, double value);

/*  Value AGO steps before the newest (0: the newest); NaN beyond what is held. */
double mlx_series_at(const mlx_series_t *self, size_t ago);

/*  Largest value held, or NaN when there is none. */
double mlx_series_max(const mlx_series_t *self);

/*  Mean of the values held, or NaN when there is none. */
double mlx_series_mean(const mlx_series_t *self);

/*  Draw the newest values into the rectangle as a filled curve on the scale LOW..HIGH, newest at
 *  the right edge, one value a dot column. Gaps stay empty. */
void mlx_plot(mlx_canvas_t *canvas, int row, int column, int rows, int columns,
              const mlx_series_t *series, double low, double high, mlx_ink_t ink);

#endif
