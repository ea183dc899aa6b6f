#include "tests/double/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEMPLATE_TOKENS = 42, /* of the recorded chat template */
    CACHE_SPEED = 16,     /* a cached prompt is done that much faster */
    BURST = 512,          /* tokens said in one turn of the loop at most */
    THINK_SHARE = 3,      /* a third of a thinking reply is thought */
};

int64_t mlx_gen_prompt_tokens(const mlx_app_t *app, size_t len)
{
    int64_t tokens = TEMPLATE_TOKENS + (int64_t)len;
    return tokens < app->options.context ? tokens : app->options.context - 1;
}

const char *mlx_gen_reason(const mlx_gen_t *self)
{
    return self->job.predict >= 0 ? "length" : "stop";
}

void mlx_gen_destroy(mlx_gen_t **self)
{
    if (!*self)
        return;
    mlx_net_timer_destroy(&(*self)->timer);
    mlx_buf_clear(&(*self)->text);
    mlx_buf_clear(&(*self)->thinking);
    free(*self);
    *self = NULL;
}

static double rate_of(const mlx_gen_t *self)
{
    return self->job.rate > 0 ? self->job.rate : self->app->options.rate;
}

/*  When token INDEX (from 1) is due. Noise delays it by less than one gap, so that order is kept.
 */
static int64_t due_of(const mlx_gen_t *self, int64_t index)
{
    double late = self->app->options.noise ? 0.8 * mlx_app_random(self->app) : 0;
    return self->prompted + (int64_t)(((double)index + late) / rate_of(self) * 1e9);
}

static void show(const mlx_gen_t *self, bool processing, int64_t processed)
{
    mlx_slot_view_t *view = &self->model->view.slots[self->slot];
    view->processing = processing;
    view->processed = (int32_t)processed;
    view->made = (int32_t)self->decoded;
    view->decoded = processing ? (int32_t)self->decoded : 0;
    mlx_model_show(self->model);
}

/*  Leave the model and forget the connection; its keep-alive starts now. */
static void finish(mlx_gen_t *self)
{
    mlx_model_t *model = self->model;
    int64_t keep_ns = self->job.keep_ns;
    if (self->slot >= 0) {
        model->view.predicted_tokens += self->decoded;
        model->view.predicted_seconds += (double)(self->last - self->prompted) / 1e9;
        show(self, false, 0);
        self->app->generating--;
    }
    mlx_model_leave(model, self);
    mlx_gen_destroy(&self);
    mlx_model_keep(model, keep_ns);
}

static void client_gone(void *arg)
{
    mlx_gen_t *self = arg;
    self->app->stopped++;
    finish(self);
}

static void answer_whole(mlx_gen_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    self->job.style->whole(self, &body);
    mlx_net_reply(self->conn, 200, self->job.style->whole_type, body.data, body.len);
}

static void answer_end(mlx_gen_t *self)
{
    if (!self->job.stream) {
        answer_whole(self);
        finish(self);
        return;
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    if (self->pieces == 0)
        mlx_net_begin(self->conn, 200, self->job.style->stream_type);
    self->job.style->final(self, &body);
    mlx_net_piece(self->conn, mlx_buf_str(&body), body.len);
    mlx_net_end(self->conn);
    finish(self);
}

static void say(mlx_gen_t *self, const char *text, bool thinking)
{
    if (!self->job.stream) {
        mlx_buf_puts(thinking ? &self->thinking : &self->text, text);
        return;
    }
    if (self->pieces == 0)
        mlx_net_begin(self->conn, 200, self->job.style->stream_type);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    self->job.style->piece(self, &body, text, thinking);
    mlx_net_piece(self->conn, mlx_buf_str(&body), body.len);
    self->pieces++;
}

/*  One more token; it is held back when the next one is to share its piece. */
static void decode(mlx_gen_t *self, int64_t now)
{
    int64_t multi = self->app->options.multi;
    bool thinking = self->job.think && self->decoded < self->target / THINK_SHARE;
    self->decoded++;
    self->app->tokens++;
    self->model->view.decode_steps++;
    self->last = now;
    bool hold = multi > 0 && self->decoded % (multi + 1) == multi && self->decoded < self->target;
    if (hold)
        return;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (; self->said < self->decoded; self->said++)
        mlx_buf_puts(&text, mlx_words_at(self->app->words, self->job.words, self->said));
    say(self, mlx_buf_str(&text), thinking);
}

static void prompt_done(mlx_gen_t *self, int64_t now)
{
    self->prompted = self->last = now;
    self->model->view.prompt_tokens += self->cached ? 1 : self->job.prompt;
    self->model->view.prompt_seconds += (double)(now - self->loaded) / 1e9;
    self->model->last_prompt = self->job.hash;
}

static void tick(void *arg, int64_t now)
{
    mlx_gen_t *self = arg;
    if (self->prompted == 0) {
        prompt_done(self, now);
    } else {
        for (int i = 0; i < BURST && self->decoded < self->target; i++) {
            decode(self, now);
            if (due_of(self, self->decoded + 1) > now)
                break;
        }
    }
    show(self, true, self->cached ? 1 : self->job.prompt);
    if (self->decoded >= self->target) {
        answer_end(self);
        return;
    }
    mlx_net_timer_set(self->timer, due_of(self, self->decoded + 1));
}

void mlx_gen_begin(mlx_gen_t *self, int slot)
{
    self->loaded = mlx_net_now(self->app->net);
    self->slot = slot;
    if (self->job.load_only) {
        self->prompted = self->last = self->loaded;
        answer_whole(self);
        finish(self);
        return;
    }
    self->cached = self->job.hash == self->model->last_prompt;
    self->app->generating++;
    self->app->generations++;
    int32_t prompt = (int32_t)self->job.prompt;
    self->model->view.slots[slot] = (mlx_slot_view_t){
        .used = true,
        .processing = true,
        .task = self->app->next_task,
        .prompt = prompt,
        .cached = self->cached ? prompt - 1 : 0,
        .limit = self->job.predict >= 0 ? (int32_t)self->target : -1,
    };
    self->app->next_task += (int)self->target + 1; /* the real one numbers its steps likewise */
    show(self, true, 0);
    double work = (double)self->job.prompt / (self->cached ? CACHE_SPEED : 1);
    mlx_net_timer_set(self->timer,
                      self->loaded + (int64_t)(work / self->app->options.prompt_rate * 1e9));
}

void mlx_gen_start(mlx_app_t *app, mlx_conn_t *conn, mlx_model_t *model, const mlx_job_t *job)
{
    mlx_gen_t *self = mlx_alloc(1, sizeof(*self));
    self->app = app;
    self->conn = conn;
    self->model = model;
    self->job = *job;
    self->slot = -1;
    self->id = 100 + (int)(mlx_app_random(app) * 900);
    self->target = job->predict >= 0 ? job->predict : app->options.tokens;
    self->start = mlx_net_now(app->net);
    self->timer = mlx_net_timer_new(app->net, tick, self);
    model->keep_ns = job->keep_ns;
    mlx_net_hold(conn, client_gone, self);
    mlx_model_join(model, self);
}
