/*  bench_sweep.h - a sweep for people: speed against context depth, or against clients at once
 *
 *  Pure functions of a bench.result that has "points".
 */
#ifndef MLX_TOOLS_MLXCTL_BENCH_SWEEP_H
#define MLX_TOOLS_MLXCTL_BENCH_SWEEP_H

#include "common/cli/term.h"
#include "proto/buf.h"
#include "proto/value.h"

/*  RESULT is of a sweep. */
bool mlx_bench_is_sweep(const mlx_value_t *result);

/*  Its table, and below it a plot, no wider than the terminal. */
void mlx_bench_sweep_text(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out);

/*  Its table in Markdown. */
void mlx_bench_sweep_markdown(const mlx_value_t *result, mlx_buf_t *out);

/*  Its plot as SVG, with the intervals, and its table, for a page. */
void mlx_bench_sweep_html(const mlx_value_t *result, mlx_buf_t *out);

#endif
