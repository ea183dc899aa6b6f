/*  commands.h - the commands that answer at once: history.query, .series, .export, .info,
 *  bench.list, finding.list
 *
 *  Arguments and results are those of the catalogue. HOST is this machine: a series may be named
 *  without it.
 */
#ifndef MLX_RECORDER_COMMANDS_H
#define MLX_RECORDER_COMMANDS_H

#include "history.h"

typedef struct {
    mlx_history_t *history;
    const char *path;
    const char *host;
    int64_t now_ms;
} mlx_asked_t;

/*  The result of CMD; caller owns it. NULL with ERR: usage for arguments that make no sense or a
 *  command that is none of ours, not_found for a series there is not. */
mlx_value_t *mlx_history_answer(const mlx_asked_t *asked, const char *cmd, const mlx_value_t *args,
                                mlx_error_t *err);

#endif
