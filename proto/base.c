#include "proto/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mlx_panic(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("mlx: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void *mlx_alloc(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size ? size : 1);
    if (!ptr)
        mlx_panic("out of memory (%zu x %zu bytes)", count, size);
    return ptr;
}

void *mlx_realloc(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        mlx_panic("out of memory (%zu x %zu bytes)", count, size);
    void *grown = realloc(ptr, bytes ? bytes : 1);
    if (!grown)
        mlx_panic("out of memory (%zu bytes)", bytes);
    return grown;
}

void *mlx_grow(void *array, size_t count, size_t size)
{
    bool full = (count & (count - 1)) == 0;
    return full ? mlx_realloc(array, count ? count * 2 : 1, size) : array;
}

char *mlx_strdup(const char *s)
{
    return s ? mlx_strndup(s, strlen(s)) : NULL;
}

char *mlx_strndup(const char *s, size_t len)
{
    char *copy = mlx_alloc(len + 1, 1);
    if (len)
        memcpy(copy, s, len); /* an empty string may come without an address */
    return copy;
}

bool mlx_starts_with(const char *text, const char *head)
{
    return text && strncmp(text, head, strlen(head)) == 0;
}

bool mlx_ends_with(const char *text, const char *tail)
{
    size_t len = text ? strlen(text) : 0, end = strlen(tail);
    return text && len >= end && memcmp(text + len - end, tail, end) == 0;
}

char *mlx_vformat(const char *fmt, va_list args)
{
    char most[128]; /* of what is formatted is shorter, and then is formatted once */
    va_list first;
    va_copy(first, args);
    int len = vsnprintf(most, sizeof most, fmt, first);
    va_end(first);
    if (len < 0)
        mlx_panic("bad format \"%s\"", fmt);
    char *text = mlx_alloc((size_t)len + 1, 1);
    if ((size_t)len < sizeof most)
        memcpy(text, most, (size_t)len);
    else
        vsnprintf(text, (size_t)len + 1, fmt, args);
    return text;
}

char *mlx_format(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = mlx_vformat(fmt, args);
    va_end(args);
    return text;
}

void mlx_free_p(void *ptr_to_ptr)
{
    void **ptr = ptr_to_ptr;
    free(*ptr);
    *ptr = NULL;
}

void mlx_close_p(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void mlx_fclose_p(void *ptr_to_file)
{
    FILE **file = ptr_to_file;
    if (*file)
        fclose(*file);
    *file = NULL;
}
