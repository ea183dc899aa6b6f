/*  mcp_head.h - the door of the protocol over HTTP: what the headers say about a message
 *
 *  Streamable HTTP carries one message in each POST. A stateless request (2026-07-28) repeats its
 *  version, method and name in headers, which must agree with it; older ones may say their version.
 *  Everything here comes from outside.
 *
 *      mlx_mcp_letter_t letter;
 *      unsigned status = mlx_mcp_open(&letter, &head, body, len, &reply);
 *      if (status) answer with status and reply; else hand it to mlx_mcp_receive
 *      mlx_mcp_letter_clear(&letter);
 */
#ifndef MLX_GATEWAY_MCP_HEAD_H
#define MLX_GATEWAY_MCP_HEAD_H

#include "proto/buf.h"
#include "proto/value.h"

/*  Headers, NULL where absent. */
typedef struct {
    const char *content_type;
    const char *accept;
    const char *version; /* MCP-Protocol-Version */
    const char *method;  /* Mcp-Method */
    const char *name;    /* Mcp-Name */
} mlx_mcp_head_t;

typedef struct {
    mlx_value_t *id;      /* of a request; NULL: nothing is to be answered */
    mlx_value_t *cancels; /* id of the request that it cancels; NULL: none */
    bool modern;          /* stateless */
    bool stream;          /* the client wants progress, and takes events */
} mlx_mcp_letter_t;

/*  0 and *LETTER filled, or the status to refuse it with, and JSON appended to REPLY. *LETTER is to
 *  be cleared in each case. */
unsigned mlx_mcp_open(mlx_mcp_letter_t *letter, const mlx_mcp_head_t *head, const char *body,
                      size_t len, mlx_buf_t *reply);
void mlx_mcp_letter_clear(mlx_mcp_letter_t *letter);

/*  What the server says to LETTER with JSON, LEN bytes: the status to send it with; 0: it is a
 *  notification, and the answer is yet to come. */
unsigned mlx_mcp_status(const mlx_mcp_letter_t *letter, const char *json, size_t len);

#endif
