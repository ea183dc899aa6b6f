#include "common/base/prompt_file.h"

#include <string.h>

#include "common/base/file.h"
#include "proto/buf.h"

static void add_line(mlx_value_t *list, const char *line, size_t len)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    while (len > 0 && strchr(" \t\r", line[len - 1]))
        len--;
    if (len == 0 || line[0] == '#')
        return;
    for (size_t i = 0; i < len; i++) {
        bool escaped = line[i] == '\\' && i + 1 < len && strchr("n\\", line[i + 1]);
        i += escaped;
        mlx_buf_putc(&text, escaped && line[i] == 'n' ? '\n' : line[i]);
    }
    mlx_value_append(list, mlx_value_new_strn(text.data, text.len));
}

mlx_value_t *mlx_prompt_file_read(const char *path, mlx_error_t *err)
{
    size_t len;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, MLX_PROMPT_FILE_MAX_BYTES, &len, err);
    if (!text)
        return NULL;
    mlx_value_t *list = mlx_value_list();
    for (const char *at = text, *end = text + len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        add_line(list, at, (size_t)(stop - at));
        at = stop + 1;
    }
    if (mlx_value_size(list) == 0) {
        mlx_value_destroy(&list);
        mlx_error_set(err, MLX_ERR_USAGE, "%s contains no prompts", path);
        mlx_error_hint(err, "write one per line");
    }
    return list;
}
