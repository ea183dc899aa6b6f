#include "ctl.h"
#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/paths.h"
#include "common/bus/last_values.h"
#include "common/cli/term.h"
#include "common/view/overview_state.h"
#include "proto/json.h"

enum {
    NARROW_COLUMNS = 60,
    PING_TIMEOUT_MS = 3000,
    LOOK_MS = 1000,
    SNAPSHOT_TIMEOUT_MS = 8000
};

int mlx_ctl_configure(mlx_ctl_t *self, const mlx_args_t *args, mlx_error_t *err)
{
    self->config = mlx_config_open(NULL, mlx_args_value(args, "config"), err);
    return self->config ? 0 : -1;
}

/*  A socket that takes connections need not have a living broker behind it. */
static int ping(mlx_ctl_t *self, mlx_error_t *err)
{
    mlx_error_t problem = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(self, "bus", "bus.services", NULL, PING_TIMEOUT_MS, &problem);
    if (reply)
        return 0;
    if (problem.code != MLX_ERR_UNAVAILABLE) {
        *err = problem;
        return -1;
    }
    return mlx_bus_silent(err, self->run_dir);
}

int mlx_ctl_attach(mlx_ctl_t *self, const mlx_args_t *args, mlx_error_t *err)
{
    if (mlx_ctl_configure(self, args, err))
        return -1;
    self->run_dir = mlx_paths_run_dir(NULL, err);
    if (!self->run_dir)
        return -1;
    self->loop = mlx_loop_new();
    mlx_bus_options_t options = {.run_dir = self->run_dir,
                                 .host = mlx_config_str(self->config, "host"),
                                 .src = self->src,
                                 .hwm = (size_t)mlx_config_int(self->config, "bus.hwm")};
    self->bus = mlx_bus_new(self->loop, &options, err);
    return self->bus ? 0 : -1;
}

int mlx_ctl_connect(mlx_ctl_t *self, const mlx_args_t *args, mlx_error_t *err)
{
    return mlx_ctl_attach(self, args, err) || mlx_bus_probe(self->run_dir, err) || ping(self, err)
               ? -1
               : 0;
}

static void on_look(void *arg)
{
    mlx_ctl_t *self = arg;
    mlx_connection_t link = mlx_overview_connection(self->vigil, mlx_wall_us());
    bool lost = link.state == MLX_LINK_LOST;
    if (lost != self->told)
        fprintf(stderr, "mlxctl: %s\n", lost ? link.text : "the bus answers again");
    self->told = lost;
}

static void on_health(void *arg, const mlx_message_t *message)
{
    mlx_ctl_t *self = arg;
    mlx_overview_hear(self->vigil, message, mlx_wall_us());
}

void mlx_ctl_watch_bus(mlx_ctl_t *self)
{
    self->vigil = mlx_overview_new(mlx_bus_host(self->bus));
    mlx_bus_subscribe(self->bus, "service.bus.", on_health, self);
    mlx_loop_every(self->loop, LOOK_MS, on_look, self);
}

void mlx_ctl_close(mlx_ctl_t *self)
{
    mlx_bus_destroy(&self->bus);
    mlx_loop_destroy(&self->loop);
    mlx_overview_destroy(&self->vigil);
    mlx_config_destroy(&self->config);
    mlx_free_p(&self->run_dir);
}

typedef struct {
    mlx_loop_t *loop;
    mlx_value_t *result;
    mlx_error_t *err;
} wait_t;

static void on_reply(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    wait_t *wait = arg;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    if (kind == MLX_REPLY_DONE)
        wait->result = mlx_value_copy(value);
    else if (wait->err)
        *wait->err = *err;
    mlx_loop_stop(wait->loop);
}

mlx_value_t *mlx_ctl_call(mlx_ctl_t *self, const char *service, const char *cmd,
                          const mlx_value_t *args, int64_t timeout_ms, mlx_error_t *err)
{
    wait_t wait = {.loop = self->loop, .err = err};
    mlx_bus_call(self->bus, service, cmd, args, timeout_ms, on_reply, &wait);
    mlx_loop_run(self->loop);
    return wait.result;
}

typedef struct {
    mlx_loop_t *loop;
    mlx_message_fn fn;
    void *arg;
    mlx_error_t *err;
    int rc;
} look_t;

static void on_last_value(void *arg, const mlx_message_t *message)
{
    const look_t *look = arg;
    look->fn(look->arg, message);
}

static void on_last_values_end(void *arg, const mlx_error_t *err)
{
    look_t *look = arg;
    look->rc = err ? -1 : 0;
    if (err && look->err)
        *look->err = *err;
    mlx_loop_stop(look->loop);
}

int mlx_ctl_last_values(mlx_ctl_t *self, const char *prefix, int64_t timeout_ms, mlx_message_fn fn,
                        void *arg, mlx_error_t *err)
{
    look_t look = {.loop = self->loop, .fn = fn, .arg = arg, .err = err};
    mlx_last_values_t *asking = mlx_last_values_ask(self->bus, prefix, timeout_ms, on_last_value,
                                                    on_last_values_end, &look);
    mlx_loop_run(self->loop);
    mlx_last_values_destroy(&asking);
    return look.rc;
}

static void hear(void *arg, const mlx_message_t *message)
{
    mlx_overview_hear(arg, message, mlx_wall_us());
}

mlx_overview_t *mlx_ctl_overview(mlx_ctl_t *self, mlx_error_t *err)
{
    mlx_overview_t *overview = mlx_overview_new(mlx_bus_host(self->bus));
    if (mlx_ctl_last_values(self, "", SNAPSHOT_TIMEOUT_MS, hear, overview, err))
        mlx_overview_destroy(&overview);
    return overview;
}

int mlx_ctl_print_json(const mlx_value_t *value)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, value, true);
    puts(mlx_buf_str(&text));
    return fflush(stdout) ? MLX_ERR_FAILED : MLX_OK;
}

int mlx_ctl_print_text(const char *text)
{
    /* Wider terminals break lines themselves, and keep whole what is copied from them. */
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    bool narrow = term.tty && term.columns < NARROW_COLUMNS;
    MLX_CLEANUP(mlx_free_p) char *fit = mlx_ascii_fit(text);
    MLX_CLEANUP(mlx_free_p)
    char *wrapped = narrow ? mlx_term_wrap(fit, (size_t)term.columns) : NULL;
    fputs(wrapped ? wrapped : fit, stdout);
    return fflush(stdout) ? MLX_ERR_FAILED : MLX_OK;
}

int mlx_ctl_fail(const mlx_error_t *err)
{
    return mlx_error_report("mlxctl", err);
}
