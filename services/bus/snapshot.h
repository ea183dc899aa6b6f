/*  snapshot.h - the retained messages as the answer to a command, in pages that a frame can hold */
#ifndef MLX_SERVICES_BUS_SNAPSHOT_H
#define MLX_SERVICES_BUS_SNAPSHOT_H

#include "proto/value.h"
#include "retained.h"

/*  Messages under PREFIX behind CURSOR (0: from the first) as {messages: [...], cursor, left_out}.
 *  Without "cursor" this was the last page. left_out counts messages that no answer can hold,
 *  because the answer's own map makes them too large or too deep; absent: none. Caller owns it. */
mlx_value_t *mlx_snapshot_page(const mlx_retained_t *retained, const char *prefix, uint64_t cursor);

#endif
