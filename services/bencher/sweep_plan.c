#include "sweep_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WARMUP_TOKENS = 16,
    WARMUP_BYTES = 512,
    TOKENS = 64,      /* that each request generates, */
    TOKENS_SLOW = 32, /* and of a model that takes long for that */
    PROMPT = 128,     /* tokens of the prompt, where clients are counted */
    CONTEXT_USUAL = 4096,
};

static const char *const names[] = {
    [MLX_SWEEP_CONTEXT] = "context", [MLX_SWEEP_PARALLEL] = "parallel"};
static const int64_t depths[] = {128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
static const int crowds[] = {1, 2, 4, MLX_SWEEP_CLIENTS_MAX};

/*  Kept for giving the model its expiry back. */
static const double reserve_part = 0.04, reserve_min_s = 1;

/*  Part of the context that prompt and reply may fill: the tokens of a text are an estimate. */
static const double context_part = 0.85;

/*  What a point takes beyond the estimate from the one before: attention grows with the context,
 *  and a server may serve its clients one after the other. */
static const double growth = 1.3, crowd_growth = 2.2;

/*  A request that takes that many times what it should, and some seconds more, hangs. */
static const double patience = 3, patience_s = 5;

/*  Part of the budget that the replies of one round may take with TOKENS. */
static const double slow_part = 0.4;

typedef struct {
    int64_t target;
    int clients;
    size_t bytes;      /* 0: not asked yet */
    double duration_s; /* of the last time; NaN: not measured */
    double wait_s;
} point_t;

struct mlx_sweep_plan {
    mlx_sweep_kind_t kind;
    double deadline_s;
    point_t points[MLX_SWEEP_POINTS_MAX];
    size_t wanted, count;
    int next; /* point, or MLX_PLAN_WARMUP */
    int round;
    int64_t tokens;
    double rate; /* of one reply; NaN: not known */
    double bytes_per_token;
    size_t ratio_bytes; /* of the prompt that told it */
    double needed_s;    /* what the dropped points would have taken */
};

const char *mlx_sweep_name(mlx_sweep_kind_t kind)
{
    return names[kind];
}

mlx_sweep_kind_t mlx_sweep_kind(const char *name)
{
    for (mlx_sweep_kind_t kind = MLX_SWEEP_CONTEXT; kind <= MLX_SWEEP_PARALLEL; kind++)
        if (name && strcmp(name, names[kind]) == 0)
            return kind;
    return MLX_SWEEP_NONE;
}

static void add_point(mlx_sweep_plan_t *self, int64_t target, int clients)
{
    self->points[self->wanted++] = (point_t){
        .target = target, .clients = clients, .duration_s = (double)NAN, .wait_s = (double)NAN};
    self->count = self->wanted;
}

mlx_sweep_plan_t *mlx_sweep_plan_new(mlx_sweep_kind_t kind, double budget_s, int64_t context)
{
    mlx_sweep_plan_t *self = mlx_alloc(1, sizeof *self);
    double room = context_part * (double)(context > 0 ? context : CONTEXT_USUAL) - (int)TOKENS;
    self->kind = kind;
    self->deadline_s = budget_s - fmax(reserve_min_s, reserve_part * budget_s);
    self->next = MLX_PLAN_WARMUP;
    self->rate = (double)NAN;
    self->bytes_per_token = 4;
    for (size_t i = 0; kind == MLX_SWEEP_CONTEXT && i < MLX_COUNT(depths); i++)
        if (i == 0 || (double)depths[i] <= room)
            add_point(self, depths[i], 1);
    for (size_t i = 0; kind == MLX_SWEEP_PARALLEL && i < MLX_COUNT(crowds); i++)
        add_point(self, PROMPT, crowds[i]);
    return self;
}

void mlx_sweep_plan_destroy(mlx_sweep_plan_t **self)
{
    free(*self);
    *self = NULL;
}

static double generating_s(const mlx_sweep_plan_t *self)
{
    return (double)self->tokens / (isnan(self->rate) ? 1 : self->rate);
}

/*  What POINT is going to take: as last time, else by the point before it. */
static double expected_s(const mlx_sweep_plan_t *self, size_t index)
{
    const point_t *point = &self->points[index], *before = index ? point - 1 : NULL;
    if (!isnan(point->duration_s))
        return point->duration_s;
    if (!before)
        return generating_s(self) * growth;
    if (self->kind == MLX_SWEEP_PARALLEL)
        return expected_s(self, index - 1) * crowd_growth;
    double share = (double)point->target / (double)before->target;
    double wait_s = isnan(before->wait_s) ? expected_s(self, index - 1) : before->wait_s;
    return growth * (wait_s * share + generating_s(self));
}

/*  All points that are left, once. */
static double round_s(const mlx_sweep_plan_t *self)
{
    double sum = 0;
    for (size_t i = 0; i < self->count; i++)
        sum += expected_s(self, i);
    return sum;
}

static void drop_from(mlx_sweep_plan_t *self, size_t index)
{
    self->needed_s = 0;
    for (size_t i = index; i < self->wanted; i++)
        self->needed_s += expected_s(self, i);
    self->count = index;
}

/*  The point that is next when LEFT_S are left; begins a new round. false: there is none. */
static bool find_point(mlx_sweep_plan_t *self, double left_s)
{
    if (self->round == 0 && (size_t)self->next < self->count && self->next > 0 &&
        expected_s(self, (size_t)self->next) > left_s)
        drop_from(self, (size_t)self->next);
    if ((size_t)self->next < self->count)
        return true;
    if (self->round + 1 == MLX_SWEEP_ROUNDS_MAX || self->count == 0 || round_s(self) > left_s)
        return false;
    self->round++;
    self->next = 0;
    return true;
}

static size_t bytes_of(mlx_sweep_plan_t *self, point_t *point)
{
    double bytes = (double)point->target * self->bytes_per_token;
    if (point->bytes == 0) /* all rounds have the same */
        point->bytes = (size_t)fmin(fmax(bytes, 1), MLX_PROMPTS_TEXT_MAX);
    return point->bytes;
}

bool mlx_sweep_plan_next(mlx_sweep_plan_t *self, double elapsed_s, mlx_sweep_step_t *step)
{
    double left_s = self->deadline_s - elapsed_s;
    if (left_s <= 0)
        return false;
    if (self->next == MLX_PLAN_WARMUP) {
        *step = (mlx_sweep_step_t){.point = MLX_PLAN_WARMUP,
                                   .clients = 1,
                                   .tokens = WARMUP_TOKENS,
                                   .bytes = WARMUP_BYTES,
                                   .limit_s = left_s / 2};
        return true;
    }
    if (!find_point(self, left_s))
        return false;
    point_t *point = &self->points[self->next];
    double limit_s = patience_s + patience * expected_s(self, (size_t)self->next);
    *step = (mlx_sweep_step_t){.point = self->next,
                               .round = self->round,
                               .clients = point->clients,
                               .target = point->target,
                               .tokens = self->tokens,
                               .bytes = bytes_of(self, point),
                               .limit_s = fmin(left_s, limit_s)};
    return true;
}

/*  The longest text tells best how many bytes make a token: a chat's frame weighs least there. */
static void note_speed(mlx_sweep_plan_t *self, const mlx_outcome_t *outcome)
{
    double replying_s = outcome->duration_s - outcome->ttft_s;
    if (outcome->prompt_tokens > 0 && outcome->bytes >= self->ratio_bytes) {
        self->ratio_bytes = outcome->bytes;
        self->bytes_per_token = (double)outcome->bytes / (double)outcome->prompt_tokens;
    }
    if (outcome->tokens > 1 && replying_s > 0)
        self->rate = (double)(outcome->tokens - 1) / replying_s;
}

void mlx_sweep_plan_note(mlx_sweep_plan_t *self, const mlx_outcome_t *outcome)
{
    note_speed(self, outcome);
    if (self->next == MLX_PLAN_WARMUP) {
        self->tokens = TOKENS;
        if (generating_s(self) * (double)self->wanted > slow_part * self->deadline_s)
            self->tokens = TOKENS_SLOW;
    } else {
        self->points[self->next].duration_s = outcome->duration_s;
        self->points[self->next].wait_s = outcome->ttft_s;
    }
    self->next++;
}

bool mlx_sweep_plan_drop(mlx_sweep_plan_t *self)
{
    if (self->next > 0)
        drop_from(self, (size_t)self->next);
    return self->next > 0;
}

size_t mlx_sweep_plan_points(const mlx_sweep_plan_t *self)
{
    return self->count;
}

size_t mlx_sweep_plan_wanted(const mlx_sweep_plan_t *self)
{
    return self->wanted;
}

int64_t mlx_sweep_plan_target(const mlx_sweep_plan_t *self, size_t point)
{
    return self->points[point].target;
}

int mlx_sweep_plan_clients(const mlx_sweep_plan_t *self, size_t point)
{
    return self->points[point].clients;
}

int64_t mlx_sweep_plan_tokens(const mlx_sweep_plan_t *self)
{
    return self->tokens;
}

double mlx_sweep_plan_budget(const mlx_sweep_plan_t *self)
{
    if (self->count == self->wanted)
        return (double)NAN;
    double longer = (double)TOKENS / (double)self->tokens; /* replies may be, with more time */
    double needed_s = longer * (round_s(self) + self->needed_s + generating_s(self));
    return ceil(needed_s + fmax(reserve_min_s, reserve_part * needed_s));
}

double mlx_sweep_plan_remaining(const mlx_sweep_plan_t *self, double elapsed_s)
{
    double left_s = fmax(self->deadline_s - elapsed_s, 0), sum_s = 0;
    if (self->next == MLX_PLAN_WARMUP)
        return left_s;
    for (size_t i = (size_t)self->next; i < self->count; i++)
        sum_s += expected_s(self, i);
    return fmin(left_s, sum_s + (MLX_SWEEP_ROUNDS_MAX - 1 - self->round) * round_s(self));
}
