/*  mlxctl services: what runs, and restarting it through whatever manages it */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/os/os.h"
#include "ctl.h"
#include "machines.h"
#include "proto/catalogue.h"

enum {
    ASK_MS = 5000,
    STATE_COLUMNS = 9,
    HOST_COLUMNS = 18
};

static void print_unit(const mlx_value_t *d, const char *key, mlx_unit_t unit, int width)
{
    double value = NAN;
    mlx_value_real(d, key, &value);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    printf("%*s  ", width, isnan(value) ? "-" : text);
}

static void print_int(const mlx_value_t *d, const char *key, int width)
{
    int64_t value;
    if (mlx_value_int(d, key, &value))
        printf("%*lld  ", width, (long long)value);
    else
        printf("%*s  ", width, "-");
}

typedef struct {
    const char *host; /* this machine */
    const mlx_machines_t *machines;
    const mlx_value_t *registered; /* list of {name, connected, answers, pid} */
    mlx_value_t *list;             /* where rows go as JSON */
} services_t;

/*  What the broker knows of the service NAME; NULL: it never registered. Borrowed. */
static const mlx_value_t *registered(const mlx_value_t *list, const char *name, size_t len)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *known = mlx_value_str(mlx_value_at(list, i), "name");
        if (known && strlen(known) == len && memcmp(known, name, len) == 0)
            return mlx_value_at(list, i);
    }
    return NULL;
}

/*  Who publishes is not a service for that: on this machine only who registered is one. */
static bool is_service(const services_t *self, const mlx_message_t *message)
{
    const char *name = message->topic + strlen("service.");
    return strcmp(message->host, self->host) != 0 ||
           registered(self->registered, name, strcspn(name, "."));
}

/*  As it is now, not as it was when the service spoke last. */
static void print_uptime(const mlx_value_t *d, int64_t age_us)
{
    double uptime = NAN;
    const char *state = mlx_value_str(d, "state");
    if (mlx_value_real(d, "uptime", &uptime) && state && strcmp(state, "down") != 0 &&
        age_us <= MLX_OVERVIEW_STALE_US)
        uptime += (double)age_us / 1e6;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(uptime, MLX_UNIT_SECONDS);
    printf("%9s  ", isnan(uptime) ? "-" : text);
}

static void print_row(void *arg, const mlx_message_t *message, int64_t age_us)
{
    const services_t *self = arg;
    const mlx_value_t *d = message->d;
    const char *name = message->topic + strlen("service.");
    const char *state = mlx_value_str(d, "state"), *error = mlx_value_str(d, "last_error");
    const char *reason = mlx_value_str(d, "reason");
    if (!mlx_machines_has(self->machines, message->host) || !is_service(self, message))
        return;
    if (!self->machines->host) {
        MLX_CLEANUP(mlx_free_p) char *host = mlx_term_clean(message->host, HOST_COLUMNS);
        printf("%-*s ", HOST_COLUMNS, host);
    }
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_term_clean(state ? state : "unknown", STATE_COLUMNS);
    MLX_CLEANUP(mlx_free_p)
    char *last = mlx_term_clean(reason ? reason : (error ? error : ""), 0);
    printf("%-10.*s ", (int)strcspn(name, "."), name);
    printf("%-9s ", age_us > MLX_OVERVIEW_STALE_US ? "silent" : shown);
    print_int(d, "pid", 7);
    print_uptime(d, age_us);
    print_int(d, "messages", 9);
    print_int(d, "drops", 6);
    print_int(d, "errors", 6);
    print_unit(d, "memory", MLX_UNIT_BYTES, 9);
    print_unit(d, "cpu", MLX_UNIT_SECONDS, 8);
    puts(last);
}

static void add_row(void *arg, const mlx_message_t *message, int64_t age_us)
{
    const services_t *self = arg;
    (void)age_us;
    if (mlx_machines_has(self->machines, message->host) && is_service(self, message))
        mlx_value_append(self->list, mlx_message_value(message));
}

static mlx_value_t *ask_registered(mlx_ctl_t *ctl, mlx_error_t *err)
{
    return mlx_ctl_call(ctl, "bus", "bus.services", NULL, ASK_MS, err);
}

