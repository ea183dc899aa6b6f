/*  suggest.h - the nearest known word to a mistyped one
 *
 *      mlx_suggest_t near = {.word = "statsu"};
 *      for each candidate: mlx_suggest_try(&near, candidate);
 *      if (near.best) hint: did you mean near.best?
 */
#ifndef MLX_COMMON_BASE_SUGGEST_H
#define MLX_COMMON_BASE_SUGGEST_H

#include "proto/base.h"

typedef struct {
    const char *word;
    const char *best; /* borrowed from the nearest candidate; NULL: none is near enough */
    size_t distance;
} mlx_suggest_t;

/*  Consider CANDIDATE: one typing error (a character changed, added, left out, or two swapped) is
 *  allowed for every three characters, and a beginning of at least two characters always counts. */
void mlx_suggest_try(mlx_suggest_t *self, const char *candidate);

#endif
