#include "log_wrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/rfc3339.h"

static const int64_t wall_max_us = 7258118400000000; /* the year 2200 */

/*  A message that is not UTF-8 is a list of bytes. */
static void bytes_of(const mlx_value_t *list, char text[MLX_LOG_LINE_MAX])
{
    size_t len = 0;
    for (; len < mlx_value_size(list) && len < MLX_LOG_LINE_MAX - 1; len++) {
        int64_t byte = 0;
        if (!mlx_value_as_int(mlx_value_at(list, len), &byte) || byte < 0 || byte > 255)
            break;
        text[len] = (char)(unsigned char)byte;
    }
    text[len] = '\0';
}

static void time_of(const mlx_value_t *entry, int64_t *wall_us)
{
    const char *stamp = mlx_value_str(entry, "__REALTIME_TIMESTAMP");
    const char *date = mlx_value_str(entry, "time");
    char *end = NULL;
    int64_t us = stamp && *stamp ? strtoll(stamp, &end, 10) : 0;
    bool good = end ? *end == '\0' : date && mlx_rfc3339_parse(date, &us);
    if (good && us > 0 && us < wall_max_us)
        *wall_us = us;
}

bool mlx_log_unwrap(mlx_log_wrap_t wrap, const char *line, char text[MLX_LOG_LINE_MAX],
                    int64_t *wall_us)
{
    if (wrap == MLX_LOG_PLAIN) {
        snprintf(text, MLX_LOG_LINE_MAX, "%s", line);
        return true;
    }
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *entry = *line == '{' ? mlx_json_parse(line, strlen(line), NULL) : NULL;
    const mlx_value_t *message = mlx_value_get(entry, wrap == MLX_LOG_JOURNAL ? "MESSAGE" : "log");
    if (!message)
        return false;
    const char *words = mlx_value_as_str(message, NULL);
    if (words)
        snprintf(text, MLX_LOG_LINE_MAX, "%s", words);
    else
        bytes_of(message, text);
    text[strcspn(text, "\r\n")] = '\0';
    time_of(entry, wall_us);
    return true;
}
