#include "ended.h"

#include <math.h>

void mlx_ended_clear(mlx_ended_t *self)
{
    *self = (mlx_ended_t){
        .prompt_tokens = NAN,
        .cached_tokens = NAN,
        .tokens = NAN,
        .draft_tokens = NAN,
        .draft_accepted = NAN,
        .queue_s = NAN,
        .load_s = NAN,
        .ttft_s = NAN,
        .prompt_rate = NAN,
        .rate = NAN,
        .joules = NAN,
        .task = -1,
    };
}

static double count_or_nan(int64_t n)
{
    return n < 0 ? NAN : (double)n;
}

void mlx_ended_of_stream(mlx_ended_t *self, const mlx_stream_figures_t *f, int64_t now_us,
                         int64_t wall_us)
{
    mlx_ended_clear(self);
    self->start_us = wall_us - (now_us - f->started_us);
    self->end_us = wall_us - (now_us - f->ended_us);
    self->model = f->model[0] ? f->model : NULL;
    self->api = f->api;
    self->source = "tap";
    self->outcome = mlx_stream_outcome_name(f->outcome);
    self->prompt_tokens = count_or_nan(f->whole_prompt);
    self->cached_tokens = count_or_nan(f->cached_tokens);
    self->tokens = count_or_nan(f->generated_tokens);
    self->draft_tokens = count_or_nan(f->draft_tokens);
    self->draft_accepted = count_or_nan(f->draft_accepted);
    self->queue_s = f->queued_s;
    self->load_s = f->load_s;
    self->ttft_s = f->ttft_s;
    self->prompt_rate = f->prompt_rate;
    self->rate = f->generation_rate;
    self->status = f->status > 0 ? f->status : 0;
    self->exact = f->server_counted;
}

static void set_count(mlx_value_t *map, const char *key, double n)
{
    if (isfinite(n) && n >= 0 && n < 9e15)
        mlx_value_set_int(map, key, (int64_t)n);
}

static void set_text(mlx_value_t *map, const char *key, const char *text)
{
    if (text && *text)
        mlx_value_set_str(map, key, text);
}

static void set_asker(mlx_value_t *d, const mlx_asker_t *asker)
{
    char name[MLX_ASKER_NAME];
    mlx_asker_name(asker, name);
    set_text(d, "client", name);
    set_text(d, "process", asker->process);
    if (asker->pid > 0)
        mlx_value_set_int(d, "pid", asker->pid);
    set_text(d, "agent", asker->agent);
    set_text(d, "key", asker->key);
    set_text(d, "address", asker->peer.address);
}

mlx_value_t *mlx_ended_message(const mlx_ended_t *self)
{
    mlx_value_t *d = mlx_value_map();
    if (self->start_us > 0)
        mlx_value_set_int(d, "start", self->start_us);
    mlx_value_set_int(d, "end", self->end_us);
    set_text(d, "model", self->model);
    if (self->asker)
        set_asker(d, self->asker);
    set_text(d, "api", self->api);
    if (self->requests > 1)
        set_count(d, "requests", self->requests);
    set_count(d, "prompt_tokens", self->prompt_tokens);
    set_count(d, "cached_tokens", self->cached_tokens);
    set_count(d, "tokens", self->tokens);
    set_count(d, "draft_tokens", self->draft_tokens);
    set_count(d, "draft_accepted", self->draft_accepted);
    mlx_value_set_real(d, "queue", self->queue_s);
    mlx_value_set_real(d, "load", self->load_s);
    mlx_value_set_real(d, "ttft", self->ttft_s);
    mlx_value_set_real(d, "prompt_tokens_per_second", self->prompt_rate);
    mlx_value_set_real(d, "tokens_per_second", self->rate);
    set_text(d, "outcome", self->outcome);
    if (self->status)
        mlx_value_set_int(d, "status", self->status);
    set_text(d, "source", self->source);
    if (!isnan(self->tokens))
        mlx_value_set_bool(d, "exact", self->exact);
    mlx_value_set_real(d, "joules", self->joules);
    return d;
}

void mlx_ended_tell(const mlx_ended_sink_t *sink, const mlx_ended_t *request)
{
    if (sink->fn)
        sink->fn(sink->arg, request);
}
