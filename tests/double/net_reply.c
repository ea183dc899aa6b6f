#include <string.h>

#include "tests/double/net_internal.h"

enum {
    RESET_AT_PIECE = 4 /* streams go wrong here */
};

void mlx_net_set_fault(mlx_conn_t *conn, mlx_fault_t fault)
{
    conn->fault = fault;
    conn->budget = fault.kind == MLX_FAULT_CLOSE_AT ? fault.at : -1;
    conn->slow_due = conn->net->now;
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } REASONS[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < MLX_COUNT(REASONS); i++) {
        if (REASONS[i].status == status)
            return REASONS[i].text;
    }
    return "Unknown";
}

static void put_head(mlx_conn_t *conn, int status, const char *type, int64_t length)
{
    if (conn->fault.kind == MLX_FAULT_TYPE)
        type = "text/html";
    mlx_buf_printf(&conn->out, "HTTP/1.%d %d %s\r\n", !conn->net->old, status, reason(status));
    conn->net->head(&conn->out, conn->net->wall, type, length);
    if (!conn->keep_alive && !conn->net->old)
        mlx_buf_puts(&conn->out, "Connection: close\r\n");
    mlx_buf_puts(&conn->out, "\r\n");
}

static void reply_done(mlx_conn_t *conn)
{
    conn->busy = false;
    conn->gone = NULL;
}

void mlx_net_reply(mlx_conn_t *conn, int status, const char *type, const char *body, size_t len)
{
    size_t sent = len;
    if (conn->fault.kind == MLX_FAULT_HALF_JSON)
        sent = len = len / 2;
    if (conn->fault.kind == MLX_FAULT_RESET) {
        sent = len / 2;
        conn->keep_alive = false;
        conn->reset = true;
    }
    put_head(conn, status, type, (int64_t)len);
    if (!conn->no_body)
        mlx_buf_append(&conn->out, body, sent);
    reply_done(conn);
}

void mlx_net_hold(mlx_conn_t *conn, mlx_net_gone_fn gone, void *arg)
{
    conn->gone = gone;
    conn->arg = arg;
}

void mlx_net_begin(mlx_conn_t *conn, int status, const char *type)
{
    conn->pieces = 0;
    conn->keep_alive &= !conn->old;
    put_head(conn, status, type, -1);
}

static void put_end(mlx_conn_t *conn)
{
    if (!conn->old)
        mlx_buf_puts(&conn->out, "0\r\n\r\n");
}

static void put_chunk(mlx_conn_t *conn, const char *data, size_t len)
{
    if (conn->old) {
        mlx_buf_append(&conn->out, data, len);
        return;
    }
    mlx_buf_printf(&conn->out, "%zx\r\n", len);
    mlx_buf_append(&conn->out, data, len);
    mlx_buf_puts(&conn->out, "\r\n");
}

void mlx_net_piece(mlx_conn_t *conn, const char *data, size_t len)
{
    bool here = ++conn->pieces == RESET_AT_PIECE;
    if (conn->muted || conn->no_body || len == 0)
        return;
    if (here && conn->fault.kind == MLX_FAULT_RESET) {
        conn->muted = true;
        conn->keep_alive = false;
        conn->reset = true;
        return;
    }
    if (here && conn->fault.kind == MLX_FAULT_HALF_JSON) {
        put_chunk(conn, data, len / 2);
        put_end(conn);
        conn->muted = true;
        return;
    }
    put_chunk(conn, data, len);
}

void mlx_net_end(mlx_conn_t *conn)
{
    if (!conn->muted && !conn->no_body)
        put_end(conn);
    reply_done(conn);
}

void mlx_net_raw(mlx_conn_t *conn, const char *data, size_t len)
{
    mlx_buf_append(&conn->out, data, len);
    conn->keep_alive = false;
    reply_done(conn);
}

void mlx_net_flood(mlx_conn_t *conn, const char *start, uint64_t len)
{
    put_head(conn, 200, "application/json; charset=utf-8", (int64_t)len);
    mlx_buf_puts(&conn->out, start);
    conn->flood = len - strlen(start);
    conn->keep_alive = false;
    reply_done(conn);
}
