/*  tools.h - what agents may call, one table line each; private to this folder */
#ifndef MLX_COMMON_AGENT_TOOLS_H
#define MLX_COMMON_AGENT_TOOLS_H

#include "proto/catalogue.h"

typedef struct {
    const char *name;
    const char *title;
    const char *about; /* first what it returns and when to call it; then what it does not do */

    /*  Either a command of the catalogue, called with the client's arguments over the defaults
     *  (JSON, or NULL) ... */
    const char *command;
    const char *defaults;

    /*  ... or the retained values of the topics that begin with one of PREFIXES (space between). */
    const char *prefixes;

    int timeout_s;
    bool changes;  /* something, so it is offered only where that was allowed */
    bool asks_out; /* a server on the network, if the model is not here */
} mlx_mcp_tool_t;

const mlx_mcp_tool_t *mlx_mcp_tools(size_t *count);
const mlx_mcp_tool_t *mlx_mcp_tool_find(const char *name);

/*  The catalogue's entry of the command that TOOL calls; NULL: it reads topics. */
const mlx_catalogue_command_t *mlx_mcp_tool_command(const mlx_mcp_tool_t *tool);

/*  TOOL as tools/list shows it, with the schemas of its arguments and result. Caller owns it. */
mlx_value_t *mlx_mcp_tool_describe(const mlx_mcp_tool_t *tool);

/*  The client's ARGUMENTS (NULL: none) as the command takes them: checked against the catalogue,
 *  times ("2h" ago or RFC 3339) as microseconds. NOW_US is the wall clock. Caller owns the result;
 *  NULL with ERR, a sentence that a model can act on. */
mlx_value_t *mlx_mcp_tool_arguments(const mlx_mcp_tool_t *tool, const mlx_value_t *arguments,
                                    int64_t now_us, mlx_error_t *err);

/*  VALUE as agents read it: each time in FIELDS as RFC 3339. Caller owns the result. */
mlx_value_t *mlx_mcp_readable(const mlx_field_t *fields, const mlx_value_t *value);

#endif
