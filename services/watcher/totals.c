#include "totals.h"

#include <math.h>
#include <stddef.h>

/*  What is under way is not yet in the tap's sum, but it is in the others'. */
static double tap_tokens(const mlx_activity_t *tap)
{
    double sum = isnan(tap->tokens_total) ? 0 : tap->tokens_total;
    for (size_t i = 0; i < tap->list_count; i++)
        if (tap->list[i].tokens > 0)
            sum += tap->list[i].tokens;
    return sum;
}

static void read_one(mlx_totals_t *self, mlx_ledger_counter_t which, const mlx_activity_t *source,
                     int64_t now_us)
{
    const mlx_activity_t *s = source && source->available ? source : NULL;
    bool tap = which == MLX_LEDGER_TAP;
    int64_t looked_us = s && s->looked_us ? s->looked_us : now_us;
    mlx_ledger_read(&self->tokens, which,
                    !s    ? NAN
                    : tap ? tap_tokens(s)
                          : s->tokens_total,
                    looked_us);
    mlx_ledger_read(&self->prompt_tokens, which,
                    !s                                     ? NAN
                    : tap && isnan(s->prompt_tokens_total) ? 0
                                                           : s->prompt_tokens_total,
                    looked_us);
    mlx_ledger_read(&self->requests, which, s ? s->requests_total : NAN, looked_us);
    mlx_ledger_read(&self->errors, which, s ? s->errors_total : NAN, looked_us);
}

static bool runs(const mlx_activity_t *source)
{
    return source && source->available && source->requests > 0;
}

void mlx_totals_update(mlx_totals_t *self, const mlx_totals_sources_t *sources, int64_t now_us)
{
    bool running = false;
    for (int i = 0; i < MLX_LEDGER_COUNTERS; i++) {
        read_one(self, (mlx_ledger_counter_t)i, sources->by[i], now_us);
        running = running || runs(sources->by[i]);
    }
    mlx_ledger_settle(&self->tokens, running);
    mlx_ledger_settle(&self->prompt_tokens, running);
    mlx_ledger_settle(&self->requests, running);
    mlx_ledger_settle(&self->errors, running);
}
