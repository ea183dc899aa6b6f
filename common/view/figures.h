/*  figures.h - the figures of a machine that every front end shows: status, top, the page, the tray
 *
 *  One table: a row is a figure's name, its unit and where it comes from. status prints a line of
 *  each, top one line of those that it does not plot, the tray an item, and the page makes a tile
 *  of what the headline's "figures" say. So to add one is to add a row.
 *
 *      mlx_figure_t figures[MLX_FIGURES_MAX];
 *      size_t count = mlx_figures(overview, now_us, figures);
 *      for (size_t i = 0; i < count; i++)
 *          printf("%s: %f\n", figures[i].name, figures[i].value);
 */
#ifndef MLX_COMMON_VIEW_FIGURES_H
#define MLX_COMMON_VIEW_FIGURES_H

#include "common/view/overview.h"
#include "proto/catalogue.h"

enum {
    MLX_FIGURES_MAX = 16
};

/*  Strings are static or borrowed from the overview until the next put; those that come from
 *  outside are NOTE and WHY. */
typedef struct {
    const char *id;   /* "temperature" */
    const char *name; /* "Temperature" */
    double value;     /* NaN: not available */
    const char *note; /* what else there is to say of it, or NULL */
    const char *why;  /* why there is no value */
    const char *kind; /* "sensor" or "runtime": where it comes from */
    mlx_unit_t unit;
    bool late;    /* its source has fallen silent: it was true once */
    bool plotted; /* top has a plot of it */
    bool in_menu;
} mlx_figure_t;

/*  The figures of the overview's host at NOW_US into OUT, which has room for MLX_FIGURES_MAX; those
 *  that few machines have are left out where there is no value. Returns their number. */
size_t mlx_figures(const mlx_overview_t *overview, int64_t now_us, mlx_figure_t *out);

/*  Why the data D of a sensor's topic (NULL: there is none) lack FIELD, as their publisher says;
 *  NULL when it does not. Borrowed from D. */
const char *mlx_figure_why(const mlx_value_t *d, const char *field);

/*  The same as a list of {id, name, unit, kind, value, note, why}. Caller owns it. */
mlx_value_t *mlx_figures_value(const mlx_overview_t *overview, int64_t now_us);

#endif
