/*  room.h - what has to go where more is said than can be kept
 *
 *  Whoever listens to the bus keeps the newest of what strangers say under names that they choose.
 *  So it is bounded, in number and in bytes: what goes is the oldest of the greediest source first.
 *  And a source that has fallen silent is forgotten with all that it said.
 *
 *      mlx_room_item_t *items = ...                       one for each thing kept, in any order
 *      mlx_room_choose(items, count, &limits);
 *      for (size_t i = 0; i < count; i++)
 *          if (items[i].go) ...                           drop number items[i].index
 */
#ifndef MLX_COMMON_VIEW_ROOM_H
#define MLX_COMMON_VIEW_ROOM_H

#include "proto/base.h"

typedef struct {
    size_t index; /* the caller's */
    const char *host;
    const char *src;
    const char *boot;
    size_t bytes;
    int64_t heard_us;
    bool go; /* false to begin with */
} mlx_room_item_t;

typedef struct {
    size_t count;
    size_t bytes;
} mlx_room_limits_t;

/*  Mark what has to go so that the rest is well below LIMITS, if it is above: making room is work,
 *  and should not be done for each message. Changes the order of ITEMS. */
void mlx_room_choose(mlx_room_item_t *items, size_t count, const mlx_room_limits_t *limits);

/*  Mark what comes from a source (host, src, boot) of which nothing was heard since BEFORE_US.
 *  Changes the order of ITEMS. */
void mlx_room_gone(mlx_room_item_t *items, size_t count, int64_t before_us);

#endif
