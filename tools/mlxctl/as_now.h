/*  as_now.h - a recorded message as if it were made now
 *
 *  Front ends take what is old for past, and what they have seen for seen: a message is replayed
 *  with its time moved to now, as far behind as it was when it was heard; with every time in its
 *  data (the catalogue knows them) moved as far; and as another run of its source. All else stays.
 */
#ifndef MLX_TOOLS_MLXCTL_AS_NOW_H
#define MLX_TOOLS_MLXCTL_AS_NOW_H

#include "proto/message.h"

typedef struct {
    const char *from, *to; /* the host FROM is called TO; NULL: none is */
    const char *run;       /* at most 31 bytes; differs for each time that a file is played */
    int64_t heard_us;      /* wall clock at which the message was heard */
    int64_t now_us;        /* wall clock */
} mlx_as_now_t;

/*  Change MESSAGE, which the caller still owns. Times that would leave their bounds stay. */
void mlx_as_now(const mlx_as_now_t *how, mlx_message_t *message);

#endif
