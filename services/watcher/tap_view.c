#include "tap_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void mlx_tap_view_reset(mlx_tap_view_t *self)
{
    mlx_activity_clear(&self->activity);
    self->last_model[0] = '\0';
    self->stream_count = 0;
    self->made = 0;
    self->changed_us = 0;
    mlx_rate_reset(&self->sum);
}

/*  Counts of the tap are -1 where not known. */
static double count_or_nan(int64_t n)
{
    return n < 0 ? NAN : (double)n;
}

static double nothing_as_zero(double sum)
{
    return isnan(sum) ? 0 : sum;
}

static void add(double *sum, double part)
{
    if (!isnan(part))
        *sum = nothing_as_zero(*sum) + part;
}

static const char *copy_model(char out[MLX_TAP_VIEW_MODEL_MAX], const char *model)
{
    snprintf(out, MLX_TAP_VIEW_MODEL_MAX, "%.*s", MLX_TAP_VIEW_MODEL_MAX - 1, model);
    return out[0] ? out : NULL;
}

static void take_ended(mlx_tap_view_t *self, const mlx_stream_figures_t *f, int64_t now_us,
                       int64_t wall_us)
{
    mlx_activity_t *a = &self->activity;
    a->requests_total++;
    a->errors_total += f->outcome == MLX_STREAM_OK || f->outcome == MLX_STREAM_LOST ? 0 : 1;
    add(&a->tokens_total, count_or_nan(f->generated_tokens));
    add(&a->prompt_tokens_total, count_or_nan(f->prompt_tokens));
    a->last = (mlx_activity_last_t){
        .t_us = wall_us - (now_us - f->ended_us),
        .source = "tap",
        .model = copy_model(self->last_model, f->model),
        .tokens = count_or_nan(f->generated_tokens),
        .tokens_per_second = f->generation_rate,
        .prompt_tokens = count_or_nan(f->prompt_tokens),
        .prompt_tokens_per_second = f->prompt_rate,
        .prompt_cached = NAN,
        .ttft_s = f->ttft_s,
        .duration_s = (double)(f->ended_us - f->started_us) / 1e6,
        .outcome = f->outcome == MLX_STREAM_LOST ? NULL : mlx_stream_outcome_name(f->outcome),
    };
}

static void take_running(mlx_tap_view_t *self, const mlx_tap_request_t *request, int64_t now_us)
{
    const mlx_stream_figures_t *f = &request->figures;
    mlx_activity_t *a = &self->activity;
    a->requests++;
    if (f->streamed && f->generated_tokens > 0) {
        a->generating++;
        add(&a->tokens_per_second, f->live_rate);
    }
    if (a->list_count == MLX_ACTIVITY_REQUESTS_MAX)
        return;
    const char *model = copy_model(self->models[a->list_count], f->model);
    char *client = self->clients[a->list_count];
    mlx_asker_name(&request->asker, client);
    mlx_activity_request_t *item = &a->list[a->list_count++];
    mlx_activity_request_clear(item);
    item->model = model;
    item->client = client[0] ? client : NULL;
    item->tokens = count_or_nan(f->generated_tokens);
    item->tokens_per_second = f->live_rate;
    item->age_s = (double)(now_us - f->started_us) / 1e6;
    if (f->progress_total > 0 && f->generated_tokens <= 0) {
        item->prompt_total = (double)f->progress_total;
        item->prompt_done = count_or_nan(f->progress_done);
        item->prompt_cached = count_or_nan(f->cached_tokens);
        item->prompt_tokens_per_second = f->prompt_rate;
        add(&a->prompt_tokens_per_second, f->prompt_rate);
    }
    a->model = a->list_count == 1 ? model : NULL;
}

static const mlx_tap_view_stream_t *stream_of(const mlx_tap_view_t *self, uint64_t id)
{
    for (size_t i = 0; i < self->stream_count; i++)
        if (self->streams[i].id == id)
            return &self->streams[i];
    return NULL;
}

/*  The speed of all streams together is that of their tokens over one window, not the sum of speeds
 *  over windows of different age. */
static void add_streams_up(mlx_tap_view_t *self, const mlx_tap_snapshot_t *snapshot, int64_t now_us)
{
    mlx_tap_view_stream_t now[MLX_ACTIVITY_REQUESTS_MAX];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const mlx_tap_request_t *r = &snapshot->requests[i];
        const mlx_tap_view_stream_t *before = stream_of(self, r->id);
        if (!r->figures.streamed || r->figures.generated_tokens <= 0)
            continue;
        int64_t more = r->figures.generated_tokens - (before ? before->tokens : 0);
        self->made += more > 0 ? (double)more : 0;
        if (r->figures.outcome != MLX_STREAM_RUNNING || count == MLX_ACTIVITY_REQUESTS_MAX)
            continue;
        kept += before != NULL;
        now[count++] = (mlx_tap_view_stream_t){r->id, r->figures.generated_tokens};
    }
    if (kept == 0 || count == MLX_ACTIVITY_REQUESTS_MAX)
        mlx_rate_reset(&self->sum);
    if (kept != count || kept != self->stream_count)
        self->changed_us = now_us;
    if (count > 0)
        mlx_rate_add(&self->sum, now_us, self->made);
    memcpy(self->streams, now, count * sizeof now[0]);
    self->stream_count = count;
    double together = mlx_rate_since(&self->sum, self->changed_us);
    if (!isnan(together))
        self->activity.tokens_per_second = together;
}

void mlx_tap_view_update(mlx_tap_view_t *self, const mlx_tap_snapshot_t *snapshot, int64_t now_us,
                         int64_t wall_us)
{
    mlx_activity_t *a = &self->activity;
    if (!a->available && snapshot->count == 0)
        return;
    a->available = true;
    a->requests = 0;
    a->generating = 0;
    a->tokens_per_second = NAN;
    a->list_count = 0;
    a->model = NULL;
    a->requests_total = nothing_as_zero(a->requests_total);
    a->errors_total = nothing_as_zero(a->errors_total);
    int64_t newest_us = INT64_MIN;
    for (size_t i = 0; i < snapshot->count; i++) {
        const mlx_stream_figures_t *f = &snapshot->requests[i].figures;
        if (f->outcome == MLX_STREAM_RUNNING)
            take_running(self, &snapshot->requests[i], now_us);
        else
            take_ended(self, f, now_us, wall_us);
        if (!isnan(f->ttft_s) && f->started_us >= newest_us) {
            newest_us = f->started_us;
            a->ttft_s = f->ttft_s;
        }
    }
    add_streams_up(self, snapshot, now_us);
}

const mlx_activity_t *mlx_tap_view_activity(const mlx_tap_view_t *self)
{
    return self->activity.available ? &self->activity : NULL;
}
