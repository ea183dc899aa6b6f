/*  What a target does with the log of its server. */
#include "target_parts.h"

#include "common/base/clock.h"

/*  A server with one model loaded worked on that one. */
static void on_log_ended(void *arg, const mlx_ended_t *request)
{
    mlx_target_t *self = arg;
    mlx_ended_t told = *request;
    if (!told.model && mlx_value_size(self->state.models) == 1 && !self->backend->lists_all)
        told.model = mlx_value_str(mlx_value_at(self->state.models, 0), "name");
    mlx_ended_once_log(self->once, &told, mlx_now_us());
}

/*  A request or a load that the log says began is worth a question now. */
static void on_log_changed(void *arg)
{
    mlx_target_t *self = arg;
    bool seen = (self->runner && mlx_runner_busy(self->runner)) || mlx_slots_busy(self->slots);
    if ((mlx_log_source_busy(self->log) || mlx_log_source_loading(self->log)) && !seen) {
        mlx_target_working(self);
        if (self->backend->on_demand)
            mlx_target_poll_now(self);
    }
    self->options.changed(self->options.arg, self);
}

static void on_log_problem(void *arg, const char *text)
{
    mlx_target_t *self = arg;
    self->options.problem(self->options.arg, "log", text);
}

void mlx_target_ended_live(mlx_target_t *self, const mlx_ended_t *request)
{
    bool waits = self->log && mlx_log_source_reading(self->log);
    mlx_ended_once_live(self->once, request, waits, mlx_now_us());
}

void mlx_target_open_log(mlx_target_t *self)
{
    const mlx_endpoint_t *at = &self->options.endpoint;
    if (self->log || !mlx_endpoint_local(at))
        return;
    self->log = mlx_log_source_new(&(mlx_log_source_options_t){
        .loop = self->options.loop,
        .kind = self->backend->kind,
        .port = (uint16_t)at->port,
        .proc_root = self->options.proc_root,
        .ended = {on_log_ended, self},
        .changed = on_log_changed,
        .problem = on_log_problem,
        .arg = self,
    });
}

void mlx_target_close_log(mlx_target_t *self)
{
    mlx_log_source_destroy(&self->log);
}
