#include "pressure.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "weight.h"

enum {
    LOOK_MS = 20,
    SMALL = 4096, /* bytes; such messages pass whatever waits: their number bounds them */
};

struct mlx_pressure {
    mlx_loop_t *loop;
    mlx_pressure_options_t options;
    mlx_weight_t *weight;
    mlx_timer_t *look;
};

mlx_pressure_t *mlx_pressure_new(mlx_loop_t *loop, const mlx_pressure_options_t *options)
{
    mlx_pressure_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_pressure_t){.loop = loop, .options = *options, .weight = mlx_weight_new()};
    return self;
}

void mlx_pressure_destroy(mlx_pressure_t **self_p)
{
    mlx_pressure_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->loop, &self->look);
    mlx_weight_destroy(&self->weight);
    free(self);
}

static void on_look(void *arg)
{
    mlx_pressure_t *self = arg;
    int64_t now_us = mlx_now_us();
    self->look = NULL;
    mlx_readers_look(self->options.readers, now_us);
    if (mlx_weight_bytes(self->weight) > self->options.bytes / 2) {
        size_t ended = mlx_readers_end_stuck(self->options.readers, now_us);
        if (ended)
            self->options.on_ended(self->options.arg, ended);
    }
    if (!mlx_pressure_low(self))
        self->look = mlx_loop_after(self->loop, LOOK_MS, on_look, self);
}

void mlx_pressure_count(mlx_pressure_t *self, zmq_msg_t *frame)
{
    mlx_weight_count(self->weight, frame);
    if (!self->look && !mlx_pressure_low(self))
        self->look = mlx_loop_after(self->loop, 0, on_look, self);
}

bool mlx_pressure_admits(const mlx_pressure_t *self, size_t size)
{
    return size <= SMALL || mlx_weight_bytes(self->weight) <= self->options.bytes;
}

bool mlx_pressure_low(const mlx_pressure_t *self)
{
    return mlx_weight_bytes(self->weight) <= self->options.bytes / 8;
}
