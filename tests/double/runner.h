/*  runner.h - the child process that real Ollama has per loaded model: `llama-server`
 *
 *  The parent keeps a view of the slots and sends it over a pipe at each change; the child serves
 *  it as llama-server does (/slots, /props, /health, /metrics). The child's command line is that of
 *  the real one, its port is its own, and it ends when the pipe closes, so that it never outlives
 *  the parent. Both sides are this program, started by another name through a link that is removed
 *  as soon as it has been used: a killed process leaves nothing behind.
 */
#ifndef MLX_TESTS_DOUBLE_RUNNER_H
#define MLX_TESTS_DOUBLE_RUNNER_H

#include <sys/types.h>

#include "proto/error.h"

enum {
    MLX_VIEW_SLOTS = 8
};

typedef struct {
    bool used; /* has had a request */
    bool processing;
    int32_t task;
    int32_t prompt;    /* tokens of the prompt */
    int32_t processed; /* of them, computed so far */
    int32_t cached;    /* of them, taken from the cache */
    int32_t decoded;
    int32_t made;  /* by its last request */
    int32_t limit; /* -1: none */
} mlx_slot_view_t;

/*  Small enough for one atomic write to a pipe. */
typedef struct {
    int32_t slot_count;
    int32_t deferred;
    mlx_slot_view_t slots[MLX_VIEW_SLOTS];
    int64_t prompt_tokens;
    int64_t predicted_tokens; /* of requests that have ended */
    int64_t decode_steps;     /* now */
    double prompt_seconds;
    double predicted_seconds;
} mlx_view_t;

typedef struct mlx_runner mlx_runner_t;

/*  Start the child. BLOB is the path that its command line names. NULL with ERR on failure. */
mlx_runner_t *mlx_runner_new(const char *blob, int slots, int64_t context, bool metrics,
                             mlx_error_t *err);

/*  Stop the child and reap it. */
void mlx_runner_destroy(mlx_runner_t **self);

/*  true: PID, which has been reaped, was the child. Destroy the runner then. */
bool mlx_runner_ended(mlx_runner_t *self, pid_t pid);

/*  Send VIEW. A full pipe drops it: the next one says more. */
void mlx_runner_show(mlx_runner_t *self, const mlx_view_t *view);

/*  Descriptors that the child finds open. */
enum {
    MLX_RUNNER_LISTEN_FD = 3,
    MLX_RUNNER_VIEW_FD = 4
};

/*  Replace this process by itself under the name `ollama` with "serve" before its arguments.
 *  Returns only on failure: -1. */
int mlx_runner_become_ollama(char **argv, mlx_error_t *err);

/*  Remove the link that this process was started through. */
void mlx_runner_forget_link(const char *argv0);

#endif
