/*  mlx-gateway: metrics and the dashboard page over HTTP. */
#include "gateway.h"

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

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    const char *name = mlx_bus_host(mlx_service_bus(service));
    mlx_gateway_t *gateway = *state = mlx_gateway_new(
        &(mlx_gateway_options_t){
            .loop = mlx_service_loop(service),
            .bus = mlx_service_bus(service),
            .listen = mlx_config_str(mlx_service_config(service), "gateway.listen"),
            .name = name,
            .vllm_names = mlx_config_bool(mlx_service_config(service), "gateway.vllm_names"),
        },
        err);
    if (!gateway)
        return -1;
    mlx_service_info(service, "listening on http://%s/%s", mlx_gateway_address(gateway),
                     mlx_gateway_open(gateway) ? ", readable from every machine on the network"
                                               : "");
    mlx_loop_after(mlx_service_loop(service), SETTLED_MS, on_settled, NULL);
    return 0;
}

static void stop(void **state)
{
    mlx_gateway_t *gateway = *state;
    mlx_gateway_destroy(&gateway);
    *state = NULL;
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
