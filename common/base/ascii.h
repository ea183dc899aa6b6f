/*  ascii.h - our own texts for terminals whose locale has no UTF-8
 *
 *  Degrees, dots and ellipses become what people write without them ("48 C"); what has no such
 *  spelling becomes "?". Where the locale has UTF-8 the text stays as it is.
 *
 *      MLX_CLEANUP(mlx_free_p) char *fit = mlx_ascii_fit(text);
 *      fputs(fit, stdout);
 */
#ifndef MLX_COMMON_BASE_ASCII_H
#define MLX_COMMON_BASE_ASCII_H

#include "proto/base.h"

/*  TEXT as the locale (LC_CTYPE) can show it. Caller owns it and must free it. */
char *mlx_ascii_fit(const char *text);

/*  TEXT in ASCII, whatever the locale. Caller owns it and must free it. */
char *mlx_ascii(const char *text);

#endif
