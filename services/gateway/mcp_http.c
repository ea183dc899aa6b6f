#include "mcp_http.h"

#include <stdlib.h>
#include <string.h>

#include "common/agent/mcp.h"
#include "common/agent/token.h"
#include "common/base/clock.h"
#include "mcp_head.h"

enum {
    EXCHANGES_MAX = 64,
    UNAUTHORIZED = 401
};

#define QUIET_US (10 * (int64_t)1000000) /* after that a stream says that it lives */

/*  One request and its answer. */
typedef struct exchange {
    struct exchange *next;
    mlx_mcp_http_t *owner;
    mlx_httpd_t *httpd;
    mlx_mcp_letter_t letter;
    mlx_mcp_t *mcp;
    mlx_httpd_request_t *request; /* to be answered with JSON; NULL: answered, or a stream */
    bool streams;                 /* the client reads events */
    mlx_buf_t events;             /* that it has not been given */
    int64_t said_us;
    bool over; /* answered, or cancelled */
} exchange_t;

struct mlx_mcp_http {
    mlx_mcp_http_options_t options;
    char *token;
    exchange_t *exchanges;
    size_t count;
    mlx_timer_t *reap;
};

mlx_mcp_http_t *mlx_mcp_http_new(const mlx_mcp_http_options_t *options)
{
    mlx_mcp_http_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->token = mlx_strdup(options->token);
    return self;
}

static void free_exchange(exchange_t *exchange)
{
    exchange->owner->count--;
    mlx_mcp_destroy(&exchange->mcp);
    mlx_mcp_letter_clear(&exchange->letter);
    mlx_buf_clear(&exchange->events);
    free(exchange);
}

/*  What is over cannot be freed where that is found out: the protocol's server may be speaking. */
static void on_reap(void *arg)
{
    mlx_mcp_http_t *self = arg;
    self->reap = NULL;
    for (exchange_t **at = &self->exchanges; *at;) {
        exchange_t *exchange = *at;
        if (exchange->over && !exchange->streams) {
            *at = exchange->next;
            free_exchange(exchange);
        } else {
            at = &exchange->next;
        }
    }
}

static void end(exchange_t *exchange)
{
    mlx_mcp_http_t *self = exchange->owner;
    exchange->over = true;
    if (!self->reap)
        self->reap = mlx_loop_after(self->options.loop, 0, on_reap, self);
}

void mlx_mcp_http_destroy(mlx_mcp_http_t **self_p)
{
    mlx_mcp_http_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->options.loop, &self->reap);
    for (exchange_t *exchange = self->exchanges, *next; exchange; exchange = next) {
        next = exchange->next;
        free_exchange(exchange);
    }
    free(self->token);
    free(self);
}

/* ---- answers ---- */

static void answer(exchange_t *exchange, unsigned status, const char *json, size_t len)
{
    mlx_httpd_request_t *request = exchange->request;
    exchange->request = NULL;
    if (request)
        mlx_httpd_reply(request, status, "application/json", json, len);
}

static void on_send(void *arg, const char *json, size_t len)
{
    exchange_t *exchange = arg;
    unsigned status = mlx_mcp_status(&exchange->letter, json, len);
    if (exchange->streams) {
        mlx_buf_printf(&exchange->events, "event: message\ndata: %s\n\n", json);
        mlx_httpd_wake(exchange->httpd);
    } else if (status) {
        answer(exchange, status, json, len);
    }
    if (status)
        end(exchange);
}

static bool fill(void *arg, mlx_buf_t *out)
{
    exchange_t *exchange = arg;
    int64_t now_us = mlx_now_us();
    if (exchange->events.len == 0 && !exchange->over && now_us - exchange->said_us > QUIET_US)
        mlx_buf_puts(&exchange->events, ":\n\n");
    if (exchange->events.len)
        exchange->said_us = now_us;
    mlx_buf_append(out, mlx_buf_str(&exchange->events), exchange->events.len);
    mlx_buf_reset(&exchange->events);
    return !exchange->over;
}

