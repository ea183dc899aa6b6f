/*  log_lines.h - bytes as they come, cut into lines
 *
 *      mlx_log_lines_t lines = {0};
 *      mlx_log_lines_add(&lines, bytes, len, on_line, self);
 *
 *  A line that is longer than MLX_LOG_LINE_MAX - 1 bytes is cut; control characters but the tab and
 *  the escape's are left as they are: what shows text cleans it.
 */
#ifndef MLX_WATCHER_LOGS_LOG_LINES_H
#define MLX_WATCHER_LOGS_LOG_LINES_H

#include "log_tail.h"

typedef struct {
    char text[MLX_LOG_LINE_MAX];
    size_t len;
    bool passing; /* until the next end of a line: its beginning was not seen */
} mlx_log_lines_t;

void mlx_log_lines_add(mlx_log_lines_t *self, const char *bytes, size_t len, mlx_log_line_fn fn,
                       void *arg);

/*  What is there is not the beginning of what comes; PASSING: that begins within a line. */
void mlx_log_lines_break(mlx_log_lines_t *self, bool passing);

#endif
