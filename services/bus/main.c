/*  mlx-bus: the broker as a service. It is its own first client: health and commands go through the
 *  same sockets as everyone's. */
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "common/bus/keys.h"
#include "common/bus/service.h"

static const char GONE[] = "the process is gone";

enum {
    LOOK_MS = 2000,
    TELL_DOWN_MS = 2000 /* the period of service.<name>.health in the catalogue */
};

typedef struct {
    mlx_service_t *service;
    mlx_broker_t *broker;
    mlx_timer_t *tell_down;
    mlx_timer_t *look;
    const char **tcp; /* ends with NULL; the strings belong to the config */
    mlx_peer_t *peers;
    char *keys_dir;
} state_t;

static void on_refused(void *arg, const char *kind, const char *text)
{
    const state_t *self = arg;
    mlx_service_error(self->service, kind, "%s", text);
}

static char *health_topic(const char *name)
{
    return mlx_format("service.%s.health", name);
}

static mlx_value_t *down_because(const char *reason)
{
    mlx_value_t *health = mlx_value_map();
    mlx_value_set_str(health, "state", "down");
    mlx_value_set_str(health, "reason", reason);
    return health;
}

/*  A service that died cannot say so itself. */
static void on_presence(void *arg, const char *name, bool up)
{
    const state_t *self = arg;
    if (strcmp(name, "bus") == 0)
        return;
    mlx_service_info(self->service, "%s %s", name, up ? "is here" : "is gone");
    if (up)
        return;
    MLX_CLEANUP(mlx_free_p) char *topic = health_topic(name);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *health = down_because(GONE);
    mlx_bus_publish(mlx_service_bus(self->service), topic, health);
}

static void on_forgotten(void *arg, const char *name)
{
    const state_t *self = arg;
    MLX_CLEANUP(mlx_free_p) char *topic = health_topic(name);
    mlx_bus_forget(mlx_service_bus(self->service), topic);
}

/*  Nor can one that hangs; and what is said once only would look like the past. */
static void tell_all_down(void *arg)
{
    const state_t *self = arg;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_broker_services(self->broker);
    const mlx_value_t *list = mlx_value_get(all, "services");
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *service = mlx_value_at(list, i);
        bool connected = false, answers = false;
        mlx_value_bool(service, "connected", &connected);
        mlx_value_bool(service, "answers", &answers);
        if (answers)
            continue;
        MLX_CLEANUP(mlx_free_p) char *topic = health_topic(mlx_value_str(service, "name"));
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *health = down_because(connected ? "it does not answer" : GONE);
        mlx_bus_publish_changed(mlx_service_bus(self->service), topic, health);
    }
}

/*  A broker that nobody can find is useless: its manager starts another. */
static void on_look(void *arg)
{
    const state_t *self = arg;
    mlx_error_t err = {0};
    if (mlx_broker_in_place(self->broker, &err))
        mlx_service_fail(self->service, &err);
}

static void stop(void **state)
{
    state_t *self = *state;
    if (self) {
        mlx_loop_cancel(mlx_service_loop(self->service), &self->tell_down);
        mlx_loop_cancel(mlx_service_loop(self->service), &self->look);
        mlx_broker_destroy(&self->broker);
        free(self->tcp);
        free(self->peers);
        free(self->keys_dir);
    }
    mlx_free_p(state);
}

static void read_network(state_t *self, const mlx_config_t *config, mlx_broker_options_t *options)
{
    const mlx_value_t *tcp = mlx_config_value(config, "bus.tcp");
    const mlx_value_t *peers = mlx_config_value(config, "bus.peers");
    self->tcp = mlx_alloc(mlx_value_size(tcp) + 1, sizeof *self->tcp);
    self->peers = mlx_alloc(mlx_value_size(peers) + 1, sizeof *self->peers);
    for (size_t i = 0; i < mlx_value_size(tcp); i++)
        self->tcp[i] = mlx_value_as_str(mlx_value_at(tcp, i), NULL);
    for (size_t i = 0; i < mlx_value_size(peers); i++) {
        const mlx_value_t *peer = mlx_value_at(peers, i);
        self->peers[i] = (mlx_peer_t){.host = mlx_value_str(peer, "host"),
                                      .endpoint = mlx_value_str(peer, "endpoint"),
                                      .key = mlx_value_str(peer, "key")};
    }
    options->tcp = self->tcp;
    options->peers = self->peers;
    options->peer_count = mlx_value_size(peers);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    state_t *self = *state = mlx_alloc(1, sizeof *self);
    mlx_bus_t *bus = mlx_service_bus(service);
    self->service = service;
    const mlx_config_t *config = mlx_service_config(service);
    self->keys_dir = mlx_keys_dir(config, err);
    if (!self->keys_dir)
        return -1;
    mlx_broker_options_t options = {
        .run_dir = mlx_service_run_dir(service),
        .host = mlx_bus_host(bus),
        .boot = mlx_bus_boot(bus),
        .hwm = (size_t)mlx_config_int(config, "bus.hwm"),
        .retain_gone_ms = (int64_t)(mlx_config_real(config, "bus.retain_gone_s") * 1000),
        .retain_bytes = (size_t)mlx_config_int(config, "bus.retain_mb") << 20,
        .owner_bytes = (size_t)mlx_config_int(config, "bus.retain_source_mb") << 20,
        .queue_bytes = (size_t)mlx_config_int(config, "bus.queue_mb") << 20,
        .keys_dir = self->keys_dir,
        .on_presence = on_presence,
        .on_forgotten = on_forgotten,
        .on_refused = on_refused,
        .arg = self};
    read_network(self, config, &options);
    self->broker = mlx_broker_new(mlx_service_loop(service), &options, err);
    if (!self->broker)
        return -1;
    self->tell_down = mlx_loop_every(mlx_service_loop(service), TELL_DOWN_MS, tell_all_down, self);
    self->look = mlx_loop_every(mlx_service_loop(service), LOOK_MS, on_look, self);
    return 0;
}

static void serve(void *state, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    const state_t *self = state;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = NULL;
    if (strcmp(cmd, "bus.services") == 0) {
        result = mlx_broker_services(self->broker);
    } else if (strcmp(cmd, "bus.snapshot") == 0) {
        const char *prefix = mlx_value_str(args, "prefix");
        int64_t cursor = 0;
        mlx_value_int(args, "cursor", &cursor);
        result = mlx_broker_snapshot(self->broker, prefix ? prefix : "",
                                     cursor > 0 ? (uint64_t)cursor : 0);
    } else if (strcmp(cmd, "bus.keys") == 0) {
        result = mlx_value_map();
        mlx_value_set_int(result, "ended", (int64_t)mlx_broker_check_keys(self->broker));
    } else {
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "bus has no command \"%s\"", cmd);
        mlx_request_error(&request, &err);
        return;
    }
    mlx_request_done(&request, result);
}

static const mlx_service_spec_t spec = {
    .name = "bus",
    .summary = "the message bus of the MLX suite: last values, commands, peers",
    .start = start,
    .stop = stop,
    .serve = serve,
};

int main(int argc, char **argv)
{
    return mlx_service_main(argc, argv, &spec);
}
