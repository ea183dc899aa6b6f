/*  mlx-recorder: the daemon around recorder.h */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "alert_routes.h"
#include "common/base/clock.h"
#include "common/base/paths.h"
#include "common/bus/service.h"
#include "recorder.h"

enum {
    LOOK_MS = 2000,     /* after the database: whoever removes it is noticed within 5 s */
    REPORT_MS = 5000,   /* the period of history.status in the catalogue */
    SHRINK_PAUSE_MS = 2 /* between the parts of history.vacuum: others have their turn */
};

typedef struct {
    mlx_service_t *service;
    mlx_recorder_t *recorder;
    mlx_alert_routes_t *routes;
    mlx_timer_t *tick;
    mlx_timer_t *look;
    mlx_timer_t *report;   /* where flushes are farther apart */
    mlx_request_t *vacuum; /* the one under way, or NULL */
    mlx_timer_t *vacuum_step;
    int64_t vacuum_before;
} state_t;

static void publish(void *arg, const char *topic, const mlx_value_t *d)
{
    state_t *self = arg;
    mlx_bus_publish(mlx_service_bus(self->service), topic, d);
}

static void notify(void *arg, const char *topic, const mlx_value_t *d)
{
    state_t *self = arg;
    mlx_alert_routes_send(self->routes, strchr(topic, '.') + 1,
                          mlx_bus_host(mlx_service_bus(self->service)), d);
}

static void problem(void *arg, const char *kind, const char *text)
{
    state_t *self = arg;
    mlx_service_error(self->service, kind, "%s", text);
}

static void health(void *arg, const char *reason)
{
    state_t *self = arg;
    mlx_service_degraded(self->service, reason);
}

static void on_message(void *arg, const mlx_message_t *message)
{
    state_t *self = arg;
    mlx_recorder_message(self->recorder, message);
}

static void on_tick(void *arg)
{
    state_t *self = arg;
    mlx_recorder_tick(self->recorder);
    mlx_recorder_report(self->recorder);
}

static void on_look(void *arg)
{
    const state_t *self = arg;
    if (!self->vacuum)
        mlx_recorder_check_place(self->recorder);
}

static void on_report(void *arg)
{
    const state_t *self = arg;
    mlx_recorder_report(self->recorder);
}

static void vacuum_done(state_t *self, int64_t after)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    mlx_value_set_int(result, "before", self->vacuum_before);
    mlx_value_set_int(result, "after", after);
    mlx_request_done(&self->vacuum, result);
}

static void vacuum_step(void *arg)
{
    state_t *self = arg;
    mlx_error_t err = {0};
    int64_t bytes;
    bool more;
    self->vacuum_step = NULL;
    if (mlx_recorder_shrink(self->recorder, &bytes, &more, &err))
        mlx_request_error(&self->vacuum, &err);
    else if (more)
        self->vacuum_step =
            mlx_loop_after(mlx_service_loop(self->service), SHRINK_PAUSE_MS, vacuum_step, self);
    else
        vacuum_done(self, bytes);
}

static void begin_vacuum(state_t *self, mlx_request_t *request)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *info = mlx_recorder_answer(self->recorder, "history.info", NULL, &err);
    if (self->vacuum)
        mlx_error_set(&err, MLX_ERR_BUSY, "a vacuum is already running");
    if (!info || self->vacuum) {
        mlx_request_error(&request, &err);
        return;
    }
    mlx_value_int(info, "bytes", &self->vacuum_before);
    self->vacuum = request;
    vacuum_step(self);
}

static void serve(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    state_t *self = arg;
    mlx_error_t err = {0};
    if (strcmp(cmd, "history.vacuum") == 0) {
        begin_vacuum(self, request);
        return;
    }
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *result = mlx_recorder_answer(self->recorder, cmd, args, &err);
    if (result)
        mlx_request_done(&request, result);
    else
        mlx_request_error(&request, &err);
}

static void cancel(void *arg, mlx_request_t *request)
{
    state_t *self = arg;
    mlx_error_t err = {0};
    if (request != self->vacuum)
        return;
    mlx_loop_cancel(mlx_service_loop(self->service), &self->vacuum_step);
    mlx_error_set(&err, MLX_ERR_INTERRUPTED, "cancelled");
    mlx_request_error(&self->vacuum, &err);
}

