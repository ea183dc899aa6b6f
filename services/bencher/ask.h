/*  ask.h - one generation: sent, watched as it streams, broken off when its time is over
 *
 *      mlx_asking_t *asking = mlx_asking_new(loop, http, &request, on_answer, self);
 *      ... on_answer(self, &answer)
 *      mlx_asking_destroy(&asking);      closes the connection, so that the server stops
 */
#ifndef MLX_BENCHER_ASK_H
#define MLX_BENCHER_ASK_H

#include "api.h"
#include "common/http/http.h"
#include "common/runtime/keys.h"
#include "common/runtime/stream_stats.h"

typedef struct mlx_asking mlx_asking_t;

typedef struct {
    const mlx_runtime_backend_t *runtime;
    const char *url; /* of the runtime */
    mlx_ask_t ask;
    int64_t limit_ms;               /* break it off then */
    const mlx_runtime_keys_t *keys; /* that HTTP sends; borrowed */
} mlx_asking_request_t;

typedef struct {
    mlx_stream_figures_t figures;
    double duration_s;
    bool cut;          /* broken off at its limit: figures are those until then */
    mlx_error_t error; /* code MLX_OK: the reply is complete, or was cut */
} mlx_answer_t;

/*  ANSWER is borrowed; the function may destroy the object. */
typedef void (*mlx_asking_fn)(void *arg, const mlx_answer_t *answer);

mlx_asking_t *mlx_asking_new(mlx_loop_t *loop, mlx_http_t *http,
                             const mlx_asking_request_t *request, mlx_asking_fn fn, void *arg);
void mlx_asking_destroy(mlx_asking_t **self);

#endif
