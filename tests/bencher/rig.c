#include "tests/bencher/rig.h"
#include "common/base/clock.h"

#include <math.h>

#include "common/base/rfc3339.h"

enum {
    DEADLINE_MS = 90000
};

int rig_setup(void **state)
{
    rig_t *self = mlx_alloc(1, sizeof *self);
    self->loop = mlx_loop_new();
    self->http = mlx_http_new(self->loop);
    self->overview = mlx_overview_new("here");
    *state = self;
    return 0;
}

int rig_teardown(void **state)
{
    rig_t *self = *state;
    mlx_bench_destroy(&self->bench);
    mlx_http_destroy(&self->http);
    mlx_overview_destroy(&self->overview);
    mlx_loop_destroy(&self->loop);
    mlx_play_destroy(&self->play);
    mlx_value_destroy(&self->result);
    free(self);
    return 0;
}

void rig_play(rig_t *self, const char *const *args)
{
    mlx_play_destroy(&self->play);
    self->play = mlx_play_new(args);
    snprintf(self->url, sizeof self->url, "http://127.0.0.1:%d", mlx_play_port(self->play));
}

void rig_publish(rig_t *self, const char *topic, mlx_value_t *d)
{
    mlx_message_t message = {.topic = mlx_strdup(topic),
                             .host = mlx_strdup("here"),
                             .src = mlx_strdup("test"),
                             .boot = mlx_strdup("b"),
                             .seq = 1,
                             .t = mlx_wall_us(),
                             .d = d};
    mlx_overview_put(self->overview, &message);
    if (self->bench)
        mlx_bench_message(self->bench, &message);
    mlx_message_clear(&message);
}

static void on_progress(void *arg, const mlx_value_t *d)
{
    rig_t *self = arg;
    const char *phase = mlx_value_str(d, "phase");
    size_t len = strlen(self->phases);
    self->progress++;
    mlx_value_real(d, "remaining", &self->last_remaining);
    if (!strstr(self->phases, phase))
        snprintf(self->phases + len, sizeof self->phases - len, "%s%s", len ? " " : "", phase);
    if (self->on_progress)
        self->on_progress(self, d);
}

static void on_done(void *arg, const mlx_value_t *result, const mlx_error_t *err)
{
    rig_t *self = arg;
    self->result = mlx_value_copy(result);
    if (err)
        self->err = *err;
    self->over = true;
    mlx_bench_destroy(&self->bench);
    mlx_loop_stop(self->loop);
}

static mlx_prompts_t *prompts_of(const rig_ask_t *ask)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < MLX_COUNT(ask->prompts) && ask->prompts[i]; i++)
        mlx_value_append(list, mlx_value_new_str(ask->prompts[i]));
    return ask->prompts[0] ? mlx_prompts_own(list, NULL) : mlx_prompts_builtin();
}

void rig_start(rig_t *self, const rig_ask_t *ask)
{
    const char *url = ask->url ? ask->url : self->url;
    mlx_value_destroy(&self->result);
    self->err = (mlx_error_t){0};
    self->progress = 0;
    self->phases[0] = '\0';
    self->over = false;
    self->bench = mlx_bench_new(&(mlx_bench_options_t){
        .loop = self->loop,
        .http = self->http,
        .overview = self->overview,
        .host = "here",
        .model = ask->model,
        .url = strcmp(url, "bus") == 0 ? NULL : url,
        .prompts = prompts_of(ask),
        .sweep = ask->sweep,
        .budget_s = ask->budget_s > 0 ? ask->budget_s : 60,
        .random = ++self->runs * 0x9e3779b97f4a7c15ULL,
        .progress = on_progress,
        .done = on_done,
        .arg = self,
    });
}

static void on_late(void *arg)
{
    mlx_loop_stop(arg);
}

void rig_wait(rig_t *self)
{
    mlx_timer_t *late = mlx_loop_after(self->loop, DEADLINE_MS, on_late, self->loop);
    int64_t from_us = mlx_now_us();
    while (!self->over && mlx_now_us() - from_us < DEADLINE_MS * 1000LL)
        mlx_loop_run(self->loop);
    self->wall_s = (double)(mlx_now_us() - from_us) / 1e6;
    if (!self->over)
        fail_msg("the run did not end in time");
    mlx_loop_cancel(self->loop, &late);
}

void rig_run(rig_t *self, const rig_ask_t *ask)
{
    rig_start(self, ask);
    rig_wait(self);
}

double rig_real(const rig_t *self, const char *summary, const char *key)
{
    double value = (double)NAN;
    mlx_value_real(summary ? mlx_value_get(self->result, summary) : self->result, key, &value);
    return value;
}

bool rig_warned(const rig_t *self, const char *text)
{
    const mlx_value_t *warnings = mlx_value_get(self->result, "warnings");
    for (size_t i = 0; i < mlx_value_size(warnings); i++)
        if (strstr(mlx_value_as_str(mlx_value_at(warnings, i), NULL), text))
            return true;
    return false;
}

double rig_kept_s(const rig_t *self, const char *model)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *ps = mlx_play_json(mlx_play_port(self->play), "GET", "/api/ps", NULL);
    const mlx_value_t *models = mlx_value_get(ps, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *item = mlx_value_at(models, i);
        int64_t us;
        if (strcmp(mlx_value_str(item, "name"), model) == 0 &&
            mlx_rfc3339_parse(mlx_value_str(item, "expires_at"), &us))
            return (double)(us - mlx_wall_us()) / 1e6;
    }
    return -1;
}

void rig_load(const rig_t *self, const char *model, const char *keep)
{
    MLX_CLEANUP(mlx_free_p)
    char *body = mlx_format("{\"model\":\"%s\",\"stream\":false,\"keep_alive\":%s}", model, keep);
    mlx_play_reply_t reply = mlx_play_fetch(self->play, "POST", "/api/generate", body);
    assert_int_equal(reply.status, 200);
    mlx_play_free(&reply);
}
