#include "common/bus/service.h"
#include "common/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "common/bus/config_watch.h"
#include "common/bus/service_notify.h"
#include "common/cli/args.h"
#include "common/os/os.h"
#include "proto/utf8.h"

enum {
    HEALTH_MS = 2000,           /* the period of service.<name>.health in the catalogue */
    ERROR_MAX_CHARACTERS = 500, /* it may quote what came from outside */
    MEMORY_EVERY = 5,           /* healths; reading it costs as much as the rest together */
    TRIM_BYTES = 8 << 20,       /* growth after which unused memory is given back */
    TRIM_WAITS = 63,            /* readings at most between two tries in vain */
    OPEN_FILES = 8192
};

struct mlx_service {
    const mlx_service_spec_t *spec;
    void *state;
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    mlx_config_t *config;
    mlx_log_t *log;
    char *run_dir;
    char *health_topic;
    char *degraded; /* reason, or NULL */
    mlx_config_watch_t *watch;
    const mlx_args_t *args;
    char *last_error;
    int64_t errors;
    int64_t started_us;
    mlx_timer_t *health_timer;
    unsigned healths;
    uint64_t memory;           /* bytes, as last read; 0: not known */
    uint64_t least;            /* bytes, the least ever; 0: not known */
    uint64_t trimmed;          /* bytes, after unused memory was given back last */
    int trim_wait, trim_waits; /* readings until that is tried again */
    int status;
};

/*  What a flood took is free again after it, but stays with malloc until it is asked for it. */
static void read_memory(mlx_service_t *self)
{
    uint64_t before;
    self->memory = 0;
    if (mlx_os_footprint(&self->memory, NULL))
        return;
    if (!self->least || self->memory < self->least)
        self->least = self->memory;
    bool grew = self->memory > self->trimmed + TRIM_BYTES;
    if (self->memory <= self->least + TRIM_BYTES || (!grew && self->trim_wait-- > 0))
        return;
    before = self->memory;
    mlx_os_trim();
    (void)mlx_os_footprint(&self->memory, NULL);
    self->trimmed = self->memory;
    /* What is in use is not tried again and again. */
    bool gave = before > self->memory + TRIM_BYTES / 2;
    self->trim_waits = gave                            ? 0
                       : self->trim_waits < TRIM_WAITS ? 2 * self->trim_waits + 1
                                                       : TRIM_WAITS;
    self->trim_wait = self->trim_waits;
}

