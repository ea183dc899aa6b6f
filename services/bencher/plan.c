#include "plan.h"

#include <math.h>
#include <stdlib.h>

enum {
    WARMUP_TOKENS = 16,
};

/*  Kept for what comes after the last prompt: giving the model its expiry back, and a timer that is
 *  late on a busy machine. */
static const double reserve_part = 0.04, reserve_min_s = 1;

/*  Of the time left, what is given out: speed falls as a context fills. */
static const double give_part = 0.85;

/*  The warm-up's longest share of the budget, and a prompt's share that its text may take. */
static const double warmup_part = 0.1, text_part = 0.15;

/*  A request that takes that many times what it should, and some seconds more, hangs. */
static const double patience = 3, patience_s = 5;

/*  Part of the context that a prompt may fill. */
static const double context_part = 0.6;

struct mlx_bench_plan {
    const mlx_prompts_t *prompts;
    double deadline_s;
    double warmup_s;
    int64_t context;
    bool warm;
    size_t next;
    double rate;            /* tokens/s of the newest replies; NaN: not known */
    double wait_s;          /* sum of the times to first token, */
    double wait_bytes;      /* and of the bytes of the prompts that took them */
    double bytes_per_token; /* of a prompt; NaN: not known */
};

mlx_bench_plan_t *mlx_bench_plan_new(const mlx_prompts_t *prompts, double budget_s, int64_t context)
{
    mlx_bench_plan_t *self = mlx_alloc(1, sizeof *self);
    self->prompts = prompts;
    self->deadline_s = budget_s - fmax(reserve_min_s, reserve_part * budget_s);
    self->warmup_s = warmup_part * budget_s;
    self->context = context;
    self->rate = self->bytes_per_token = (double)NAN;
    return self;
}

void mlx_bench_plan_destroy(mlx_bench_plan_t **self)
{
    free(*self);
    *self = NULL;
}

size_t mlx_bench_plan_asked(const mlx_bench_plan_t *self)
{
    return self->next;
}

/*  Seconds that a prompt of BYTES waits for its first token. */
static double wait_of(const mlx_bench_plan_t *self, double bytes)
{
    return self->wait_bytes > 0 ? bytes * self->wait_s / self->wait_bytes : 0;
}

static double rate_of(const mlx_bench_plan_t *self)
{
    return isnan(self->rate) ? 1 : self->rate;
}

/*  Bytes of text that LEFT_S and the context allow one prompt. */
static double most_bytes(const mlx_bench_plan_t *self, double left_s)
{
    double most = MLX_PROMPTS_TEXT_MAX;
    if (self->wait_s > 0)
        most = fmin(most, text_part * left_s * self->wait_bytes / self->wait_s);
    if (self->context > 0 && !isnan(self->bytes_per_token))
        most = fmin(most, context_part * (double)self->context * self->bytes_per_token);
    return floor(fmax(most, 1));
}

/*  What the prompts from the next on need: wanted tokens, and time before their first ones. */
static void add_up(const mlx_bench_plan_t *self, double left_s, double *tokens, double *waits_s)
{
    double most = most_bytes(self, left_s);
    *tokens = *waits_s = 0;
    for (size_t i = self->next; i < mlx_prompts_count(self->prompts); i++) {
        *tokens += (double)mlx_prompts_tokens(self->prompts, i);
        *waits_s += wait_of(self, fmin(most, (double)mlx_prompts_size(self->prompts, i)));
    }
}

static double limit_of(const mlx_bench_plan_t *self, double left_s, double tokens, double bytes)
{
    if (isnan(self->rate))
        return left_s;
    return fmin(left_s, patience_s + patience * (wait_of(self, bytes) + tokens / self->rate));
}

static bool plan_prompt(mlx_bench_plan_t *self, double left_s, mlx_bench_step_t *step)
{
    double wanted_all, waits_s;
    add_up(self, left_s, &wanted_all, &waits_s);
    double wanted = (double)mlx_prompts_tokens(self->prompts, self->next);
    double share = (give_part * left_s - waits_s) * rate_of(self) * wanted / wanted_all;
    double tokens = floor(fmin(wanted, fmax(share, (int)MLX_PLAN_TOKENS_MIN)));
    double bytes =
        fmin(most_bytes(self, left_s), (double)mlx_prompts_size(self->prompts, self->next));
    /* Half of the shortest reply is still worth having; less is not. */
    if (wait_of(self, bytes) + (int)MLX_PLAN_TOKENS_MIN / 2.0 / rate_of(self) > left_s)
        return false;
    *step = (mlx_bench_step_t){(int)self->next, (int64_t)tokens, (size_t)bytes,
                               limit_of(self, left_s, tokens, bytes)};
    return true;
}

bool mlx_bench_plan_next(mlx_bench_plan_t *self, double elapsed_s, mlx_bench_step_t *step)
{
    double left_s = self->deadline_s - elapsed_s;
    if (left_s <= 0 || self->next >= mlx_prompts_count(self->prompts))
        return false;
    if (!self->warm) {
        *step = (mlx_bench_step_t){MLX_PLAN_WARMUP, WARMUP_TOKENS, MLX_PROMPTS_TEXT_MAX,
                                   fmin(left_s, self->warmup_s)};
        return true;
    }
    return plan_prompt(self, left_s, step);
}

static void note_speed(mlx_bench_plan_t *self, const mlx_outcome_t *outcome)
{
    double generating_s = outcome->duration_s - outcome->ttft_s;
    if (isnan(outcome->ttft_s)) {
        /* Not one token: the wait was at least that long. */
        self->wait_s += outcome->duration_s;
        self->wait_bytes += (double)outcome->bytes;
        return;
    }
    self->wait_s += outcome->ttft_s;
    self->wait_bytes += (double)outcome->bytes;
    if (outcome->tokens > 1 && generating_s > 0)
        self->rate = (double)(outcome->tokens - 1) / generating_s;
    if (outcome->prompt_tokens > 0)
        self->bytes_per_token = (double)outcome->bytes / (double)outcome->prompt_tokens;
}

void mlx_bench_plan_note(mlx_bench_plan_t *self, const mlx_outcome_t *outcome)
{
    note_speed(self, outcome);
    if (self->warm)
        self->next++;
    self->warm = true;
}

double mlx_bench_plan_remaining(const mlx_bench_plan_t *self, double elapsed_s)
{
    double left_s = fmax(self->deadline_s - elapsed_s, 0), tokens, waits_s;
    add_up(self, left_s, &tokens, &waits_s);
    return isnan(self->rate) ? left_s : fmin(left_s, waits_s + tokens / self->rate);
}

/*  What is given out goes by what each prompt wants; the shortest of the built-in ones gets about a
 *  third of an equal share. */
double mlx_bench_plan_budget(size_t prompts, double each_s, int64_t tokens)
{
    double warmup_s = each_s * (int)WARMUP_TOKENS / (double)tokens;
    double needed_s = warmup_s + 3 * (double)prompts * each_s / give_part;
    return ceil(needed_s + fmax(reserve_min_s, reserve_part * needed_s));
}
