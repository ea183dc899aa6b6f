#include "tests/double/http_out.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put_date(mlx_buf_t *out, const char *name, int64_t wall)
{
    time_t seconds = (time_t)(wall / 1000000000LL);
    struct tm tm;
    char text[64];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    mlx_buf_printf(out, "%s: %s\r\n", name, text);
}

static void put_length(mlx_buf_t *out, const char *name, const char *chunked, int64_t length)
{
    if (length >= 0)
        mlx_buf_printf(out, "%s: %lld\r\n", name, (long long)length);
    else
        mlx_buf_printf(out, "%s: chunked\r\n", chunked);
}

void mlx_head_go(mlx_buf_t *out, int64_t wall, const char *type, int64_t length)
{
    mlx_buf_printf(out, "Content-Type: %s\r\n", type);
    put_date(out, "Date", wall);
    put_length(out, "Content-Length", "Transfer-Encoding", length);
}

void mlx_head_httplib(mlx_buf_t *out, int64_t wall, const char *type, int64_t length)
{
    (void)wall;
    mlx_buf_printf(
        out, "Server: llama.cpp\r\nAccess-Control-Allow-Origin: \r\nContent-Type: %s\r\n", type);
    put_length(out, "Content-Length", "Transfer-Encoding", length);
    mlx_buf_puts(out, "Keep-Alive: timeout=5, max=100\r\n");
}

void mlx_head_uvicorn(mlx_buf_t *out, int64_t wall, const char *type, int64_t length)
{
    put_date(out, "date", wall);
    mlx_buf_puts(out, "server: uvicorn\r\n");
    put_length(out, "content-length", "transfer-encoding", length);
    mlx_buf_printf(out, "content-type: %s\r\n", type);
}

void mlx_head_python(mlx_buf_t *out, int64_t wall, const char *type, int64_t length)
{
    mlx_buf_puts(out, "Server: BaseHTTP/0.6 Python/3.11.7\r\n");
    put_date(out, "Date", wall);
    mlx_buf_printf(out, "Content-type: %s\r\n", type);
    if (length < 0)
        mlx_buf_puts(out, "Cache-Control: no-cache\r\n");
    mlx_buf_puts(out, "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: *\r\n"
                      "Access-Control-Allow-Headers: *\r\n");
    if (length >= 0)
        mlx_buf_printf(out, "Content-Length: %lld\r\n", (long long)length);
}

void mlx_reply_json(mlx_conn_t *conn, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *body = mlx_vformat(format, args);
    va_end(args);
    mlx_net_reply(conn, status, MLX_TYPE_JSON, body, strlen(body));
    free(body);
}
