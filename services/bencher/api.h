/*  api.h - the body of a request to generate, as each kind of runtime wants it
 *
 *      const mlx_runtime_backend_t *runtime = mlx_runtime_backend("ollama");
 *      MLX_CLEANUP(mlx_free_p) char *body = mlx_api_body(runtime, &ask);
 *                                              POST it to runtime->generate.path
 *
 *  Sources: Ollama docs/api.md (keep_alive, options, num_predict); OpenAI chat completions
 *  (max_tokens, seed, stream_options); llama.cpp tools/server/README.md (cache_prompt, ignore_eos);
 *  vLLM OpenAI-compatible server, extra parameters (ignore_eos).
 */
#ifndef MLX_BENCHER_API_H
#define MLX_BENCHER_API_H

#include "common/runtime/runtime.h"
#include "proto/value.h"

typedef enum {
    MLX_KEEP_DEFAULT, /* as long as the server keeps a model by itself */
    MLX_KEEP_FOR,     /* a number of milliseconds; 0: unload it */
    MLX_KEEP_FOREVER,
} mlx_keep_kind_t;

/*  How long the runtime shall keep the model loaded after a request. */
typedef struct {
    mlx_keep_kind_t kind;
    int64_t ms;
} mlx_keep_t;

typedef struct {
    const char *model;
    const char *prompt; /* NULL: only load the model, or unload it (runtimes with keep_alive) */
    int64_t tokens;     /* to generate at most */
    int64_t seed;
    int64_t context; /* that the model is loaded with; 0: not known */
    mlx_keep_t keep;
} mlx_ask_t;

/*  The request's body. Caller owns it and must free it. */
char *mlx_api_body(const mlx_runtime_backend_t *runtime, const mlx_ask_t *ask);

#endif
