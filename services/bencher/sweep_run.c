#include "sweep_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/stats.h"
#include "report.h"

enum {
    ROUNDS = MLX_SWEEP_POINTS_MAX * MLX_SWEEP_ROUNDS_MAX,
    FAILURES_MAX = 3, /* in a row */
};

typedef enum {
    RATE,   /* of each client */
    CLIENT, /* the same by our clock */
    TOTAL,  /* of all clients */
    PROMPT,
    FIRST, /* token */
    FIGURES,
} figure_t;

static const char *const keys[FIGURES] = {
    [RATE] = "tokens_per_second",
    [CLIENT] = "client_tokens_per_second",
    [TOTAL] = "total_tokens_per_second",
    [PROMPT] = "prompt_tokens_per_second",
    [FIRST] = "ttft",
};

typedef struct {
    size_t point;
    int number;             /* from 0 */
    double values[FIGURES]; /* means over the clients; NaN: not measured */
    double duration_s;
    int64_t tokens, prompt_tokens; /* of each client; -1: not known */
    bool cut;
    char error[200]; /* "": none */
} round_t;

/*  One of the requests that run at once. */
typedef struct {
    mlx_sweep_run_t *sweep;
    mlx_asking_t *asking; /* NULL: over */
    mlx_answer_t answer;
} client_t;

struct mlx_sweep {
    mlx_sweep_host_t host;
    mlx_sweep_kind_t kind;
    mlx_sweep_plan_t *plan;
    mlx_sweep_step_t step;
    size_t step_bytes;
    int64_t begun_us; /* the step */
    client_t clients[MLX_SWEEP_CLIENTS_MAX];
    round_t rounds[ROUNDS];
    size_t round_count;
    mlx_record_t alone[ROUNDS]; /* requests that no other of ours stood beside */
    size_t alone_count;
    int64_t tokens, prompts, cached; /* of all requests */
    int failures;                    /* in a row */
    char dropped[200];               /* why the greatest points were not measured by the server */
};

static void next_step(mlx_sweep_run_t *self);

mlx_sweep_run_t *mlx_sweep_run_new(mlx_sweep_kind_t kind, double budget_s, int64_t context,
                                   const mlx_sweep_host_t *host)
{
    mlx_sweep_run_t *self = mlx_alloc(1, sizeof *self);
    self->host = *host;
    self->kind = kind;
    self->plan = mlx_sweep_plan_new(kind, budget_s, context);
    for (size_t i = 0; i < MLX_SWEEP_CLIENTS_MAX; i++)
        self->clients[i].sweep = self;
    return self;
}

void mlx_sweep_run_stop(mlx_sweep_run_t *self)
{
    for (size_t i = 0; i < MLX_SWEEP_CLIENTS_MAX; i++)
        mlx_asking_destroy(&self->clients[i].asking);
}

void mlx_sweep_run_destroy(mlx_sweep_run_t **self_p)
{
    mlx_sweep_run_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_sweep_run_stop(self);
    mlx_sweep_plan_destroy(&self->plan);
    free(self);
}

/* ---- a round ---- */

/*  The first error of a step's clients, or NULL. */
static const mlx_error_t *step_error(const mlx_sweep_run_t *self)
{
    for (int i = 0; i < self->step.clients; i++)
        if (self->clients[i].answer.error.code)
            return &self->clients[i].answer.error;
    return NULL;
}

static double figure_of(const mlx_record_t *record, figure_t figure)
{
    static double (*const of[FIGURES])(const mlx_record_t *) = {
        [RATE] = mlx_report_rate,
        [CLIENT] = mlx_report_client_rate,
        [PROMPT] = mlx_report_prompt_rate,
        [FIRST] = mlx_report_ttft,
    };
    return of[figure] ? of[figure](record) : (double)NAN;
}

/*  Mean over the clients; NaN when one of them has no value. */
static double mean_of(const mlx_sweep_run_t *self, figure_t figure)
{
    double sum = 0;
    for (int i = 0; i < self->step.clients; i++)
        sum += figure_of(&(mlx_record_t){.answer = self->clients[i].answer}, figure);
    return sum / self->step.clients;
}

/*  Of all clients together, by the one definition of speed: the tokens after each one's first, over
 *  the time from the first token of any to the last. NaN: not all began. */
