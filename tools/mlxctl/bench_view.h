/*  bench_view.h - what `mlxctl bench` prints: pure functions from bench.result to text, CSV,
 *  Markdown
 */
#ifndef MLX_TOOLS_MLXCTL_BENCH_VIEW_H
#define MLX_TOOLS_MLXCTL_BENCH_VIEW_H

#include "bench_compare.h"
#include "proto/buf.h"
#include "proto/value.h"

/*  For people: each prompt, the summary, the conditions, what makes the figures doubtful. */
void mlx_bench_text(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out);

/*  RFC 4180: one line a prompt; the column names are the keys of the catalogue. */
void mlx_bench_csv(const mlx_value_t *result, mlx_buf_t *out);

void mlx_bench_markdown(const mlx_value_t *result, mlx_buf_t *out);

/*  One line for a terminal of COLUMNS: "tiny  prompt 3 of 10  [===>   ]  42.3 tok/s  12s left". */
void mlx_bench_progress_line(const mlx_value_t *progress, int columns, mlx_buf_t *out);

#endif
