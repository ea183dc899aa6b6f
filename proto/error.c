#include "proto/error.h"

#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

static const struct {
    mlx_code_t code;
    const char *name;
} names[] = {
    {MLX_OK, "ok"},
    {MLX_ERR_FAILED, "failed"},
    {MLX_ERR_USAGE, "usage"},
    {MLX_ERR_NOT_FOUND, "not_found"},
    {MLX_ERR_UNAVAILABLE, "unavailable"},
    {MLX_ERR_DATA_LOSS, "data_loss"},
    {MLX_ERR_BUSY, "busy"},
    {MLX_ERR_INTERRUPTED, "interrupted"},
};

/*  Text may quote outside input: keep it one line and free of terminal escapes, also of those that
 *  UTF-8 spells in two bytes, and of what would reorder it. */
static void make_printable(char *text)
{
    for (size_t left = strlen(text), len; left; text += len, left -= len) {
        len = (unsigned char)*text < 0x80 ? 1 : mlx_utf8_sequence((unsigned char *)text, left);
        bool plain = len && mlx_utf8_plain(text, len);
        len = len ? len : 1;
        if (!plain)
            memset(text, '?', len);
    }
}

int mlx_error_set(mlx_error_t *err, mlx_code_t code, const char *fmt, ...)
{
    if (!err)
        return -1;
    /* An argument may point into err->text itself. */
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    make_printable(text);
    err->code = code;
    memcpy(err->text, text, sizeof text);
    err->hint[0] = '\0';
    return -1;
}

int mlx_error_hint(mlx_error_t *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
    make_printable(err->hint);
    return -1;
}

int mlx_error_prefix(mlx_error_t *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *prefix = mlx_vformat(fmt, args);
    va_end(args);
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("%s: %s", prefix, err->text);
    make_printable(whole);
    strncpy(err->text, whole, sizeof err->text - 1);
    return -1;
}

int mlx_error_report(const char *program, const mlx_error_t *err)
{
    fprintf(stderr, "%s: %s%s%s\n", program, err->text, err->hint[0] ? "; " : "", err->hint);
    return err->code ? (int)err->code : (int)MLX_ERR_FAILED;
}

const char *mlx_error_name(mlx_code_t code)
{
    for (size_t i = 0; i < MLX_COUNT(names); i++)
        if (names[i].code == code)
            return names[i].name;
    return "failed";
}

mlx_code_t mlx_error_code(const char *name)
{
    for (size_t i = 0; name && i < MLX_COUNT(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].code;
    return MLX_ERR_FAILED;
}
