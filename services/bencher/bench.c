#include "bench.h"
#include "common/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "conditions.h"
#include "plan.h"
#include "probe.h"
#include "report.h"
#include "sweep_run.h"

enum {
    LOAD_LIMIT_S = 600,
    RESTORE_MIN_MS = 500,
    RESTORE_MAX_MS = 3000,
    RESTORE_BLOCKING_MS = 2000,
    TICK_MS = 500,
    FAILURES_MAX = 3, /* in a row */
    SEED = 42,
    NONCE_STEP = 7368787, /* prime to MLX_PROMPTS_NONCE_MAX: no nonce twice in a run */
};

typedef enum {
    PHASE_FIND,
    PHASE_LOAD,
    PHASE_WARMUP,
    PHASE_PROMPTS,
    PHASE_RESTORE,
    PHASE_DONE,
} phase_t;

struct mlx_bench {
    mlx_bench_options_t options;
    char *model;
    char *url;
    char *host;
    char id[24];
    phase_t phase;
    mlx_find_t *find;
    mlx_bench_target_t target; /* api NULL: not found yet */
    bool touched;              /* the model's expiry may not be what it was */
    mlx_conditions_t *conditions;
    mlx_bench_plan_t *plan;
    mlx_bench_step_t step;
    size_t step_bytes;
    mlx_asking_t *asking;
    mlx_sweep_run_t *sweep; /* NULL: prompts are asked */
    mlx_probe_t *probe;     /* of what has just been loaded */
    mlx_timer_t *tick;
    int64_t nonce;
    int64_t begun_us; /* the model is loaded */
    int64_t ended_us;
    double load_s; /* NaN: it was loaded */
    double rate;   /* of the newest prompt */
    mlx_record_t *records;
    size_t record_count;
    size_t failures; /* in a row */
    bool not_restored;
    mlx_error_t error;
};

static void next_step(mlx_bench_t *self);

/* ---- progress ---- */

static double elapsed_s(const mlx_bench_t *self)
{
    return self->begun_us ? (double)(mlx_now_us() - self->begun_us) / 1e6 : 0;
}

static void tell(mlx_bench_t *self)
{
    static const char *const names[] = {"load", "load", "warmup", "prompts", "prompts", "done"};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "id", self->id);
    if (self->target.runtime)
        mlx_value_set_str(d, "model", self->target.model);
    mlx_value_set_str(d, "phase", names[self->phase]);
    if (!self->options.sweep)
        mlx_value_set_int(d, "prompts", (int64_t)mlx_prompts_count(self->options.prompts));
    if (self->phase == PHASE_PROMPTS && !self->sweep)
        mlx_value_set_int(d, "prompt", self->step.prompt + 1);
    mlx_value_set_real(d, "elapsed", elapsed_s(self));
    if (self->phase == PHASE_PROMPTS && self->sweep)
        mlx_sweep_run_tell(self->sweep, d);
    if (self->plan)
        mlx_value_set_real(d, "remaining", mlx_bench_plan_remaining(self->plan, elapsed_s(self)));
    mlx_value_set_real(d, "tokens_per_second", self->rate);
    self->options.progress(self->options.arg, d);
}

static void on_tick(void *arg)
{
    tell(arg);
}

/* ---- the end ---- */

static int write_figures(mlx_bench_t *self, mlx_value_t *result, mlx_value_t *warnings)
{
    if (!self->sweep)
        return mlx_report_write(&self->target, self->options.prompts, self->records,
                                self->record_count, result, warnings, &self->error);
    mlx_report_subject(&self->target, result);
    return mlx_sweep_run_write(self->sweep, result, warnings, &self->error);
}

static mlx_value_t *result_of(mlx_bench_t *self)
{
    mlx_value_t *result = mlx_value_map();
    mlx_value_t *warnings = mlx_value_list();
    mlx_value_set_str(result, "id", self->id);
    if (write_figures(self, result, warnings)) {
        mlx_value_destroy(&warnings);
        mlx_value_destroy(&result);
        return NULL;
    }
    mlx_value_set_real(result, "duration", (double)(self->ended_us - self->begun_us) / 1e6);
    mlx_value_set_real(result, "load", self->load_s);
    mlx_conditions_queued(self->conditions,
                          self->sweep ? mlx_sweep_run_queued(self->sweep)
                                      : mlx_report_queued(self->records, self->record_count));
    mlx_conditions_write(self->conditions,
                         self->sweep ? mlx_sweep_run_tokens(self->sweep)
                                     : mlx_report_tokens(self->records, self->record_count),
                         result, warnings);
    if (self->not_restored)
        mlx_value_append(warnings,
                         mlx_value_new_str("the model's keep-alive time could not be restored"));
    mlx_value_set(result, "warnings", warnings);
    mlx_value_set_int(result, "t", mlx_wall_us());
    return result;
}

