/*  top_look.h - how a person wants `mlxctl top` to look, and where that is kept
 *
 *  The file is top.json in the state directory; it is written as a whole or not at all. What is in
 *  it counts only where it is one of the words and numbers below.
 *
 *      mlx_top_look_t look = MLX_TOP_LOOK;
 *      mlx_error_t err = {0};
 *      if (mlx_top_look_load(&look, path, &err))
 *          fprintf(stderr, "%s\n", err.text);          LOOK is what it was
 */
#ifndef MLX_TOOLS_MLXCTL_TOP_LOOK_H
#define MLX_TOOLS_MLXCTL_TOP_LOOK_H

#include "proto/base.h"
#include "proto/error.h"

typedef enum {
    MLX_TOP_OVERVIEW,
    MLX_TOP_PLOTS,
    MLX_TOP_MODELS,
    MLX_TOP_MACHINE,
    MLX_TOP_LAYOUTS
} mlx_top_layout_t;

typedef enum {
    MLX_TOP_BY_RUNTIME, /* as the runtimes list them */
    MLX_TOP_BY_NAME,
    MLX_TOP_BY_SIZE,
    MLX_TOP_BY_SPEED,
    MLX_TOP_SORTS
} mlx_top_sort_t;

/*  All are indexes of the names and numbers of top_look.c, never beyond them. */
typedef struct {
    int layout; /* mlx_top_layout_t */
    int theme;
    int sort; /* mlx_top_sort_t */
    int pace;
    int window;
    int fahrenheit; /* 0 or 1 */
} mlx_top_look_t;

/*  What it is at first: the overview, in the terminal's own colours, once a second. */
#define MLX_TOP_LOOK                                                                               \
    {                                                                                              \
        .pace = 2                                                                                  \
    }

/*  The choices of each. */
typedef enum {
    MLX_LOOK_LAYOUT,
    MLX_LOOK_THEME,
    MLX_LOOK_SORT,
    MLX_LOOK_PACE,   /* milliseconds between two drawings */
    MLX_LOOK_WINDOW, /* seconds that a plot shows; 0: one for each column of dots */
    MLX_LOOK_UNITS,
    MLX_LOOK_CHOICES
} mlx_look_choice_t;

/*  The name of what LOOK has chosen, and its number for those that are numbers. */
const char *mlx_top_look_name(const mlx_top_look_t *look, mlx_look_choice_t choice);
int mlx_top_look_number(const mlx_top_look_t *look, mlx_look_choice_t choice);

/*  Take the next choice (BY 1), or the one before (-1): around, but not for the pace. */
void mlx_top_look_turn(mlx_top_look_t *look, mlx_look_choice_t choice, int by);

/*  0 also when there is no file; -1 with ERR and LOOK unchanged: it is not what we write. */
int mlx_top_look_load(mlx_top_look_t *look, const char *path, mlx_error_t *err);

/*  0, or -1 with ERR. */
int mlx_top_look_save(const mlx_top_look_t *look, const char *path, mlx_error_t *err);

#endif
