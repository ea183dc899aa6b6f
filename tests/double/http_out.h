/*  http_out.h - how each kind of server writes its headers and refuses a request */
#ifndef MLX_TESTS_DOUBLE_HTTP_OUT_H
#define MLX_TESTS_DOUBLE_HTTP_OUT_H

#include "tests/double/net.h"

#define MLX_TYPE_JSON "application/json; charset=utf-8"

/*  Go's net/http (Ollama), cpp-httplib (llama-server), uvicorn (vLLM), Python's http.server
 *  (mlx_lm.server). */
void mlx_head_go(mlx_buf_t *out, int64_t wall, const char *type, int64_t length);
void mlx_head_httplib(mlx_buf_t *out, int64_t wall, const char *type, int64_t length);
void mlx_head_uvicorn(mlx_buf_t *out, int64_t wall, const char *type, int64_t length);
void mlx_head_python(mlx_buf_t *out, int64_t wall, const char *type, int64_t length);

/*  Reply with a JSON document. */
void mlx_reply_json(mlx_conn_t *conn, int status, const char *format, ...) MLX_PRINTF(3, 4);

#endif
