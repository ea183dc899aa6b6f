#include <stdlib.h>
#include <string.h>

#include "common/base/config.h"
#include "common/base/paths.h"
#include "common/bus/service.h"
#include "watcher.h"

typedef struct {
    mlx_service_t *service;
    mlx_watcher_t *watcher;
    mlx_fingerprint_t *prints;
} state_t;

static void publish(void *arg, const char *topic, const mlx_value_t *d)
{
    state_t *self = arg;
    mlx_bus_publish_changed(mlx_service_bus(self->service), topic, d);
}

/*  Of this machine only: its power is what its requests cost. */
static void on_sensor(void *arg, const mlx_message_t *message)
{
    state_t *self = arg;
    if (strcmp(message->host, mlx_bus_host(mlx_service_bus(self->service))) == 0)
        mlx_watcher_hear(self->watcher, message->topic, message->d);
}

/*  Without a salt keys are not told apart; the rest is of use all the same. */
static void open_prints(state_t *self)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_paths_state_dir(NULL, &err);
    MLX_CLEANUP(mlx_free_p) char *path = dir ? mlx_format("%s/request.salt", dir) : NULL;
    self->prints = path ? mlx_fingerprint_new(path, &err) : NULL;
    if (!self->prints)
        mlx_service_error(self->service, "salt", "API keys cannot be told apart: %s", err.text);
}

static void problem(void *arg, const char *kind, const char *text)
{
    state_t *self = arg;
    mlx_service_error(self->service, kind, "%s", text);
}

static void info(void *arg, const char *text)
{
    state_t *self = arg;
    mlx_service_info(self->service, "%s", text);
}

/*  A default that nobody chose gives way to what OLLAMA_HOST says. */
static const char *chosen(const mlx_config_t *config, const char *key)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_config_describe(config);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *setting = mlx_value_at(list, i);
        if (!strcmp(mlx_value_str(setting, "key"), key) &&
            !strcmp(mlx_value_str(setting, "source"), "default"))
            return NULL;
    }
    return mlx_config_str(config, key);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    const mlx_config_t *config = mlx_service_config(service);
    bool tap = mlx_config_bool(config, "watcher.tap");
    state_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->service = service;
    open_prints(self);
    self->watcher = mlx_watcher_new(
        &(mlx_watcher_options_t){
            .loop = mlx_service_loop(service),
            .runtimes = mlx_config_value(config, "watcher.runtimes"),
            .discover = mlx_config_bool(config, "watcher.discover"),
            .find = mlx_config_bool(config, "watcher.discover"),
            .ollama_host = getenv("OLLAMA_HOST"),
            .tap_listen = tap ? mlx_config_str(config, "watcher.tap_listen") : NULL,
            .tap_upstream = tap ? chosen(config, "watcher.tap_upstream") : NULL,
            .busy_ms = mlx_config_int(config, "watcher.poll_busy_ms"),
            .idle_ms = mlx_config_int(config, "watcher.poll_idle_ms"),
            .runner_probe = mlx_config_bool(config, "watcher.runner_probe"),
            .proc_root = "/proc",
            .prints = self->prints,
            .publish = publish,
            .problem = problem,
            .info = info,
            .arg = self,
        },
        err);
    if (!self->watcher)
        return -1;
    mlx_bus_subscribe(mlx_service_bus(service), "sensor.power", on_sensor, self);
    mlx_bus_subscribe(mlx_service_bus(service), "sensor.gpu.", on_sensor, self);
    return 0;
}

static void on_done(void *arg, const mlx_value_t *result, const mlx_error_t *err)
{
    mlx_request_t *request = arg;
    if (result)
        mlx_request_done(&request, result);
    else
        mlx_request_error(&request, err);
}

static void serve(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    const state_t *self = arg;
    mlx_error_t err = {0};
    if (strncmp(cmd, "model.", strlen("model.")) == 0) {
        mlx_watcher_control(self->watcher, cmd, args, on_done, request);
        return;
    }
    mlx_error_set(&err, MLX_ERR_USAGE, "no such command: %s", cmd);
    mlx_request_error(&request, &err);
}

static void stop(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_watcher_destroy(&self->watcher);
    mlx_fingerprint_destroy(&self->prints);
    free(self);
    *state = NULL;
}

int main(int argc, char **argv)
{
    static const mlx_service_spec_t spec = {
        .name = "watcher",
        .summary = "watch model runtimes: what is loaded and how fast it generates",
        .start = start,
        .stop = stop,
        .serve = serve,
    };
    return mlx_service_main(argc, argv, &spec);
}
