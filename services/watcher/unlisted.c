#include "unlisted.h"

#include <math.h>

void mlx_unlisted_reset(mlx_unlisted_t *self)
{
    *self = (mlx_unlisted_t){.started = false};
    mlx_runtime_counters_clear(&self->base);
    mlx_runtime_counters_clear(&self->newest);
}

bool mlx_unlisted_take(mlx_unlisted_t *self, const mlx_ended_t *request)
{
    if (!self->started || isfinite(self->newest.requests_total))
        return false;
    if (isfinite(request->tokens)) {
        self->later += request->tokens;
        return false;
    }
    if (self->credit > 0)
        self->credit--;
    else
        self->blanks++;
    return true;
}

/*  NaN when it is not known. */
static double rise(double before, double now)
{
    return isfinite(before) && isfinite(now) && now >= before ? now - before : NAN;
}

static void start(mlx_unlisted_t *self, const mlx_runtime_counters_t *seen)
{
    self->started = true;
    self->base = *seen;
    self->listed = 0;
    self->later = 0;
    self->certain = 0;
    self->credit = 0;
}

void mlx_unlisted_counters(mlx_unlisted_t *self, const mlx_runtime_counters_t *seen)
{
    bool fell = seen->tokens_total < self->newest.tokens_total ||
                seen->requests_total < self->newest.requests_total;
    if (!self->started || fell)
        start(self, seen);
    self->newest = *seen;
    self->listed += self->later;
    self->later = 0;
    self->certain = self->blanks;
    self->fresh = true;
}

static void begin(mlx_ended_t *out, int64_t wall_us)
{
    mlx_ended_clear(out);
    out->source = "metrics";
    out->exact = true;
    out->end_us = wall_us;
}

/*  n tokens of one request took n - 1 steps. */
static double rate_of(double tokens, double seconds)
{
    return tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : NAN;
}

/*  The server counts its requests: what their sums rose by is theirs. */
static void settle_counted(mlx_unlisted_t *self, int64_t wall_us, const mlx_ended_sink_t *sink)
{
    const mlx_runtime_counters_t *was = &self->base, *now = &self->newest;
    double count = rise(was->requests_total, now->requests_total);
    if (!(count >= 1))
        return;
    mlx_ended_t out;
    begin(&out, wall_us);
    out.requests = count > 1 ? count : 0;
    out.tokens = rise(was->ended_tokens, now->ended_tokens);
    out.prompt_tokens = rise(was->ended_prompt_tokens, now->ended_prompt_tokens);
    out.queue_s = rise(was->queue_sum, now->queue_sum) / count;
    double took_s = rise(was->ended_seconds, now->ended_seconds);
    if (rise(was->ttft_count, now->ttft_count) == count)
        out.ttft_s = rise(was->ttft_sum, now->ttft_sum) / count;
    if (count == 1) {
        out.rate = rate_of(out.tokens, rise(was->ended_decode_seconds, now->ended_decode_seconds));
        out.start_us = took_s > 0 && took_s < 86400 ? wall_us - (int64_t)(took_s * 1e6) : 0;
    }
    self->base = *now;
    mlx_ended_tell(sink, &out);
}

static void tell_rest(mlx_unlisted_t *self, int64_t wall_us, const mlx_ended_sink_t *sink)
{
    mlx_ended_t out;
    begin(&out, wall_us);
    out.exact = false;
    for (; self->certain > 0; self->certain--, self->blanks--)
        mlx_ended_tell(sink, &out);
}

void mlx_unlisted_settle(mlx_unlisted_t *self, bool busy, int64_t wall_us,
                         const mlx_ended_sink_t *sink)
{
    if (!self->fresh)
        return;
    if (isfinite(self->newest.requests_total)) {
        settle_counted(self, wall_us, sink);
        return;
    }
    if (busy)
        return;
    double tokens =
        rise(self->base.tokens_total, self->newest.tokens_total) - self->listed - self->later;
    if (tokens >= 1) {
        mlx_ended_t out;
        begin(&out, wall_us);
        out.requests = self->certain > 1 ? (double)self->certain : 0;
        out.tokens = tokens;
        if (self->certain <= 1 && self->listed + self->later == 0)
            out.rate =
                rate_of(tokens, rise(self->base.tokens_seconds, self->newest.tokens_seconds));
        self->credit += self->certain == 0;
        self->blanks -= self->certain;
        self->certain = 0;
        mlx_ended_tell(sink, &out);
    }
    tell_rest(self, wall_us, sink);
    /*  What was listed after the counters were read may not be in them: it is in the next. */
    size_t credit = self->credit;
    double ahead = fmin(self->later, fmax(-tokens, 0));
    start(self, &self->newest);
    self->listed = ahead;
    self->credit = credit;
    self->fresh = false;
}
