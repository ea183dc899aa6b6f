/*  api.h - how each kind of runtime is asked to generate: one line in a table a kind
 *
 *      const mlx_api_t *api = mlx_api_find("ollama");
 *      MLX_CLEANUP(mlx_free_p) char *body = mlx_api_body(api, &ask);      POST it to api->path
 *
 *  Sources: Ollama docs/api.md (keep_alive, options, num_predict); OpenAI chat completions
 *  (max_tokens, seed, stream_options); llama.cpp tools/server/README.md (cache_prompt, ignore_eos);
 *  vLLM OpenAI-compatible server, extra parameters (ignore_eos).
 */
#ifndef MLX_BENCHER_API_H
#define MLX_BENCHER_API_H

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

typedef struct mlx_api {
    const char *kind;
    const char *path;
    bool keeps;    /* loads models on demand and has a keep_alive to give back */
    bool loads;    /* may load the model with the first request, and does not say so */
    bool no_cache; /* takes cache_prompt */
    bool forced;   /* takes ignore_eos: replies have the length that was asked for */
} mlx_api_t;

/*  By kind; NULL when there is none of that name. Static storage. */
const mlx_api_t *mlx_api_find(const char *kind);

/*  The request's body. Caller owns it and must free it. */
char *mlx_api_body(const mlx_api_t *api, const mlx_ask_t *ask);

#endif
