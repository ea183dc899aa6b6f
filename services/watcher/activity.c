#include "activity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "totals.h"

static const double SLACK_S = 0.05; /* between two looks at one clock */

void mlx_activity_request_clear(mlx_activity_request_t *self)
{
    *self = (mlx_activity_request_t){
        .tokens = NAN,
        .tokens_per_second = NAN,
        .age_s = NAN,
        .prompt_total = NAN,
        .prompt_done = NAN,
        .prompt_cached = NAN,
        .prompt_tokens_per_second = NAN,
        .prompt_eta_s = NAN,
        .task = -1,
    };
}

void mlx_activity_clear(mlx_activity_t *self)
{
    *self = (mlx_activity_t){
        .requests = NAN,
        .generating = NAN,
        .tokens_per_second = NAN,
        .prompt_tokens_per_second = NAN,
        .ttft_s = NAN,
        .tokens_total = NAN,
        .prompt_tokens_total = NAN,
        .requests_total = NAN,
        .errors_total = NAN,
        .last = {.tokens = NAN,
                 .tokens_per_second = NAN,
                 .prompt_tokens = NAN,
                 .prompt_tokens_per_second = NAN,
                 .ttft_s = NAN,
                 .duration_s = NAN,
                 .prompt_cached = NAN},
    };
}

/*  The sum of what is known. */
static void add(double *sum, double part)
{
    if (isnan(*sum))
        *sum = part;
    else if (!isnan(part))
        *sum += part;
}

void mlx_activity_add(mlx_activity_t *self, const mlx_activity_t *part)
{
    if (!part->available)
        return;
    bool alone = !(self->requests > 0);
    self->available = true;
    if (part->looked_us && (!self->looked_us || part->looked_us < self->looked_us))
        self->looked_us = part->looked_us; /* the sum is as old as its oldest part */
    if (part->requests > 0)
        self->model = alone ? part->model : NULL;
    add(&self->requests, part->requests);
    add(&self->generating, part->generating);
    add(&self->tokens_per_second, part->tokens_per_second);
    add(&self->prompt_tokens_per_second, part->prompt_tokens_per_second);
    add(&self->tokens_total, part->tokens_total);
    add(&self->prompt_tokens_total, part->prompt_tokens_total);
    add(&self->requests_total, part->requests_total);
    add(&self->errors_total, part->errors_total);
    if (!isnan(part->ttft_s))
        self->ttft_s = part->ttft_s;
    for (size_t i = 0; i < part->list_count && self->list_count < MLX_ACTIVITY_REQUESTS_MAX; i++)
        self->list[self->list_count++] = part->list[i];
    if (part->last.t_us > self->last.t_us)
        self->last = part->last;
}

static bool usable(const mlx_activity_t *source)
{
    return source && source->available;
}

static bool tap_is_best(const mlx_activity_sources_t *s)
{
    if (!usable(s->tap))
        return false;
    if (!usable(s->own))
        return true;
    if (s->own->requests == 0) /* it was looked at before */
        return s->tap->requests > 0;
    return s->tap->generating > 0 && !(s->own->requests > s->tap->requests);
}

static void set_count(mlx_value_t *map, const char *key, double n)
{
    if (isfinite(n) && n >= 0 && n < 9e15)
        mlx_value_set_int(map, key, (int64_t)n);
}

/*  How far the prompt is, while it is read. */
static void set_prompt(mlx_value_t *item, const mlx_activity_request_t *r)
{
    if (r->tokens > 0 || !(r->prompt_done >= 0 || r->prompt_total > 0))
        return;
    if (r->prompt_total > 0)
        set_count(item, "prompt_tokens", r->prompt_total);
    set_count(item, "prompt_done", r->prompt_done);
    set_count(item, "prompt_cached", r->prompt_cached);
    mlx_value_set_real(item, "prompt_tokens_per_second", r->prompt_tokens_per_second);
    mlx_value_set_real(item, "prompt_remaining", r->prompt_eta_s);
}

