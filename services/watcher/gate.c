#include "gate.h"

#include <stdlib.h>

#include "traffic.h"

enum {
    FRESH_US = 300 * 1000, /* how long what /props said is believed: it may fall asleep meanwhile */
    HINT_US = 1000 * 1000,
};

struct mlx_gate {
    mlx_traffic_t *traffic; /* NULL: connections cannot be seen */
    bool blind;             /* the system does not show them */
    mlx_runtime_sleep_t sleep;
    int64_t told_us; /* 0: never yet */
    int64_t hint_us; /* monotonic, of the newest; 0: none */
    bool busy;       /* by its own last answer */
};

mlx_gate_t *mlx_gate_new(mlx_traffic_t *traffic)
{
    mlx_gate_t *self = mlx_alloc(1, sizeof *self);
    self->traffic = traffic;
    self->blind = !traffic;
    return self;
}

void mlx_gate_destroy(mlx_gate_t **self)
{
    free(*self);
    *self = NULL;
}

void mlx_gate_told(mlx_gate_t *self, mlx_runtime_sleep_t sleep, int64_t now_us)
{
    self->sleep = sleep;
    self->told_us = now_us;
}

bool mlx_gate_looks(const mlx_gate_t *self)
{
    return self->sleep != MLX_SLEEP_NEVER;
}

void mlx_gate_looked(mlx_gate_t *self, bool seen)
{
    self->blind = !seen;
}

void mlx_gate_hint(mlx_gate_t *self, int64_t now_us)
{
    self->hint_us = now_us;
}

void mlx_gate_answered(mlx_gate_t *self, bool busy)
{
    self->busy = busy;
    if (busy || !self->traffic)
        return;
    self->blind = !mlx_traffic_look(self->traffic);
    mlx_traffic_idle(self->traffic); /* an exchange that has ended is settled by one answer */
}

void mlx_gate_unanswered(mlx_gate_t *self)
{
    mlx_gate_answered(self, false);
}

static bool works(const mlx_gate_t *self, int64_t now_us)
{
    return (self->hint_us && now_us - self->hint_us < HINT_US) ||
           (self->traffic && mlx_traffic_working(self->traffic));
}

bool mlx_gate_wants_state(const mlx_gate_t *self, int64_t now_us)
{
    return self->sleep != MLX_SLEEP_NEVER && !self->busy && works(self, now_us) &&
           now_us - self->told_us > FRESH_US;
}

bool mlx_gate_open(const mlx_gate_t *self, int64_t now_us)
{
    if (self->sleep == MLX_SLEEP_NEVER || self->busy)
        return true;
    return self->sleep == MLX_SLEEP_AWAKE && now_us - self->told_us < FRESH_US &&
           works(self, now_us);
}

void mlx_gate_forget(mlx_gate_t *self)
{
    self->sleep = MLX_SLEEP_UNKNOWN;
    self->told_us = 0;
    self->busy = false;
}

const char *mlx_gate_reason(const mlx_gate_t *self)
{
    if (self->sleep == MLX_SLEEP_NEVER || !self->told_us)
        return NULL; /* it is about to be asked */
    if (self->sleep == MLX_SLEEP_UNKNOWN)
        return "its /props does not say whether it sleeps, and asking more could wake it: use the "
               "tap";
    return self->blind ? "it may fall asleep (--sleep-idle-seconds), and its connections cannot be "
                         "seen from here: asking would keep it awake, so use the tap"
                       : NULL;
}
