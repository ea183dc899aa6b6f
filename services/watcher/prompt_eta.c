#include "prompt_eta.h"

#include <math.h>

enum {
    FORGET_US = 60 * 1000 * 1000
};

static const mlx_activity_request_t *same_request(const mlx_activity_request_t *request,
                                                  const mlx_activity_t *log)
{
    for (size_t i = 0; i < log->list_count && request->task >= 0; i++)
        if (log->list[i].task == request->task)
            return &log->list[i];
    return NULL;
}

void mlx_prompt_eta_join(mlx_activity_t *seen, const mlx_activity_t *log)
{
    for (size_t i = 0; log->available && i < seen->list_count; i++) {
        mlx_activity_request_t *request = &seen->list[i];
        const mlx_activity_request_t *told = same_request(request, log);
        if (!told || told == request)
            continue;
        if (isnan(request->prompt_total))
            request->prompt_total = told->prompt_total;
        if (told->prompt_cached > 0)
            request->prompt_cached = told->prompt_cached;
        if (told->prompt_done > 0 && !(request->prompt_done >= told->prompt_done))
            request->prompt_done = told->prompt_done;
        if (isnan(request->prompt_tokens_per_second))
            request->prompt_tokens_per_second = told->prompt_tokens_per_second;
    }
}

/*  The entry of KEY, or the one that was not seen for the longest. */
static size_t entry_of(mlx_prompt_eta_t *self, int64_t key, int64_t now_us)
{
    size_t oldest = 0;
    for (size_t i = 0; i < MLX_ACTIVITY_REQUESTS_MAX; i++) {
        if (self->entries[i].key == key && self->entries[i].seen_us > now_us - FORGET_US)
            return i;
        if (self->entries[i].seen_us < self->entries[oldest].seen_us)
            oldest = i;
    }
    self->entries[oldest].key = key;
    self->entries[oldest].done = NAN;
    self->entries[oldest].left_s = NAN;
    return oldest;
}

/*  What has no number is told apart by when it began. */
static int64_t key_of(const mlx_activity_request_t *request, int64_t now_us)
{
    int64_t age_us = isnan(request->age_s) ? 0 : (int64_t)(request->age_s * 1e6);
    return request->task >= 0 ? request->task : -1 - (now_us - age_us) / 100000;
}

/*  While a batch is worked on the clock goes on. An estimate that is later than the one before was
 *  too early: then what is told stands still. */
static void estimate(mlx_prompt_eta_t *self, mlx_activity_request_t *request, int64_t now_us)
{
    size_t i = entry_of(self, key_of(request, now_us), now_us);
    if (self->entries[i].done != request->prompt_done) {
        self->entries[i].done = request->prompt_done;
        self->entries[i].done_us = now_us;
    }
    self->entries[i].seen_us = now_us;
    double rest = request->prompt_total - request->prompt_done;
    double left = rest / request->prompt_tokens_per_second -
                  (double)(now_us - self->entries[i].done_us) / 1e6;
    if (isfinite(left) && rest >= 0 && !(left >= self->entries[i].left_s))
        self->entries[i].left_s = left > 0 ? left : 0;
    request->prompt_eta_s = self->entries[i].left_s;
}

void mlx_prompt_eta_update(mlx_prompt_eta_t *self, mlx_activity_t *seen, int64_t now_us)
{
    for (size_t i = 0; i < seen->list_count; i++)
        if (!(seen->list[i].tokens > 0) && seen->list[i].prompt_total > 0)
            estimate(self, &seen->list[i], now_us);
}
