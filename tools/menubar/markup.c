#include "markup.h"

#include "proto/buf.h"

char *mlx_markup_escape(const char *text)
{
    mlx_buf_t out = {0};
    for (; *text; text++)
        if (*text == '&')
            mlx_buf_puts(&out, "&amp;");
        else if (*text == '<')
            mlx_buf_puts(&out, "&lt;");
        else if (*text == '>')
            mlx_buf_puts(&out, "&gt;");
        else
            mlx_buf_putc(&out, *text);
    return mlx_buf_take(&out);
}
