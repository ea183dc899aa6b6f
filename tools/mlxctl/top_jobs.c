#include "top_jobs.h"

#include <stdlib.h>

enum {
    PING_TIMEOUT_MS = 3000,
    BENCH_TIMEOUT_MS = 90000,
    MODEL_TIMEOUT_MS = 600000, /* a model of hundreds of gigabytes from a slow disk */
};

struct mlx_top_jobs {
    mlx_bus_t *bus;
    mlx_top_note_fn note;
    void *arg;
    mlx_call_t *bench;
    bool asking; /* whether the bus answers, before a benchmark is begun */
    char *model; /* that a call is under way for, or NULL */
};

mlx_top_jobs_t *mlx_top_jobs_new(mlx_bus_t *bus, mlx_top_note_fn note, void *arg)
{
    mlx_top_jobs_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_top_jobs_t){.bus = bus, .note = note, .arg = arg};
    return self;
}

void mlx_top_jobs_destroy(mlx_top_jobs_t **self)
{
    if (*self)
        free((*self)->model);
    mlx_free_p(self);
}

static void set_note(mlx_top_jobs_t *self, char *text)
{
    self->note(self->arg, text);
}

static char *bench_note(const mlx_value_t *value)
{
    int64_t prompt, prompts;
    double rate;
    const char *phase = mlx_value_str(value, "phase");
    if (!mlx_value_int(value, "prompt", &prompt) || !mlx_value_int(value, "prompts", &prompts))
        return mlx_format("benchmark: %s", phase ? phase : "running");
    if (mlx_value_real(value, "tokens_per_second", &rate))
        return mlx_format("benchmark: prompt %lld of %lld, %.1f tok/s", (long long)prompt,
                          (long long)prompts, rate);
    return mlx_format("benchmark: prompt %lld of %lld", (long long)prompt, (long long)prompts);
}

static void on_bench(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    mlx_top_jobs_t *self = arg;
    double mean;
    if (kind == MLX_REPLY_PROGRESS) {
        set_note(self, bench_note(value));
        return;
    }
    self->bench = NULL;
    if (kind == MLX_REPLY_ERROR)
        set_note(self, mlx_format("benchmark: %s", err->text));
    else if (mlx_value_real(mlx_value_get(value, "tokens_per_second"), "mean", &mean))
        set_note(self, mlx_format("benchmark: %.1f tok/s", mean));
    else
        set_note(self, mlx_strdup("benchmark: done"));
}

/*  Whatever the state of the bus, the key has its answer at once or when the bus had time for
 *  one. */
static void on_ping(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    mlx_top_jobs_t *self = arg;
    (void)value;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    self->asking = false;
    if (kind == MLX_REPLY_ERROR) {
        set_note(self, mlx_format("benchmark: %s", err->text));
        return;
    }
    self->bench =
        mlx_bus_call(self->bus, "bencher", "bench.run", NULL, BENCH_TIMEOUT_MS, on_bench, self);
}

void mlx_top_jobs_bench(mlx_top_jobs_t *self, const mlx_connection_t *link)
{
    if (self->asking)
        return;
    if (self->bench) {
        set_note(self, mlx_strdup("benchmark: cancelling"));
        mlx_bus_cancel(self->bus, self->bench);
    } else if (link->state == MLX_LINK_LOST) {
        set_note(self, mlx_format("benchmark: %s", link->text));
    } else {
        set_note(self, mlx_strdup("benchmark: starting"));
        self->asking = true;
        mlx_bus_call(self->bus, "bus", "bus.services", NULL, PING_TIMEOUT_MS, on_ping, self);
    }
}

static void on_model(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    mlx_top_jobs_t *self = arg;
    (void)value;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    if (kind == MLX_REPLY_ERROR)
        set_note(self, mlx_format("%s: %s", self->model, err->text));
    else
        set_note(self, mlx_format("%s: done", self->model));
    free(self->model);
    self->model = NULL;
}

void mlx_top_jobs_model(mlx_top_jobs_t *self, const char *cmd, const char *model,
                        const char *runtime)
{
    if (self->model) {
        set_note(self, mlx_format("%s: still under way", self->model));
        return;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "model", model);
    mlx_value_set_str(args, "runtime", runtime);
    self->model = mlx_strdup(model);
    set_note(self, mlx_format("%s: asked the model server", model));
    mlx_bus_call(self->bus, "watcher", cmd, args, MODEL_TIMEOUT_MS, on_model, self);
}
