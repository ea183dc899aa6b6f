/*  events.h - what is new, for readers who each go at their own pace
 *
 *  A reader is a number: what it has seen so far. There is no queue per reader: it gets the newest
 *  message of every topic that changed since, so that a slow one skips what is outdated, and all of
 *  them together cost what the topics cost once.
 *
 *      uint64_t seen = 0;
 *      mlx_events_put(events, message);              for each message of the bus
 *      mlx_events_headline(events, headline);        when it may have changed
 *      mlx_events_read(events, &seen, &out);         appends server-sent events
 *
 *  Format: WHATWG HTML, "Server-sent events". Two kinds: "headline" ({host, headline}, the latter
 *  of mlx_overview_headline_value) and "message" (as `mlxctl watch` prints it), each one line of
 *  JSON.
 */
#ifndef MLX_GATEWAY_EVENTS_H
#define MLX_GATEWAY_EVENTS_H

#include "common/view/overview.h"
#include "proto/message.h"

typedef struct mlx_events mlx_events_t;

mlx_events_t *mlx_events_new(void);
void mlx_events_destroy(mlx_events_t **self);

/*  Remember MESSAGE (copied) as the newest of its topic and host. */
void mlx_events_put(mlx_events_t *self, const mlx_message_t *message);

/*  Forget the messages that OVERVIEW has forgotten. Returns how many bytes that were. */
size_t mlx_events_keep(mlx_events_t *self, const mlx_overview_t *overview);

/*  Remember the headline (borrowed); nothing is new when it says what the last one said. */
void mlx_events_headline(mlx_events_t *self, const mlx_value_t *headline);

/*  Append what is newer than *SEEN (0: everything) and move *SEEN on. False: nothing was. */
bool mlx_events_read(const mlx_events_t *self, uint64_t *seen, mlx_buf_t *out);

#endif