static mlx_value_t *list_of(const mlx_activity_t *best)
{
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < best->list_count; i++) {
        const mlx_activity_request_t *r = &best->list[i];
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(item, "model", r->model);
        mlx_value_set_str(item, "client", r->client);
        if (!isnan(r->tokens))
            mlx_value_set_int(item, "tokens", (int64_t)r->tokens);
        mlx_value_set_real(item, "tokens_per_second", r->tokens_per_second);
        mlx_value_set_real(item, "age", r->age_s);
        set_prompt(item, r);
    }
    return list;
}

static mlx_value_t *last_of(const mlx_activity_last_t *last)
{
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "source", last->source);
    mlx_value_set_int(map, "t", last->t_us);
    mlx_value_set_str(map, "model", last->model);
    set_count(map, "tokens", last->tokens);
    mlx_value_set_real(map, "tokens_per_second", last->tokens_per_second);
    set_count(map, "prompt_tokens", last->prompt_tokens);
    mlx_value_set_real(map, "prompt_tokens_per_second", last->prompt_tokens_per_second);
    mlx_value_set_real(map, "ttft", last->ttft_s);
    mlx_value_set_real(map, "duration", last->duration_s);
    mlx_value_set_str(map, "outcome", last->outcome);
    return map;
}

static mlx_value_t *cut_of(const mlx_activity_cut_t *cut)
{
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_int(map, "t", cut->t_us);
    set_count(map, "asked", cut->asked);
    set_count(map, "kept", cut->kept);
    return map;
}

/*  Ollama's reply counts the whole prompt and times only what was not cached: the share that its
 *  runner knows is taken out of the speed. */
static void leave_cached_out(mlx_activity_last_t *tap, const mlx_activity_last_t *own)
{
    double computed = own->prompt_tokens - own->prompt_cached;
    if (own->prompt_cached > 0 && computed >= 0 && isnan(tap->prompt_cached) &&
        fabs(own->prompt_tokens - tap->prompt_tokens) <= 1)
        tap->prompt_tokens_per_second *= computed / own->prompt_tokens;
}

/*  The tap's counts of a finished request are the server's own: they win when both saw one end at
 *  about the same time (the sources notice an end up to a poll apart). */
static bool last_request(const mlx_activity_sources_t *s, mlx_activity_last_t *out)
{
    enum {
        SAME_US = 2 * 1000 * 1000
    };
    const mlx_activity_last_t *tap = usable(s->tap) && s->tap->last.t_us ? &s->tap->last : NULL;
    const mlx_activity_last_t *own = usable(s->own) && s->own->last.t_us ? &s->own->last : NULL;
    if (!tap && !own)
        return false;
    bool own_newer = own && (!tap || own->t_us > tap->t_us + SAME_US);
    *out = own_newer ? *own : *tap;
    if (!own_newer && own && own->t_us > tap->t_us - SAME_US)
        leave_cached_out(out, own);
    return true;
}

/*  The place of a request of the tap that nothing else was matched with and that is at least AGE_S
 *  old: what the server works on came through the tap before. TAP's count when there is none. */
static size_t take_match(const mlx_activity_t *tap, double age_s, bool *taken)
{
    for (size_t i = tap->list_count; i-- > 0;)
        if (!taken[i] && tap->list[i].age_s + SLACK_S >= age_s) {
            taken[i] = true;
            return i;
        }
    return tap->list_count;
}

/*  What the tap does not see of a prompt, the server tells. */
static void join_prompt(mlx_activity_request_t *tapped, const mlx_activity_request_t *own)
{
    if (tapped->prompt_total > 0 || tapped->tokens > 0)
        return;
    tapped->prompt_total = own->prompt_total;
    tapped->prompt_done = own->prompt_done;
    tapped->prompt_cached = own->prompt_cached;
    tapped->prompt_tokens_per_second = own->prompt_tokens_per_second;
    tapped->prompt_eta_s = own->prompt_eta_s;
}