static char *database_path(const mlx_config_t *config, mlx_error_t *err)
{
    const char *path = mlx_config_str(config, "recorder.path");
    if (path)
        return mlx_paths_expand(NULL, path, err);
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_paths_state_dir(NULL, err);
    return dir ? mlx_format("%s/history.db", dir) : NULL;
}

/*  Of a setting that may be missing. */
static double real_or_nan(const mlx_config_t *config, const char *key)
{
    double value = NAN;
    mlx_value_as_real(mlx_config_value(config, key), &value);
    return value;
}

static mlx_energy_prices_t prices_of(const mlx_config_t *config)
{
    return (mlx_energy_prices_t){.price = real_or_nan(config, "energy.price"),
                                 .tariffs = mlx_config_value(config, "energy.tariffs"),
                                 .co2 = real_or_nan(config, "energy.co2"),
                                 .currency = mlx_config_str(config, "energy.currency")};
}

/*  Of what generates on the GPU, where the driver is not part of the system. */
static void read_driver(char *out, size_t size)
{
    char version[48] = "";
    FILE *file = fopen("/sys/module/nvidia/version", "re");
    if (file && fscanf(file, "%47s", version) != 1)
        version[0] = '\0';
    if (file)
        fclose(file);
    snprintf(out, size, version[0] ? "nvidia %s" : "%s", version);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    const mlx_config_t *config = mlx_service_config(service);
    state_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->service = service;
    /* A limit on the size of files shall fail a write as a full disk does, not end the process. */
    signal(SIGXFSZ, SIG_IGN);
    MLX_CLEANUP(mlx_free_p) char *path = database_path(config, err);
    if (!path || mlx_energy_check_tariffs(mlx_config_value(config, "energy.tariffs"), err))
        return -1;
    struct utsname system = {0};
    char driver[64], release[sizeof system.sysname + sizeof system.release + 2];
    uname(&system);
    snprintf(release, sizeof release, "%s %s", system.sysname, system.release);
    read_driver(driver, sizeof driver);
    mlx_recorder_options_t options = {
        .history = {.path = path,
                    .raw_hours = mlx_config_int(config, "recorder.raw_hours"),
                    .minute_days = mlx_config_int(config, "recorder.minute_days")},
        .request_days = mlx_config_int(config, "recorder.request_days"),
        .energy_days = mlx_config_int(config, "recorder.energy_days"),
        .prices = prices_of(config),
        .rules = mlx_config_value(config, "alert.rules"),
        .system = release,
        .driver = driver,
        .host = mlx_bus_host(mlx_service_bus(service)),
        .wall_us = mlx_wall_us,
        .publish = publish,
        .notify = notify,
        .problem = problem,
        .health = health,
        .arg = self,
    };
    self->routes = mlx_alert_routes_new(
        mlx_service_loop(service), mlx_config_value(config, "alert.routes"), problem, self, err);
    if (!self->routes)
        return -1;
    self->recorder = mlx_recorder_new(&options, err);
    if (!self->recorder)
        return -1;
    int64_t period = (int64_t)(mlx_config_real(config, "recorder.flush_s") * 1000);
    self->tick = mlx_loop_every(mlx_service_loop(service), period, on_tick, self);
    self->look = mlx_loop_every(mlx_service_loop(service), LOOK_MS, on_look, self);
    if (period > REPORT_MS)
        self->report = mlx_loop_every(mlx_service_loop(service), REPORT_MS, on_report, self);
    mlx_bus_subscribe(mlx_service_bus(service), "", on_message, self);
    return 0;
}

static void stop(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    if (self->vacuum)
        cancel(self, self->vacuum);
    mlx_loop_cancel(mlx_service_loop(self->service), &self->tick);
    mlx_loop_cancel(mlx_service_loop(self->service), &self->look);
    mlx_loop_cancel(mlx_service_loop(self->service), &self->report);
    mlx_recorder_destroy(&self->recorder);
    mlx_alert_routes_destroy(&self->routes);
    free(self);
    *state = NULL;
}

int main(int argc, char **argv)
{
    static const mlx_service_spec_t spec = {
        .name = "recorder",
        .summary = "keep history in a database, watch the alarm rules",
        .start = start,
        .stop = stop,
        .serve = serve,
        .cancel = cancel,
    };
    return mlx_service_main(argc, argv, &spec);
}
