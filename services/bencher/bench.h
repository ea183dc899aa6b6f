/*  bench.h - one benchmark run: find, load, warm up, ask each prompt, give back, report
 *
 *      mlx_bench_t *bench = mlx_bench_new(&options);
 *      mlx_bench_message(bench, message);   each message of runtime.* and sensor.* of this machine
 *      ... progress(arg, map) now and then, then done(arg, result, NULL) or done(arg, NULL, &err)
 *      mlx_bench_destroy(&bench);
 *
 *  The budget counts from the moment at which the model is loaded. A model that Ollama had loaded
 *  keeps the expiry it had, one that it had not is unloaded again; a run that is cancelled or
 *  destroyed does the same.
 */
#ifndef MLX_BENCHER_BENCH_H
#define MLX_BENCHER_BENCH_H

#include "common/http/http.h"
#include "common/runtime/keys.h"
#include "common/view/overview.h"
#include "prompts.h"
#include "sweep_plan.h"

typedef struct mlx_bench mlx_bench_t;

typedef struct {
    mlx_loop_t *loop;
    mlx_http_t *http;
    mlx_runtime_keys_t *keys;       /* that HTTP sends; borrowed; may be NULL */
    const mlx_overview_t *overview; /* what the bus says; kept up to date by the owner */
    const char *host;               /* name of this machine on the bus */
    const char *model;              /* NULL: the one that is loaded */
    const char *url;                /* NULL: a runtime that the bus knows */
    mlx_prompts_t *prompts;         /* ownership is taken */
    mlx_sweep_kind_t sweep;         /* instead of the prompts, if any */
    double budget_s;
    uint64_t random; /* any number that no earlier run had */

    /*  D is a borrowed map of bench.progress. */
    void (*progress)(void *arg, const mlx_value_t *d);

    /*  Called once, the last of all. RESULT is a borrowed map of bench.result, or NULL with ERR.
     *  The function may destroy the run. */
    void (*done)(void *arg, const mlx_value_t *result, const mlx_error_t *err);
    void *arg;
} mlx_bench_options_t;

/*  All strings are copied. Caller owns it. */
mlx_bench_t *mlx_bench_new(const mlx_bench_options_t *options);

/*  Before it is done the server is asked to stop, and the model's expiry given back (at most two
 *  seconds). */
void mlx_bench_destroy(mlx_bench_t **self);

void mlx_bench_message(mlx_bench_t *self, const mlx_message_t *message);

/*  Stop: the server's connection is closed at once, done follows with the error interrupted. */
void mlx_bench_cancel(mlx_bench_t *self);

#endif
