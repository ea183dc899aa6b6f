#include "mcp_head.h"

#include <string.h>
#include <strings.h>

#include "common/agent/mcp.h"
#include "common/base/json.h"

enum {
    PARSE_ERROR = -32700,
    BAD_REQUEST = -32600,
    NO_METHOD = -32601,
    BAD_PARAMS = -32602,
    HEADER_MISMATCH = -32020,
    BAD_VERSION = -32022,

    OK = 200,
    REFUSED = 400,
    NOT_FOUND = 404,
    TOO_LARGE = 413,

    ERROR_MAX = 4096 /* bytes of an error's JSON */
};

#define META_VERSION "io.modelcontextprotocol/protocolVersion"

static unsigned refuse(mlx_buf_t *reply, unsigned status, const mlx_value_t *id, int code,
                       const char *text)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *message = mlx_value_map();
    mlx_value_set_str(message, "jsonrpc", "2.0");
    mlx_value_set(message, "id", id ? mlx_value_copy(id) : mlx_value_null());
    mlx_value_t *error = mlx_value_set(message, "error", mlx_value_map());
    mlx_value_set_int(error, "code", code);
    mlx_value_set_str(error, "message", text);
    mlx_json_write(reply, message, false);
    return status;
}

/* ---- headers ---- */

static char *base64_of(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    mlx_buf_t out = {0};
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < len ? (unsigned char)text[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            mlx_buf_putc(&out, i + k <= len ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
    return mlx_buf_take(&out);
}

/*  Does the header say TEXT, plainly or as "=?base64?…?="? */
static bool says(const char *header, const char *text)
{
    if (!header || !text || strcmp(header, text) == 0)
        return header && text;
    MLX_CLEANUP(mlx_free_p) char *packed = base64_of(text);
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("=?base64?%s?=", packed ? packed : "");
    return strcmp(header, whole) == 0;
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t len = sizeof json - 1;
    return type && strncasecmp(type, json, len) == 0 && strchr("; \t", type[len]);
}

/*  The text that Mcp-Name repeats, or NULL: this method has none. */
static const char *name_of(const char *method, const mlx_value_t *params)
{
    if (strcmp(method, "tools/call") == 0 || strcmp(method, "prompts/get") == 0)
        return mlx_value_str(params, "name");
    return strcmp(method, "resources/read") == 0 ? mlx_value_str(params, "uri") : NULL;
}

static const char *mismatch(const mlx_mcp_head_t *head, const char *version, const char *method,
                            const mlx_value_t *params)
{
    const char *name = method ? name_of(method, params) : NULL;
    if (!head->version || !version || strcmp(head->version, version) != 0)
        return "the header MCP-Protocol-Version and _meta do not agree";
    if (method && !says(head->method, method))
        return "the header Mcp-Method and the method do not agree";
    if (name && !says(head->name, name))
        return "the header Mcp-Name and the name in params do not agree";
    return NULL;
}

/* ---- messages ---- */

static unsigned open_message(mlx_mcp_letter_t *letter, const mlx_mcp_head_t *head,
                             const mlx_value_t *message, mlx_buf_t *reply)
{
    const mlx_value_t *params = mlx_value_get(message, "params");
    const mlx_value_t *meta = mlx_value_get(params, "_meta");
    const mlx_value_t *id = mlx_value_get(message, "id");
    const char *method = mlx_value_str(message, "method");
    const char *version = mlx_value_str(meta, META_VERSION);
    if (mlx_value_type(message) != MLX_MAP)
        return refuse(reply, REFUSED, NULL, BAD_REQUEST, "send one JSON-RPC message per POST");
    letter->modern =
        mlx_value_get(meta, META_VERSION) || (head->version && !mlx_mcp_is_legacy(head->version));
    const char *wrong = letter->modern && id ? mismatch(head, version, method, params) : NULL;
    if (wrong)
        return refuse(reply, REFUSED, id, HEADER_MISMATCH, wrong);
    letter->id = method ? mlx_value_copy(id) : NULL;
    letter->stream = mlx_value_get(meta, "progressToken") && head->accept &&
                     strstr(head->accept, "text/event-stream");
    if (method && !id && strcmp(method, "notifications/cancelled") == 0)
        letter->cancels = mlx_value_copy(mlx_value_get(params, "requestId"));
    return 0;
}

unsigned mlx_mcp_open(mlx_mcp_letter_t *letter, const mlx_mcp_head_t *head, const char *body,
                      size_t len, mlx_buf_t *reply)
{
    mlx_error_t err = {0};
    *letter = (mlx_mcp_letter_t){0};
    if (!is_json(head->content_type))
        return refuse(reply, REFUSED, NULL, BAD_REQUEST, "Content-Type must be application/json");
    if (len > MLX_MCP_MAX_BYTES)
        return refuse(reply, TOO_LARGE, NULL, BAD_REQUEST, "the message is longer than 1 MiB");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *message = mlx_json_parse(body, len, &err);
    if (!message)
        return refuse(reply, REFUSED, NULL, PARSE_ERROR, err.text);
    return open_message(letter, head, message, reply);
}

void mlx_mcp_letter_clear(mlx_mcp_letter_t *letter)
{
    mlx_value_destroy(&letter->id);
    mlx_value_destroy(&letter->cancels);
}

/*  The text is the server's own: what its first member is tells a notification, and what is long is
 *  no error. */
unsigned mlx_mcp_status(const mlx_mcp_letter_t *letter, const char *json, size_t len)
{
    static const char notification[] = "{\"jsonrpc\":\"2.0\",\"method\"";
    int64_t code = 0;
    if (strncmp(json, notification, sizeof notification - 1) == 0)
        return 0;
    if (!letter->modern || len > ERROR_MAX)
        return OK;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *message = mlx_json_parse(json, len, NULL);
    if (!mlx_value_int(mlx_value_get(message, "error"), "code", &code))
        return OK;
    if (code == NO_METHOD)
        return NOT_FOUND;
    return code == BAD_REQUEST || code == BAD_PARAMS || code == BAD_VERSION ? REFUSED : OK;
}
