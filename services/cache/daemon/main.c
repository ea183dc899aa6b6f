/*  mlx-cached: watches the model stores, publishes cache.status, carries out the cache's
 *  commands */
#include "cached.h"

#include "common/base/paths.h"
#include "common/bus/service.h"

#include <stdlib.h>

enum {
    REFRESH_MS = 5000 /* the period of cache.status in the catalogue */
};

typedef struct {
    mlx_service_t *service;
    mlx_cached_t *cached;
    mlx_value_t *status; /* the newest; NULL before the first scan has ended */
    mlx_timer_t *refresh;
} state_t;

static const char *variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void on_status(void *arg, const mlx_value_t *status)
{
    state_t *self = arg;
    mlx_value_destroy(&self->status);
    self->status = mlx_value_copy(status);
    mlx_bus_publish_changed(mlx_service_bus(self->service), "cache.status", status);
}

/*  The stores are watched: what was seen last holds until something else is seen. */
static void on_refresh(void *arg)
{
    const state_t *self = arg;
    if (self->status)
        mlx_bus_publish_changed(mlx_service_bus(self->service), "cache.status", self->status);
}

static void on_progress(void *arg, const mlx_value_t *progress)
{
    const state_t *self = arg;
    mlx_bus_publish(mlx_service_bus(self->service), "cache.progress", progress);
}

static void on_problem(void *arg, const mlx_error_t *err)
{
    const state_t *self = arg;
    mlx_service_error(self->service, "scan", "%s", err->text);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    const mlx_config_t *config = mlx_service_config(service);
    state_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->service = service;
    const char *chosen = mlx_config_str(config, "cache.dir");
    MLX_CLEANUP(mlx_free_p)
    char *home = chosen ? mlx_paths_expand(NULL, chosen, err) : mlx_paths_cache_dir(NULL, err);
    if (!home)
        return -1;
    self->cached = mlx_cached_new(
        &(mlx_cached_options_t){
            .loop = mlx_service_loop(service),
            .home = home,
            .env = {.get = variable},
            .streams = (unsigned)mlx_config_int(config, "cache.streams"),
            .watch = mlx_config_bool(config, "cache.watch"),
            .status = on_status,
            .progress = on_progress,
            .problem = on_problem,
            .arg = self,
        },
        err);
    if (!self->cached)
        return -1;
    self->refresh = mlx_loop_every(mlx_service_loop(service), REFRESH_MS, on_refresh, self);
    return 0;
}

static void stop(void **state)
{
    state_t *self = *state;
    *state = NULL;
    if (!self)
        return;
    mlx_loop_cancel(mlx_service_loop(self->service), &self->refresh);
    mlx_cached_destroy(&self->cached);
    mlx_value_destroy(&self->status);
    free(self);
}

static void on_end(void *arg, const mlx_value_t *report, const mlx_error_t *err)
{
    mlx_request_t *request = arg;
    if (report)
        mlx_request_done(&request, report);
    else
        mlx_request_error(&request, err);
}

static void serve(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    const state_t *self = arg;
    mlx_error_t err = {0};
    if (mlx_cached_command(self->cached, cmd, args, on_end, request, &err))
        mlx_request_error(&request, &err);
}

static void cancel(void *arg, mlx_request_t *request)
{
    const state_t *self = arg;
    mlx_cached_cancel(self->cached, request);
}

int main(int argc, char **argv)
{
    static const mlx_service_spec_t spec = {
        .name = "cache",
        .program = "mlx-cached", /* mlx-cache is the command line */
        .summary = "share one verified copy of every model among all apps",
        .start = start,
        .stop = stop,
        .serve = serve,
        .cancel = cancel,
    };
    return mlx_service_main(argc, argv, &spec);
}
