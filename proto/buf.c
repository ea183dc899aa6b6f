#include "proto/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(mlx_buf_t *buf, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(buf->len, more, &need) || __builtin_add_overflow(need, 1, &need))
        mlx_panic("buffer of more than %zu bytes", SIZE_MAX);
    if (need <= buf->cap)
        return;
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    buf->data = mlx_realloc(buf->data, cap, 1);
    buf->cap = cap;
}

void mlx_buf_clear(mlx_buf_t *buf)
{
    free(buf->data);
    *buf = (mlx_buf_t){0};
}

void mlx_buf_reset(mlx_buf_t *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

void mlx_buf_append(mlx_buf_t *buf, const void *data, size_t len)
{
    reserve(buf, len);
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void mlx_buf_puts(mlx_buf_t *buf, const char *s)
{
    mlx_buf_append(buf, s, strlen(s));
}

void mlx_buf_putc(mlx_buf_t *buf, char c)
{
    mlx_buf_append(buf, &c, 1);
}

void mlx_buf_printf(mlx_buf_t *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    reserve(buf, 0);
    size_t room = buf->cap - buf->len;
    int len = vsnprintf(buf->data + buf->len, room, fmt, args);
    va_end(args);
    if (len < 0)
        mlx_panic("bad format \"%s\"", fmt);
    if ((size_t)len >= room) {
        reserve(buf, (size_t)len);
        vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    buf->len += (size_t)len;
}

void mlx_buf_consume(mlx_buf_t *buf, size_t len)
{
    if (len >= buf->len) {
        mlx_buf_reset(buf);
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len + 1);
    buf->len -= len;
}

const char *mlx_buf_str(const mlx_buf_t *buf)
{
    return buf->data ? buf->data : "";
}

char *mlx_buf_take(mlx_buf_t *buf)
{
    char *data = buf->data ? buf->data : mlx_alloc(1, 1);
    *buf = (mlx_buf_t){0};
    return data;
}
