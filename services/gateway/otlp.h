/*  otlp.h - export to an OpenTelemetry collector: OTLP over HTTP, as JSON
 *
 *  Metrics go out at an interval, one span for each request in batches. What the receiver cannot
 *  take now (429, 502, 503, 504, or it is away) is sent again, after what Retry-After says or after
 *  a time that doubles up to a minute; what it refuses is dropped and counted. Metrics are
 *  cumulative, so that only the newest wait; at most 2048 spans do, and newer ones are dropped.
 *
 *      mlx_otlp_t *otlp = mlx_otlp_new(&(mlx_otlp_options_t){.loop = loop, .settings = &settings,
 *          .overview = overview, .requests = stats});
 *      mlx_otlp_hear(otlp, message);           for each message of the bus
 */
#ifndef MLX_GATEWAY_OTLP_H
#define MLX_GATEWAY_OTLP_H

#include "common/bus/loop.h"
#include "common/view/overview.h"
#include "otlp_settings.h"
#include "request_stats.h"

typedef struct mlx_otlp mlx_otlp_t;

/*  TEXT: what does not work, for a person, with what was dropped so far; NULL: it works again. */
typedef void (*mlx_otlp_trouble_fn)(void *arg, const char *text);

/*  What it points to is borrowed and outlives the exporter. */
typedef struct {
    mlx_loop_t *loop;
    const mlx_otlp_settings_t *settings;
    const mlx_overview_t *overview;
    const mlx_request_stats_t *requests;
    mlx_otlp_trouble_fn trouble; /* may be NULL */
    void *arg;
} mlx_otlp_options_t;

mlx_otlp_t *mlx_otlp_new(const mlx_otlp_options_t *options);

/*  What is under way is not waited for. */
void mlx_otlp_destroy(mlx_otlp_t **self);

void mlx_otlp_hear(mlx_otlp_t *self, const mlx_message_t *message);

#endif
