/*  requests_view.h - requests that have ended as text: a table, lines, CSV
 *
 *  Pure functions from the fields of requests.list and of runtime.<kind>.<endpoint>.request.
 */
#ifndef MLX_TOOLS_MLXCTL_REQUESTS_VIEW_H
#define MLX_TOOLS_MLXCTL_REQUESTS_VIEW_H

#include "common/cli/term.h"
#include "proto/buf.h"
#include "proto/value.h"

/*  A table of REQUESTS (a list, newest first), the newest last, and their sums below; ALL:
 *  with the machine of each. */
void mlx_requests_table(mlx_buf_t *out, const mlx_value_t *requests, bool all,
                        const mlx_term_t *term);

/*  One request as a line of the same figures. */
void mlx_requests_line(mlx_buf_t *out, const mlx_value_t *request);

/*  CSV by RFC 4180: every field of the catalogue a column, empty where it is not known. */
void mlx_requests_csv_heading(mlx_buf_t *out);
void mlx_requests_csv(mlx_buf_t *out, const mlx_value_t *request);

#endif
