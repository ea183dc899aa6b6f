/*  httpd_reply.h - what every reply carries, and an error as a client of HTTP reads it
 *
 *      mlx_httpd_add_headers(response, "text/plain");
 *      mlx_httpd_error_json(&err, &body);      {"error": {code, message, hint}}
 */
#ifndef MLX_GATEWAY_HTTPD_REPLY_H
#define MLX_GATEWAY_HTTPD_REPLY_H

#include <microhttpd.h>

#include "proto/buf.h"
#include "proto/error.h"

/*  The type, and what keeps a browser from doing more with it than the page needs. */
void mlx_httpd_add_headers(struct MHD_Response *response, const char *type);

/*  Append it, with a line feed. */
void mlx_httpd_error_json(const mlx_error_t *err, mlx_buf_t *out);

/*  The status that fits. */
unsigned mlx_httpd_error_status(const mlx_error_t *err);

#endif
