/*  What a command says while it works: how far it is, and each file when it is done. */
#include "services/cache/commands/internal.h"

#include <stdio.h>

enum {
    STEP_BYTES = 32 * 1024 * 1024 /* often enough for a bar, seldom enough to cost nothing */
};

static mlx_value_t *new_event(const mlx_cache_t *self)
{
    mlx_value_t *event = mlx_value_map();
    mlx_value_set_str(event, "operation", self->meter.operation);
    mlx_value_set_str(event, "model", self->meter.model);
    mlx_value_set_str(event, "phase", self->meter.phase);
    return event;
}

void mlx_cache_tell_begin(mlx_cache_t *self, const char *operation, const char *phase,
                          const char *model, uint64_t total, size_t piece)
{
    mlx_cache_meter_t *meter = &self->meter;
    meter->operation = operation;
    meter->phase = phase;
    snprintf(meter->model, sizeof meter->model, "%s", model ? model : "");
    meter->total = total;
    meter->piece = piece;
    meter->said = 0;
    meter->thread = pthread_self();
    atomic_store(&meter->done, 0);
}

/*  Pieces are counted, not their bytes: the last one of a file may be short. */
static void tell_bytes(mlx_cache_t *self, uint64_t done)
{
    mlx_cache_meter_t *meter = &self->meter;
    if (done > meter->total)
        done = meter->total;
    bool last = done == meter->total && meter->said != done;
    if (!self->options.progress || !meter->total || (done < meter->said + STEP_BYTES && !last))
        return;
    meter->said = done;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *event = new_event(self);
    mlx_value_set_int(event, "done", (int64_t)done);
    mlx_value_set_int(event, "total", (int64_t)meter->total);
    self->options.progress(self->options.arg, event);
}

void mlx_cache_tell_done(mlx_cache_t *self, uint64_t done)
{
    atomic_store(&self->meter.done, done);
    tell_bytes(self, done);
}

bool mlx_cache_piece(void *arg)
{
    mlx_cache_t *self = arg;
    uint64_t done = atomic_fetch_add(&self->meter.done, self->meter.piece) + self->meter.piece;
    if (self->meter.total && pthread_equal(self->meter.thread, pthread_self()))
        tell_bytes(self, done);
    return self->options.stop && self->options.stop(self->options.arg);
}

void mlx_cache_tell_file(mlx_cache_t *self, const char *model, const char *file, uint64_t size,
                         const char *how, const char *app)
{
    if (!self->options.progress)
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *event = mlx_value_map();
    mlx_value_set_str(event, "model", model);
    mlx_value_set_str(event, "file", file);
    mlx_value_set_int(event, "size", (int64_t)size);
    mlx_value_set_str(event, "how", how);
    if (app)
        mlx_value_set_str(event, "app", app);
    self->options.progress(self->options.arg, event);
}
