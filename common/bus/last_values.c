#include "common/bus/last_values.h"

#include <stdlib.h>

#include "common/base/clock.h"

struct mlx_last_values {
    mlx_bus_t *bus;
    char *prefix;
    int64_t deadline_us;
    mlx_message_fn fn;
    mlx_last_values_end_fn end;
    void *arg;
    mlx_call_t *call; /* under way, or NULL */
};

static void ask(mlx_last_values_t *self, const int64_t *cursor);

static void give(const mlx_last_values_t *self, const mlx_value_t *messages)
{
    for (size_t i = 0; i < mlx_value_size(messages); i++) {
        MLX_CLEANUP(mlx_message_clear) mlx_message_t message = {0};
        if (mlx_message_from_value(&message, mlx_value_at(messages, i), NULL) == 0)
            self->fn(self->arg, &message);
    }
}

static void on_page(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    mlx_last_values_t *self = arg;
    int64_t cursor;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    self->call = NULL;
    if (kind == MLX_REPLY_DONE)
        give(self, mlx_value_get(value, "messages"));
    if (kind == MLX_REPLY_DONE && mlx_value_int(value, "cursor", &cursor))
        ask(self, &cursor);
    else
        self->end(self->arg, err);
}

static void ask(mlx_last_values_t *self, const int64_t *cursor)
{
    int64_t left_ms = (self->deadline_us - mlx_now_us()) / 1000;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "prefix", self->prefix);
    if (cursor)
        mlx_value_set_int(args, "cursor", *cursor);
    self->call = mlx_bus_call(self->bus, "bus", "bus.snapshot", args, left_ms > 1 ? left_ms : 1,
                              on_page, self);
}

mlx_last_values_t *mlx_last_values_ask(mlx_bus_t *bus, const char *prefix, int64_t timeout_ms,
                                       mlx_message_fn fn, mlx_last_values_end_fn end, void *arg)
{
    mlx_last_values_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_last_values_t){.bus = bus,
                                .prefix = mlx_strdup(prefix),
                                .deadline_us = mlx_now_us() + timeout_ms * 1000,
                                .fn = fn,
                                .end = end,
                                .arg = arg};
    ask(self, NULL);
    return self;
}

void mlx_last_values_destroy(mlx_last_values_t **self_p)
{
    mlx_last_values_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    if (self->call)
        mlx_bus_abandon(self->bus, self->call);
    free(self->prefix);
    free(self);
}
