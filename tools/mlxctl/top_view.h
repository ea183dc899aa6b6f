/*  top_view.h - what `mlxctl top` shows: a pure function from the overview and its history to a
 *  canvas */
#ifndef MLX_TOOLS_MLXCTL_TOP_VIEW_H
#define MLX_TOOLS_MLXCTL_TOP_VIEW_H

#include "canvas.h"
#include "common/view/overview.h"
#include "plot.h"
#include "top_lists.h"
#include "top_look.h"

typedef struct mlx_top mlx_top_t;

enum {
    MLX_TOP_HISTORY = 3600, /* seconds that are kept of each */
    MLX_TOP_ENDED = 32,     /* requests that have ended */
    MLX_TOP_FILTER_MAX = 48
};

/*  What a person has chosen; top.c changes it as keys are pressed. */
typedef struct {
    mlx_top_look_t look;
    bool available;                  /* list also the models that are not loaded */
    char filter[MLX_TOP_FILTER_MAX]; /* of models and requests; "": all */
    char selected[MLX_TOP_NAME_MAX]; /* name of the model that keys act on; "": none yet */
} mlx_top_choice_t;

mlx_top_t *mlx_top_new(void);
void mlx_top_destroy(mlx_top_t **self);

/*  Borrowed; never NULL. */
mlx_top_choice_t *mlx_top_choice(mlx_top_t *self);

/*  Add one step (a second) to the history plots. */
void mlx_top_tick(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us);

/*  Put COUNT values of FIGURE (its id, static) before the steps that are added from now on, the
 *  newest last; NaN: a gap. What is part of a total is a share of it. */
void mlx_top_history(mlx_top_t *self, const char *figure, const double *values, size_t count);

/*  Remember a request that has ended: the data D (copied) of a runtime's request topic. */
void mlx_top_ended(mlx_top_t *self, const mlx_value_t *d);

/*  The model that keys act on, as it is listed now. False: none is. */
bool mlx_top_selected(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us,
                      mlx_top_model_t *out);

/*  Select the model BY rows further down, or up. */
void mlx_top_move(mlx_top_t *self, const mlx_overview_t *overview, int64_t now_us, int by);

/*  What a click there stands for, as it was drawn last: a key of the bottom line; -1: it selected
 *  the model of that row; 0: nothing. */
int mlx_top_hit(mlx_top_t *self, int row, int column);

/*  Draw everything that fits, most important first: 80 x 24 holds all of it, less drops plots, then
 *  tables. NOTE is shown at the bottom ("benchmark: prompt 3 of 10"), or NULL. */
void mlx_top_draw(mlx_top_t *self, const mlx_overview_t *overview, const char *note, int64_t now_us,
                  mlx_canvas_t *canvas);

#endif
