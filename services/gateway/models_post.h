/*  models_post.h - load, unload and pin a model from the page
 *
 *  POST /api/models says, from a page that may (page_token.h):
 *
 *      {"do": "load" | "unload" | "pin", "model": "NAME", "runtime": "...", "force": true}
 *
 *  runtime (kind, URL or endpoint) and force may be absent. The answer is what the command of the
 *  watcher gives, with memory_before and memory_after: bytes in use, before and a moment after.
 *
 *      mlx_models_post_t *post = mlx_models_post_new(&options);
 *      mlx_models_post_take(post, request, said);       for POST /api/models
 */
#ifndef MLX_GATEWAY_MODELS_POST_H
#define MLX_GATEWAY_MODELS_POST_H

#include "common/bus/bus.h"
#include "common/view/overview.h"
#include "httpd.h"

#define MLX_MODELS_POST_PATH "/api/models"

typedef struct mlx_models_post mlx_models_post_t;

/*  All of it borrowed. */
typedef struct {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    mlx_overview_t *overview;
} mlx_models_post_options_t;

mlx_models_post_t *mlx_models_post_new(const mlx_models_post_options_t *options);

/*  Call it when the server of HTTP has ended and before the bus does. */
void mlx_models_post_destroy(mlx_models_post_t **self);

/*  Answer REQUEST, now or later, to what it SAID (borrowed). */
void mlx_models_post_take(mlx_models_post_t *self, mlx_httpd_request_t *request,
                          const mlx_value_t *said);

#endif
