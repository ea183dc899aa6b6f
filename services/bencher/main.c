#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "common/base/clock.h"
#include "common/base/prompt_file.h"
#include "common/bus/service.h"

enum {
    BUDGET_MIN_S = 5,
    BUDGET_MAX_S = 3600,
};

typedef struct {
    mlx_service_t *service;
    mlx_http_t *http;
    mlx_runtime_keys_t *keys;
    mlx_overview_t *overview;
    mlx_bench_t *bench;     /* NULL: idle */
    mlx_request_t *request; /* NULL: nobody waits any more */
    uint64_t random;
} state_t;

static void on_message(void *arg, const mlx_message_t *message)
{
    state_t *self = arg;
    mlx_overview_put(self->overview, message);
    if (self->bench)
        mlx_bench_message(self->bench, message);
}

static void on_progress(void *arg, const mlx_value_t *d)
{
    state_t *self = arg;
    mlx_bus_publish(mlx_service_bus(self->service), "bench.progress", d);
    if (self->request)
        mlx_request_progress(self->request, d);
}

static void on_done(void *arg, const mlx_value_t *result, const mlx_error_t *err)
{
    state_t *self = arg;
    if (result) {
        mlx_bus_publish(mlx_service_bus(self->service), "bench.result", result);
        mlx_service_info(self->service, "measured %s", mlx_value_str(result, "model"));
    }
    if (err && err->code != MLX_ERR_INTERRUPTED)
        mlx_service_error(self->service, "bench.run", "%s", err->text);
    if (self->request && result)
        mlx_request_done(&self->request, result);
    else if (self->request)
        mlx_request_error(&self->request, err);
    mlx_bench_destroy(&self->bench);
}

static mlx_prompts_t *prompts_of(const state_t *self, const mlx_value_t *args, mlx_error_t *err)
{
    const char *path = mlx_config_str(mlx_service_config(self->service), "bench.prompts");
    const mlx_value_t *list = mlx_value_get(args, "prompts");
    if (list)
        return mlx_prompts_own(list, err);
    if (!path)
        return mlx_prompts_builtin();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *own = mlx_prompt_file_read(path, err);
    return own ? mlx_prompts_own(own, err) : NULL;
}

static int budget_of(const state_t *self, const mlx_value_t *args, double *budget_s,
                     mlx_error_t *err)
{
    *budget_s = (double)mlx_config_int(mlx_service_config(self->service), "bench.budget_s");
    mlx_value_real(args, "budget", budget_s);
    if (*budget_s >= (int)BUDGET_MIN_S && *budget_s <= (int)BUDGET_MAX_S)
        return 0;
    return mlx_error_set(err, MLX_ERR_USAGE, "the budget of %g s is not between %d and %d s",
                         *budget_s, BUDGET_MIN_S, BUDGET_MAX_S);
}

static int sweep_of(const mlx_value_t *args, mlx_sweep_kind_t *kind, mlx_error_t *err)
{
    const char *name = mlx_value_str(args, "sweep");
    *kind = mlx_sweep_kind(name);
    if (name && !*kind)
        return mlx_error_set(err, MLX_ERR_USAGE, "no sweep %.40s: context or parallel", name);
    if (name && mlx_value_get(args, "prompts"))
        return mlx_error_set(err, MLX_ERR_USAGE, "a sweep has prompts of its own");
    return 0;
}

static int start_run(state_t *self, const mlx_value_t *args, mlx_error_t *err)
{
    double budget_s;
    mlx_sweep_kind_t sweep;
    if (self->bench) {
        mlx_error_set(err, MLX_ERR_BUSY, "another benchmark is running");
        return mlx_error_hint(err, "wait a minute, or cancel it");
    }
    if (budget_of(self, args, &budget_s, err) || sweep_of(args, &sweep, err))
        return -1;
    mlx_prompts_t *prompts = prompts_of(self, args, err);
    if (!prompts)
        return -1;
    self->random = self->random * 6364136223846793005ULL + (uint64_t)mlx_wall_us();
    self->bench = mlx_bench_new(&(mlx_bench_options_t){
        .loop = mlx_service_loop(self->service),
        .http = self->http,
        .keys = self->keys,
        .overview = self->overview,
        .host = mlx_bus_host(mlx_service_bus(self->service)),
        .model = mlx_value_str(args, "model"),
        .url = mlx_value_str(args, "url"),
        .prompts = prompts,
        .sweep = sweep,
        .budget_s = budget_s,
        .random = self->random,
        .progress = on_progress,
        .done = on_done,
        .arg = self,
    });
    return 0;
}

static void serve(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    state_t *self = arg;
    mlx_error_t err = {0};
    if (strcmp(cmd, "bench.run") != 0)
        mlx_error_set(&err, MLX_ERR_NOT_FOUND, "no command %.100s", cmd);
    else if (start_run(self, args, &err) == 0)
        self->request = request;
    if (err.code)
        mlx_request_error(&request, &err);
}

/*  The caller cancelled or is gone: an answer to the one that is gone is lost, which is fine. */
static void cancel(void *arg, mlx_request_t *request)
{
    state_t *self = arg;
    if (self->bench && self->request == request)
        mlx_bench_cancel(self->bench);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    (void)err;
    state_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->service = service;
    self->http = mlx_http_new(mlx_service_loop(service));
    self->keys =
        mlx_runtime_keys_new(mlx_config_value(mlx_service_config(service), "watcher.runtimes"));
    mlx_http_set_keys(self->http, mlx_runtime_keys_find, self->keys);
    self->overview = mlx_overview_new(mlx_bus_host(mlx_service_bus(service)));
    mlx_bus_subscribe(mlx_service_bus(service), "runtime.", on_message, self);
    mlx_bus_subscribe(mlx_service_bus(service), "sensor.", on_message, self);
    return 0;
}

static void stop(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_bench_destroy(&self->bench);
    mlx_http_destroy(&self->http);
    mlx_runtime_keys_destroy(&self->keys);
    mlx_overview_destroy(&self->overview);
    free(self);
    *state = NULL;
}

int main(int argc, char **argv)
{
    static const mlx_service_spec_t spec = {
        .name = "bencher",
        .summary = "measure how fast a model answers",
        .start = start,
        .stop = stop,
        .serve = serve,
        .cancel = cancel,
    };
    return mlx_service_main(argc, argv, &spec);
}
