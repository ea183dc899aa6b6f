/*  client.h - the inside of a bus client, shared by bus.c and bus_calls.c only */
#ifndef MLX_COMMON_BUS_CLIENT_H
#define MLX_COMMON_BUS_CLIENT_H

#include "common/bus/bus.h"
#include "common/bus/internal.h"
#include "common/bus/seen.h"

typedef struct last_value {
    struct last_value *next;
    char *topic;
    mlx_buf_t body;  /* packed, as it was sent */
    mlx_value_t *d;  /* the data, to see whether it changed */
    int64_t sent_us; /* monotonic */
} last_value_t;

typedef struct subscription {
    struct subscription *next;
    char *prefix;
    mlx_message_fn fn; /* one of the two */
    mlx_frames_fn frames_fn;
    void *arg;
} subscription_t;

struct mlx_bus {
    mlx_loop_t *loop;
    char *run_dir;
    char *host;
    char *src; /* NULL: publishes nothing */
    char boot[17];
    size_t hwm;
    mlx_bus_stats_t stats;
    mlx_unfit_fn unfit_fn;
    void *unfit_arg;
    bool broker_listens; /* one has, at least once */
    mlx_timer_fn broker_fn;
    void *broker_arg;

    zsock_t *publisher;
    last_value_t *last_values;

    zsock_t *subscriber;
    subscription_t *subscriptions;
    mlx_bus_seen_t *seen;

    zsock_t *commander;
    uint64_t next_call;
    mlx_call_t *calls;
    mlx_request_t *requests;
    mlx_serve_fn serve_fn;
    mlx_cancel_fn cancel_fn;
    void *serve_arg;
    mlx_timer_t *ready_timer;
};

/*  A socket of TYPE connected to SOCKET_NAME in the run directory. Caller owns it. */
zsock_t *mlx_bus_connect(const mlx_bus_t *self, int type, const char *socket_name);

/*  Forget all calls and requests (no function is called), say bye. */
void mlx_bus_commands_end(mlx_bus_t *self);

#endif
