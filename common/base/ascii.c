#include "common/base/ascii.h"

#include <langinfo.h>
#include <string.h>

#include "proto/buf.h"

static const struct {
    const char *utf8;
    const char *ascii;
} spellings[] = {
    {"\u00b0", " "}, {"\u00b7", "-"}, {"\u2026", "..."}, {"\u2013", "-"},
    {"\u2014", "-"}, {"\u26a0", "!"}, {"\u00d7", "x"},   {"\u00b5", "u"},
};

/*  Length of the character at TEXT that is not ASCII; a stray byte counts as one. */
static size_t length_of(const char *text)
{
    size_t len = 1;
    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len++;
    return len;
}

char *mlx_ascii(const char *text)
{
    mlx_buf_t out = {0};
    while (*text) {
        if ((unsigned char)*text < 0x80) {
            mlx_buf_putc(&out, *text++);
            continue;
        }
        size_t len = length_of(text);
        const char *ascii = "?";
        for (size_t i = 0; i < MLX_COUNT(spellings); i++)
            if (strlen(spellings[i].utf8) == len && memcmp(spellings[i].utf8, text, len) == 0)
                ascii = spellings[i].ascii;
        mlx_buf_puts(&out, ascii);
        text += len;
    }
    return mlx_buf_take(&out);
}

char *mlx_ascii_fit(const char *text)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? mlx_strdup(text) : mlx_ascii(text);
}
