/*  mask.h - messages without the names of machines, people and programs
 *
 *  The same name always becomes the same alias, so that what belongs together still does:
 *
 *      "studio.local" host-1, "alice" user-1, "Xcode" program-1
 *
 *  What is masked: the envelope's host; sources that are not services of the suite; a client that
 *  asks a model; hosts of URLs, and the endpoints in topics that are made of them (those of this
 *  machine stay: 127.0.0.1, localhost); people in home directories and URLs; and, wherever they
 *  stand as words in any text, the names above and those of this machine and its user. Numbers and
 *  all other text stay as they are: names of models are what a recording is about.
 *
 *      mlx_mask_t *mask = mlx_mask_new(true);
 *      mlx_mask_message(mask, &message);
 *      mlx_mask_destroy(&mask);
 */
#ifndef MLX_TOOLS_MLXCTL_MASK_H
#define MLX_TOOLS_MLXCTL_MASK_H

#include "proto/message.h"

typedef struct mlx_mask mlx_mask_t;

typedef enum {
    MLX_MASK_HOST,
    MLX_MASK_USER,
    MLX_MASK_PROGRAM,
    MLX_MASK_ENDPOINT,
    MLX_MASK_KINDS
} mlx_mask_kind_t;

/*  HERE: learn the names of this machine and of its user. Caller owns it and must destroy it. */
mlx_mask_t *mlx_mask_new(bool here);
void mlx_mask_destroy(mlx_mask_t **self);

/*  The alias of NAME, given at the first call. Borrowed until the next call. */
const char *mlx_mask_name(mlx_mask_t *self, mlx_mask_kind_t kind, const char *name);

/*  TEXT with the names in it replaced. Caller owns the result and must free it. */
char *mlx_mask_text(mlx_mask_t *self, const char *text);

/*  Replace topic, envelope and data of MESSAGE, which the caller still owns. */
void mlx_mask_message(mlx_mask_t *self, mlx_message_t *message);

#endif
