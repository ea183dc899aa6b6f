/*  bench_compare.h - is one benchmark result faster than another, and can that be said at all
 *
 *  Two results are compared by the ratio of the speeds of the same prompts. There is a verdict only
 *  where it means something: the same model, the same prompts, the same options, and at least
 *  MLX_BENCH_PAIRS_MIN prompts of which both replies are MLX_BENCH_TOKENS_MIN tokens long.
 *
 *      MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_bench_compare(result, earlier, host);
 *      mlx_bench_compare_text(list, &term, &out);
 */
#ifndef MLX_TOOLS_MLXCTL_BENCH_COMPARE_H
#define MLX_TOOLS_MLXCTL_BENCH_COMPARE_H

#include "common/cli/term.h"
#include "proto/buf.h"
#include "proto/value.h"

enum {
    MLX_BENCH_COMPARED_MAX = 5,
    MLX_BENCH_PAIRS_MIN = 3,
    MLX_BENCH_TOKENS_MIN = 32,
};

/*  RESULT against EARLIER: {id, t, mean, ratio, low, high, pairs, verdict ("faster", "slower", "no
 *  evidence" or "none"), reason (of "none": there is no interval then), changed: [keys that
 *  differ]}. The ratio is this speed by that one. Caller owns it. */
mlx_value_t *mlx_bench_compare_two(const mlx_value_t *result, const mlx_value_t *earlier);

/*  RESULT against those of EARLIER (a list, any order) that were measured with the same prompts, of
 *  the same model's name and on the machine HOST (an entry that names none counts), newest first,
 *  at most MLX_BENCH_COMPARED_MAX: a list of such maps. Caller owns it. */
mlx_value_t *mlx_bench_compare(const mlx_value_t *result, const mlx_value_t *earlier,
                               const char *host);

/*  The comparison for people. */
void mlx_bench_compare_text(const mlx_value_t *compared, const mlx_term_t *term, mlx_buf_t *out);

/*  Stored RESULTS as a table: one line each, with the id that --compare takes. */
void mlx_bench_list_text(const mlx_value_t *results, const mlx_term_t *term, mlx_buf_t *out);

#endif