/*  The stream has ended. A client that left has cancelled, if it is of the stateless revision. */
static void on_stream_end(void *arg)
{
    exchange_t *exchange = arg;
    exchange->streams = false;
    if (exchange->over || exchange->letter.modern)
        end(exchange);
}

/* ---- requests ---- */

/*  Without sessions an older client's word counts only if no other can be meant. */
static void cancel(mlx_mcp_http_t *self, const mlx_value_t *id)
{
    static const char gone[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,"
                               "\"message\":\"cancelled\"}}";
    exchange_t *meant = NULL;
    size_t count = 0;
    for (exchange_t *exchange = self->exchanges; exchange; exchange = exchange->next)
        if (!exchange->over && !exchange->letter.modern &&
            mlx_value_equal(exchange->letter.id, id)) {
            meant = exchange;
            count++;
        }
    if (count != 1)
        return;
    answer(meant, 200, gone, strlen(gone));
    end(meant);
    mlx_httpd_wake(meant->httpd);
}

static void start(mlx_mcp_http_t *self, mlx_httpd_t *httpd, mlx_httpd_request_t *request,
                  const mlx_mcp_letter_t *letter)
{
    mlx_mcp_options_t options = {.changes = self->options.changes};
    size_t len;
    const char *body = mlx_httpd_body(request, &len);
    MLX_CLEANUP(mlx_free_p) char *message = mlx_strndup(body, len); /* a stream ends the request */
    exchange_t *exchange = mlx_alloc(1, sizeof *exchange);
    *exchange = (exchange_t){.next = self->exchanges,
                             .owner = self,
                             .httpd = httpd,
                             .letter = *letter,
                             .request = request,
                             .said_us = mlx_now_us()};
    self->exchanges = exchange;
    self->count++;
    exchange->mcp = mlx_mcp_new(self->options.bus, &options, on_send, exchange);
    if (letter->stream) {
        exchange->request = NULL;
        exchange->streams = true;
        if (mlx_httpd_stream(request, "text/event-stream", fill, on_stream_end, exchange)) {
            exchange->streams = false;
            end(exchange);
            return;
        }
    }
    mlx_mcp_receive(exchange->mcp, message, len);
}

static bool may(mlx_mcp_http_t *self, mlx_httpd_request_t *request)
{
    mlx_error_t err = {0};
    if (!mlx_mcp_token_shown(self->token, mlx_httpd_header(request, "Authorization"))) {
        mlx_error_set(&err, MLX_ERR_USAGE, "the token is missing or wrong");
        mlx_error_hint(&err, "`mlxctl mcp --url` prints it");
        mlx_httpd_refuse(request, UNAUTHORIZED, &err);
    } else if (self->count >= EXCHANGES_MAX) {
        mlx_error_set(&err, MLX_ERR_BUSY, "%d requests are already in progress", EXCHANGES_MAX);
        mlx_httpd_error(request, &err);
    }
    return !err.code;
}

void mlx_mcp_http_take(mlx_mcp_http_t *self, mlx_httpd_t *httpd, mlx_httpd_request_t *request)
{
    mlx_mcp_head_t head = {.content_type = mlx_httpd_header(request, "Content-Type"),
                           .accept = mlx_httpd_header(request, "Accept"),
                           .version = mlx_httpd_header(request, "MCP-Protocol-Version"),
                           .method = mlx_httpd_header(request, "Mcp-Method"),
                           .name = mlx_httpd_header(request, "Mcp-Name")};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
    MLX_CLEANUP(mlx_mcp_letter_clear) mlx_mcp_letter_t letter = {0};
    size_t len;
    if (!may(self, request))
        return;
    const char *body = mlx_httpd_body(request, &len);
    unsigned status = mlx_mcp_open(&letter, &head, body, len, &reply);
    if (status) {
        mlx_httpd_reply(request, status, "application/json", reply.data, reply.len);
        return;
    }
    if (letter.cancels)
        cancel(self, letter.cancels);
    if (!letter.id) {
        mlx_httpd_reply(request, 202, "application/json", "", 0);
        return;
    }
    start(self, httpd, request, &letter);
    letter = (mlx_mcp_letter_t){0}; /* it is the exchange's now */
}
