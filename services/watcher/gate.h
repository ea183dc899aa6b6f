/*  gate.h - when a server that may fall asleep can be asked what it does
 *
 *  llama-server frees its model when nothing was asked of it for --sleep-idle-seconds, and /slots
 *  counts as asking: it keeps the server awake, and loads the model of one that sleeps. GET /props
 *  is free and says is_sleeping. So: without a sign of work nothing is asked but what is free; with
 *  one, and /props saying that it is awake, the rest, until the answer is "idle". A build whose
 *  /props does not know the word cannot sleep. When /props does not answer, nothing is asked.
 *
 *      mlx_gate_told(gate, state.sleep, now_us);      after each /props, or that it failed
 *      mlx_gate_looked(gate, mlx_traffic_look(traffic));  a few times a second
 *      if (mlx_gate_wants_state(gate, now_us)) ...    ask /props now
 *      if (mlx_gate_open(gate, now_us)) ...           /slots and /metrics may be asked
 *      mlx_gate_answered(gate, busy);                 after each /slots
 */
#ifndef MLX_WATCHER_GATE_H
#define MLX_WATCHER_GATE_H

#include "common/runtime/runtime.h"
#include "traffic.h"

typedef struct mlx_gate mlx_gate_t;

/*  TRAFFIC of a server on this machine, borrowed; NULL: it is elsewhere and its connections cannot
 *  be seen. Caller owns it and must destroy it. */
mlx_gate_t *mlx_gate_new(mlx_traffic_t *traffic);
void mlx_gate_destroy(mlx_gate_t **self);

void mlx_gate_told(mlx_gate_t *self, mlx_runtime_sleep_t sleep, int64_t now_us);

/*  TRAFFIC was looked at, and seen or not. */
void mlx_gate_looked(mlx_gate_t *self, bool seen);

/*  Whether looking is of any use. */
bool mlx_gate_looks(const mlx_gate_t *self);

/*  A request is on its way to it, as somebody knows who passed it on. */
void mlx_gate_hint(mlx_gate_t *self, int64_t now_us);

/*  The server answered what it does; or it did not answer, which is not a sign of work. */
void mlx_gate_answered(mlx_gate_t *self, bool busy);
void mlx_gate_unanswered(mlx_gate_t *self);

/*  It works, by what is known without asking, and whether it is awake is not known well enough. */
bool mlx_gate_wants_state(const mlx_gate_t *self, int64_t now_us);

bool mlx_gate_open(const mlx_gate_t *self, int64_t now_us);

/*  The server went away: the next one may be another. */
void mlx_gate_forget(mlx_gate_t *self);

/*  Why it is never asked, for a person; NULL when it is, or will be as soon as it works, or as long
 *  as it was not asked whether it sleeps. */
const char *mlx_gate_reason(const mlx_gate_t *self);

#endif
