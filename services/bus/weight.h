/*  weight.h - how many bytes wait for those who do not fetch them
 *
 *  libzmq bounds queues by the number of their messages, which says nothing of their size. So the
 *  large ones are counted from the moment they are handed to libzmq until the last queue has let go
 *  of them, however many queues share them.
 *
 *      mlx_weight_count(weight, &frame);
 *      zmq_msg_send(&frame, socket, 0);
 *      ... mlx_weight_bytes(weight) ...
 */
#ifndef MLX_SERVICES_BUS_WEIGHT_H
#define MLX_SERVICES_BUS_WEIGHT_H

#include <zmq.h>

#include "proto/base.h"

typedef struct mlx_weight mlx_weight_t;

mlx_weight_t *mlx_weight_new(void);

/*  The count itself lives on until the last message is gone: libzmq frees them when it pleases. */
void mlx_weight_destroy(mlx_weight_t **self);

/*  Count FRAME from now on. Its bytes stay the same; small frames are not counted. */
void mlx_weight_count(mlx_weight_t *self, zmq_msg_t *frame);

size_t mlx_weight_bytes(const mlx_weight_t *self);

#endif
