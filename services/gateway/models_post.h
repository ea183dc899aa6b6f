/*  models_post.h - load, unload and pin a model from the page
 *
 *  GET /api/token gives a secret to the page itself: other origins cannot read it, and the door has
 *  refused other host names by then (guard.h). POST /api/models shows it as X-MLX-Token and says
 *
 *      {"do": "load" | "unload" | "pin", "model": "NAME", "runtime": "...", "force": true}
 *
 *  runtime (kind, URL or endpoint) and force may be absent. The answer is what the command of the
 *  watcher gives, with memory_before and memory_after: bytes in use, before and a moment after.
 *  A gateway that other machines reach changes nothing.
 *
 *      mlx_models_post_t *post = mlx_models_post_new(&options);
 *      mlx_models_post_token(post, httpd, request);     for GET /api/token
 *      mlx_models_post_take(post, httpd, request);      for POST /api/models
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

/*  Answer REQUEST, now or later; HTTPD is where it came from. */
void mlx_models_post_token(mlx_models_post_t *self, mlx_httpd_t *httpd,
                           mlx_httpd_request_t *request);
void mlx_models_post_take(mlx_models_post_t *self, mlx_httpd_t *httpd,
                          mlx_httpd_request_t *request);

#endif
