/*  top_theme.h - the colours of `mlxctl top`
 *
 *  A theme says for each ink a colour and attributes. "terminal" takes what the terminal itself
 *  calls red or green, on its own background; "mono" has no colour at all. The others bring their
 *  background: as they are meant with 256 colours and more, as near as possible with eight.
 */
#ifndef MLX_TOOLS_MLXCTL_TOP_THEME_H
#define MLX_TOOLS_MLXCTL_TOP_THEME_H

#include "canvas.h"

enum {
    MLX_THEME_BOLD = 1,
    MLX_THEME_DIM = 2,
    MLX_THEME_REVERSE = 4,
};

/*  Colours are numbers for the terminal, -1: its own. */
typedef struct {
    int fore, back;
    unsigned attributes;
} mlx_theme_ink_t;

/*  The ink INK of theme THEME (an index, see top_look.h) on a terminal with COLOURS colours: 0 (or
 *  without NO_COLOR's consent), 8, 256, or 2^24, where a colour is its 0xRRGGBB. */
mlx_theme_ink_t mlx_theme_ink(int theme, mlx_ink_t ink, int colours);

#endif
