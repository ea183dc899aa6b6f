/*  rig.h - for tests: a benchmark run in the test's own loop, the Ollama double beside it
 *
 *      rig_t *rig = *state;                                    rig_setup made it
 *      rig_play(rig, (const char *[]){"--rate", "100", NULL});
 *      rig_run(rig, &(rig_ask_t){.budget_s = 5});
 *      assert_non_null(rig->result);
 */
#ifndef MLX_TESTS_BENCHER_RIG_H
#define MLX_TESTS_BENCHER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/catalogue.h"
#include "services/bencher/bench.h"
#include "tests/double/play.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    mlx_loop_t *loop;
    mlx_http_t *http;
    mlx_overview_t *overview;
    mlx_play_t *play;
    char url[64]; /* of the double */
    mlx_bench_t *bench;
    uint64_t runs;
    mlx_value_t *result; /* NULL: failed, err says why */
    mlx_error_t err;
    int progress;     /* messages */
    char phases[128]; /* "load warmup prompts done": each in the order of its first message */
    double wall_s;    /* that the run took */
    double last_remaining;
    bool over;

    /*  Called with each progress; may cancel. */
    void (*on_progress)(void *rig, const mlx_value_t *d);
} rig_t;

typedef struct {
    const char *model;
    const char *url;        /* NULL: the double's; "bus": what the overview knows */
    const char *prompts[4]; /* NULL: the built-in ones */
    mlx_sweep_kind_t sweep; /* instead of them */
    double budget_s;        /* 0: 60 */
} rig_ask_t;

int rig_setup(void **state);
int rig_teardown(void **state);

/*  Start the double; a second call ends the first one. */
void rig_play(rig_t *self, const char *const *args);

/*  Tell the overview (and a run) what a service of this machine published. Takes D. */
void rig_publish(rig_t *self, const char *topic, mlx_value_t *d);

/*  Run to the end. */
void rig_run(rig_t *self, const rig_ask_t *ask);

/*  Start only; rig_wait runs to the end. */
void rig_start(rig_t *self, const rig_ask_t *ask);
void rig_wait(rig_t *self);

/*  Numbers of the result; NaN when absent. SUMMARY may be NULL for a number of the result
 *  itself. */
double rig_real(const rig_t *self, const char *summary, const char *key);

/*  Some warning of the result holds TEXT. */
bool rig_warned(const rig_t *self, const char *text);

/*  Seconds that the double keeps MODEL: negative: it is not loaded. */
double rig_kept_s(const rig_t *self, const char *model);

/*  Load MODEL there with KEEP (JSON). */
void rig_load(const rig_t *self, const char *model, const char *keep);

#endif
