/*  words.h - what the double says: the text of the recorded replies, over and over
 *
 *  The recordings are compiled in (see embed.cmake), so that the installed program needs no files.
 */
#ifndef MLX_TESTS_DOUBLE_WORDS_H
#define MLX_TESTS_DOUBLE_WORDS_H

#include "proto/buf.h"
#include "proto/error.h"

/*  The recordings, byte for byte, each terminated by a NUL that is not counted. */
extern const char mlx_rec_generate[], mlx_rec_chat[], mlx_rec_v1_chat[];
extern const char mlx_rec_show[], mlx_rec_props[], mlx_rec_slots[];

typedef enum {
    MLX_WORDS_GENERATE,
    MLX_WORDS_CHAT,
    MLX_WORDS_V1_CHAT,
    MLX_WORDS_SETS
} mlx_set_t;

typedef struct mlx_words mlx_words_t;

mlx_words_t *mlx_words_new(void);
void mlx_words_destroy(mlx_words_t **self);

/*  The text of token INDEX (from 0) of a reply; borrowed. */
const char *mlx_words_at(const mlx_words_t *self, mlx_set_t set, int64_t index);

/*  Append the "context" list of a reply of COUNT tokens: the recorded prompt's ids, then COUNT ids.
 */
void mlx_words_context(const mlx_words_t *self, mlx_buf_t *out, int64_t count);

/*  Append WALL (ns since the epoch) as Go's RFC3339Nano writes it: no trailing zeros. */
void mlx_words_time(mlx_buf_t *out, uint64_t wall);

/*  Append TEXT with every OLD replaced by NEW. */
void mlx_words_replace(mlx_buf_t *out, const char *text, const char *old, const char *new);

#endif
