/*  request_metrics.h - the histograms of requests as text for Prometheus
 *
 *  Families, boundaries and vLLM's names come from proto/measures.c. In OpenMetrics each bucket
 *  carries the newest request in it as an exemplar; the older format knows none.
 *
 *      mlx_request_metrics_write(stats, format, &body);
 *      mlx_request_metrics_vllm(stats, overview, now_us, format, &body);    if that is wanted
 */
#ifndef MLX_GATEWAY_REQUEST_METRICS_H
#define MLX_GATEWAY_REQUEST_METRICS_H

#include "openmetrics.h"
#include "request_stats.h"

void mlx_request_metrics_write(const mlx_request_stats_t *stats, mlx_metrics_format_t format,
                               mlx_buf_t *out);

/*  The same under the names and labels of vLLM (model_name, engine), with the totals and the gauge
 *  of running requests that its dashboards show. What is unknown is absent: the KV cache,
 *  preemptions, requests that wait. */
void mlx_request_metrics_vllm(const mlx_request_stats_t *stats, const mlx_overview_t *overview,
                              int64_t now_us, mlx_metrics_format_t format, mlx_buf_t *out);

#endif