static double total_rate(const mlx_sweep_run_t *self, int64_t tokens)
{
    double first_s = (double)INFINITY, last_s = 0;
    for (int i = 0; i < self->step.clients; i++) {
        const mlx_answer_t *answer = &self->clients[i].answer;
        if (isnan(answer->figures.ttft_s))
            return (double)NAN;
        first_s = fmin(first_s, answer->figures.ttft_s);
        last_s = fmax(last_s, answer->duration_s);
    }
    bool enough = last_s > first_s && tokens > self->step.clients;
    return enough ? (double)(tokens - self->step.clients) / (last_s - first_s) : (double)NAN;
}

static void count_tokens(mlx_sweep_run_t *self, round_t *round)
{
    int64_t tokens = 0, prompts = 0;
    for (int i = 0; i < self->step.clients; i++) {
        const mlx_stream_figures_t *f = &self->clients[i].answer.figures;
        tokens += f->generated_tokens > 0 ? f->generated_tokens : 0;
        prompts += f->prompt_tokens > 0 ? f->prompt_tokens : 0;
        self->cached += f->cached_tokens > 0 ? f->cached_tokens : 0;
    }
    self->tokens += tokens;
    self->prompts += prompts;
    round->tokens = tokens / self->step.clients;
    round->prompt_tokens = prompts > 0 ? prompts / self->step.clients : -1;
    round->values[TOTAL] = total_rate(self, tokens);
}

static void keep_round(mlx_sweep_run_t *self, double wall_s)
{
    const mlx_error_t *err = step_error(self);
    if (self->round_count == ROUNDS)
        return;
    round_t *round = &self->rounds[self->round_count++];
    *round = (round_t){.point = (size_t)self->step.point,
                       .number = self->step.round,
                       .duration_s = wall_s,
                       .tokens = -1,
                       .prompt_tokens = -1};
    for (figure_t k = 0; k < FIGURES; k++)
        round->values[k] = err ? (double)NAN : mean_of(self, k);
    for (int i = 0; i < self->step.clients; i++)
        round->cut = round->cut || self->clients[i].answer.cut;
    if (err)
        snprintf(round->error, sizeof round->error, "%.199s", err->text);
    else
        count_tokens(self, round);
    if (self->step.clients == 1 && self->alone_count < ROUNDS)
        self->alone[self->alone_count++] = (mlx_record_t){.answer = self->clients[0].answer};
}

/*  That of the client which was the slowest to begin: the plan must reckon with it. */
static mlx_outcome_t outcome_of(const mlx_sweep_run_t *self, double wall_s)
{
    mlx_outcome_t outcome = {.bytes = self->step_bytes,
                             .tokens = -1,
                             .prompt_tokens = -1,
                             .ttft_s = (double)NAN,
                             .duration_s = wall_s};
    for (int i = 0; i < self->step.clients; i++) {
        const mlx_stream_figures_t *f = &self->clients[i].answer.figures;
        if (f->ttft_s <= outcome.ttft_s || self->clients[i].answer.error.code)
            continue;
        outcome.ttft_s = f->ttft_s;
        outcome.tokens = f->generated_tokens;
        outcome.prompt_tokens = f->prompt_tokens;
    }
    return outcome;
}

/*  That there is nothing to go on with; told to the host. */
static bool given_up(mlx_sweep_run_t *self, const mlx_error_t *err)
{
    bool warmup = self->step.point == MLX_PLAN_WARMUP;
    self->failures = err ? self->failures + 1 : 0;
    if (!err || (!warmup && self->failures < FAILURES_MAX && self->step.point > 0))
        return false;
    if (!warmup && self->step.round > 0 && self->failures < FAILURES_MAX)
        return false;
    self->host.over(self->host.arg, err);
    return true;
}

static void end_step(mlx_sweep_run_t *self)
{
    double wall_s = (double)(mlx_now_us() - self->begun_us) / 1e6;
    bool warmup = self->step.point == MLX_PLAN_WARMUP;
    const mlx_error_t *first = step_error(self);
    mlx_error_t err = {0};
    if (first)
        err = *first;
    mlx_outcome_t outcome = outcome_of(self, wall_s);
    if (!warmup)
        keep_round(self, wall_s);
    if (given_up(self, err.code ? &err : NULL))
        return;
    if (err.code && self->step.round == 0 && mlx_sweep_plan_drop(self->plan))
        snprintf(self->dropped, sizeof self->dropped, "%.199s", err.text);
    else
        mlx_sweep_plan_note(self->plan, &outcome);
    if (warmup)
        self->host.warm(self->host.arg);
    next_step(self);
}

