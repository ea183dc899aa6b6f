/*  otlp_body.h - what is exported, as OTLP's JSON (opentelemetry-proto, docs/specification.md)
 *
 *  Numbers of 64 bits are texts, ids are hexadecimal, enumerations numbers. Names come from
 *  proto/otel.c and proto/measures.c. No prompt, reply, client or path is ever in it.
 *
 *      MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body =
 *          mlx_otlp_metrics_body(resource, overview, stats, mlx_wall_us());
 */
#ifndef MLX_GATEWAY_OTLP_BODY_H
#define MLX_GATEWAY_OTLP_BODY_H

#include "common/view/overview.h"
#include "request_stats.h"

/*  The readings of the overview's own host that are not stale, and the histograms of its requests.
 *  Caller owns it. */
mlx_value_t *mlx_otlp_metrics_body(const mlx_value_t *resource, const mlx_overview_t *overview,
                                   const mlx_request_stats_t *stats, int64_t now_us);

/*  The request in MESSAGE as a span; OVERVIEW knows where its runtime is. NULL: it does not say
 *  when it was. Caller owns it. */
mlx_value_t *mlx_otlp_span(const mlx_message_t *message, const mlx_overview_t *overview);

/*  Append the body that holds SPANS, COUNT texts of such spans, to OUT. */
void mlx_otlp_traces_body(const mlx_value_t *resource, char *const *spans, size_t count,
                          mlx_buf_t *out);

/*  How many data points a body of metrics has. */
size_t mlx_otlp_points(const mlx_value_t *body);

#endif
