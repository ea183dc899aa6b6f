/*  prompts.h - what the models are asked: ten built-in prompts of different kinds, or a person's
 *  own
 *
 *  Each is written so that an answer runs on: a reply that ends after five tokens measures nothing.
 *  The set has a name, so that only results of the same prompts are compared.
 *
 *      mlx_prompts_t *prompts = mlx_prompts_builtin();
 *      MLX_CLEANUP(mlx_free_p) char *text = mlx_prompts_text(prompts, 3, 4000, 20751113);
 */
#ifndef MLX_BENCHER_PROMPTS_H
#define MLX_BENCHER_PROMPTS_H

#include "proto/error.h"
#include "proto/value.h"

typedef struct mlx_prompts mlx_prompts_t;

enum {
    MLX_PROMPTS_MAX = 100,
    MLX_PROMPTS_TEXT_MAX = 256 * 1024, /* bytes of one */
    MLX_PROMPTS_NONCE_MAX = 100000000, /* nonces are below it */
};

mlx_prompts_t *mlx_prompts_builtin(void);

/*  From a list of strings. NULL with ERR (usage): none, too many, or one that is empty, too long or
 *  no text. */
mlx_prompts_t *mlx_prompts_own(const mlx_value_t *list, mlx_error_t *err);
void mlx_prompts_destroy(mlx_prompts_t **self);

size_t mlx_prompts_count(const mlx_prompts_t *self);

/*  "short_answer", "code", ...; of a person's own "prompt_1", ... Borrowed. */
const char *mlx_prompts_name(const mlx_prompts_t *self, size_t index);

/*  Bytes of the text, and the tokens worth generating when there is time. */
size_t mlx_prompts_size(const mlx_prompts_t *self, size_t index);
int64_t mlx_prompts_tokens(const mlx_prompts_t *self, size_t index);

/*  The text as it is sent: NONCE in front, as eight digits, which every tokenizer cuts into the
 *  same number of tokens; the rest cut at a blank to at most MAX bytes. The nonce keeps a prompt
 *  cache from knowing it. Caller owns it and must free it. */
char *mlx_prompts_text(const mlx_prompts_t *self, size_t index, size_t max, int64_t nonce);

/*  "builtin-1", or "own-" and a digest of the texts. Borrowed. */
const char *mlx_prompts_set(const mlx_prompts_t *self);

/*  A text of BYTES, at least of the nonce's, that asks for a long answer: what a sweep fills a
 *  context with. Caller owns it and must free it. */
char *mlx_prompts_filler(size_t bytes, int64_t nonce);

/*  The text of the warm-up. Caller owns it and must free it. */
char *mlx_prompts_warmup(int64_t nonce);

#endif
