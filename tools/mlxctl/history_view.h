/*  history_view.h - one series over time as text: plot, CSV, JSON lines
 *
 *  Pure functions from the reply of history.query or history.export to text.
 */
#ifndef MLX_TOOLS_MLXCTL_HISTORY_VIEW_H
#define MLX_TOOLS_MLXCTL_HISTORY_VIEW_H

#include "proto/buf.h"
#include "proto/error.h"
#include "proto/value.h"

/*  How many points a plot COLUMNS wide has room for. */
int mlx_history_plot_points(int columns, bool utf8);

/*  A plot of REPLY, the result of history.query for SINCE..UNTIL (microseconds): heading, curve of
 *  the means with gaps, its scale, times at both ends. */
void mlx_history_plot(mlx_buf_t *out, const mlx_value_t *reply, int64_t since_us, int64_t until_us,
                      int columns, bool utf8);

/*  The points of a query: t,min,max,mean,count. */
void mlx_history_csv(mlx_buf_t *out, const mlx_value_t *reply);
void mlx_history_csv_heading(mlx_buf_t *out);

/*  Those of SINCE up to and with WHOLE (microseconds), as CSV or as JSON lines. Returns since when
 *  the others are. */
int64_t mlx_history_points(mlx_buf_t *out, const mlx_value_t *reply, int64_t since_us,
                           int64_t whole_us, bool json);

/*  The rows of an export piece, each with its series, as CSV or as JSON lines. The heading goes
 *  before the first piece. */
void mlx_history_rows(mlx_buf_t *out, const mlx_value_t *reply, bool json);
void mlx_history_rows_heading(mlx_buf_t *out, bool raw);

#endif
