/*  gateway.h - the bus for those who speak HTTP: metrics, JSON, live events, the dashboard page
 *
 *  path             answer
 *  /                the dashboard page (and its files)
 *  /metrics         what the bus says now, for Prometheus (openmetrics.h), and the requests that
 *                   ended, as histograms (request_metrics.h)
 *  /api/status      the same tree as `mlxctl status --json`
 *  /api/events      server-sent events: what is new (events.h); a comment every 5 s keeps it alive
 *  /api/history     ?series=S[&since=T][&until=T][&points=N]: points of one series (range.h)
 *  /api/series      names of all series
 *  /api/benchmarks  benchmark results, the newest first
 *  /api/cache       the newest cache.status
 *  /mcp             POST: the Model Context Protocol, where it is turned on (mcp_http.h)
 *
 *  History and benchmarks come from the recorder. An error is {"error": {code, message, hint}}.
 *
 *      mlx_gateway_t *gateway = mlx_gateway_new(&(mlx_gateway_options_t){.loop = loop, .bus = bus,
 *          .listen = "127.0.0.1:11490"}, &err);
 */
#ifndef MLX_GATEWAY_GATEWAY_H
#define MLX_GATEWAY_GATEWAY_H

#include "common/bus/bus.h"
#include "otlp.h"

typedef struct mlx_gateway mlx_gateway_t;

typedef struct {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    const char *listen; /* see mlx_httpd_options_t */
    const char *name;   /* of this machine, as others reach it; may be NULL */
    bool vllm_names;    /* /metrics has the names of vLLM too */

    const char *mcp_token; /* what a client of /mcp must present; NULL: no MCP */
    bool mcp_changes;      /* with the tools that change something */

    /*  What to export to an OpenTelemetry collector (otlp.h), borrowed; NULL: nothing. */
    const mlx_otlp_settings_t *otlp;
    mlx_otlp_trouble_fn otlp_trouble;
    void *otlp_arg;
} mlx_gateway_options_t;

/*  NULL with ERR: usage or busy; see mlx_httpd_new. */
mlx_gateway_t *mlx_gateway_new(const mlx_gateway_options_t *options, mlx_error_t *err);
void mlx_gateway_destroy(mlx_gateway_t **self);

/*  "127.0.0.1:11490": where it listens. Borrowed. */
const char *mlx_gateway_address(const mlx_gateway_t *self);

/*  Other machines can reach it. */
bool mlx_gateway_open(const mlx_gateway_t *self);

#endif
