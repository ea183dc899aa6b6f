/*  http_in.h - taking one HTTP/1.1 request out of a buffer of received bytes */
#ifndef MLX_TESTS_DOUBLE_HTTP_IN_H
#define MLX_TESTS_DOUBLE_HTTP_IN_H

#include "tests/double/net.h"

typedef enum {
    MLX_HTTP_IN_MORE,     /* incomplete: read on */
    MLX_HTTP_IN_CONTINUE, /* incomplete, and the client waits for "100 Continue" */
    MLX_HTTP_IN_DONE,     /* REQUEST is filled, its bytes are consumed */
    MLX_HTTP_IN_BAD,      /* no HTTP, or too large */
} mlx_http_in_t;

/*  BODY receives the body, decoded when it came in chunks; REQUEST's body points into it. */
mlx_http_in_t mlx_http_in_take(mlx_buf_t *in, mlx_buf_t *body, mlx_net_request_t *request);

#endif
