/*  retained.h - the newest message of each retained topic, and which sources are alive
 *
 *  A value is kept per (host, topic) as the bytes that arrived. They are copied: a reference to the
 *  frame would keep libzmq's whole receive buffer of 8 KiB alive for each topic. A source is one
 *  run of somebody who publishes: (host, src, boot). One that has been silent for the configured
 *  time is gone, and its values with it: readers never mistake the past for the present. Who
 *  borrows the name of a living source is a source of its own, and his values go with him.
 */
#ifndef MLX_SERVICES_BUS_RETAINED_H
#define MLX_SERVICES_BUS_RETAINED_H

#include "proto/pack.h"

typedef struct mlx_retained mlx_retained_t;

enum {
    MLX_RETAINED_TOPICS_MAX = 4096,
    MLX_RETAINED_SOURCES_MAX = 1024,
};

/*  WANTED tells whether messages of a topic are to be kept. */
mlx_retained_t *mlx_retained_new(bool (*wanted)(const char *topic));
void mlx_retained_destroy(mlx_retained_t **self);

/*  Who sent a message. */
typedef struct {
    mlx_span_t host;
    mlx_span_t src;
    mlx_span_t boot;
} mlx_retained_from_t;

/*  Note a message: its source is alive at NOW_US, and if TOPIC is wanted its value is BODY. False
 *  when a table is full and something was not remembered. This is the hot path: one look-up a
 *  message. */
bool mlx_retained_put(mlx_retained_t *self, const char *topic, size_t topic_len,
                      const mlx_retained_from_t *from, mlx_span_t body, int64_t now_us);

/*  Call FN for each kept value whose topic begins with PREFIX. BODY is borrowed. */
typedef void (*mlx_retained_fn)(void *arg, const char *topic, mlx_span_t body);
void mlx_retained_each(mlx_retained_t *self, const char *prefix, size_t prefix_len,
                       mlx_retained_fn fn, void *arg);

/*  Forget the value of TOPIC on HOST. */
void mlx_retained_forget(mlx_retained_t *self, const char *host, const char *topic);

/*  Forget every source silent since BEFORE_US with all its values. */
void mlx_retained_expire(mlx_retained_t *self, int64_t before_us);

#endif
