#include "csv.h"

#include <string.h>

static void put(mlx_buf_t *out, const char *before, const char *text)
{
    mlx_buf_printf(out, "\"%s", before);
    for (; *text; text++)
        mlx_buf_printf(out, *text == '"' ? "\"\"" : "%c", *text);
    mlx_buf_putc(out, '"');
}

void mlx_csv_quoted(mlx_buf_t *out, const char *text)
{
    put(out, "", text);
}

void mlx_csv_text(mlx_buf_t *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n"))
        put(out, "", text);
    else
        mlx_buf_puts(out, text);
}

static bool is_formula(const char *text)
{
    return *text && strchr("=+-@\t", *text);
}

void mlx_csv_foreign_quoted(mlx_buf_t *out, const char *text)
{
    put(out, is_formula(text) ? "'" : "", text);
}

void mlx_csv_foreign_text(mlx_buf_t *out, const char *text)
{
    if (is_formula(text))
        put(out, "'", text);
    else
        mlx_csv_text(out, text);
}
