/*  seen.h - which messages a reader has had: drops repeats, counts what was lost
 *
 *  The broker repeats retained values whenever somebody subscribes, so every reader sees some
 *  twice; and a full queue drops silently, which shows only as a jump in a source's sequence
 *  numbers.
 */
#ifndef MLX_COMMON_BUS_SEEN_H
#define MLX_COMMON_BUS_SEEN_H

#include "proto/message.h"

typedef struct mlx_bus_seen mlx_bus_seen_t;

mlx_bus_seen_t *mlx_bus_seen_new(void);
void mlx_bus_seen_destroy(mlx_bus_seen_t **self);

/*  True when MESSAGE is a repeat: it has the number of the topic's last message. *GAP is set to the
 *  number of messages of its source that are missing before it; within a second of a source's first
 *  message it is 0, because retained values come in no order. NOW_US is monotonic. */
bool mlx_bus_seen_before(mlx_bus_seen_t *self, const mlx_message_t *message, int64_t now_us,
                         int64_t *gap);

#endif
