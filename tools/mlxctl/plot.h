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

/*  Largest of the newest COUNT values, or NaN when there is none. */
double mlx_series_max(const mlx_series_t *self, size_t count);

/*  Mean of the newest COUNT values, or NaN when there is none. */
double mlx_series_mean(const mlx_series_t *self, size_t count);

/*  How a curve is drawn. */
typedef struct {
    double low, high; /* the scale */
    size_t each;      /* values that one column of dots stands for: the largest is shown */
    bool by_load;     /* coloured by height, else all of it in INK */
    mlx_ink_t ink;
} mlx_curve_t;

/*  Columns of dots in COLUMNS columns of text. */
int mlx_plot_dots(const mlx_canvas_t *canvas, int columns);

/*  Draw the newest values into AREA as a filled curve, newest at the right edge. Gaps stay empty.
 */
void mlx_plot(mlx_canvas_t *canvas, mlx_area_t area, const mlx_series_t *series,
              const mlx_curve_t *curve);

#endif
