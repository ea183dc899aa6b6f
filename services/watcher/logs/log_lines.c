#include "log_lines.h"

#include <string.h>

/*  A file that was cut under a writer that does not append begins with a hole: zeros. */
static void keep(mlx_log_lines_t *self, const char *bytes, size_t len)
{
    while (self->len == 0 && len > 0 && *bytes == '\0') {
        bytes++;
        len--;
    }
    size_t room = sizeof self->text - 1 - self->len;
    size_t part = len < room ? len : room;
    memcpy(self->text + self->len, bytes, part);
    self->len += part;
}

void mlx_log_lines_break(mlx_log_lines_t *self, bool passing)
{
    self->len = 0;
    self->passing = passing;
}

void mlx_log_lines_add(mlx_log_lines_t *self, const char *bytes, size_t len, mlx_log_line_fn fn,
                       void *arg)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end ? (size_t)(end - bytes) : len;
        keep(self, bytes, part);
        if (!end)
            return;
        bool whole = !self->passing;
        if (self->len > 0 && self->text[self->len - 1] == '\r')
            self->len--;
        self->text[self->len] = '\0';
        mlx_log_lines_break(self, false);
        if (whole)
            fn(arg, self->text);
        bytes += part + 1;
        len -= part + 1;
    }
}
