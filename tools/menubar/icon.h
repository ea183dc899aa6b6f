/*  icon.h - the tray's picture: a disc in the level's colour with a few digits painted in
 *
 *  Themes have no icon of ours and some panels show no text beside an icon, so the number is in the
 *  picture itself.
 *
 *      MLX_CLEANUP(mlx_free_p) uint8_t *pixels = mlx_icon_draw(22, MLX_LEVEL_BUSY, "42");
 */
#ifndef MLX_TOOLS_MENUBAR_ICON_H
#define MLX_TOOLS_MENUBAR_ICON_H

#include "common/view/menu_view.h"

enum {
    MLX_ICON_MAX_SIZE = 256
};

/*  SIZE * SIZE pixels of four bytes: alpha, red, green, blue, row by row from the top (what
 *  StatusNotifierItem's IconPixmap calls ARGB32 in network byte order); colours are not multiplied
 *  by alpha. BADGE: digits, "k", ".", "-"; what the font does not have is left out. Caller owns the
 *  result and must free it. */
uint8_t *mlx_icon_draw(int size, mlx_level_t level, const char *badge);

#endif
