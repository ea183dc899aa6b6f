/*  runner.h - the runner probe: tokens per second of Ollama's runners, with no set-up by anyone
 *
 *  Looks for runners (runner_scan.h) only while Ollama has a model loaded that is not accounted
 *  for, and polls GET /slots of each that it knows: once a second, four times while it works.
 *
 *      mlx_runner_t *runner = mlx_runner_new(&options);
 *      mlx_runner_loaded(runner, models);          after each /api/ps
 *      mlx_runner_activity(runner, now_us, &activity);
 *      const char *why = mlx_runner_reason(runner);   when it is not available
 */
#ifndef MLX_WATCHER_RUNNER_H
#define MLX_WATCHER_RUNNER_H

#include "activity.h"
#include "common/http/http.h"
#include "ended.h"
#include "proto/value.h"

typedef struct mlx_runner mlx_runner_t;

typedef struct {
    mlx_loop_t *loop;
    mlx_http_t *http;
    const char *proc_root; /* "/proc"; borrowed */
    uint16_t ollama_port;

    void (*changed)(void *arg); /* there is a new look at a runner */

    /*  A runner answered what it should not: to be counted and logged. */
    void (*problem)(void *arg, const char *text);

    /*  A request has ended at one of them. */
    void (*ended)(void *arg, const mlx_ended_t *request);
    void *arg;
} mlx_runner_options_t;

/*  Caller owns it; must be destroyed before http. */
mlx_runner_t *mlx_runner_new(const mlx_runner_options_t *options);
void mlx_runner_destroy(mlx_runner_t **self);

/*  What is loaded now, the list of mlx_runtime_state_t; NULL or empty: nothing. */
void mlx_runner_loaded(mlx_runner_t *self, const mlx_value_t *models);

/*  Ask the runners now: something has come to Ollama. */
void mlx_runner_ask(mlx_runner_t *self);

/*  SEEN: mlx_runner_ask is called whenever something comes, so runners at rest are asked rarely. */
void mlx_runner_seen(mlx_runner_t *self, bool seen);

bool mlx_runner_busy(const mlx_runner_t *self);

/*  Whether a runner is known; then the source is "runner". */
bool mlx_runner_found(const mlx_runner_t *self);

/*  Sum over the runners, those that ended included; without a model loaded nothing runs. Not
 *  available while something is loaded and no runner known. */
void mlx_runner_activity(const mlx_runner_t *self, int64_t now_us, mlx_activity_t *out);

/*  Why it is not available; NULL when it is, or when nothing is loaded. */
const char *mlx_runner_reason(const mlx_runner_t *self);

#endif
