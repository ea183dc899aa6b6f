/*  pressure.h - what is done about readers who do not fetch what is sent to them
 *
 *  The bytes that wait for readers are bounded. While many wait, it is watched for whom; at half
 *  the limit those who fetch nothing at all are disconnected, and at the limit large messages are
 *  refused to everybody until there is room again.
 *
 *      mlx_pressure_t *pressure = mlx_pressure_new(loop, &options);
 *      if (mlx_pressure_admits(pressure, size))
 *          mlx_pressure_count(pressure, &frame);          then it may be sent
 *      mlx_pressure_destroy(&pressure);
 */
#ifndef MLX_SERVICES_BUS_PRESSURE_H
#define MLX_SERVICES_BUS_PRESSURE_H

#include "common/bus/loop.h"
#include "readers.h"

typedef struct mlx_pressure mlx_pressure_t;

typedef struct {
    size_t bytes;                                /* that may wait */
    mlx_readers_t *readers;                      /* borrowed */
    void (*on_ended)(void *arg, size_t readers); /* so many fetched nothing */
    void *arg;
} mlx_pressure_options_t;

mlx_pressure_t *mlx_pressure_new(mlx_loop_t *loop, const mlx_pressure_options_t *options);
void mlx_pressure_destroy(mlx_pressure_t **self);

/*  Count FRAME, which is about to be sent. */
void mlx_pressure_count(mlx_pressure_t *self, zmq_msg_t *frame);

/*  May a message of SIZE bytes be sent to readers now? */
bool mlx_pressure_admits(const mlx_pressure_t *self, size_t size);

/*  Is there room for what can be sent later as well? */
bool mlx_pressure_low(const mlx_pressure_t *self);

#endif
