#include "weight.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    LIGHT = 4096 /* bytes that a frame may have without being counted */
};

struct mlx_weight {
    atomic_size_t bytes;
    atomic_size_t holders; /* the owner and each message */
};

typedef struct {
    mlx_weight_t *weight;
    zmq_msg_t frame; /* as it was */
} held_t;

mlx_weight_t *mlx_weight_new(void)
{
    mlx_weight_t *self = mlx_alloc(1, sizeof *self);
    atomic_init(&self->holders, 1);
    return self;
}

static void let_go(mlx_weight_t *self)
{
    if (atomic_fetch_sub(&self->holders, 1) == 1)
        free(self);
}

void mlx_weight_destroy(mlx_weight_t **self)
{
    if (*self)
        let_go(*self);
    *self = NULL;
}

/*  Called by a thread of libzmq. */
static void release(void *data, void *hint)
{
    held_t *held = hint;
    (void)data;
    atomic_fetch_sub(&held->weight->bytes, zmq_msg_size(&held->frame));
    let_go(held->weight);
    zmq_msg_close(&held->frame);
    free(held);
}

void mlx_weight_count(mlx_weight_t *self, zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);
    if (size <= LIGHT)
        return;
    held_t *held = mlx_alloc(1, sizeof *held);
    held->weight = self;
    zmq_msg_init(&held->frame);
    zmq_msg_move(&held->frame, frame);
    atomic_fetch_add(&self->holders, 1);
    atomic_fetch_add(&self->bytes, size);
    zmq_msg_init_data(frame, zmq_msg_data(&held->frame), size, release, held);
}

size_t mlx_weight_bytes(const mlx_weight_t *self)
{
    return atomic_load(&self->bytes);
}
