/*  table.h - aligned tables for people: in a box on a UTF-8 terminal, in plain columns elsewhere
 *
 *      mlx_table_t *table = mlx_table_new("MLX Cache Status");
 *      mlx_table_column(table, "Model", MLX_ALIGN_LEFT);
 *      mlx_table_column(table, "Size", MLX_ALIGN_RIGHT);
 *      mlx_table_row(table, (const char *[]){"deepseek-r1:14b", "9.0 GB"});
 *      mlx_table_write(table, &term, &out);
 *      mlx_table_destroy(&table);
 *
 *  Cells are cleaned for the terminal. On a terminal, a table that is too wide loses the end of its
 *  widest cells, and where that is not enough each row becomes lines of its own; elsewhere nothing
 *  is cut.
 */
#ifndef MLX_COMMON_CLI_TABLE_H
#define MLX_COMMON_CLI_TABLE_H

#include "common/cli/term.h"
#include "proto/buf.h"

typedef struct mlx_table mlx_table_t;

typedef enum {
    MLX_ALIGN_LEFT,
    MLX_ALIGN_RIGHT,
} mlx_align_t;

/*  TITLE (may be NULL) stands on top of the box; a plain table has none. */
mlx_table_t *mlx_table_new(const char *title);
void mlx_table_destroy(mlx_table_t **self);

/*  Declare the columns before the first row. */
void mlx_table_column(mlx_table_t *self, const char *heading, mlx_align_t align);

/*  One cell per column; NULL is an empty one. Copied. */
void mlx_table_row(mlx_table_t *self, const char *const *cells);

/*  A line below the rows, over the whole width. Copied. */
void mlx_table_footer(mlx_table_t *self, const char *text);

void mlx_table_write(const mlx_table_t *self, const mlx_term_t *term, mlx_buf_t *out);

#endif