static int by_age(const void *a, const void *b)
{
    double x = ((const mlx_activity_request_t *)a)->age_s;
    double y = ((const mlx_activity_request_t *)b)->age_s;
    return (x < y) - (x > y);
}

/*  BEST with the requests of both: those of OWN, the oldest first, are each taken for one of the
 *  tap's that is not younger. */
static void join_requests(const mlx_activity_t *tap, const mlx_activity_t *own,
                          mlx_activity_t *best)
{
    bool taken[MLX_ACTIVITY_REQUESTS_MAX] = {false};
    mlx_activity_request_t others[MLX_ACTIVITY_REQUESTS_MAX];
    size_t count = own->list_count, direct = 0;
    memcpy(others, own->list, count * sizeof others[0]);
    qsort(others, count, sizeof others[0], by_age);
    memcpy(best->list, tap->list, tap->list_count * sizeof best->list[0]);
    best->list_count = tap->list_count;
    for (size_t i = 0; i < count; i++) {
        size_t match = take_match(tap, others[i].age_s, taken);
        if (match < tap->list_count) {
            join_prompt(&best->list[match], &others[i]);
            continue;
        }
        direct++;
        if (best->list_count < MLX_ACTIVITY_REQUESTS_MAX)
            best->list[best->list_count++] = others[i];
    }
    best->requests = tap->requests + (double)direct;
    if (direct > 0 && !(own->model && tap->model && !strcmp(own->model, tap->model)))
        best->model = NULL;
}

/*  What is known now. The speed is that of the source that sees more. */
static mlx_activity_t best_of(const mlx_activity_sources_t *s, bool tap_best)
{
    mlx_activity_t best = tap_best ? *s->tap : *s->own;
    if (!usable(s->tap) || !usable(s->own) || !(s->tap->requests > 0))
        return best;
    if (s->own->list_count > 0)
        join_requests(s->tap, s->own, &best);
    else if (s->tap->requests > best.requests)
        best.requests = s->tap->requests;
    return best;
}

static void fill(mlx_value_t *d, const mlx_activity_t *best)
{
    mlx_value_set_bool(d, "busy", best->requests > 0);
    set_count(d, "requests", best->requests);
    if (best->requests > 0) /* a speed of nothing is not a speed */
        mlx_value_set_real(d, "tokens_per_second", best->tokens_per_second);
    mlx_value_set_real(d, "prompt_tokens_per_second", best->prompt_tokens_per_second);
    mlx_value_set_str(d, "model", best->model);
    if (best->list_count)
        mlx_value_set(d, "running", list_of(best));
}

static void fill_totals(mlx_value_t *d, const mlx_totals_t *totals)
{
    if (!totals)
        return;
    set_count(d, "tokens_total", mlx_ledger_total(&totals->tokens));
    set_count(d, "prompt_tokens_total", mlx_ledger_total(&totals->prompt_tokens));
    set_count(d, "requests_total", mlx_ledger_total(&totals->requests));
    set_count(d, "errors_total", mlx_ledger_total(&totals->errors));
}

mlx_value_t *mlx_activity_message(const mlx_activity_sources_t *s)
{
    mlx_value_t *d = mlx_value_map();
    bool tap_best = tap_is_best(s);
    if (tap_best || usable(s->own)) {
        mlx_activity_t best = best_of(s, tap_best);
        fill(d, &best);
        mlx_value_set_str(d, "source", tap_best ? "tap" : s->own_source);
        double ttft = usable(s->tap) && !isnan(s->tap->ttft_s) ? s->tap->ttft_s : best.ttft_s;
        mlx_value_set_real(d, "ttft", ttft);
    }
    fill_totals(d, s->totals);
    mlx_value_set_str(d, "source_reason", s->reason);
    mlx_activity_last_t last;
    if (last_request(s, &last))
        mlx_value_set(d, "last", last_of(&last));
    if (s->cut && s->cut->t_us)
        mlx_value_set(d, "cut", cut_of(s->cut));
    return d;
}
