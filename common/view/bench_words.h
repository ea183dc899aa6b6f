/*  bench_words.h - the newest benchmark in one line, for front ends that have one
 *
 *      char *words = mlx_bench_words(result, now_us);
 *      "42.3 tok/s, qwen3:8b, 2 h ago"
 *      "50.0 tok/s at 1024 tokens, 40.0 tok/s at 4096 tokens, qwen3:8b, 3 days ago"
 */
#ifndef MLX_COMMON_VIEW_BENCH_WORDS_H
#define MLX_COMMON_VIEW_BENCH_WORDS_H

#include "proto/value.h"

/*  Of RESULT, a bench.result (NULL: none), which may be of a sweep. NULL: it has no speed. Comes
 *  partly from outside; caller owns it and must free it. */
char *mlx_bench_words(const mlx_value_t *result, int64_t now_us);

#endif
