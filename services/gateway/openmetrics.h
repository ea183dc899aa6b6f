/*  openmetrics.h - what the bus says now as text for Prometheus
 *
 *  Families, types, units and labels come from the catalogue; nothing is named here. A value that
 *  is stale, absent or no finite number has no sample, and a family without samples is not
 *  mentioned.
 *
 *      mlx_metrics_format_t format = mlx_openmetrics_negotiate(accept_header);
 *      mlx_openmetrics_write(overview, mlx_wall_us(), format, &body);
 *      mlx_openmetrics_end(&body);
 *
 *  Formats: OpenMetrics 1.0 (RFC-style specification at openmetrics.io), for those who ask for it
 *  as Prometheus does; else the Prometheus text format 0.0.4, which `promtool check metrics` reads
 *  and to which the lines UNIT and EOF are comments. They differ in two places: 0.0.4 gives a
 *  counter's metadata under its name with _total, and knows no type "info".
 */
#ifndef MLX_GATEWAY_OPENMETRICS_H
#define MLX_GATEWAY_OPENMETRICS_H

#include "common/base/clock.h"
#include "common/view/overview.h"
#include "proto/buf.h"

typedef enum {
    MLX_METRICS_TEXT,
    MLX_METRICS_OPENMETRICS,
} mlx_metrics_format_t;

/*  What an Accept header (may be NULL) asks for. */
mlx_metrics_format_t mlx_openmetrics_negotiate(const char *accept);

/*  The Content-Type of a format. Static storage. */
const char *mlx_openmetrics_type(mlx_metrics_format_t format);

/*  Append every family of every host heard. What is written in parts ends with mlx_openmetrics_end.
 */
void mlx_openmetrics_write(const mlx_overview_t *overview, int64_t now_us,
                           mlx_metrics_format_t format, mlx_buf_t *out);
void mlx_openmetrics_end(mlx_buf_t *out);

/*  Append NAME="TEXT" to the labels that OUT ends with, from "{" on, with a comma where one is due;
 *  TEXT, LEN bytes, comes from outside. */
void mlx_openmetrics_label(mlx_buf_t *out, const char *name, size_t name_len, const char *text,
                           size_t len);

#endif
