#include "ask.h"
#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

enum {
    CONNECT_MS = 5000,
    MAX_REPLY = 64 << 20,
};

struct mlx_asking {
    mlx_loop_t *loop;
    mlx_http_t *http;
    mlx_http_call_t *call;
    mlx_timer_t *limit;
    mlx_stream_stats_t *stats;
    const mlx_runtime_backend_t *runtime;
    const mlx_runtime_keys_t *keys;
    char *url; /* of the runtime */
    bool load_only;
    int64_t started_us;
    mlx_asking_fn fn;
    void *arg;
};

static void end(mlx_asking_t *self, mlx_stream_outcome_t outcome, mlx_answer_t *answer)
{
    int64_t now_us = mlx_now_us();
    mlx_loop_cancel(self->loop, &self->limit);
    mlx_stream_stats_end(self->stats, outcome, now_us);
    mlx_stream_stats_figures(self->stats, now_us, &answer->figures);
    answer->duration_s = (double)(now_us - self->started_us) / 1e6;
    const mlx_stream_figures_t *f = &answer->figures;
    bool complete = f->server_counted || f->done_reason[0] || self->load_only;
    if (!answer->error.code && f->outcome == MLX_STREAM_ERROR)
        mlx_error_set(&answer->error, MLX_ERR_FAILED, "the runtime aborted with an error");
    else if (!answer->error.code && !answer->cut && !complete)
        mlx_error_set(&answer->error, MLX_ERR_FAILED, "the runtime's reply is incomplete");
    self->fn(self->arg, answer);
}

static void on_limit(void *arg)
{
    mlx_asking_t *self = arg;
    mlx_answer_t answer = {.cut = true};
    self->limit = NULL;
    mlx_http_abort(self->http, &self->call);
    end(self, MLX_STREAM_CLIENT_ABORT, &answer);
}

static bool on_head(void *arg, const mlx_http_reply_t *head)
{
    mlx_asking_t *self = arg;
    mlx_stream_stats_head(self->stats, (int)head->status, head->content_type, "");
    return true;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    mlx_asking_t *self = arg;
    mlx_stream_stats_reply(self->stats, data, len, mlx_now_us());
    return true;
}

/*  {"error": "..."} of Ollama, {"error": {"message": "..."}} of the others. */
static void set_status_error(const mlx_asking_t *self, mlx_error_t *err,
                             const mlx_http_reply_t *reply)
{
    if (mlx_runtime_wants_key(self->runtime, self->runtime->generate.path, reply->status,
                              reply->body)) {
        char advice[MLX_RUNTIME_ADVICE_MAX];
        mlx_runtime_keys_advice(self->keys, self->url, advice, sizeof advice);
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "%s %s", self->url, advice);
        return;
    }
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *body = mlx_json_parse(reply->body, reply->body_len, NULL);
    const mlx_value_t *error = mlx_value_get(body, "error");
    const char *text = mlx_value_as_str(error, NULL);
    if (!text)
        text = mlx_value_str(error, "message");
    mlx_error_set(err, reply->status == 404 ? MLX_ERR_NOT_FOUND : MLX_ERR_FAILED,
                  "the runtime returned HTTP %ld%s%.200s", reply->status, text ? ": " : "",
                  text ? text : "");
    mlx_runtime_keys_hide(self->keys, self->url, err->text);
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    mlx_asking_t *self = arg;
    mlx_answer_t answer = {0};
    self->call = NULL;
    if (reply->error.code)
        answer.error = reply->error;
    else if (reply->status != 200)
        set_status_error(self, &answer.error, reply);
    end(self, answer.error.code ? MLX_STREAM_SERVER_ABORT : MLX_STREAM_OK, &answer);
}

mlx_asking_t *mlx_asking_new(mlx_loop_t *loop, mlx_http_t *http,
                             const mlx_asking_request_t *request, mlx_asking_fn fn, void *arg)
{
    mlx_asking_t *self = mlx_alloc(1, sizeof *self);
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s%s", request->url, request->runtime->generate.path);
    MLX_CLEANUP(mlx_free_p) char *body = mlx_api_body(request->runtime, &request->ask);
    self->loop = loop;
    self->http = http;
    self->runtime = request->runtime;
    self->keys = request->keys;
    self->url = mlx_strdup(request->url);
    self->load_only = !request->ask.prompt;
    self->fn = fn;
    self->arg = arg;
    self->started_us = mlx_now_us();
    self->stats = mlx_stream_stats_new(request->runtime->generate.path, self->started_us);
    self->limit = mlx_loop_after(loop, request->limit_ms, on_limit, self);
    self->call = mlx_http_start(http,
                                &(mlx_http_request_t){.url = url,
                                                      .body = body,
                                                      .body_len = strlen(body),
                                                      .timeout_ms = -1,
                                                      .connect_timeout_ms = CONNECT_MS,
                                                      .max_body = MAX_REPLY,
                                                      .on_head = on_head,
                                                      .on_data = on_data},
                                on_reply, self);
    mlx_stream_stats_sent(self->stats, self->started_us);
    return self;
}

void mlx_asking_destroy(mlx_asking_t **self_p)
{
    mlx_asking_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->loop, &self->limit);
    if (self->call)
        mlx_http_abort(self->http, &self->call);
    mlx_stream_stats_destroy(&self->stats);
    free(self->url);
    free(self);
}
