/*  plan.h - how long each reply may be, so that the whole run ends within its budget
 *
 *  Knows no clock and no server: it is told how much time has passed and how each request went, and
 *  says what to ask next. First comes a warm-up outside the figures, which also shows the speed;
 *  then each prompt gets its share of the time that is left. A fast model gets the wanted lengths
 *  and ends early; a slow one gets short replies, then fewer prompts.
 *
 *      mlx_bench_plan_t *plan = mlx_bench_plan_new(prompts, 60, 8192);
 *      mlx_bench_step_t step;
 *      while (mlx_bench_plan_next(plan, elapsed_s, &step)) {
 *          ... ask, and stop after step.limit_s at the latest
 *          mlx_bench_plan_note(plan, &outcome);
 *      }
 */
#ifndef MLX_BENCHER_PLAN_H
#define MLX_BENCHER_PLAN_H

#include "prompts.h"

typedef struct mlx_bench_plan mlx_bench_plan_t;

enum {
    MLX_PLAN_WARMUP = -1,
    MLX_PLAN_TOKENS_MIN = 8, /* fewer say too little about speed to be worth a prompt's time */
};

typedef struct {
    int prompt;     /* index, or MLX_PLAN_WARMUP */
    int64_t tokens; /* to generate at most */
    size_t bytes;   /* of the prompt's text at most */
    double limit_s; /* break it off then */
} mlx_bench_step_t;

/*  How a request went. What is not known is NaN or -1. */
typedef struct {
    size_t bytes;   /* of the prompt's text */
    int64_t tokens; /* generated */
    int64_t prompt_tokens;
    double ttft_s;     /* until the first token */
    double duration_s; /* the whole request */
} mlx_outcome_t;

/*  PROMPTS is borrowed. CONTEXT: tokens that fit the model's context; 0: not known. */
mlx_bench_plan_t *mlx_bench_plan_new(const mlx_prompts_t *prompts, double budget_s,
                                     int64_t context);
void mlx_bench_plan_destroy(mlx_bench_plan_t **self);

/*  What to ask ELAPSED_S after the start. false: that was all. */
bool mlx_bench_plan_next(mlx_bench_plan_t *self, double elapsed_s, mlx_bench_step_t *step);

/*  The step given last is over. */
void mlx_bench_plan_note(mlx_bench_plan_t *self, const mlx_outcome_t *outcome);

/*  The budget in which PROMPTS that take EACH_S seconds for TOKENS tokens get them. */
double mlx_bench_plan_budget(size_t prompts, double each_s, int64_t tokens);

/*  Estimate of the seconds from ELAPSED_S until the end. */
double mlx_bench_plan_remaining(const mlx_bench_plan_t *self, double elapsed_s);

/*  Prompts that were asked. */
size_t mlx_bench_plan_asked(const mlx_bench_plan_t *self);

#endif
