#include "tests/double/http_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    int64_t length; /* -1: none given */
    bool chunked;
    bool expects;
} head_t;

/*  Is the header line of LEN bytes "NAME: ..."? The value is then at *VALUE, terminated by its
 *  line's end. */
static bool header_is(const char *line, size_t len, const char *name, char value[64])
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    const char *at = line + n + 1;
    const char *end = line + len;
    while (at < end && *at == ' ')
        at++;
    snprintf(value, 64, "%.*s", (int)(end - at > 63 ? 63 : end - at), at);
    return true;
}

static void read_header(const char *line, size_t len, mlx_net_request_t *request, head_t *head)
{
    char value[64];
    if (header_is(line, len, "content-length", value)) {
        char *end = NULL;
        long long length = strtoll(value, &end, 10);
        head->length = end == value || *end || length < 0 ? INT64_MAX : length;
    } else if (header_is(line, len, "transfer-encoding", value)) {
        head->chunked = strcasecmp(value, "chunked") == 0;
    } else if (header_is(line, len, "connection", value)) {
        request->keep_alive = strcasecmp(value, "close") != 0;
    } else if (header_is(line, len, "expect", value)) {
        head->expects = strcasecmp(value, "100-continue") == 0;
    }
}

/*  "METHOD /path?query HTTP/1.x" */
static bool read_request_line(const char *line, size_t len, mlx_net_request_t *request)
{
    char text[1024];
    char target[256];
    char version[16];
    if (len >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)len, line);
    if (sscanf(text, "%15s %255s %15s", request->method, target, version) != 3)
        return false;
    if (strncmp(version, "HTTP/1.", 7) != 0 || target[0] != '/')
        return false;
    request->old = strcmp(version, "HTTP/1.0") == 0;
    request->keep_alive = !request->old;
    target[strcspn(target, "?")] = '\0';
    snprintf(request->path, sizeof(request->path), "%s", target);
    return true;
}

static bool read_head(const char *data, size_t len, mlx_net_request_t *request, head_t *head)
{
    const char *end = data + len;
    bool first = true;
    while (data < end) {
        const char *stop = memmem(data, (size_t)(end - data), "\r\n", 2);
        if (!stop)
            return false;
        if (first && !read_request_line(data, (size_t)(stop - data), request))
            return false;
        if (!first)
            read_header(data, (size_t)(stop - data), request, head);
        first = false;
        data = stop + 2;
    }
    return !first;
}

/*  Decode the chunked body at DATA. Returns the bytes used, 0 when incomplete, -1 when it is none.
 */
static int64_t take_chunks(const char *data, size_t len, mlx_buf_t *body)
{
    size_t at = 0;
    mlx_buf_reset(body);
    for (;;) {
        const char *stop = memmem(data + at, len - at, "\r\n", 2);
        if (!stop)
            return len - at > 32 ? -1 : 0;
        char *end = NULL;
        unsigned long size = strtoul(data + at, &end, 16);
        if (end == data + at || size > MLX_NET_MAX_BODY || body->len + size > MLX_NET_MAX_BODY)
            return -1;
        at = (size_t)(stop - data) + 2;
        if (len - at < size + 2)
            return 0;
        mlx_buf_append(body, data + at, size);
        at += size + 2;
        if (size == 0)
            return (int64_t)at;
    }
}

mlx_http_in_t mlx_http_in_take(mlx_buf_t *in, mlx_buf_t *body, mlx_net_request_t *request)
{
    const char *data = mlx_buf_str(in);
    const char *stop = in->len ? memmem(data, in->len, "\r\n\r\n", 4) : NULL;
    if (!stop)
        return in->len > MLX_NET_MAX_HEAD ? MLX_HTTP_IN_BAD : MLX_HTTP_IN_MORE;

    head_t head = {.length = -1};
    *request = (mlx_net_request_t){0};
    size_t head_len = (size_t)(stop - data) + 4;
    if (!read_head(data, head_len - 2, request, &head) || head.length > MLX_NET_MAX_BODY)
        return MLX_HTTP_IN_BAD;

    int64_t used = head.length > 0 ? head.length : 0;
    size_t there = in->len - head_len;
    if (head.chunked)
        used = take_chunks(data + head_len, there, body);
    if (used < 0)
        return MLX_HTTP_IN_BAD;
    if ((head.chunked && used == 0) || (size_t)used > there)
        return head.expects && there == 0 ? MLX_HTTP_IN_CONTINUE : MLX_HTTP_IN_MORE;
    if (!head.chunked) {
        mlx_buf_reset(body);
        mlx_buf_append(body, data + head_len, (size_t)used);
    }
    mlx_buf_consume(in, head_len + (size_t)used);
    request->body = mlx_buf_str(body);
    request->body_len = body->len;
    return MLX_HTTP_IN_DONE;
}