static void finish(mlx_bench_t *self)
{
    mlx_loop_cancel(self->options.loop, &self->tick);
    self->phase = PHASE_DONE;
    self->touched = false;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = self->error.code ? NULL : result_of(self);
    if (result)
        tell(self);
    mlx_error_t err = self->error;
    self->options.done(self->options.arg, result, result ? NULL : &err);
}

/*  What the model's expiry was. When others used it meanwhile it is what their request made it. */
static mlx_keep_t keep_after(const mlx_bench_t *self)
{
    const mlx_bench_target_t *target = &self->target;
    int64_t left_us = target->expires_at - mlx_wall_us();
    if (target->loaded && !target->loading && !target->expires_at)
        return (mlx_keep_t){.kind = MLX_KEEP_FOREVER};
    if (target->loading || mlx_conditions_shared(self->conditions))
        return (mlx_keep_t){.kind = MLX_KEEP_DEFAULT};
    if (!target->loaded || left_us < 0)
        return (mlx_keep_t){.kind = MLX_KEEP_FOR};
    return (mlx_keep_t){.kind = MLX_KEEP_FOR, .ms = left_us / 1000};
}

/*  Long enough for the run, and not much longer: should we be killed the model goes soon. */
static mlx_keep_t keep_during(const mlx_bench_t *self)
{
    mlx_keep_t keep = keep_after(self);
    int64_t enough = (int64_t)(self->options.budget_s * 1000) + 60000;
    if (keep.kind == MLX_KEEP_FOR && keep.ms < enough)
        keep.ms = enough;
    return keep;
}

static mlx_ask_t restore_ask(const mlx_bench_t *self)
{
    return (mlx_ask_t){
        .model = self->target.model, .context = self->target.context, .keep = keep_after(self)};
}

static void on_restored(void *arg, const mlx_answer_t *answer)
{
    mlx_bench_t *self = arg;
    self->not_restored = answer->cut || answer->error.code;
    mlx_asking_destroy(&self->asking);
    finish(self);
}

/*  What the plan has left of the budget. */
static int64_t restore_ms(const mlx_bench_t *self)
{
    double left_ms = (self->options.budget_s - elapsed_s(self)) * 1000;
    return (int64_t)fmin(fmax(left_ms, RESTORE_MIN_MS), RESTORE_MAX_MS);
}

static void restore(mlx_bench_t *self)
{
    mlx_asking_destroy(&self->asking);
    mlx_probe_destroy(&self->probe);
    if (self->sweep)
        mlx_sweep_run_stop(self->sweep);
    self->phase = PHASE_RESTORE;
    self->ended_us = mlx_now_us();
    if (!self->touched) {
        finish(self);
        return;
    }
    mlx_asking_request_t request = {.runtime = self->target.runtime,
                                    .url = self->target.url,
                                    .keys = self->options.keys,
                                    .ask = restore_ask(self),
                                    .limit_ms = restore_ms(self)};
    self->asking =
        mlx_asking_new(self->options.loop, self->options.http, &request, on_restored, self);
}

static void fail(mlx_bench_t *self, const mlx_error_t *err)
{
    self->error = *err;
    restore(self);
}

/* ---- asking ---- */

static int64_t next_nonce(mlx_bench_t *self)
{
    self->nonce = (self->nonce + NONCE_STEP) % MLX_PROMPTS_NONCE_MAX;
    return self->nonce;
}

static mlx_asking_t *ask(mlx_bench_t *self, const char *prompt, int64_t tokens, double limit_s,
                         mlx_asking_fn fn, void *fn_arg)
{
    mlx_asking_request_t request = {
        .runtime = self->target.runtime,
        .url = self->target.url,
        .keys = self->options.keys,
        .ask = {.model = self->target.model,
                .prompt = prompt,
                .tokens = tokens,
                .seed = SEED,
                .context = self->target.context,
                .keep = keep_during(self)},
        .limit_ms = (int64_t)ceil(limit_s * 1000),
    };
    self->touched = self->target.runtime->generate.keeps;
    return mlx_asking_new(self->options.loop, self->options.http, &request, fn, fn_arg);
}

static mlx_outcome_t outcome_of(const mlx_bench_t *self, const mlx_answer_t *answer)
{
    const mlx_stream_figures_t *f = &answer->figures;
    if (answer->error.code) /* says nothing about speed */
        return (mlx_outcome_t){.tokens = -1, .prompt_tokens = -1, .ttft_s = (double)NAN};
    return (mlx_outcome_t){.bytes = self->step_bytes,
                           .tokens = f->generated_tokens,
                           .prompt_tokens = f->prompt_tokens,
                           .ttft_s = f->ttft_s,
                           .duration_s = answer->duration_s};
}