static void on_answer(void *arg, const mlx_answer_t *answer)
{
    client_t *client = arg;
    mlx_sweep_run_t *self = client->sweep;
    client->answer = *answer;
    mlx_asking_destroy(&client->asking);
    for (int i = 0; i < self->step.clients; i++)
        if (self->clients[i].asking)
            return;
    end_step(self);
}

static void next_step(mlx_sweep_run_t *self)
{
    if (!mlx_sweep_plan_next(self->plan, self->host.elapsed(self->host.arg), &self->step)) {
        self->host.over(self->host.arg, NULL);
        return;
    }
    self->begun_us = mlx_now_us();
    for (int i = 0; i < self->step.clients; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_prompts_filler(self->step.bytes, self->host.nonce(self->host.arg));
        self->step_bytes = strlen(text);
        self->clients[i].answer = (mlx_answer_t){0};
        self->clients[i].asking = self->host.ask(self->host.arg, text, self->step.tokens,
                                                 self->step.limit_s, on_answer, &self->clients[i]);
    }
    self->host.progress(self->host.arg);
}

void mlx_sweep_run_start(mlx_sweep_run_t *self)
{
    next_step(self);
}

/* ---- what it says ---- */

/*  "2048 tokens", "1 client", "4 clients". */
static void point_name(const mlx_sweep_run_t *self, size_t point, char name[32])
{
    int clients = mlx_sweep_plan_clients(self->plan, point);
    if (self->kind == MLX_SWEEP_CONTEXT)
        snprintf(name, 32, "%lld tokens", (long long)mlx_sweep_plan_target(self->plan, point));
    else
        snprintf(name, 32, "%d client%s", clients, clients == 1 ? "" : "s");
}

void mlx_sweep_run_tell(const mlx_sweep_run_t *self, mlx_value_t *d)
{
    char name[32];
    bool warmup = self->step.point == MLX_PLAN_WARMUP;
    mlx_value_set_str(d, "phase", warmup ? "warmup" : "prompts");
    mlx_value_set_int(d, "prompts", (int64_t)mlx_sweep_plan_points(self->plan));
    if (!warmup) {
        point_name(self, (size_t)self->step.point, name);
        mlx_value_set_str(d, "point", name);
        mlx_value_set_int(d, "prompt", self->step.point + 1);
        mlx_value_set_int(d, "round", self->step.round + 1);
    }
    double elapsed_s = self->host.elapsed(self->host.arg);
    mlx_value_set_real(d, "remaining", mlx_sweep_plan_remaining(self->plan, elapsed_s));
    if (self->round_count)
        mlx_value_set_real(d, "tokens_per_second",
                           self->rounds[self->round_count - 1].values[RATE]);
}

static mlx_value_t *round_value(const mlx_sweep_run_t *self, const round_t *round)
{
    mlx_value_t *map = mlx_value_map();
    char point[32];
    point_name(self, round->point, point);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("%s, round %d", point, round->number + 1);
    mlx_value_set_str(map, "name", name);
    for (figure_t k = 0; k < FIGURES; k++)
        if (!isnan(round->values[k]) && (k != TOTAL || self->kind == MLX_SWEEP_PARALLEL))
            mlx_value_set_real(map, keys[k], round->values[k]);
    if (round->tokens >= 0)
        mlx_value_set_int(map, "tokens", round->tokens);
    if (round->prompt_tokens >= 0)
        mlx_value_set_int(map, "prompt_tokens", round->prompt_tokens);
    mlx_value_set_real(map, "duration", round->duration_s);
    if (round->error[0])
        mlx_value_set_str(map, "error", round->error);
    else if (round->cut)
        mlx_value_set_str(map, "done_reason", "cut");
    return map;
}