static int list_services(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    mlx_machines_t machines;
    if (mlx_machines_choose(ctl, args, &machines, err) || mlx_machines_check(ctl, &machines, err))
        return -1;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *known = ask_registered(ctl, err);
    mlx_overview_t *overview = known ? mlx_ctl_overview(ctl, err) : NULL;
    if (!overview)
        return -1;
    services_t services = {.host = mlx_bus_host(ctl->bus),
                           .machines = &machines,
                           .registered = mlx_value_get(known, "services")};
    if (mlx_args_count(args, "json")) {
        services.list = mlx_value_list();
        mlx_overview_each(overview, "service.", mlx_wall_us(), add_row, &services);
        mlx_ctl_print_json(services.list);
        mlx_value_destroy(&services.list);
    } else {
        if (!machines.host)
            printf("%-*s ", HOST_COLUMNS, "MACHINE");
        puts("SERVICE    STATE         PID     UPTIME   MESSAGES   DROPS  ERRORS     MEMORY      "
             "CPU");
        mlx_overview_each(overview, "service.", mlx_wall_us(), print_row, &services);
    }
    mlx_overview_destroy(&overview);
    return 0;
}

/*  Run ARGV quietly; true when it ended with 0. */
static bool succeeds(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool restart_unit(const char *name)
{
#ifdef __APPLE__
    MLX_CLEANUP(mlx_free_p)
    char *target = mlx_format("gui/%u/dev.mlx-suite.%s", (unsigned)getuid(), name);
    return succeeds((const char *const[]){"launchctl", "kickstart", "-k", target, NULL});
#else
    MLX_CLEANUP(mlx_free_p) char *unit = mlx_format("mlx-%s.service", name);
    return succeeds((const char *const[]){"systemctl", "--user", "is-active", unit, NULL}) &&
           succeeds((const char *const[]){"systemctl", "--user", "restart", unit, NULL});
#endif
}

/*  Units are named after binaries: the service "cache" is mlx-cached. */
static bool restart_by_manager(const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *daemon_name = mlx_format("%sd", name);
    return restart_unit(name) || restart_unit(daemon_name);
}

/*  Only the broker is asked which process a service is: it has that from the kernel, not from a
 *  message. And only a process that runs our program of that name is ended. */
static int end_process(const char *name, int64_t pid, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *program = mlx_format("mlx-%s", name);
    MLX_CLEANUP(mlx_free_p) char *daemon_program = mlx_format("mlx-%sd", name);
    mlx_error_t why = {0};
    if (pid <= 1 || pid > INT32_MAX) {
        mlx_error_set(err, MLX_ERR_FAILED, "the broker does not know which process %s is", name);
        return mlx_error_hint(err, "restart it with whatever started it");
    }
    if (mlx_os_end_process((pid_t)pid, program, &why) == 0 ||
        mlx_os_end_process((pid_t)pid, daemon_program, NULL) == 0)
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED, "service %s was not started by this suite: %s", name,
                  why.text);
    return mlx_error_hint(err, "stop it yourself if you know what it is");
}

/*  Without a manager the supervisor of deploy/up starts again what ends. */
static int restart(mlx_ctl_t *ctl, const char *name, mlx_error_t *err)
{
    if (!mlx_segment_valid(name, strlen(name)))
        return mlx_error_set(err, MLX_ERR_USAGE, "\"%s\" is not a valid service name", name);
    if (restart_by_manager(name))
        return 0;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *known = ask_registered(ctl, err);
    if (!known)
        return -1;
    const mlx_value_t *service = registered(mlx_value_get(known, "services"), name, strlen(name));
    bool connected = false;
    int64_t pid = 0;
    if (!mlx_value_bool(service, "connected", &connected) || !connected) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "service %s is not running", name);
        return mlx_error_hint(err, "`mlxctl services` lists what is");
    }
    mlx_value_int(service, "pid", &pid);
    return end_process(name, pid, err);
}

int mlx_cmd_services(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    const char *action = mlx_args_operand(args, 0), *name = mlx_args_operand(args, 1);
    (void)arg;
    if (action && (strcmp(action, "restart") != 0 || !name)) {
        mlx_error_set(&err, MLX_ERR_USAGE,
                      "write `mlxctl services` or `mlxctl services restart NAME`");
        return mlx_ctl_fail(&err);
    }
    if (mlx_ctl_connect(&ctl, args, &err) ||
        (action ? restart(&ctl, name, &err) : list_services(&ctl, args, &err)))
        return mlx_ctl_fail(&err);
    return MLX_OK;
}
