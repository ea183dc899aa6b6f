/*  When a target is asked out of turn: what goes to its server is seen without asking it. */
#include "common/base/clock.h"
#include "target_parts.h"

enum {
    LOOK_MS = MLX_LOOP_GRID_MS,
    CLOSE_LOOK_MS = 250, /* after something has moved, until it is known to be work or not */
};

bool mlx_target_looks(const mlx_target_t *self)
{
    bool of_use =
        self->sees_all || self->backend->on_demand || (self->gate && mlx_gate_looks(self->gate));
    return self->traffic && self->reachable && of_use;
}

bool mlx_target_quiet(const mlx_target_t *self)
{
    return self->sees_all && mlx_traffic_still(self->traffic);
}

/*  Ask at once what tells the state (of a kind that loads models when they are asked for) and what
 *  it does, if the pace of its rest is slower than a look. */
static void ask_now(mlx_target_t *self)
{
    for (size_t i = 0; i < self->ask_count; i++) {
        mlx_target_ask_t *ask = &self->asks[i];
        const mlx_runtime_query_t *query = ask->query;
        bool state = query->role == MLX_QUERY_STATE && self->backend->on_demand;
        bool quick = query->role == MLX_QUERY_ACTIVITY && query->idle_ms <= LOOK_MS;
        if (!ask->refused[0] && (state || quick))
            ask->due_us = 0;
    }
}

void mlx_target_look(mlx_target_t *self, int64_t now_us)
{
    if (!mlx_target_looks(self) || now_us < self->look_us)
        return;
    bool seen = mlx_traffic_look(self->traffic);
    self->look_us = !seen || mlx_target_busy(self) || mlx_traffic_still(self->traffic)
                        ? mlx_loop_grid_us(now_us, (int64_t)LOOK_MS * 1000)
                        : now_us + (int64_t)CLOSE_LOOK_MS * 1000;
    if (self->gate)
        mlx_gate_looked(self->gate, seen);
    if (self->runner)
        mlx_runner_seen(self->runner, mlx_target_quiet(self));
    for (size_t i = 0; i < self->ask_count && self->gate; i++)
        if (self->asks[i].query->tells_sleep && mlx_gate_wants_state(self->gate, now_us))
            self->asks[i].due_us = 0;
    bool work = seen ? mlx_traffic_working(self->traffic) : self->sees_all;
    bool moved = mlx_traffic_moved(self->traffic) && self->sees_all;
    if (!mlx_target_busy(self) && (work || moved))
        ask_now(self);
    if (self->runner && (work || moved)) /* what is known to be under way may not be all */
        mlx_runner_ask(self->runner);
}

void mlx_target_ask_through_gate(mlx_target_t *self)
{
    for (size_t i = 0; i < self->ask_count; i++) {
        mlx_target_ask_t *ask = &self->asks[i];
        if (ask->query->disturbs && !ask->refused[0] && !mlx_target_busy(self))
            ask->due_us = 0;
    }
}

/*  Of one that is asked what it does only that answer counts: the state does not tell it. */
void mlx_target_settle(mlx_target_t *self, mlx_query_role_t role)
{
    bool tells = role == MLX_QUERY_ACTIVITY || self->backend->on_demand;
    if (self->traffic && tells && !self->gate && !mlx_target_busy(self))
        mlx_traffic_idle(self->traffic); /* or it is not a model that it works on */
}

void mlx_target_poll_now(mlx_target_t *self)
{
    for (size_t i = 0; i < self->ask_count; i++)
        if (self->asks[i].query->role == MLX_QUERY_STATE)
            self->asks[i].due_us = 0;
    mlx_target_arm(self);
}

void mlx_target_working(mlx_target_t *self)
{
    if (self->gate)
        mlx_gate_hint(self->gate, mlx_now_us());
    if (!self->backend || (!self->gate && !self->sees_all))
        return;
    self->look_us = 0;
    if (self->sees_all && !mlx_target_busy(self))
        ask_now(self);
    if (self->sees_all && self->runner)
        mlx_runner_ask(self->runner);
    mlx_target_arm(self);
}
