/*  api.h - reading what a request asks for, in Ollama's and in OpenAI's words */
#ifndef MLX_TESTS_DOUBLE_API_H
#define MLX_TESTS_DOUBLE_API_H

#include "tests/double/gen.h"

/*  The job of a native Ollama request; PROMPT_LEN is the length of all its text. */
mlx_job_t mlx_api_native_job(const mlx_app_t *app, const mlx_value_t *body, size_t prompt_len);

/*  The job of an OpenAI request. */
mlx_job_t mlx_api_openai_job(const mlx_app_t *app, const mlx_value_t *body, size_t prompt_len);

/*  Length of all message contents of a chat, and a hash of them for the prompt cache. */
size_t mlx_api_messages_len(const mlx_value_t *messages);
uint64_t mlx_api_hash(const mlx_value_t *prompt);

/*  "keep_alive": seconds, or a duration such as "1h30m"; negative: for ever. false: none, or bad.
 */
bool mlx_api_keep_alive(const mlx_value_t *body, int64_t *keep_ns);

/*  Which OpenAI dialect a server speaks. */
void mlx_api_v1_models(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body);
void mlx_api_v1_chat(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body);
void mlx_api_v1_completions(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body);

#endif
