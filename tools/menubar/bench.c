#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOAD_S = 300,            /* the longest load of a model that is waited for */
    SILENT_US = 15 * 1000000 /* a run of someone else that says nothing so long is over */
};

struct mlx_bench {
    mlx_bus_t *bus;
    int64_t timeout_ms;
    mlx_bench_end_fn fn;
    void *arg;
    mlx_call_t *call; /* ours */
    char *id;         /* of our newest run, whose progress comes by the topic as well */
    char *note;
    bool elsewhere;
    int64_t heard_us;
};

mlx_menu_bench_t *mlx_menu_bench_new(mlx_bus_t *bus, int64_t budget_s, mlx_bench_end_fn fn,
                                     void *arg)
{
    mlx_menu_bench_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_menu_bench_t){
        .bus = bus, .timeout_ms = (budget_s + LOAD_S) * 1000, .fn = fn, .arg = arg};
    return self;
}

void mlx_menu_bench_destroy(mlx_menu_bench_t **self_p)
{
    mlx_menu_bench_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    free(self->id);
    free(self->note);
    free(self);
}

static char *note_of(const mlx_value_t *value)
{
    int64_t prompt, prompts;
    double rate;
    const char *phase = mlx_value_str(value, "phase");
    if (!mlx_value_int(value, "prompt", &prompt) || !mlx_value_int(value, "prompts", &prompts))
        return mlx_strdup(phase);
    if (mlx_value_real(value, "tokens_per_second", &rate))
        return mlx_format("prompt %lld of %lld, %.1f tok/s", (long long)prompt, (long long)prompts,
                          rate);
    return mlx_format("prompt %lld of %lld", (long long)prompt, (long long)prompts);
}

static void set_note(mlx_menu_bench_t *self, char *note)
{
    free(self->note);
    self->note = note;
}

static void on_progress(mlx_menu_bench_t *self, const mlx_value_t *value)
{
    const char *id = mlx_value_str(value, "id");
    if (id) {
        free(self->id);
        self->id = mlx_strdup(id);
    }
    set_note(self, note_of(value));
}

static void on_result(mlx_menu_bench_t *self, const mlx_value_t *value)
{
    double mean;
    const char *model = mlx_value_str(value, "model");
    MLX_CLEANUP(mlx_free_p) char *title = NULL;
    if (mlx_value_real(mlx_value_get(value, "tokens_per_second"), "mean", &mean))
        title = mlx_format("Benchmark: %.1f tok/s", mean);
    self->fn(self->arg, title ? title : "Benchmark: done", model ? model : "", NULL);
}

static void on_reply(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    mlx_menu_bench_t *self = arg;
    if (kind == MLX_REPLY_PROGRESS) {
        on_progress(self, value);
        return;
    }
    self->call = NULL;
    set_note(self, NULL);
    if (kind == MLX_REPLY_DONE)
        on_result(self, value);
    else
        self->fn(self->arg,
                 err->code == MLX_ERR_INTERRUPTED ? "Benchmark: cancelled" : "Benchmark: failed",
                 err->text, err);
}

void mlx_menu_bench_start(mlx_menu_bench_t *self)
{
    if (self->call)
        return;
    set_note(self, NULL);
    self->call =
        mlx_bus_call(self->bus, "bencher", "bench.run", NULL, self->timeout_ms, on_reply, self);
}

void mlx_menu_bench_cancel(mlx_menu_bench_t *self)
{
    if (self->call)
        mlx_bus_cancel(self->bus, self->call);
}

void mlx_menu_bench_see(mlx_menu_bench_t *self, const mlx_message_t *message, int64_t now_us)
{
    const char *id = mlx_value_str(message->d, "id");
    const char *phase = mlx_value_str(message->d, "phase");
    if (self->call || (id && self->id && strcmp(id, self->id) == 0) ||
        strcmp(message->host, mlx_bus_host(self->bus)) != 0)
        return;
    self->elsewhere = !phase || strcmp(phase, "done") != 0;
    self->heard_us = now_us;
    set_note(self, self->elsewhere ? note_of(message->d) : NULL);
}

mlx_bench_state_t mlx_menu_bench_state(const mlx_menu_bench_t *self, int64_t now_us)
{
    if (self->call)
        return MLX_BENCH_OURS;
    return self->elsewhere && now_us - self->heard_us < SILENT_US ? MLX_BENCH_ELSEWHERE
                                                                  : MLX_BENCH_NONE;
}

const char *mlx_menu_bench_note(const mlx_menu_bench_t *self)
{
    return self->note;
}
