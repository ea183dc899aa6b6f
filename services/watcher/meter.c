#include "meter.h"

#include <math.h>

enum {
    STALE_US = 3 * 1000 * 1000
};

void mlx_meter_reset(mlx_meter_t *self)
{
    mlx_activity_t nothing;
    mlx_activity_clear(&nothing);
    *self = (mlx_meter_t){.requests = NAN, .ttft_s = NAN, .last = nothing.last};
    mlx_runtime_counters_clear(&self->seen);
}

/*  How much a counter rose; NaN when that is not known or it was restarted. */
static double rise(double before, double now)
{
    return isfinite(before) && isfinite(now) && now >= before ? now - before : NAN;
}

/*  Feed RATE so that its window begins with the first rise of what runs now. */
static void feed(mlx_rate_t *rate, double before, const mlx_runtime_counters_t *seen, double now,
                 int64_t now_us)
{
    if (seen->running == 0)
        mlx_rate_reset(rate);
    else if (rate->count > 0 || rise(before, now) > 0)
        mlx_rate_add(rate, now_us, now);
}

/*  Servers that time their work tell the true speed of what ended since the last look, if that was
 *  one request: its n tokens took n - 1 steps. Of several they tell only the sum; one is assumed
 *  where nobody counts them. */
static void note_ended(mlx_meter_t *self, const mlx_runtime_counters_t *now, double ended,
                       int64_t wall_us)
{
    double tokens = rise(self->seen.tokens_total, now->tokens_total);
    double seconds = rise(self->seen.tokens_seconds, now->tokens_seconds);
    if (!(tokens > 0) || !(seconds > 0) || ended > 1)
        return;
    double prompt = rise(self->seen.prompt_tokens_total, now->prompt_tokens_total);
    double prompt_s = rise(self->seen.prompt_tokens_seconds, now->prompt_tokens_seconds);
    self->last.t_us = wall_us;
    self->last.tokens = tokens;
    self->last.tokens_per_second = tokens > 1 ? (tokens - 1) / seconds : NAN;
    self->last.prompt_tokens = prompt;
    self->last.prompt_tokens_per_second = prompt > 0 && prompt_s > 0 ? prompt / prompt_s : NAN;
}

void mlx_meter_update(mlx_meter_t *self, const mlx_runtime_counters_t *seen, double requests,
                      int64_t now_us, int64_t wall_us)
{
    feed(&self->tokens, self->seen.tokens_total, seen, seen->tokens_total, now_us);
    feed(&self->prompt, self->seen.prompt_tokens_total, seen, seen->prompt_tokens_total, now_us);
    double first_tokens = rise(self->seen.ttft_count, seen->ttft_count);
    double waited = rise(self->seen.ttft_sum, seen->ttft_sum);
    if (first_tokens > 0 && waited >= 0)
        self->ttft_s = waited / first_tokens;
    double counted = isnan(seen->requests_total) ? requests : seen->requests_total;
    note_ended(self, seen, rise(self->requests, counted), wall_us);
    self->requests = counted;
    self->seen = *seen;
    self->seen_us = now_us;
    self->started = true;
}

bool mlx_meter_busy(const mlx_meter_t *self)
{
    return self->seen.running > 0;
}

void mlx_meter_activity(const mlx_meter_t *self, int64_t now_us, mlx_activity_t *out)
{
    mlx_activity_clear(out);
    if (!self->started)
        return;
    bool stale = now_us - self->seen_us > STALE_US;
    out->available = true;
    out->looked_us = self->seen_us;
    out->requests = self->seen.running;
    out->generating = self->seen.running;
    if (!stale)
        out->tokens_per_second = mlx_meter_busy(self)      ? mlx_rate_value(&self->tokens)
                                 : self->seen.running == 0 ? 0
                                                           : NAN;
    if (!stale && mlx_meter_busy(self))
        out->prompt_tokens_per_second = mlx_rate_value(&self->prompt);
    out->ttft_s = self->ttft_s;
    out->tokens_total = self->seen.tokens_total;
    out->prompt_tokens_total = self->seen.prompt_tokens_total;
    out->requests_total = self->seen.requests_total;
    out->errors_total = self->seen.errors_total;
    out->last = self->last;
}
