/*  mlxctl services: what runs, and restarting it through whatever manages it */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/units.h"
#include "ctl.h"
#include "proto/catalogue.h"

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
    const char *host = arg;
    const mlx_value_t *d = message->d;
    const char *begin = message->topic + strlen("service.");
    const char *state = mlx_value_str(d, "state"), *error = mlx_value_str(d, "last_error");
    const char *reason = mlx_value_str(d, "reason");
    if (strcmp(message->host, host) != 0)
        return;
    printf("%-10.*s ", (int)strcspn(begin, "."), begin);
    printf("%-9s ", age_us > MLX_OVERVIEW_STALE_US ? "silent" : (state ? state : "unknown"));
    print_int(d, "pid", 7);
    print_uptime(d, age_us);
    print_int(d, "messages", 9);
    print_int(d, "drops", 6);
    print_int(d, "errors", 6);
    print_unit(d, "memory", MLX_UNIT_BYTES, 9);
    print_unit(d, "cpu", MLX_UNIT_SECONDS, 8);
    puts(reason ? reason : (error ? error : ""));
}

static void add_row(void *arg, const mlx_message_t *message, int64_t age_us)
{
    (void)age_us;
    mlx_value_append(arg, mlx_message_value(message));
}

static int list_services(mlx_ctl_t *ctl, bool json, mlx_error_t *err)
{
    mlx_overview_t *overview = mlx_ctl_overview(ctl, err);
    if (!overview)
        return -1;
    if (json) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
        mlx_overview_each(overview, "service.", mlx_wall_us(), add_row, list);
        mlx_ctl_print_json(list);
    } else {
        puts("SERVICE    STATE         PID     UPTIME   MESSAGES   DROPS  ERRORS     MEMORY      "
             "CPU");
        mlx_overview_each(overview, "service.", mlx_wall_us(), print_row,
                          (void *)(uintptr_t)mlx_bus_host(ctl->bus));
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

/*  Without a manager the supervisor of deploy/up starts again what ends. */
static int restart(mlx_ctl_t *ctl, const char *name, mlx_error_t *err)
{
    if (!mlx_topic_valid(name, strlen(name)) || strchr(name, '.'))
        return mlx_error_set(err, MLX_ERR_USAGE, "\"%s\" is no name of a service", name);
    if (restart_by_manager(name))
        return 0;
    mlx_overview_t *overview = mlx_ctl_overview(ctl, err);
    if (!overview)
        return -1;
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("service.%s.health", name);
    int64_t pid = 0;
    const mlx_value_t *health = mlx_overview_get(overview, topic, mlx_wall_us(), NULL);
    bool known = mlx_value_int(health, "pid", &pid) && pid > 1;
    mlx_overview_destroy(&overview);
    if (!known) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "service %s is not running", name);
        return mlx_error_mend(err, "`mlxctl services` lists what is");
    }
    if (kill((pid_t)pid, SIGTERM))
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot stop process %lld: %s", (long long)pid,
                             strerror(errno));
    return 0;
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
        (action ? restart(&ctl, name, &err)
                : list_services(&ctl, mlx_args_count(args, "json") > 0, &err)))
        return mlx_ctl_fail(&err);
    return MLX_OK;
}
