/*  mcp.h - a server of the Model Context Protocol: what an agent may ask of the suite
 *
 *  One server speaks with one client. Both eras of the protocol are served at once: revisions up to
 *  2025-11-25, which begin with `initialize`, and the stateless 2026-07-28, whose requests carry
 *  their version in `_meta` (modelcontextprotocol.io/specification). The transport is the caller's:
 *  it hands over one JSON-RPC message at a time and sends what comes back.
 *
 *      mlx_mcp_t *mcp = mlx_mcp_new(bus, &options, send, self);
 *      mlx_mcp_receive(mcp, line, len);             send() is called now or later, or never
 *      mlx_mcp_destroy(&mcp);
 *
 *  The tools are one table (tools.c); their arguments and results are those of the catalogue's
 *  commands and topics. Nothing a client sends can do more than that table says.
 */
#ifndef MLX_COMMON_AGENT_MCP_H
#define MLX_COMMON_AGENT_MCP_H

#include "common/bus/bus.h"

typedef struct mlx_mcp mlx_mcp_t;

enum {
    MLX_MCP_MAX_BYTES = 1024 * 1024 /* of one message; a longer one is refused unread */
};

typedef struct {
    const char *run_dir; /* to say at once that no bus is there; NULL: found out by a deadline */
    bool changes;        /* offer the tools that change something too (load, unload a model) */
} mlx_mcp_options_t;

/*  JSON (borrowed, LEN bytes, one line without its newline) is a message for the client. */
typedef void (*mlx_mcp_send_fn)(void *arg, const char *json, size_t len);

/*  BUS and what OPTIONS point to are borrowed and outlive the server. */
mlx_mcp_t *mlx_mcp_new(mlx_bus_t *bus, const mlx_mcp_options_t *options, mlx_mcp_send_fn send,
                       void *arg);

/*  Cancels what still runs; nothing is sent any more. */
void mlx_mcp_destroy(mlx_mcp_t **self);

/*  One message from the client, LEN bytes, hostile. */
void mlx_mcp_receive(mlx_mcp_t *self, const char *data, size_t len);

/*  Is VERSION a revision that begins with a handshake? */
bool mlx_mcp_is_legacy(const char *version);

/*  Requests that wait for the bus. */
size_t mlx_mcp_pending(const mlx_mcp_t *self);

#endif
