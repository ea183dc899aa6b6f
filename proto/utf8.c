#include "proto/utf8.h"

#include <string.h>

#include "proto/buf.h"

size_t mlx_utf8_sequence(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max, len;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < MLX_COUNT(forms); i++) {
        if (s[0] < forms[i].first_min || s[0] > forms[i].first_max)
            continue;
        if (left < forms[i].len || s[1] < forms[i].second_min || s[1] > forms[i].second_max)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

uint32_t mlx_utf8_code_point(const unsigned char *s, size_t len)
{
    static const unsigned char first_bits[] = {[2] = 0x1f, [3] = 0x0f, [4] = 0x07};
    uint32_t c = s[0] & first_bits[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s[i] & 0x3f);
    return c;
}

/*  Bidirectional overrides and isolates could make a harmless name read as another. */
static bool shown(uint32_t c)
{
    return !(c < 0xa0 || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
             (c >= 0x2066 && c <= 0x2069) || c == 0xfeff);
}

/*  Bytes of the character at P if it may be shown, else 0. */
static size_t shown_at(const unsigned char *p, size_t left)
{
    if (*p < 0x80)
        return *p >= 0x20 && *p != 0x7f;
    size_t len = mlx_utf8_sequence(p, left);
    return len && shown(mlx_utf8_code_point(p, len)) ? len : 0;
}

bool mlx_utf8_plain(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + len;
    size_t step = 1;
    for (; p < end && step; p += step)
        step = shown_at(p, (size_t)(end - p));
    return step > 0;
}

char *mlx_utf8_mend(const char *s, size_t len, size_t *out)
{
    const unsigned char *p = (const unsigned char *)s;
    mlx_buf_t text = {0};
    size_t begin = 0; /* of what is not copied yet */
    for (size_t i = 0; i < len;) {
        size_t sequence = p[i] < 0x80 ? 1 : mlx_utf8_sequence(p + i, len - i);
        if (!sequence) {
            mlx_buf_append(&text, s + begin, i - begin);
            mlx_buf_puts(&text, "\xef\xbf\xbd");
            begin = i + 1;
        }
        i += sequence ? sequence : 1;
    }
    if (begin == 0)
        return NULL;
    mlx_buf_append(&text, s + begin, len - begin);
    *out = text.len;
    return mlx_buf_take(&text);
}

char *mlx_utf8_line(const char *s, size_t max)
{
    const unsigned char *p = (const unsigned char *)s;
    mlx_buf_t out = {0};
    size_t last = 0; /* where the newest character begins, which an ellipsis would replace */
    size_t count = 0;
    for (size_t left = strlen(s); left; count++) {
        if (max && count == max) {
            out.len = last;
            mlx_buf_puts(&out, "\xe2\x80\xa6");
            break;
        }
        size_t len = *p >= 0x80 ? mlx_utf8_sequence(p, left) : 1;
        last = out.len;
        if (shown_at(p, left))
            mlx_buf_append(&out, p, len);
        else
            mlx_buf_putc(&out, '?');
        p += len ? len : 1;
        left -= len ? len : 1;
    }
    return mlx_buf_take(&out);
}
