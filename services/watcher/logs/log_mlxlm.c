/*  Sources: ml-explore/mlx-lm, mlx_lm/server.py of 0.27 to 0.32. What it tells of a request is how
 *  far its prompt is:
 *
 *      2026-08-19 10:11:12,345 - INFO - Prompt processing progress: 2048/6144 */
#include "log_grammar.h"

#include <string.h>

static void read_line(const char *line, mlx_log_fact_t *out)
{
    mlx_log_fact_clear(out);
    double time[7];
    double *const numbers[] = {&time[0], &time[1], &time[2],     &time[3],    &time[4],
                               &time[5], &time[6], &out->tokens, &out->prompt};
    if (mlx_log_match(line, "#-#-# #:#:#,# - INFO - Prompt processing progress: #/#", numbers))
        out->what = MLX_LOG_PROMPT;
    else if (mlx_log_match(line, "#-#-# #:#:#,# - INFO - Prompt processing progress", numbers))
        out->what = MLX_LOG_STRANGE;
}

const mlx_log_grammar_t mlx_log_mlxlm = {
    .kind = "mlxlm",
    .program = "python",
    .word = "mlx_lm",
    .read = read_line,
};
