/*  mcp_http.h - the Model Context Protocol at /mcp: streamable HTTP for common/agent
 *
 *  One POST carries one message, and its answer is the reply: JSON, or events where a client wants
 *  progress. No session is kept: the stateless revision needs none, and the older ones may do
 *  without. A stateless client cancels by closing the stream; an older one by a notification.
 *
 *      mlx_mcp_http_t *mcp = mlx_mcp_http_new(&(mlx_mcp_http_options_t){.loop = loop, .bus = bus,
 *          .token = token});
 *      mlx_mcp_http_take(mcp, httpd, request);        for each POST
 *
 *  Every request shows the token (Authorization: Bearer). At most 64 are under way.
 */
#ifndef MLX_GATEWAY_MCP_HTTP_H
#define MLX_GATEWAY_MCP_HTTP_H

#include "common/bus/bus.h"
#include "httpd.h"

typedef struct mlx_mcp_http mlx_mcp_http_t;

typedef struct {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    const char *token; /* copied */
    bool changes;      /* offer the tools that change something too */
} mlx_mcp_http_options_t;

mlx_mcp_http_t *mlx_mcp_http_new(const mlx_mcp_http_options_t *options);

/*  Call it when the server of HTTP has ended: its streams must be gone. */
void mlx_mcp_http_destroy(mlx_mcp_http_t **self);

/*  Answer REQUEST, now or later; HTTPD is where it came from. */
void mlx_mcp_http_take(mlx_mcp_http_t *self, mlx_httpd_t *httpd, mlx_httpd_request_t *request);

#endif
