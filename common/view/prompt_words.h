/*  prompt_words.h - how far a prompt is, in the words of every front end
 *
 *      char *words = mlx_prompt_words(request);
 *      "prompt 62 % \u00b7 91 tok/s \u00b7 11 s left \u00b7 1,024 of 2,717 cached"
 */
#ifndef MLX_COMMON_VIEW_PROMPT_WORDS_H
#define MLX_COMMON_VIEW_PROMPT_WORDS_H

#include "proto/value.h"

/*  Of REQUEST, one of the "running" of an activity; NULL: its prompt is read, or nothing is told of
 *  it. Caller owns it and must free it. */
char *mlx_prompt_words(const mlx_value_t *request);

/*  All that is known of how REQUEST goes: "42.3 tok/s, 310 tokens, for 7.4s", its prompt while that
 *  is read, "working" where nothing is told. Caller owns it and must free it. */
char *mlx_request_words(const mlx_value_t *request);

/*  Of those in the list RUNNING that MODEL works on (NULL: any) the first that has them. */
char *mlx_prompt_words_of(const mlx_value_t *running, const char *model);

#endif
