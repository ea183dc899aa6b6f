#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"

static void write_control(mlx_buf_t *buf, unsigned char c)
{
    static const char letters[] = {
        [0x08] = 'b', [0x09] = 't', [0x0a] = 'n', [0x0c] = 'f', [0x0d] = 'r'};
    if (c < sizeof letters && letters[c])
        mlx_buf_printf(buf, "\\%c", letters[c]);
    else
        mlx_buf_printf(buf, "\\u%04x", c);
}

void mlx_json_write_str(mlx_buf_t *buf, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    mlx_buf_putc(buf, '"');
    for (size_t i = 0; i < len;) {
        size_t plain = i;
        while (plain < len && p[plain] >= 0x20 && p[plain] < 0x7f && p[plain] != '"' &&
               p[plain] != '\\')
            plain++;
        if (plain > i) {
            mlx_buf_append(buf, p + i, plain - i);
            i = plain;
            continue;
        }
        size_t sequence = p[i] >= 0x80 ? mlx_utf8_sequence(p + i, len - i) : 1;
        if (p[i] == '"' || p[i] == '\\')
            mlx_buf_printf(buf, "\\%c", p[i]);
        else if (p[i] < 0x20 || p[i] == 0x7f)
            write_control(buf, p[i]);
        else if (sequence && !mlx_utf8_plain(s + i, sequence))
            mlx_buf_printf(buf, "\\u%04x", mlx_utf8_code_point(p + i, sequence));
        else if (sequence)
            mlx_buf_append(buf, p + i, sequence);
        else
            mlx_buf_puts(buf, "\xef\xbf\xbd");
        i += sequence ? sequence : 1;
    }
    mlx_buf_putc(buf, '"');
}

static void write_real(mlx_buf_t *buf, double r)
{
    if (!isfinite(r)) {
        mlx_buf_puts(buf, "null");
        return;
    }
    char text[32];
    /* Whole numbers as people write them: 627000000.0, not 6.27e+08. */
    if (r == floor(r) && fabs(r) < 1e15) {
        mlx_buf_printf(buf, "%.1f", r);
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, r);
        if (strtod(text, NULL) == r)
            break;
    }
    mlx_buf_puts(buf, text);
    /* 1e9 or 42 would read back as an integer: keep the type visible. */
    if (!strpbrk(text, ".e"))
        mlx_buf_puts(buf, ".0");
}

static void newline(mlx_buf_t *buf, bool pretty, unsigned depth)
{
    if (pretty)
        mlx_buf_printf(buf, "\n%*s", (int)(depth * 2), "");
}

static void write_value(mlx_buf_t *buf, const mlx_value_t *value, bool pretty, unsigned depth);

static void write_container(mlx_buf_t *buf, const mlx_value_t *value, bool pretty, unsigned depth)
{
    bool map = mlx_value_type(value) == MLX_MAP;
    size_t count = mlx_value_size(value);
    mlx_buf_putc(buf, map ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            mlx_buf_putc(buf, ',');
        newline(buf, pretty, depth + 1);
        if (map) {
            const char *key = mlx_value_key(value, i);
            mlx_json_write_str(buf, key, strlen(key));
            mlx_buf_puts(buf, pretty ? ": " : ":");
        }
        write_value(buf, mlx_value_at(value, i), pretty, depth + 1);
    }
    if (count)
        newline(buf, pretty, depth);
    mlx_buf_putc(buf, map ? '}' : ']');
}

static void write_value(mlx_buf_t *buf, const mlx_value_t *value, bool pretty, unsigned depth)
{
    bool b = false;
    int64_t i = 0;
    double r = 0;
    size_t len = 0;
    const char *s;
    switch (mlx_value_type(value)) {
    case MLX_NULL:
        mlx_buf_puts(buf, "null");
        break;
    case MLX_BOOL:
        mlx_value_as_bool(value, &b);
        mlx_buf_puts(buf, b ? "true" : "false");
        break;
    case MLX_INT:
        mlx_value_as_int(value, &i);
        mlx_buf_printf(buf, "%" PRId64, i);
        break;
    case MLX_REAL:
        mlx_value_as_real(value, &r);
        write_real(buf, r);
        break;
    case MLX_STR:
        s = mlx_value_as_str(value, &len);
        mlx_json_write_str(buf, s, len);
        break;
    case MLX_LIST:
    case MLX_MAP:
        write_container(buf, value, pretty, depth);
        break;
    }
}

void mlx_json_write(mlx_buf_t *buf, const mlx_value_t *value, bool pretty)
{
    write_value(buf, value, pretty, 0);
}
