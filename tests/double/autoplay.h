/*  autoplay.h - clients that keep the double busy: 20 s of requests, 8 s of rest, over and over
 *
 *  They are a process of their own that talks HTTP like any client, and ends with its parent.
 */
#ifndef MLX_TESTS_DOUBLE_AUTOPLAY_H
#define MLX_TESTS_DOUBLE_AUTOPLAY_H

#include "proto/error.h"

typedef struct mlx_autoplay mlx_autoplay_t;

/*  Play on PORT; by way of THROUGH (0: directly) whenever something listens there. MODELS is a list
 *  of COUNT names, borrowed until the call returns; RATE is the mean pace in tokens per second. */
mlx_autoplay_t *mlx_autoplay_new(int port, int through, const char *const *models, size_t count,
                                 double rate, mlx_error_t *err);
void mlx_autoplay_destroy(mlx_autoplay_t **self);

#endif
