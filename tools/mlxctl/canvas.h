/*  canvas.h - a grid of styled characters that a view draws on, apart from any terminal
 *
 *  Views are pure functions from state and size to a canvas; top.c copies the canvas to the screen,
 *  tests read it as text. Everything drawn outside is clipped, so a view need not count columns.
 */
#ifndef MLX_TOOLS_MLXCTL_CANVAS_H
#define MLX_TOOLS_MLXCTL_CANVAS_H

#include <wchar.h>

#include "proto/base.h"
#include "proto/buf.h"

typedef enum {
    MLX_INK_NORMAL,
    MLX_INK_TITLE, /* the headline figure */
    MLX_INK_DIM,   /* labels, what is not available */
    MLX_INK_GOOD,
    MLX_INK_WARN,
    MLX_INK_BAD,
    MLX_INK_PLOT,
    MLX_INK_BAR,    /* key line at the bottom, table head */
    MLX_INK_FRAME,  /* around a box */
    MLX_INK_LABEL,  /* what a box is called */
    MLX_INK_SELECT, /* the row that keys act on */
    MLX_INK_LOAD,   /* the first of MLX_LOADS: from no load to full */
    MLX_INK_LOAD_LAST = MLX_INK_LOAD + 4,
    MLX_INKS,
} mlx_ink_t;

enum {
    MLX_LOADS = 5
};

typedef struct {
    wchar_t ch; /* 0: right half of a wide character */
    mlx_ink_t ink;
} mlx_cell_t;

typedef struct {
    int rows;
    int columns;
    mlx_cell_t *cells; /* rows * columns */
    bool utf8;         /* may hold more than ASCII */
} mlx_canvas_t;

/*  A part of a canvas. */
typedef struct {
    int row, column;
    int rows, columns;
} mlx_area_t;

/*  A blank canvas of at least 1 x 1. Caller owns it and must destroy it. */
mlx_canvas_t *mlx_canvas_new(int rows, int columns, bool utf8);
void mlx_canvas_destroy(mlx_canvas_t **self);

void mlx_canvas_put(mlx_canvas_t *self, int row, int column, wchar_t ch, mlx_ink_t ink);

/*  Write UTF-8 TEXT from COLUMN, at most WIDTH columns (cut with an ellipsis). Control characters
 *  and bytes that are not UTF-8 become '?': names come from outside. Returns the column behind it.
 */
int mlx_canvas_text(mlx_canvas_t *self, int row, int column, int width, mlx_ink_t ink,
                    const char *text);

/*  The same, formatted. */
int mlx_canvas_printf(mlx_canvas_t *self, int row, int column, int width, mlx_ink_t ink,
                      const char *fmt, ...) MLX_PRINTF(6, 7);

/*  Fill the rest of ROW with spaces in INK, from COLUMN. */
void mlx_canvas_fill(mlx_canvas_t *self, int row, int column, mlx_ink_t ink);

/*  The ink of a load of SHARE, 0 to 1. */
mlx_ink_t mlx_canvas_load(double share);

/*  A frame around AREA with TITLE in its upper edge. Returns what is within. */
mlx_area_t mlx_canvas_box(mlx_canvas_t *self, mlx_area_t area, const char *title);

/*  A bar of WIDTH columns that is full at SHARE 1, coloured by its load; DIM: without colour. NaN:
 *  an empty one. */
void mlx_canvas_meter(mlx_canvas_t *self, int row, int column, int width, double share, bool dim);

/*  The rows as UTF-8 lines without trailing blanks. */
void mlx_canvas_dump(const mlx_canvas_t *self, mlx_buf_t *out);

#endif
