/*  bench_html.h - benchmark results as one HTML page: no script, no outside file, nothing to load
 *
 *      mlx_bench_html(results, &out);          a list of maps of bench.result, or of one
 */
#ifndef MLX_TOOLS_MLXCTL_BENCH_HTML_H
#define MLX_TOOLS_MLXCTL_BENCH_HTML_H

#include "proto/buf.h"
#include "proto/value.h"

/*  All text is escaped: a model's name is outside input. */
void mlx_bench_html(const mlx_value_t *results, mlx_buf_t *out);

#endif
