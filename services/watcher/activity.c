#include "activity.h"

#include <math.h>
#include <string.h>

#include "totals.h"

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
                 .duration_s = NAN},
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
    return s->tap->generating > 0 && !(s->own->requests > s->tap->requests);
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
    }
    return list;
}

static void set_count(mlx_value_t *map, const char *key, double n)
{
    if (isfinite(n) && n >= 0 && n < 9e15)
        mlx_value_set_int(map, key, (int64_t)n);
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

/*  The tap's counts of a finished request are the server's own: they win when both saw one end at
 *  about the same time (the sources notice an end up to a poll apart). */
static const mlx_activity_last_t *last_request(const mlx_activity_sources_t *s)
{
    enum {
        SAME_US = 2 * 1000 * 1000
    };
    const mlx_activity_last_t *tap = usable(s->tap) ? &s->tap->last : NULL;
    const mlx_activity_last_t *own = usable(s->own) ? &s->own->last : NULL;
    if (!tap || !tap->t_us)
        return own && own->t_us ? own : NULL;
    return own && own->t_us > tap->t_us + SAME_US ? own : tap;
}

static void fill(mlx_value_t *d, const mlx_activity_t *best)
{
    mlx_value_set_bool(d, "busy", best->requests > 0);
    set_count(d, "requests", best->requests);
    if (best->requests > 0) /* a speed of nothing is no speed */
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
    const mlx_activity_t *best = tap_best ? s->tap : usable(s->own) ? s->own : NULL;
    if (best) {
        fill(d, best);
        mlx_value_set_str(d, "source", tap_best ? "tap" : s->own_source);
        double ttft = usable(s->tap) && !isnan(s->tap->ttft_s) ? s->tap->ttft_s : best->ttft_s;
        mlx_value_set_real(d, "ttft", ttft);
    }
    fill_totals(d, s->totals);
    mlx_value_set_str(d, "source_reason", s->reason);
    const mlx_activity_last_t *last = last_request(s);
    if (last)
        mlx_value_set(d, "last", last_of(last));
    return d;
}
