/*  net_internal.h - the state that net.c (the loop) and net_reply.c (what is written) share */
#ifndef MLX_TESTS_DOUBLE_NET_INTERNAL_H
#define MLX_TESTS_DOUBLE_NET_INTERNAL_H

#include "tests/double/net.h"

enum {
    MLX_NET_MAX_CONNS = 1000,
    MLX_NET_MAX_WATCHES = 4,
};

typedef struct {
    int fd;
    mlx_net_fd_fn fn;
    void *arg;
} mlx_net_watch_t;

struct mlx_conn {
    mlx_net_t *net;
    int fd;
    mlx_buf_t in;
    mlx_buf_t body;
    mlx_buf_t out;
    bool busy; /* the reply is under way */
    bool keep_alive;
    bool old;       /* HTTP/1.0 on either side: no chunks */
    bool no_body;   /* HEAD */
    bool eof;       /* the client sends no more */
    bool dead;      /* to be closed in this turn */
    bool reset;     /* with RST */
    bool muted;     /* a fault ended the reply early */
    bool continued; /* "100 Continue" was sent for this request */
    int pieces;
    mlx_fault_t fault;
    int64_t budget;   /* bytes that may still go out; -1: no limit */
    int64_t slow_due; /* next byte of a slow reply */
    uint64_t flood;   /* filler bytes still to send */
    mlx_net_gone_fn gone;
    void *arg;
};

struct mlx_net {
    mlx_net_request_fn fn;
    void *arg;
    mlx_net_head_fn head;
    bool old;
    int listener;
    int port;
    bool stop;
    int64_t now;
    int64_t wall;
    mlx_conn_t *conns[MLX_NET_MAX_CONNS];
    size_t count;
    mlx_net_watch_t watches[MLX_NET_MAX_WATCHES];
    size_t watch_count;
    mlx_net_timer_t *timers;
    mlx_net_stats_t stats;
};

#endif
