/*  retained.h - the newest message of each retained topic, and which sources are alive
 *
 *  A value is kept per (host, topic) as the bytes that arrived. They are copied: a reference to the
 *  frame would keep libzmq's whole receive buffer of 8 KiB alive for each topic. A source is one
 *  run of somebody who publishes: (host, src, boot). One that has been silent for the configured
 *  time is gone, and its values with it: readers never mistake the past for the present. Who
 *  borrows the name of a living source is a source of its own, and his values go with him.
 *
 *  What is kept is bounded in number and in bytes, and shared out among owners: the processes and
 *  the peers that messages come from, whatever names they give themselves. Where something has to
 *  go, it is the oldest value, or the source silent for longest, of the greediest owner.
 */
#ifndef MLX_SERVICES_BUS_RETAINED_H
#define MLX_SERVICES_BUS_RETAINED_H

#include "proto/pack.h"

typedef struct mlx_retained mlx_retained_t;

enum {
    MLX_RETAINED_TOPICS_MAX = 16384,
    MLX_RETAINED_SOURCES_MAX = 4096,
};

typedef struct {
    size_t bytes;       /* of all values; 0: no limit */
    size_t owner_bytes; /* of one owner's; 0: no limit */
} mlx_retained_budget_t;

/*  WANTED tells whether messages of a topic are to be kept. */
mlx_retained_t *mlx_retained_new(bool (*wanted)(const char *topic), mlx_retained_budget_t budget);
void mlx_retained_destroy(mlx_retained_t **self);

/*  Who sent a message. */
typedef struct {
    mlx_span_t host;
    mlx_span_t src;
    mlx_span_t boot;
    uint64_t owner; /* process or peer; 0: not known, each source answers for itself */
} mlx_retained_from_t;

typedef struct mlx_retained_value mlx_retained_value_t;

/*  The entry of TOPIC if FROM published it last, else NULL: whoever is known so has names that were
 *  checked before, each of them byte for byte. Valid until the next call. This is the hot path: one
 *  look-up a message. */
mlx_retained_value_t *mlx_retained_known(mlx_retained_t *self, mlx_span_t topic,
                                         const mlx_retained_from_t *from);

/*  Note a message: its source is alive at NOW_US, and if TOPIC is wanted its value is BODY. KNOWN
 *  is what mlx_retained_known just gave for it; if that is NULL, the names must have been
 *  checked. */
void mlx_retained_put(mlx_retained_t *self, mlx_retained_value_t *known, mlx_span_t topic,
                      const mlx_retained_from_t *from, mlx_span_t body, int64_t now_us);

/*  Call FN for each kept value whose topic begins with PREFIX, in the order in which their topics
 *  were first seen, those up to number *CURSOR left out, until FN returns false: that value is the
 *  first of the next call with the same cursor. True when the end was reached. BODY is borrowed. */
typedef bool (*mlx_retained_fn)(void *arg, const char *topic, mlx_span_t body);
bool mlx_retained_each(const mlx_retained_t *self, const char *prefix, size_t prefix_len,
                       uint64_t *cursor, mlx_retained_fn fn, void *arg);

/*  Forget the value of TOPIC on HOST. */
void mlx_retained_forget(mlx_retained_t *self, const char *host, const char *topic);

/*  Forget every source silent since BEFORE_US with all its values. True when some went. */
bool mlx_retained_expire(mlx_retained_t *self, int64_t before_us);

typedef struct {
    size_t count;    /* values kept */
    size_t bytes;    /* they take */
    int64_t evicted; /* values that made room for others, since the beginning */
} mlx_retained_stats_t;

mlx_retained_stats_t mlx_retained_stats(const mlx_retained_t *self);

#endif
