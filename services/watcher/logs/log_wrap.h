/*  log_wrap.h - lines of a log that something else carries, and wraps
 *
 *      char text[MLX_LOG_LINE_MAX];
 *      int64_t wall_us;
 *      if (mlx_log_unwrap(MLX_LOG_JOURNAL, line, text, &wall_us)) ...
 */
#ifndef MLX_WATCHER_LOGS_LOG_WRAP_H
#define MLX_WATCHER_LOGS_LOG_WRAP_H

#include "log_fact.h"

typedef enum {
    MLX_LOG_PLAIN,
    MLX_LOG_JOURNAL, /* journalctl -o json: MESSAGE, __REALTIME_TIMESTAMP */
    MLX_LOG_DOCKER,  /* json-file: log, time */
} mlx_log_wrap_t;

/*  The line within LINE into TEXT, and into *WALL_US when it was written (untouched where that is
 *  not said). False: it carries no line. */
bool mlx_log_unwrap(mlx_log_wrap_t wrap, const char *line, char text[MLX_LOG_LINE_MAX],
                    int64_t *wall_us);

#endif
