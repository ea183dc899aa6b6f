/*  mlxctl status, top */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "ctl.h"
#include "fleet_view.h"
#include "status_view.h"
#include "top.h"

enum {
    LOOK_AGAIN_MS = 200,
    WAIT_MAX_S = 3600
};

static void on_look_again(void *arg)
{
    mlx_loop_stop(arg);
}

static bool give_up(mlx_ctl_t *ctl, const mlx_overview_t *overview, int64_t deadline_us)
{
    if (mlx_status_live(overview, mlx_wall_us()) || mlx_now_us() >= deadline_us)
        return true;
    mlx_loop_after(ctl->loop, LOOK_AGAIN_MS, on_look_again, ctl->loop);
    mlx_loop_run(ctl->loop);
    return false;
}

/*  The overview, at once or as soon as values are live. */
static mlx_overview_t *look(mlx_ctl_t *ctl, double wait_s, mlx_error_t *err)
{
    int64_t deadline_us = mlx_now_us() + (int64_t)(wait_s * 1e6);
    mlx_overview_t *overview;
    while ((overview = mlx_ctl_overview(ctl, err)) && wait_s > 0 &&
           !give_up(ctl, overview, deadline_us))
        mlx_overview_destroy(&overview);
    if (overview && wait_s > 0 && !mlx_status_live(overview, mlx_wall_us())) {
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "no live values after %.0f s", wait_s);
        mlx_error_hint(err, "see `mlxctl services` for what is not running");
        mlx_overview_destroy(&overview);
    }
    return overview;
}

static int read_wait(const mlx_args_t *args, double *seconds, mlx_error_t *err)
{
    const char *text = mlx_args_value(args, "wait");
    char *end;
    *seconds = text ? strtod(text, &end) : 0;
    if (text && (*end || end == text || !(*seconds > 0) || *seconds > (double)WAIT_MAX_S))
        return mlx_error_set(err, MLX_ERR_USAGE, "--wait %s: give seconds above 0, up to %d", text,
                             WAIT_MAX_S);
    return 0;
}

/*  With --wait the broker itself may still be starting. */
static int connect_within(mlx_ctl_t *ctl, const mlx_args_t *args, double wait_s, mlx_error_t *err)
{
    int64_t deadline_us = mlx_now_us() + (int64_t)(wait_s * 1e6);
    mlx_loop_t *loop = mlx_loop_new();
    int rc;
    while ((rc = mlx_ctl_connect(ctl, args, err)) && err->code == MLX_ERR_UNAVAILABLE &&
           mlx_now_us() < deadline_us) {
        mlx_ctl_close(ctl);
        mlx_loop_after(loop, LOOK_AGAIN_MS, on_look_again, loop);
        mlx_loop_run(loop);
    }
    mlx_loop_destroy(&loop);
    return rc;
}

static int print_status(mlx_overview_t *overview, const mlx_args_t *args)
{
    bool all = mlx_args_count(args, "all") > 0;
    int64_t now_us = mlx_wall_us();
    if (mlx_args_count(args, "json")) {
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *value =
            all ? mlx_fleet_value(overview, now_us) : mlx_overview_value(overview, now_us);
        return mlx_ctl_print_json(value);
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    const char *hosts[2];
    if (!all)
        mlx_status_text(overview, now_us, &text);
    bool fleet = mlx_overview_hosts(overview, hosts, MLX_COUNT(hosts)) > 1;
    if (!all && fleet && !mlx_args_count(args, "host"))
        mlx_buf_putc(&text, '\n');
    if (all || (fleet && !mlx_args_count(args, "host")))
        mlx_fleet_text(overview, now_us, &text);
    return mlx_ctl_print_text(mlx_buf_str(&text));
}

int mlx_cmd_status(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    double wait_s = 0;
    (void)arg;
    if (read_wait(args, &wait_s, &err) || connect_within(&ctl, args, wait_s, &err))
        return mlx_ctl_fail(&err);
    mlx_overview_t *overview = look(&ctl, wait_s, &err);
    if (!overview)
        return mlx_ctl_fail(&err);
    int status = mlx_fleet_select(overview, mlx_args_value(args, "host"), &err)
                     ? mlx_ctl_fail(&err)
                     : print_status(overview, args);
    mlx_overview_destroy(&overview);
    return status;
}

static int run_top(mlx_ctl_t *ctl, const char *host, mlx_error_t *err)
{
    mlx_overview_t *overview = host ? mlx_ctl_overview(ctl, err) : NULL;
    int rc = host && (!overview || mlx_fleet_select(overview, host, err)) ? -1 : 0;
    mlx_overview_destroy(&overview);
    return rc ? rc : mlx_top_run(ctl->loop, ctl->bus, host, err);
}

int mlx_cmd_top(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    (void)arg;
    if (mlx_ctl_connect(&ctl, args, &err) || run_top(&ctl, mlx_args_value(args, "host"), &err))
        return mlx_ctl_fail(&err);
    return MLX_OK;
}
