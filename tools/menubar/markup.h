/*  markup.h - text for places that read markup: Pango in waybar, HTML in tool tips and
 *  notifications
 *
 *      MLX_CLEANUP(mlx_free_p) char *safe = mlx_markup_escape(name);
 */
#ifndef MLX_TOOLS_MENUBAR_MARKUP_H
#define MLX_TOOLS_MENUBAR_MARKUP_H

/*  Copy of TEXT that reads as TEXT. Caller owns it and must free it. */
char *mlx_markup_escape(const char *text);

#endif
