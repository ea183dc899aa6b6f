/*  control.h - load, unload and pin models at the runtimes that can
 *
 *  Ollama by its keep_alive; a llama-server that is a router, LM Studio (its API v1), llama-swap,
 *  oMLX, Docker Model Runner and LocalAI by their own requests, as far as they have them. A model
 *  that works on a request is not unloaded unless that is forced. What is not known to be loaded is
 *  asked for once more before it is refused.
 *
 *      mlx_control_run(&scene, "model.unload", args, on_done, arg);
 *
 *  Sources: Ollama's API reference (keep_alive); llama.cpp tools/server README, router mode; LM
 *  Studio's REST API v1; the sources of llama-swap, oMLX, model-runner and LocalAI.
 */
#ifndef MLX_WATCHER_CONTROL_H
#define MLX_WATCHER_CONTROL_H

#include "target.h"

/*  The end of it: RESULT as in the catalogue, or NULL with ERR. Both borrowed. */
typedef void (*mlx_control_fn)(void *arg, const mlx_value_t *result, const mlx_error_t *err);

/*  What there is: all of it borrowed for the call, HTTP until FN has been called. */
typedef struct {
    mlx_target_t *const *targets;
    size_t count;
    const mlx_target_t *tapped; /* the one behind the tap, or NULL */
    const mlx_activity_t *tap;  /* what the tap sees of it, or NULL */
    mlx_http_t *http;
    const mlx_runtime_keys_t *keys; /* that HTTP sends */
} mlx_control_scene_t;

/*  "load", "unload" and "pin", as far as TARGET's kind can; NULL: nothing. Caller owns it. */
mlx_value_t *mlx_control_can(const mlx_target_t *target);

/*  Do CMD ("model.load", "model.unload", "model.pin") with ARGS at the one target that fits. FN is
 *  called once, perhaps before this returns. */
void mlx_control_run(const mlx_control_scene_t *scene, const char *cmd, const mlx_value_t *args,
                     mlx_control_fn fn, void *arg);

#endif