/*  Whether the run can go on after ANSWER. */
static bool keep_record(mlx_bench_t *self, const mlx_answer_t *answer)
{
    mlx_record_t *record = &self->records[self->record_count++];
    record->name = mlx_prompts_name(self->options.prompts, (size_t)self->step.prompt);
    record->answer = *answer;
    if (!isnan(answer->figures.generation_rate))
        self->rate = answer->figures.generation_rate;
    self->failures = answer->error.code ? self->failures + 1 : 0;
    return self->failures < FAILURES_MAX;
}

static void on_answer(void *arg, const mlx_answer_t *answer)
{
    mlx_bench_t *self = arg;
    mlx_outcome_t outcome = outcome_of(self, answer);
    mlx_bench_plan_note(self->plan, &outcome);
    bool go_on = self->phase == PHASE_WARMUP ? !answer->error.code : keep_record(self, answer);
    if (!go_on) {
        fail(self, &answer->error);
        return;
    }
    if (self->phase == PHASE_WARMUP)
        mlx_conditions_begin(self->conditions, mlx_now_us());
    mlx_asking_destroy(&self->asking);
    next_step(self);
}

static void next_step(mlx_bench_t *self)
{
    if (!mlx_bench_plan_next(self->plan, elapsed_s(self), &self->step)) {
        mlx_conditions_end(self->conditions, mlx_now_us());
        restore(self);
        return;
    }
    bool warmup = self->step.prompt == MLX_PLAN_WARMUP;
    MLX_CLEANUP(mlx_free_p)
    char *text = warmup ? mlx_prompts_warmup(next_nonce(self))
                        : mlx_prompts_text(self->options.prompts, (size_t)self->step.prompt,
                                           self->step.bytes, next_nonce(self));
    self->phase = warmup ? PHASE_WARMUP : PHASE_PROMPTS;
    self->step_bytes = strlen(text);
    self->asking = ask(self, text, self->step.tokens, self->step.limit_s, on_answer, self);
    tell(self);
}

/* ---- a sweep ---- */

static mlx_asking_t *sweep_ask(void *arg, const char *prompt, int64_t tokens, double limit_s,
                               mlx_asking_fn fn, void *fn_arg)
{
    return ask(arg, prompt, tokens, limit_s, fn, fn_arg);
}

static double sweep_elapsed(void *arg)
{
    return elapsed_s(arg);
}

static int64_t sweep_nonce(void *arg)
{
    return next_nonce(arg);
}

static void sweep_warm(void *arg)
{
    mlx_bench_t *self = arg;
    mlx_conditions_begin(self->conditions, mlx_now_us());
}

static void sweep_over(void *arg, const mlx_error_t *err)
{
    mlx_bench_t *self = arg;
    if (err) {
        fail(self, err);
        return;
    }
    mlx_conditions_end(self->conditions, mlx_now_us());
    restore(self);
}

static void begin_sweep(mlx_bench_t *self)
{
    const mlx_sweep_host_t host = {.ask = sweep_ask,
                                   .elapsed = sweep_elapsed,
                                   .nonce = sweep_nonce,
                                   .warm = sweep_warm,
                                   .progress = on_tick,
                                   .over = sweep_over,
                                   .arg = self};
    self->phase = PHASE_PROMPTS;
    self->sweep =
        mlx_sweep_run_new(self->options.sweep, self->options.budget_s, self->target.context, &host);
    if (self->options.sweep == MLX_SWEEP_PARALLEL)
        mlx_conditions_clients(self->conditions, MLX_SWEEP_CLIENTS_MAX);
    mlx_sweep_run_start(self->sweep);
}

/* ---- the beginning ---- */

static void begin(mlx_bench_t *self)
{
    self->begun_us = mlx_now_us();
    if (self->options.sweep) {
        begin_sweep(self);
        return;
    }
    self->plan =
        mlx_bench_plan_new(self->options.prompts, self->options.budget_s, self->target.context);
    next_step(self);
}

/*  How long a context the model was loaded with decides how long a prompt may be. */
static void on_looked(void *arg, const mlx_found_t *found, const mlx_error_t *err)
{
    mlx_bench_t *self = arg;
    (void)err;
    if (found)
        mlx_value_int(mlx_probe_model(found->models, self->target.model), "context",
                      &self->target.context);
    mlx_probe_destroy(&self->probe);
    begin(self);
}

static void on_loaded(void *arg, const mlx_answer_t *answer)
{
    mlx_bench_t *self = arg;
    mlx_error_t err = answer->error;
    if (answer->cut)
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "%.200s was not loaded within %d s",
                      self->target.model, LOAD_LIMIT_S);
    if (err.code) {
        fail(self, &err);
        return;
    }
    mlx_asking_destroy(&self->asking);
    if (!self->target.runtime->generate.keeps) {
        begin(self);
        return;
    }
    self->load_s = answer->duration_s;
    self->probe =
        mlx_probe_new(self->options.http, self->options.keys, self->target.url, on_looked, self);
}

