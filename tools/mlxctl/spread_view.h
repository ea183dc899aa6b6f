/*  spread_view.h - how requests are spread as text: histogram, percentiles over time, CSV
 *
 *  Pure functions from the reply of requests.spread to text.
 */
#ifndef MLX_TOOLS_MLXCTL_SPREAD_VIEW_H
#define MLX_TOOLS_MLXCTL_SPREAD_VIEW_H

#include "common/cli/term.h"
#include "proto/buf.h"
#include "proto/value.h"

/*  A line of figures, then bars, one a bucket; neighbours share a bar where there are many. */
void mlx_spread_histogram(mlx_buf_t *out, const mlx_value_t *reply, const mlx_term_t *term);

/*  A row for each step that has requests. */
void mlx_spread_table(mlx_buf_t *out, const mlx_value_t *reply, const mlx_term_t *term);

/*  above,upto,count or, of PERCENTILES, time,count,min,p10,p50,p90,p95,p99,max. */
void mlx_spread_csv(mlx_buf_t *out, const mlx_value_t *reply, bool percentiles);

#endif
