/*  page_token.h - who may change something: the page that this gateway gave out
 *
 *  GET /api/token gives a secret to the page itself: other origins cannot read it, and the door has
 *  refused other host names by then (guard.h). Who changes something shows it as X-MLX-Token, in a
 *  POST with JSON. A gateway that other machines reach changes nothing.
 *
 *      mlx_page_token_t *token = mlx_page_token_new();
 *      mlx_page_token_give(token, httpd, request);                    for GET /api/token
 *      mlx_value_t *said = mlx_page_token_take(token, httpd, request);
 *      if (!said)
 *          return;                                                    it was answered
 */
#ifndef MLX_GATEWAY_PAGE_TOKEN_H
#define MLX_GATEWAY_PAGE_TOKEN_H

#include "httpd.h"
#include "proto/value.h"

typedef struct mlx_page_token mlx_page_token_t;

mlx_page_token_t *mlx_page_token_new(void);
void mlx_page_token_destroy(mlx_page_token_t **self);

/*  Answer REQUEST with {"token": "..."}, or refuse it. HTTPD is where it came from. */
void mlx_page_token_give(const mlx_page_token_t *self, mlx_httpd_t *httpd,
                         mlx_httpd_request_t *request);

/*  The body of REQUEST, of at most 4096 bytes, when it may change something. Caller owns it and
 *  must destroy it. NULL: it may not, or says nothing that can be read, and has its answer. */
mlx_value_t *mlx_page_token_take(const mlx_page_token_t *self, mlx_httpd_t *httpd,
                                 mlx_httpd_request_t *request);

#endif
