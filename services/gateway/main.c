/*  mlx-gateway: metrics and the dashboard page over HTTP. */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "common/agent/token.h"
#include "common/bus/service.h"
#include "common/os/os.h"

enum {
    SETTLED_MS = 5000
};

/*  Start-up sets up a TLS library, for one, that no one uses here. */
static void on_settled(void *arg)
{
    (void)arg;
    mlx_os_trim();
}

typedef struct {
    mlx_service_t *service;
    mlx_otlp_settings_t otlp;
    char *token;
    mlx_gateway_t *gateway;
} state_t;

static void on_otlp_trouble(void *arg, const char *text)
{
    mlx_service_t *service = arg;
    if (text)
        mlx_service_error(service, "OTLP export", "%s", text);
    mlx_service_degraded(service, text);
}

/*  1, 0 when nothing is to be exported, or -1 with ERR. */
static int read_otlp(state_t *state, const char *host, mlx_error_t *err)
{
    mlx_service_t *service = state->service;
    int on = mlx_otlp_settings_read(&state->otlp, mlx_service_config(service), NULL, host, err);
    for (size_t i = 0; on > 0 && i < MLX_OTLP_SIGNALS; i++)
        if (state->otlp.of[i].url)
            mlx_service_info(service, "exporting to %s", state->otlp.of[i].url);
    if (on > 0 && state->otlp.json_only)
        mlx_service_info(service, "OTEL_EXPORTER_OTLP_PROTOCOL is ignored: only http/json is sent");
    return on;
}

static int read_token(state_t *state, mlx_error_t *err)
{
    if (strcmp(mlx_config_str(mlx_service_config(state->service), "gateway.mcp"), "off") == 0)
        return 0;
    state->token = mlx_mcp_token(NULL, err);
    return state->token ? 0 : -1;
}

static int start(mlx_service_t *service, void **state_p, mlx_error_t *err)
{
    const mlx_config_t *config = mlx_service_config(service);
    const char *name = mlx_bus_host(mlx_service_bus(service));
    state_t *state = *state_p = mlx_alloc(1, sizeof *state);
    state->service = service;
    int exports = read_otlp(state, name, err);
    if (exports < 0 || read_token(state, err))
        return -1;
    state->gateway = mlx_gateway_new(
        &(mlx_gateway_options_t){
            .loop = mlx_service_loop(service),
            .bus = mlx_service_bus(service),
            .listen = mlx_config_str(config, "gateway.listen"),
            .name = name,
            .vllm_names = mlx_config_bool(config, "gateway.vllm_names"),
            .mcp_token = state->token,
            .mcp_changes = strcmp(mlx_config_str(config, "gateway.mcp"), "changes") == 0,
            .otlp = exports ? &state->otlp : NULL,
            .otlp_trouble = on_otlp_trouble,
            .otlp_arg = service,
        },
        err);
    if (!state->gateway)
        return -1;
    mlx_service_info(
        service, "listening on http://%s/%s", mlx_gateway_address(state->gateway),
        mlx_gateway_open(state->gateway) ? ", readable from every machine on the network" : "");
    mlx_loop_after(mlx_service_loop(service), SETTLED_MS, on_settled, NULL);
    return 0;
}

static void stop(void **state_p)
{
    state_t *state = *state_p;
    if (!state)
        return;
    mlx_gateway_destroy(&state->gateway);
    mlx_otlp_settings_clear(&state->otlp);
    free(state->token);
    mlx_free_p(state_p);
}

int main(int argc, char **argv)
{
    static const mlx_service_spec_t spec = {
        .name = "gateway",
        .summary = "metrics for Prometheus and the dashboard page",
        .start = start,
        .stop = stop,
    };
    return mlx_service_main(argc, argv, &spec);
}
