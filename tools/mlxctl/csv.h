/*  csv.h - text in CSV, as RFC 4180 has it: in quotes, with quotes inside doubled */
#ifndef MLX_TOOLS_MLXCTL_CSV_H
#define MLX_TOOLS_MLXCTL_CSV_H

#include "proto/buf.h"

/*  Append TEXT in quotes, or in quotes only where it needs them. */
void mlx_csv_quoted(mlx_buf_t *out, const char *text);
void mlx_csv_text(mlx_buf_t *out, const char *text);

/*  The same of a name that comes from outside: what a spreadsheet would take for a formula is text
 *  there, with an apostrophe before it. */
void mlx_csv_foreign_quoted(mlx_buf_t *out, const char *text);
void mlx_csv_foreign_text(mlx_buf_t *out, const char *text);

#endif
