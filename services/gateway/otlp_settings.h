/*  otlp_settings.h - where and how to export: otlp.* of the configuration and OpenTelemetry's own
 *  variables
 *
 *  OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _TIMEOUT, each also with METRICS_ or TRACES_ before
 *  the last word, which wins; OTEL_METRIC_EXPORT_INTERVAL, OTEL_BSP_SCHEDULE_DELAY,
 *  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES; OTEL_SDK_DISABLED, OTEL_METRICS_EXPORTER and
 *  OTEL_TRACES_EXPORTER turn it off. As everywhere the environment is stronger than the file, and
 *  flags than both.
 *
 *      mlx_otlp_settings_t settings;
 *      if (mlx_otlp_settings_read(&settings, config, NULL, "studio", &err) > 0) ...
 *      mlx_otlp_settings_clear(&settings);
 */
#ifndef MLX_GATEWAY_OTLP_SETTINGS_H
#define MLX_GATEWAY_OTLP_SETTINGS_H

#include "common/base/config.h"

typedef enum {
    MLX_OTLP_METRICS,
    MLX_OTLP_TRACES,
    MLX_OTLP_SIGNALS
} mlx_otlp_signal_t;

enum {
    MLX_OTLP_HEADERS_MAX = 32
};

typedef struct {
    char *url;                               /* NULL: off */
    char *headers[MLX_OTLP_HEADERS_MAX + 1]; /* "Name: value", then NULL */
    int64_t timeout_ms;
    int64_t interval_ms;
} mlx_otlp_target_t;

typedef struct {
    mlx_otlp_target_t of[MLX_OTLP_SIGNALS];
    mlx_value_t *resource; /* attributes: a map of texts */
    bool json_only;        /* another protocol was asked for, and is not spoken */
} mlx_otlp_settings_t;

/*  HOST: name of this machine. 1: something is to be exported; 0: nothing is; -1 with ERR (usage).
 *  SELF is to be cleared in each case. */
int mlx_otlp_settings_read(mlx_otlp_settings_t *self, const mlx_config_t *config,
                           const mlx_env_t *env, const char *host, mlx_error_t *err);
void mlx_otlp_settings_clear(mlx_otlp_settings_t *self);

#endif
