#include "services/cache/content/findings.h"

#include "proto/utf8.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TEXT_MAX = 200,
    WHERE_MAX = 120
};

void mlx_found(mlx_risks_t *self, bool refused, const char *where, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    va_end(args);
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_utf8_line(text, TEXT_MAX);
    MLX_CLEANUP(mlx_free_p) char *place = mlx_utf8_line(where, WHERE_MAX);
    MLX_CLEANUP(mlx_free_p) char *file = mlx_utf8_line(self->file, WHERE_MAX);
    if (refused && self->refused++ == 0)
        snprintf(self->first, sizeof self->first, "%s (%s): %s", file, place, shown);
    if (self->count++ >= MLX_FINDINGS_MAX)
        return;
    mlx_value_t *one = mlx_value_append(self->list, mlx_value_map());
    mlx_value_set_str(one, "file", file);
    mlx_value_set_str(one, "where", place);
    mlx_value_set_str(one, "text", shown);
    mlx_value_set_bool(one, "refused", refused);
}
