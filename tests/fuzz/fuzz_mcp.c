/*  fuzz_mcp.c - four headers, then a message: what the door of MCP lets in and what is answered
 *
 *  Behind the door is the protocol's server on a bus without a broker. Whatever comes, each answer
 *  is one line of JSON-RPC, a refusal has a reason, and a request is answered at most once.
 */
#include "common/agent/mcp.h"
#include "common/base/json.h"
#include "services/gateway/mcp_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    mlx_mcp_letter_t letter;
    size_t answers;
} said_t;

enum {
    CHECK_MAX = 16384
};

static mlx_bus_t *bus;
static mlx_loop_t *loop;

static void close_bus(void)
{
    mlx_bus_destroy(&bus);
    mlx_loop_destroy(&loop);
}

/*  Nobody fetches what is sent on a bus without a broker, so its queue holds one message and the
 *  others are lost: an input leaves nothing behind, neither memory nor work for LeakSanitizer. */
static mlx_bus_t *bus_of(void)
{
    mlx_error_t err = {0};
    if (bus)
        return bus;
    loop = mlx_loop_new();
    bus = mlx_bus_new(
        loop, &(mlx_bus_options_t){.run_dir = "/nonexistent", .host = "fuzz", .hwm = 1}, &err);
    if (!bus)
        mlx_panic("%s", err.text);
    atexit(close_bus);
    return bus;
}

static void stop(void *arg)
{
    mlx_loop_stop(arg);
}

/*  The deadlines of abandoned calls are freed by the next turn of the loop. */
static void turn(void)
{
    mlx_loop_wake(loop, stop, loop);
    mlx_loop_run(loop);
}

static void check(const char *json, size_t len)
{
    mlx_error_t err = {0};
    if (len > CHECK_MAX)
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *message = mlx_json_parse(json, len, &err);
    const char *version = mlx_value_str(message, "jsonrpc");
    if (!version || strcmp(version, "2.0") != 0 || memchr(json, '\n', len))
        mlx_panic("not one line of JSON-RPC: %s", err.text);
}

static void on_send(void *arg, const char *json, size_t len)
{
    said_t *said = arg;
    check(json, len);
    said->answers += mlx_mcp_status(&said->letter, json, len) != 0;
    if (said->answers > 1)
        mlx_panic("answered twice");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_strndup(size ? (const char *)data : "", size);
    const char *heads[4] = {0};
    char *rest = text;
    for (size_t i = 0; i < MLX_COUNT(heads) && rest; i++) {
        char *line = strsep(&rest, "\n");
        heads[i] = *line == '-' ? NULL : line;
    }
    const char *body = rest ? rest : "";
    size_t len = rest ? size - (size_t)(rest - text) : 0;
    mlx_mcp_head_t head = {.content_type = "application/json",
                           .accept = heads[0],
                           .version = heads[1],
                           .method = heads[2],
                           .name = heads[3]};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
    said_t said = {0};
    unsigned status = mlx_mcp_open(&said.letter, &head, body, len, &reply);
    if (status && (status < 400 || reply.len == 0))
        mlx_panic("refused without a reason");
    if (status)
        check(mlx_buf_str(&reply), reply.len);
    mlx_mcp_t *mcp = mlx_mcp_new(bus_of(), &(mlx_mcp_options_t){.changes = true}, on_send, &said);
    mlx_mcp_receive(mcp, body, len);
    if (!status && said.letter.id && said.answers + mlx_mcp_pending(mcp) == 0)
        mlx_panic("a request without an answer");
    bool waits = mlx_mcp_pending(mcp) > 0;
    mlx_mcp_destroy(&mcp);
    if (waits)
        turn();
    mlx_mcp_letter_clear(&said.letter);
    return 0;
}