/*  Of the rounds of POINT, by FIGURE. */
static mlx_summary_t summary_of(const mlx_sweep_run_t *self, size_t point, figure_t figure)
{
    double values[MLX_SWEEP_ROUNDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < self->round_count && count < MLX_SWEEP_ROUNDS_MAX; i++)
        if (self->rounds[i].point == point)
            values[count++] = self->rounds[i].values[figure];
    return mlx_stats_summary(values, count);
}

/*  Prompt tokens of POINT as the server counted them, the mean of its rounds; 0: it did not. */
static int64_t depth_of(const mlx_sweep_run_t *self, size_t point)
{
    int64_t sum = 0, count = 0;
    for (size_t i = 0; i < self->round_count; i++)
        if (self->rounds[i].point == point && self->rounds[i].prompt_tokens > 0) {
            sum += self->rounds[i].prompt_tokens;
            count++;
        }
    return count ? (sum + count / 2) / count : 0;
}

/*  NULL: no round of it gave a speed. */
static mlx_value_t *point_value(const mlx_sweep_run_t *self, size_t point)
{
    char name[32];
    if (summary_of(self, point, RATE).count == 0)
        return NULL;
    mlx_value_t *map = mlx_value_map();
    point_name(self, point, name);
    mlx_value_set_str(map, "name", name);
    mlx_value_set_int(map, "clients", mlx_sweep_plan_clients(self->plan, point));
    if (depth_of(self, point))
        mlx_value_set_int(map, "prompt_tokens", depth_of(self, point));
    for (figure_t k = 0; k < FIGURES; k++) {
        mlx_summary_t summary = summary_of(self, point, k);
        mlx_value_t *value = mlx_stats_value(&summary);
        if (value && (k != TOTAL || self->kind == MLX_SWEEP_PARALLEL))
            mlx_value_set(map, keys[k], value);
        else
            mlx_value_destroy(&value);
    }
    return map;
}

static void warn(const mlx_sweep_run_t *self, mlx_value_t *warnings)
{
    size_t points = mlx_sweep_plan_points(self->plan), wanted = mlx_sweep_plan_wanted(self->plan);
    double budget_s = mlx_sweep_plan_budget(self->plan);
    char name[32];
    MLX_CLEANUP(mlx_free_p) char *text = NULL;
    if (points < wanted) {
        point_name(self, points, name);
        text = self->dropped[0]
                   ? mlx_format("%s and more were not measured: %s", name, self->dropped)
                   : mlx_format("%s and more did not fit in the budget: --budget %.0f would "
                                "measure them once",
                                name, budget_s);
        mlx_value_append(warnings, mlx_value_new_str(text));
    }
    if (self->cached * 10 > self->prompts) {
        MLX_CLEANUP(mlx_free_p)
        char *cached = mlx_format("the server had %lld of %lld prompt tokens in its cache",
                                  (long long)self->cached, (long long)self->prompts);
        mlx_value_append(warnings, mlx_value_new_str(cached));
    }
}

int mlx_sweep_run_write(const mlx_sweep_run_t *self, mlx_value_t *result, mlx_value_t *warnings,
                        mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *set = mlx_format("sweep-%s-1-%lld", mlx_sweep_name(self->kind),
                           (long long)mlx_sweep_plan_tokens(self->plan));
    mlx_value_set_str(result, "sweep", mlx_sweep_name(self->kind));
    mlx_value_set_str(result, "prompt_set", set);
    mlx_value_set_int(result, "tokens", self->tokens);
    mlx_value_t *points = mlx_value_set(result, "points", mlx_value_list());
    for (size_t i = 0; i < mlx_sweep_plan_wanted(self->plan); i++) {
        mlx_value_t *point = point_value(self, i);
        if (point)
            mlx_value_append(points, point);
    }
    mlx_value_t *rounds = mlx_value_set(result, "prompts", mlx_value_list());
    for (size_t i = 0; i < self->round_count; i++)
        mlx_value_append(rounds, round_value(self, &self->rounds[i]));
    warn(self, warnings);
    if (mlx_value_size(points) > 0)
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED, "the model generated too few tokens to measure its speed");
    return mlx_error_hint(err, "give it more time: --budget, or bench.budget_s in the settings");
}

double mlx_sweep_run_queued(const mlx_sweep_run_t *self)
{
    return mlx_report_queued(self->alone, self->alone_count);
}

int64_t mlx_sweep_run_tokens(const mlx_sweep_run_t *self)
{
    return self->tokens;
}
