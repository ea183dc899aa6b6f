/*  broker.h - the bus itself: forwards messages, keeps last values, routes commands
 *
 *  Binds three sockets in the run directory (see common/bus/command.h). Messages are forwarded as
 *  the frames that came; only what the broker needs of the body is looked at. A slow subscriber
 *  loses messages beyond its queue and slows no one: readers count such losses by sequence numbers.
 *
 *      mlx_broker_t *broker = mlx_broker_new(loop, &options, &err);
 *      ...
 *      mlx_broker_destroy(&broker);        removes the sockets
 */
#ifndef MLX_SERVICES_BUS_BROKER_H
#define MLX_SERVICES_BUS_BROKER_H

#include "common/bus/loop.h"
#include "proto/value.h"

typedef struct mlx_broker mlx_broker_t;

typedef struct {
    const char *host;     /* what another broker of a fleet calls itself: "host" of its messages */
    const char *endpoint; /* "tcp://10.0.0.7:11480" */
    const char *key;      /* its public key, 40 characters of Z85 */
} mlx_peer_t;

typedef struct {
    const char *run_dir;
    const char *host;       /* of this machine; a peer may not speak for it */
    const char *boot;       /* random id of this run */
    size_t hwm;             /* messages queued per subscriber; 0: 10000 */
    int64_t retain_gone_ms; /* a source silent for this long is gone */
    size_t retain_bytes;    /* of all last values; 0: no limit */
    size_t owner_bytes;     /* of those from one process or peer; 0: no limit */
    size_t queue_bytes;     /* that may wait for readers; 0: 128 MiB */
    const char *const *tcp; /* endpoints to offer subscribers over CURVE; ends with NULL */
    const char *keys_dir;   /* server.key_secret, allowed/; needed for tcp and peers */
    const mlx_peer_t *peers;
    size_t peer_count;

    /*  What happened, called in the loop's thread; NULL: not interested. on_presence: a registered
     *  service came or went. on_forgotten: one that is away made room for another; its last health
     *  is dropped. */
    void (*on_presence)(void *arg, const char *service, bool up);
    void (*on_forgotten)(void *arg, const char *service);
    /*  on_refused: outside input was; KIND is a short stable word, TEXT says what and where. */
    void (*on_refused)(void *arg, const char *kind, const char *text);
    void *arg;
} mlx_broker_options_t;

/*  NULL with ERR: another broker is alive there (busy, names its pid), a socket cannot be bound,
 *  keys are missing. Stale sockets of a dead broker are taken over. */
mlx_broker_t *mlx_broker_new(mlx_loop_t *loop, const mlx_broker_options_t *options,
                             mlx_error_t *err);
void mlx_broker_destroy(mlx_broker_t **self);

/*  Are the sockets still where clients look for them? 0, or -1 with ERR: somebody removed them or
 *  the run directory. Who is connected stays so, but nobody new finds the broker: it should be
 *  started again. */
int mlx_broker_in_place(const mlx_broker_t *self, mlx_error_t *err);

/*  Retained messages under PREFIX as mlx_snapshot_page gives them; registered services as
 *  {services: [...]}. Caller owns the tree. */
mlx_value_t *mlx_broker_snapshot(const mlx_broker_t *self, const char *prefix, uint64_t cursor);
mlx_value_t *mlx_broker_services(const mlx_broker_t *self);

/*  End connections whose key is no longer on the allow-list; it is looked at twice a second anyway.
 *  Returns how many were ended because of the keys removed last. */
size_t mlx_broker_check_keys(mlx_broker_t *self);

#endif
