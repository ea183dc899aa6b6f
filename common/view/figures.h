/*  figures.h - the figures of a machine that every front end shows: status, top, the page, the tray
 *
 *  One table: a row is a figure's name, its unit, where it comes from and where it is shown. status
 *  prints a line of each, top draws its gauges and plots, the tray an item, and the page makes a
 *  tile of what the headline's "figures" say. So to add one is to add a row.
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
    MLX_FIGURES_MAX = 16,
    MLX_FIGURE_TEXT = 512 /* bytes of a note */
};

/*  Strings are static or borrowed from the overview until the next put; those that come from
 *  outside are NOTE, WORDS and WHY. */
typedef struct {
    const char *id;      /* "temperature" */
    const char *name;    /* "Temperature" */
    const char *menu_id; /* the tray's item; NULL: the tray does not show it */
    const char *menu;    /* its name there */
    const char *gauge;   /* top's name of it where it is a gauge, "MEM"; or NULL */
    const char *plot;    /* top's name of it where it is a plot; or NULL */
    double plot_top;     /* the fixed top of the plot's scale; 0: the largest value seen */
    double value;        /* NaN: not available */
    double total;        /* what VALUE is a part of; NaN: nothing */
    const char *brief;   /* in place of a value, one word: "idle"; or NULL */
    const char *why;     /* why there is no value */
    const char *kind;    /* "sensor" or "runtime": where it comes from */
    const char *within;  /* the id of the figure whose tile has it in its note, or NULL */
    mlx_unit_t unit;
    bool late;                   /* its source has fallen silent: it was true once */
    bool listed;                 /* status has a line of it */
    bool noted;                  /* that line has the note */
    char words[MLX_FIGURE_TEXT]; /* the same as BRIEF in a few words, or "" */
    char note[MLX_FIGURE_TEXT];  /* what else there is to say of it, or "" */
} mlx_figure_t;

/*  The figures of the overview's host at NOW_US into OUT, which has room for MLX_FIGURES_MAX; those
 *  that few machines have are left out where there is no value. Returns their number. */
size_t mlx_figures(const mlx_overview_t *overview, int64_t now_us, mlx_figure_t *out);

/*  Figure ID of the COUNT in LIST, or NULL. */
const mlx_figure_t *mlx_figure_find(const mlx_figure_t *list, size_t count, const char *id);

/*  VALUE as a share of TOTAL; where it is not part of anything, VALUE itself. */
double mlx_figure_share(const mlx_figure_t *figure);

/*  "14.2 GB / 48.0 GB", where PERCENT "14.2 GB / 48.0 GB (30%)"; "67%"; or the words in place of a
 *  value; NULL: neither. Caller owns it. */
char *mlx_figure_text(const mlx_figure_t *figure, bool percent);

/*  The same as a list of {id, name, unit, kind, value, total, brief, note, why, within}. Caller
 *  owns it. */
mlx_value_t *mlx_figures_value(const mlx_overview_t *overview, int64_t now_us);

#endif
