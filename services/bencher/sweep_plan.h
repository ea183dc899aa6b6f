/*  sweep_plan.h - what a sweep asks next: points of growing context, or of more clients, in rounds
 *
 *  Knows no clock and no server, as plan.h. First comes a warm-up, which shows how many bytes of
 *  text make a token and how fast the model is. Then rounds: in each, every point is measured once,
 *  from the least to the greatest, so that what changes meanwhile meets all alike. In the first
 *  round points that would not fit in the budget are dropped, the greatest first; a later round
 *  begins only when all of it fits. So each point has the same number of values.
 *
 *      mlx_sweep_plan_t *plan = mlx_sweep_plan_new(MLX_SWEEP_CONTEXT, 60, 8192);
 *      mlx_sweep_step_t step;
 *      while (mlx_sweep_plan_next(plan, elapsed_s, &step))
 *          ... ask step.clients times at once
 *          mlx_sweep_plan_note(plan, &outcome);
 */
#ifndef MLX_BENCHER_SWEEP_PLAN_H
#define MLX_BENCHER_SWEEP_PLAN_H

#include "plan.h"

typedef struct mlx_sweep_plan mlx_sweep_plan_t;

enum {
    MLX_SWEEP_POINTS_MAX = 10,
    MLX_SWEEP_ROUNDS_MAX = 10, /* as many as an interval needs */
    MLX_SWEEP_CLIENTS_MAX = 8,
};

typedef enum {
    MLX_SWEEP_NONE,
    MLX_SWEEP_CONTEXT,
    MLX_SWEEP_PARALLEL,
} mlx_sweep_kind_t;

typedef struct {
    int point;      /* index, or MLX_PLAN_WARMUP */
    int round;      /* from 0 */
    int clients;    /* requests at once */
    int64_t target; /* wanted tokens of the prompt */
    int64_t tokens; /* to generate */
    size_t bytes;   /* of the prompt's text */
    double limit_s; /* break it off then */
} mlx_sweep_step_t;

/*  "context", "parallel", or NULL for NONE. */
const char *mlx_sweep_name(mlx_sweep_kind_t kind);

/*  The kind of that NAME; NONE: there is none. */
mlx_sweep_kind_t mlx_sweep_kind(const char *name);

/*  CONTEXT: tokens that fit the model's context; 0: not known. */
mlx_sweep_plan_t *mlx_sweep_plan_new(mlx_sweep_kind_t kind, double budget_s, int64_t context);
void mlx_sweep_plan_destroy(mlx_sweep_plan_t **self);

/*  What to ask ELAPSED_S after the start. false: that was all. */
bool mlx_sweep_plan_next(mlx_sweep_plan_t *self, double elapsed_s, mlx_sweep_step_t *step);

/*  The step given last is over; OUTCOME is of one of its requests, its duration that of all. */
void mlx_sweep_plan_note(mlx_sweep_plan_t *self, const mlx_outcome_t *outcome);

/*  The step given last brought no figures: its point and greater ones are not asked again. false:
 *  nothing is left to measure. */
bool mlx_sweep_plan_drop(mlx_sweep_plan_t *self);

/*  Points that are measured, and how many there were to be. */
size_t mlx_sweep_plan_points(const mlx_sweep_plan_t *self);
size_t mlx_sweep_plan_wanted(const mlx_sweep_plan_t *self);

/*  Prompt tokens and clients of POINT as they are planned, and tokens that each generates. */
int64_t mlx_sweep_plan_target(const mlx_sweep_plan_t *self, size_t point);
int mlx_sweep_plan_clients(const mlx_sweep_plan_t *self, size_t point);
int64_t mlx_sweep_plan_tokens(const mlx_sweep_plan_t *self);

/*  Budget in seconds in which all wanted points would have been measured once; NaN: they were. */
double mlx_sweep_plan_budget(const mlx_sweep_plan_t *self);

/*  Estimate of the seconds from ELAPSED_S until the end. */
double mlx_sweep_plan_remaining(const mlx_sweep_plan_t *self, double elapsed_s);

#endif