static void load(mlx_bench_t *self)
{
    const mlx_runtime_backend_t *runtime = self->target.runtime;
    MLX_CLEANUP(mlx_free_p)
    char *text = runtime->generate.keeps ? NULL : mlx_prompts_warmup(next_nonce(self));
    if (!runtime->generate.loads && (self->target.loaded || !runtime->generate.keeps)) {
        begin(self);
        return;
    }
    self->phase = PHASE_LOAD;
    self->asking = ask(self, text, 1, LOAD_LIMIT_S, on_loaded, self);
    tell(self);
}

static void recall(void *arg, const mlx_message_t *message, int64_t age_us)
{
    mlx_bench_t *self = arg;
    if (age_us <= MLX_OVERVIEW_STALE_US && strcmp(message->host, self->host) == 0)
        mlx_conditions_message(self->conditions, message, mlx_now_us());
}

static void on_found(void *arg, const mlx_bench_target_t *target, const mlx_error_t *err)
{
    mlx_bench_t *self = arg;
    if (!target) {
        fail(self, err);
        return;
    }
    self->target = *target;
    mlx_find_destroy(&self->find);
    self->conditions = mlx_conditions_new(&self->target);
    mlx_overview_each(self->options.overview, "", mlx_wall_us(), recall, self);
    load(self);
}

mlx_bench_t *mlx_bench_new(const mlx_bench_options_t *options)
{
    mlx_bench_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->model = mlx_strdup(options->model);
    self->url = mlx_strdup(options->url);
    self->host = mlx_strdup(options->host);
    self->load_s = self->rate = (double)NAN;
    self->nonce = (int64_t)(options->random % MLX_PROMPTS_NONCE_MAX);
    self->records = mlx_alloc(mlx_prompts_count(options->prompts), sizeof *self->records);
    snprintf(self->id, sizeof self->id, "%016llx", (unsigned long long)options->random);
    self->find = mlx_find_new(options->loop,
                              &(mlx_find_options_t){.http = options->http,
                                                    .keys = options->keys,
                                                    .overview = options->overview,
                                                    .host = self->host,
                                                    .model = self->model,
                                                    .url = self->url},
                              on_found, self);
    self->tick = mlx_loop_every(options->loop, TICK_MS, on_tick, self);
    return self;
}

static void ignore_reply(void *arg, const mlx_http_reply_t *reply)
{
    (void)arg, (void)reply;
}

/*  The daemon ends: the loop does not run any more. */
static void restore_blocking(const mlx_bench_t *self)
{
    mlx_ask_t ask = restore_ask(self);
    MLX_CLEANUP(mlx_free_p) char *body = mlx_api_body(self->target.runtime, &ask);
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s%s", self->target.url, self->target.runtime->generate.path);
    mlx_runtime_keys_t *keys = self->options.keys;
    MLX_CLEANUP(mlx_free_p) char *key = keys ? mlx_runtime_keys_find(keys, url) : NULL;
    mlx_http_run(&(mlx_http_request_t){.url = url,
                                       .key = key,
                                       .body = body,
                                       .body_len = strlen(body),
                                       .timeout_ms = RESTORE_BLOCKING_MS},
                 ignore_reply, NULL);
}

void mlx_bench_destroy(mlx_bench_t **self_p)
{
    mlx_bench_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->options.loop, &self->tick);
    mlx_find_destroy(&self->find);
    mlx_probe_destroy(&self->probe);
    mlx_asking_destroy(&self->asking);
    if (self->sweep)
        mlx_sweep_run_stop(self->sweep);
    if (self->touched)
        restore_blocking(self);
    mlx_bench_plan_destroy(&self->plan);
    mlx_sweep_run_destroy(&self->sweep);
    mlx_conditions_destroy(&self->conditions);
    mlx_prompts_destroy(&self->options.prompts);
    free(self->records);
    free(self->model);
    free(self->url);
    free(self->host);
    free(self);
}

void mlx_bench_message(mlx_bench_t *self, const mlx_message_t *message)
{
    if (self->conditions && strcmp(message->host, self->host) == 0)
        mlx_conditions_message(self->conditions, message, mlx_now_us());
}

void mlx_bench_cancel(mlx_bench_t *self)
{
    mlx_error_t err = {0};
    if (self->phase >= PHASE_RESTORE)
        return;
    mlx_error_set(&err, MLX_ERR_INTERRUPTED, "the benchmark was cancelled");
    mlx_find_destroy(&self->find);
    fail(self, &err);
}
