/*  retained.h - the newest message of each retained topic, and which sources are alive
 *
 *  A value is kept per (host, topic) as the two frames that arrived, so giving it to a late joiner
 *  copies a reference. A source is a (host, src); one that has been silent for the configured time
 *  is gone, and its values with it: readers never mistake the past for the present.
 */
#ifndef MLX_SERVICES_BUS_RETAINED_H
#define MLX_SERVICES_BUS_RETAINED_H

#include <zmq.h>

#include "proto/pack.h"

typedef struct mlx_retained mlx_retained_t;

enum {
    MLX_RETAINED_TOPICS_MAX = 4096,
    MLX_RETAINED_SOURCES_MAX = 1024,
};

mlx_retained_t *mlx_retained_new(void);
void mlx_retained_destroy(mlx_retained_t **self);

/*  Note a message of SRC on HOST: the source is alive at NOW_US, and TOPIC's value is BODY when
 * KEEP (the frame is shared, not moved). False when a table is full and the value was not kept. */
bool mlx_retained_put(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host,
                      mlx_span_t src, zmq_msg_t *body, bool keep, int64_t now_us);

/*  Is a value of this topic kept already? Spares the caller the catalogue on the fast path. */
bool mlx_retained_has(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host);

/*  Call FN for each kept value whose topic begins with PREFIX. BODY is borrowed. */
typedef void (*mlx_retained_fn)(void *arg, const char *topic, zmq_msg_t *body);
void mlx_retained_each(mlx_retained_t *self, const char *prefix, size_t prefix_len,
                       mlx_retained_fn fn, void *arg);

/*  Forget every source silent since BEFORE_US with all its values; FN learns each. */
typedef void (*mlx_gone_fn)(void *arg, const char *host, const char *src);
void mlx_retained_expire(mlx_retained_t *self, int64_t before_us, mlx_gone_fn fn, void *arg);

size_t mlx_retained_count(const mlx_retained_t *self);

#endif
