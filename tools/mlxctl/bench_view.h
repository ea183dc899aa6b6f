/*  bench_view.h - what `mlxctl bench` prints: pure functions from bench.result to text, CSV,
 *  Markdown
 */
#ifndef MLX_TOOLS_MLXCTL_BENCH_VIEW_H
#define MLX_TOOLS_MLXCTL_BENCH_VIEW_H

#include "common/cli/term.h"
#include "proto/buf.h"
#include "proto/value.h"

enum {
    MLX_BENCH_COMPARED_MAX = 5
};

/*  For people: each prompt, the summary, the conditions, what makes the figures doubtful. */
void mlx_bench_text(const mlx_value_t *result, const mlx_term_t *term, mlx_buf_t *out);

/*  RFC 4180: one line a prompt; the column names are the keys of the catalogue. */
void mlx_bench_csv(const mlx_value_t *result, mlx_buf_t *out);

void mlx_bench_markdown(const mlx_value_t *result, mlx_buf_t *out);

/*  RESULT against those of EARLIER (a list, any order) that were measured with the same prompts, of
 *  the same model's name and on the machine HOST (an entry that names none counts), newest first,
 *  at most MLX_BENCH_COMPARED_MAX: a list of {id, t, ratio, low, high, pairs, verdict ("faster",
 *  "slower" or "no evidence"), changed: [keys that differ]}. The ratio is this speed by that one.
 *  Caller owns it. */
mlx_value_t *mlx_bench_compare(const mlx_value_t *result, const mlx_value_t *earlier,
                               const char *host);

/*  The comparison for people. */
void mlx_bench_compare_text(const mlx_value_t *compared, const mlx_term_t *term, mlx_buf_t *out);

/*  One line for a terminal of COLUMNS: "tiny  prompt 3 of 10  [===>   ]  42.3 tok/s  12s left". */
void mlx_bench_progress_line(const mlx_value_t *progress, int columns, mlx_buf_t *out);

#endif
