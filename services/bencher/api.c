#include "api.h"

#include "proto/json.h"

/*  Ollama takes seconds as a number, but drops their fraction; a duration in words keeps it. */
static void set_keep(mlx_value_t *body, const mlx_keep_t *keep)
{
    if (keep->kind == MLX_KEEP_FOREVER) {
        mlx_value_set_int(body, "keep_alive", -1);
    } else if (keep->kind == MLX_KEEP_FOR) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%lldms", (long long)keep->ms);
        mlx_value_set_str(body, "keep_alive", text);
    }
}

/*  num_ctx repeats what the model is loaded with: Ollama loads it again for any other. */
static void fill_ollama(mlx_value_t *body, const mlx_ask_t *ask)
{
    set_keep(body, &ask->keep);
    mlx_value_set_bool(body, "stream", ask->prompt != NULL);
    mlx_value_t *options = mlx_value_set(body, "options", mlx_value_map());
    if (ask->context > 0)
        mlx_value_set_int(options, "num_ctx", ask->context);
    if (!ask->prompt)
        return;
    mlx_value_set_str(body, "prompt", ask->prompt);
    mlx_value_set_int(options, "num_predict", ask->tokens);
    mlx_value_set_int(options, "seed", ask->seed);
    mlx_value_set_real(options, "temperature", 0);
}

static void fill_openai(const mlx_runtime_generate_t *api, mlx_value_t *body, const mlx_ask_t *ask)
{
    mlx_value_t *messages = mlx_value_set(body, "messages", mlx_value_list());
    mlx_value_t *message = mlx_value_append(messages, mlx_value_map());
    mlx_value_set_str(message, "role", "user");
    mlx_value_set_str(message, "content", ask->prompt);
    mlx_value_set_bool(body, "stream", true);
    mlx_value_set_bool(mlx_value_set(body, "stream_options", mlx_value_map()), "include_usage",
                       true);
    mlx_value_set_int(body, "max_tokens", ask->tokens);
    mlx_value_set_int(body, "seed", ask->seed);
    mlx_value_set_real(body, "temperature", 0);
    if (api->no_cache)
        mlx_value_set_bool(body, "cache_prompt", false);
    if (api->forced)
        mlx_value_set_bool(body, "ignore_eos", true);
}

char *mlx_api_body(const mlx_runtime_backend_t *runtime, const mlx_ask_t *ask)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body = mlx_value_map();
    mlx_buf_t text = {0};
    mlx_value_set_str(body, "model", ask->model);
    if (runtime->generate.keeps)
        fill_ollama(body, ask);
    else
        fill_openai(&runtime->generate, body, ask);
    mlx_json_write(&text, body, false);
    return mlx_buf_take(&text);
}