static void set_resources(mlx_service_t *self, mlx_value_t *health)
{
    struct rusage usage;
    if (self->healths++ % MEMORY_EVERY == 0)
        read_memory(self);
    if (self->memory > 0 && self->memory <= INT64_MAX)
        mlx_value_set_int(health, "memory", (int64_t)self->memory);
    if (getrusage(RUSAGE_SELF, &usage))
        return;
    mlx_value_set_real(health, "cpu",
                       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static void publish_health(void *arg)
{
    mlx_service_t *self = arg;
    mlx_bus_stats_t stats = mlx_bus_stats(self->bus);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *health = mlx_value_map();
    const char *config = mlx_config_watch_reason(self->watch);
    MLX_CLEANUP(mlx_free_p)
    char *both = self->degraded && config ? mlx_format("%s; %s", self->degraded, config) : NULL;
    const char *reason = both ? both : self->degraded ? self->degraded : config;
    mlx_value_set_str(health, "state", reason ? "degraded" : "up");
    mlx_value_set_str(health, "reason", reason);
    mlx_value_set_str(health, "version", MLX_VERSION);
    mlx_value_set_int(health, "pid", getpid());
    mlx_value_set_real(health, "uptime", (double)(mlx_now_us() - self->started_us) / 1e6);
    mlx_value_set_int(health, "messages", stats.published);
    mlx_value_set_int(health, "drops", stats.gaps);
    mlx_value_set_int(health, "errors", self->errors + stats.malformed + stats.fields);
    mlx_value_set_str(health, "last_error", self->last_error);
    set_resources(self, health);
    mlx_bus_publish(self->bus, self->health_topic, health);
    mlx_log_sum_up(self->log);
    mlx_notify("WATCHDOG=1");
}

/*  The timer of health: what the file says now is part of it. */
static void on_health(void *arg)
{
    mlx_service_t *self = arg;
    if (mlx_config_watch_look(self->watch)) {
        const char *reason = mlx_config_watch_reason(self->watch);
        if (reason)
            mlx_log(self->log, MLX_LOG_WARNING, "%s", reason);
        else
            mlx_service_info(self, "the configuration file matches the settings in use again");
    }
    publish_health(self);
}

static void on_signal(void *arg, int number)
{
    mlx_service_t *self = arg;
    (void)number;
    mlx_loop_stop(self->loop);
}

mlx_loop_t *mlx_service_loop(mlx_service_t *self)
{
    return self->loop;
}

mlx_bus_t *mlx_service_bus(mlx_service_t *self)
{
    return self->bus;
}

const mlx_config_t *mlx_service_config(const mlx_service_t *self)
{
    return self->config;
}

const char *mlx_service_run_dir(const mlx_service_t *self)
{
    return self->run_dir;
}

void mlx_service_error(mlx_service_t *self, const char *kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    free(self->last_error);
    self->last_error = mlx_utf8_line(text, ERROR_MAX_CHARACTERS);
    va_end(args);
    self->errors++;
    mlx_log_repeated(self->log, MLX_LOG_WARNING, kind, "%s", self->last_error);
}

void mlx_service_info(mlx_service_t *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    va_end(args);
    mlx_log(self->log, MLX_LOG_INFO, "%s", text);
}

void mlx_service_degraded(mlx_service_t *self, const char *reason)
{
    bool same =
        reason && self->degraded ? strcmp(reason, self->degraded) == 0 : !reason && !self->degraded;
    if (same)
        return;
    free(self->degraded);
    self->degraded = mlx_strdup(reason);
    publish_health(self);
}

void mlx_service_fail(mlx_service_t *self, const mlx_error_t *err)
{
    mlx_log(self->log, MLX_LOG_ERROR, "%s%s%s", err->text, err->hint[0] ? "; " : "", err->hint);
    self->status = (int)err->code;
    mlx_loop_stop(self->loop);
}

static mlx_config_t *read_config(void *arg, mlx_error_t *err)
{
    const mlx_args_t *args = ((const mlx_service_t *)arg)->args;
    mlx_config_t *config = mlx_config_open(NULL, mlx_args_value(args, "config"), err);
    for (size_t i = 0; config && i < mlx_args_count(args, "set"); i++) {
        const char *setting = mlx_args_value_at(args, "set", i), *equals = strchr(setting, '=');
        MLX_CLEANUP(mlx_free_p)
        char *key = equals ? mlx_strndup(setting, (size_t)(equals - setting)) : NULL;
        if (!key)
            mlx_error_set(err, MLX_ERR_USAGE, "--set %s: write KEY=VALUE", setting);
        if (!key || mlx_config_set(config, key, equals + 1, err))
            mlx_config_destroy(&config);
    }
    return config;
}

static int open_config(mlx_service_t *self, const char *program, mlx_error_t *err)
{
    self->config = read_config(self, err);
    if (!self->config)
        return -1;
    const char *path = mlx_args_value(self->args, "config");
    self->watch =
        mlx_config_watch_new(self->config, program, self->spec->name, path, read_config, self);
    self->log =
        mlx_log_new(&(mlx_log_options_t){.name = self->spec->name,
                                         .level = mlx_config_str(self->config, "log.level"),
                                         .format = mlx_config_str(self->config, "log.format")});
    return 0;
}

static void on_unfit(void *arg, const mlx_error_t *err)
{
    mlx_service_error(arg, "publication", "not published: %s", err->text);
}

/*  Service managers begin with 1024 or less (256 on macOS); raising it up to the hard limit costs
 *  nothing. */
static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= OPEN_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES ? limit.rlim_max : OPEN_FILES;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_bus(mlx_service_t *self, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
    self->run_dir = mlx_paths_run_dir(NULL, err);
    if (!self->run_dir)
        return -1;
    self->loop = mlx_loop_new();
    if (mlx_loop_signals(self->loop, signals, on_signal, self, err))
        return -1;
    mlx_bus_options_t options = {.run_dir = self->run_dir,
                                 .host = mlx_config_str(self->config, "host"),
                                 .src = self->spec->name,
                                 .hwm = (size_t)mlx_config_int(self->config, "bus.hwm")};
    self->bus = mlx_bus_new(self->loop, &options, err);
    if (!self->bus)
        return -1;
    mlx_bus_on_unfit(self->bus, on_unfit, self);
    return 0;
}

static int start(mlx_service_t *self, const char *program, mlx_error_t *err)
{
    if (open_config(self, program, err) || open_bus(self, err) ||
        self->spec->start(self, &self->state, err))
        return -1;
    mlx_bus_serve(self->bus, self->spec->serve, self->spec->cancel, self->state);
    self->health_timer = mlx_loop_every(self->loop, HEALTH_MS, on_health, self);
    publish_health(self);
    mlx_notify("READY=1");
    return 0;
}

static void end(mlx_service_t *self)
{
    self->spec->stop(&self->state);
    if (self->loop)
        mlx_loop_cancel(self->loop, &self->health_timer);
    mlx_bus_destroy(&self->bus);
    mlx_loop_destroy(&self->loop);
    mlx_log_destroy(&self->log);
    mlx_config_watch_destroy(&self->watch);
    mlx_config_destroy(&self->config);
    free(self->run_dir);
    free(self->health_topic);
    free(self->degraded);
    free(self->last_error);
}

static char *program_name(const mlx_service_spec_t *spec)
{
    return spec->program ? mlx_strdup(spec->program) : mlx_format("mlx-%s", spec->name);
}

static int run(void *arg, const mlx_args_t *args)
{
    mlx_service_t self = {.spec = arg, .args = args, .started_us = mlx_now_us()};
    mlx_error_t err = {0};
    raise_open_files();
    self.health_topic = mlx_format("service.%s.health", self.spec->name);
    MLX_CLEANUP(mlx_free_p) char *program = program_name(self.spec);
    if (start(&self, program, &err)) {
        self.status = mlx_error_report(program, &err);
    } else {
        mlx_loop_run(self.loop);
        mlx_notify("STOPPING=1");
    }
    end(&self);
    return self.status;
}

static const mlx_option_t options[] = {
    {.name = "config",
     .value = "FILE",
     .help = "Read settings from FILE instead of the default location.",
     .complete = "file"},
    {.name = "set", .value = "KEY=VALUE", .help = "Override one setting; repeatable."},
    {0},
};

/*  launchd starts again whatever did not end with 0 (launchd.plist(5), SuccessfulExit), and knows
 *  no list of statuses as systemd does. Our agents say by MLX_MANAGER that it is launchd. */
static int for_manager(int status)
{
    const char *manager = getenv("MLX_MANAGER");
    bool in_vain = status == MLX_ERR_USAGE || status == MLX_ERR_BUSY;
    return in_vain && manager && strcmp(manager, "launchd") == 0 ? 0 : status;
}

int mlx_service_main(int argc, char **argv, const mlx_service_spec_t *spec)
{
    MLX_CLEANUP(mlx_free_p) char *name = program_name(spec);
    mlx_program_t program = {
        .self = {.name = name,
                 .summary = spec->summary,
                 .about = "A daemon of the MLX suite, normally started by the service manager.\n\n"
                          "SIGTERM stops it cleanly. Exit status: 0 stopped on request, 1 failed, "
                          "2 wrong usage or configuration, 75 already running.",
                 .options = options,
                 .run = run},
        .see_also = "mlxctl(1)",
    };
    int status = mlx_args_main(&program, argc, argv, (void *)(uintptr_t)spec);
    return for_manager(status);
}
