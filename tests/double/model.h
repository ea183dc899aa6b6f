/*  model.h - one model: what the recordings say of such a model, loaded or not, its slots and queue
 *
 *  A model loads at its first request, is unloaded when its keep-alive ends, and decodes as many
 *  requests at once as it has slots; the others wait in order. With runners, each loaded model has
 *  a child process that shows the slots (see runner.h).
 */
#ifndef MLX_TESTS_DOUBLE_MODEL_H
#define MLX_TESTS_DOUBLE_MODEL_H

#include "tests/double/net.h"
#include "tests/double/runner.h"

typedef struct mlx_app mlx_app_t;
typedef struct mlx_gen mlx_gen_t;

typedef enum {
    MLX_MODEL_ABSENT,
    MLX_MODEL_LOADING,
    MLX_MODEL_LOADED
} mlx_model_state_t;

typedef struct {
    mlx_app_t *app;
    char name[128]; /* with its tag */
    char digest[65];
    char blob[65]; /* digest of the weights */
    int64_t size;
    int64_t loaded_size;
    char parameters[16];
    char quantization[16];
    int64_t embedding;
    char modified[40];
    int64_t created; /* seconds since the epoch */
    mlx_model_state_t state;
    int64_t keep_ns;
    uint64_t expires; /* wall clock, ns */
    mlx_net_timer_t *timer;
    mlx_runner_t *runner;
    mlx_view_t view;
    mlx_gen_t *slots[MLX_VIEW_SLOTS];
    mlx_gen_t *queue; /* first to be served first */
    uint64_t last_prompt;
} mlx_model_t;

/*  The recorded model of that name, or one made up after it: "demo:8b" has 8 billion parameters. */
mlx_model_t *mlx_model_new(mlx_app_t *app, const char *name);
void mlx_model_destroy(mlx_model_t **self);

/*  The recorded models, not loaded; INDEX past the end gives NULL. The last one is what
 *  mlx_rec_show and the recorded streams are of. */
const mlx_model_t *mlx_model_recorded(size_t index);

/*  A generation joins: the model starts to load if need be. */
void mlx_model_join(mlx_model_t *self, mlx_gen_t *gen);

/*  It leaves, done or not; the next in the queue gets its slot. */
void mlx_model_leave(mlx_model_t *self, mlx_gen_t *gen);

/*  Load without generating. */
void mlx_model_load(mlx_model_t *self);
void mlx_model_unload(mlx_model_t *self);

/*  Child PID is gone. If it was this model's runner, the model is loaded again by its next request.
 */
void mlx_model_runner_ended(mlx_model_t *self, pid_t pid);

/*  Set the keep-alive (ns; negative: for ever) and start it again. */
void mlx_model_keep(mlx_model_t *self, int64_t keep_ns);

/*  Tell the runner, if any, that the view has changed. */
void mlx_model_show(mlx_model_t *self);

#endif
