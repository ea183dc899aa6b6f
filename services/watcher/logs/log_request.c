#include "log_request.h"

#include <math.h>

double mlx_log_or(double a, double b)
{
    return isnan(a) ? b : a;
}

void mlx_log_request_clear(mlx_log_request_t *self)
{
    *self = (mlx_log_request_t){
        .slot = -1,
        .task = -1,
        .total = NAN,
        .cached = NAN,
        .done = NAN,
        .prompt_rate = NAN,
        .read = NAN,
        .read_s = NAN,
        .tokens = NAN,
        .rate = NAN,
        .made = NAN,
        .made_s = NAN,
        .drafted = NAN,
        .accepted = NAN,
        .held = NAN,
    };
}

/*  The whole prompt, and what of it was cached. The slot holds prompt and generated tokens but the
 *  newest. */
void mlx_log_request_complete(mlx_log_request_t *self)
{
    if (isnan(self->total) && !isnan(self->made) && !isnan(self->held)) {
        double total = self->held + 1 - self->made;
        if (total > 0 && !(self->read > total)) /* or the context was shifted */
            self->total = total;
    }
    if (isnan(self->made) && !isnan(self->total) && !isnan(self->held) && self->cancelled &&
        self->held + 1 >= self->total)
        self->made = self->held + 1 - self->total;
    if (isnan(self->cached) && self->total >= self->read)
        self->cached = self->total - self->read;
    if (isnan(self->made) && self->cancelled)
        self->made = self->tokens;
    if (isnan(self->total) && isnan(self->read) && isnan(self->made) && !self->cancelled)
        self->total = self->held; /* a prompt and nothing else: an embedding */
}

static double made_rate(const mlx_log_request_t *self)
{
    return self->made > 1 && self->made_s > 0 ? (self->made - 1) / self->made_s : (double)NAN;
}

static double read_rate(const mlx_log_request_t *self)
{
    return self->read > 0 && self->read_s > 0 ? self->read / self->read_s : (double)NAN;
}

void mlx_log_request_ended(const mlx_log_request_t *self, mlx_ended_t *out)
{
    mlx_ended_clear(out);
    out->source = "log";
    out->start_us = self->start_us;
    out->end_us = self->end_us;
    out->task = self->task;
    out->model = self->model[0] ? self->model : NULL;
    out->outcome = self->cancelled ? "client_abort" : "ok";
    out->prompt_tokens = self->total;
    out->cached_tokens = self->cached;
    out->tokens = self->made;
    out->exact = !self->cancelled;
    out->rate = made_rate(self);
    out->prompt_rate = read_rate(self);
    out->ttft_s = self->read_s;
    out->draft_tokens = self->drafted;
    out->draft_accepted = self->accepted;
}

double mlx_log_request_so_far(const mlx_log_request_t *self)
{
    return self->used && self->whole && self->tokens > 0 ? self->tokens : 0;
}
