/*  bus.h - client of the bus: publish, subscribe, call, serve
 *
 *  One client belongs to one loop (and so to one thread). It connects to the broker's three sockets
 *  in the run directory, and reconnects by itself whenever the broker comes and goes; retained
 *  topics this client published are then published again, so a restarted broker knows them at once.
 *
 *      mlx_bus_options_t options = {.run_dir = dir, .src = "sampler"};
 *      mlx_bus_t *bus = mlx_bus_new(loop, &options, &err);
 *      mlx_bus_publish(bus, "sensor.memory", d);
 *      mlx_bus_subscribe(bus, "runtime.", on_message, self);
 *      mlx_bus_call(bus, "bencher", "bench.run", args, 70000, on_reply, self);
 *      mlx_bus_destroy(&bus);
 *
 *  Frames are those of proto/message.h; the command frames are described in command.h.
 */
#ifndef MLX_COMMON_BUS_BUS_H
#define MLX_COMMON_BUS_BUS_H

#include "common/bus/loop.h"
#include "proto/message.h"

typedef struct mlx_bus mlx_bus_t;
typedef struct mlx_call mlx_call_t;
typedef struct mlx_request mlx_request_t;

typedef struct {
    const char *run_dir; /* directory of the sockets; see mlx_paths_run_dir */
    const char *host;    /* name of this machine in messages; NULL: gethostname() */
    const char *src;     /* name of this service; NULL: a client that publishes nothing */
    size_t hwm;          /* messages queued per socket before drops; 0: 10000 */
} mlx_bus_options_t;

typedef struct {
    int64_t published;
    int64_t received;
    int64_t duplicates; /* retained values seen again; dropped */
    int64_t gaps; /* messages lost on the way, by sequence; counted with a subscription to "" */
    int64_t malformed;
    int64_t fields; /* of messages, dropped because the catalogue contradicts them */
    int64_t unfit;  /* publications that contradicted the catalogue; not sent */
} mlx_bus_stats_t;

/*  MESSAGE is borrowed for the call. */
typedef void (*mlx_message_fn)(void *arg, const mlx_message_t *message);

/*  Connecting never fails because the broker is away. NULL with ERR: bad options. */
mlx_bus_t *mlx_bus_new(mlx_loop_t *loop, const mlx_bus_options_t *options, mlx_error_t *err);
void mlx_bus_destroy(mlx_bus_t **self);

/*  Publish D (borrowed, a map) under TOPIC with the next sequence number. Never blocks: without a
 *  broker the newest value of a retained topic is kept and published when it is back; others are
 *  dropped. 0, or -1 when the catalogue contradicts the topic or a field: parts of both come from
 *  outside, so that is counted and told (mlx_bus_on_unfit), and nothing is sent. */
int mlx_bus_publish(mlx_bus_t *self, const char *topic, const mlx_value_t *d);

/*  Publish a retained topic's value if it differs from the last one or is due by the topic's period
 *  in the catalogue: a caller who calls at least that often keeps its readers from taking the value
 *  for stale. */
int mlx_bus_publish_changed(mlx_bus_t *self, const char *topic, const mlx_value_t *d);

/*  Do not publish TOPIC's last value again when a broker comes. */
void mlx_bus_forget(mlx_bus_t *self, const char *topic);

/*  Call FN for every publication that was refused; ERR says which and why. */
typedef void (*mlx_unfit_fn)(void *arg, const mlx_error_t *err);
void mlx_bus_on_unfit(mlx_bus_t *self, mlx_unfit_fn fn, void *arg);

/*  Call FN for every message whose topic begins with PREFIX ("" for all), retained values first.
 *  Several subscriptions may overlap; each FN is called. There is no unsubscribe: destroy the
 *  client. */
void mlx_bus_subscribe(mlx_bus_t *self, const char *prefix, mlx_message_fn fn, void *arg);

/*  The same for every message, with its body as it came: BODY is what MESSAGE was unpacked from. */
typedef void (*mlx_frames_fn)(void *arg, const mlx_message_t *message, const void *body,
                              size_t len);
void mlx_bus_subscribe_frames(mlx_bus_t *self, const char *prefix, mlx_frames_fn fn, void *arg);

/*  Publish a message of somebody else: TOPIC and BODY go out as they are, envelope and all. Nothing
 *  is kept: what is sent while no broker listens (see mlx_bus_on_broker) is lost. Destroying the
 *  client then waits up to a second for the last ones to go out. */
void mlx_bus_relay(mlx_bus_t *self, const char *topic, const void *body, size_t len);

/*  Call FN whenever a broker has begun to listen to what is published here; soon, where one does
 *  already. */
void mlx_bus_on_broker(mlx_bus_t *self, mlx_timer_fn fn, void *arg);

/*  Is a broker there at this moment? 0, or -1 with ERR (unavailable) that says how to start one, at
 *  the latest after two seconds.
 *  For tools that would rather fail at once than wait. */
int mlx_bus_probe(const char *run_dir, mlx_error_t *err);

/*  A broker is there, but does not answer: set ERR (unavailable) with what helps. Returns -1. */
int mlx_bus_silent(mlx_error_t *err, const char *run_dir);

mlx_bus_stats_t mlx_bus_stats(const mlx_bus_t *self);
const char *mlx_bus_host(const mlx_bus_t *self);
const char *mlx_bus_boot(const mlx_bus_t *self);

/*  Commands, caller's side. */

typedef enum {
    MLX_REPLY_PROGRESS,
    MLX_REPLY_DONE,
    MLX_REPLY_ERROR
} mlx_reply_t;

/*  VALUE is a borrowed map (progress, done) or NULL; ERR is set for MLX_REPLY_ERROR. After DONE or
 *  ERROR the call is over and its handle dead. */
typedef void (*mlx_reply_fn)(void *arg, mlx_reply_t kind, const mlx_value_t *value,
                             const mlx_error_t *err);

/*  Send CMD to SERVICE; ARGS (borrowed map) may be NULL. Exactly one DONE or ERROR follows, at the
 *  latest after TIMEOUT_MS (error unavailable). FN may be NULL: nobody wants to know. */
mlx_call_t *mlx_bus_call(mlx_bus_t *self, const char *service, const char *cmd,
                         const mlx_value_t *args, int64_t timeout_ms, mlx_reply_fn fn, void *arg);

/*  Ask the service to stop; its reply (error interrupted, or done when it was faster) still comes.
 */
void mlx_bus_cancel(mlx_bus_t *self, mlx_call_t *call);

/*  The same for one whose reply nobody wants any more: its function is not called, the handle is
 *  dead. */
void mlx_bus_abandon(mlx_bus_t *self, mlx_call_t *call);

/*  Commands, service's side. */

/*  ARGS is a borrowed map, never NULL. Reply now or later, exactly once, by done or error. */
typedef void (*mlx_serve_fn)(void *arg, mlx_request_t *request, const char *cmd,
                             const mlx_value_t *args);

/*  FN is called when the caller cancelled or vanished; the service should end REQUEST soon. */
typedef void (*mlx_cancel_fn)(void *arg, mlx_request_t *request);

/*  Register as SRC of the options; re-registers by itself when the broker restarts. */
void mlx_bus_serve(mlx_bus_t *self, mlx_serve_fn fn, mlx_cancel_fn cancel, void *arg);

void mlx_request_progress(mlx_request_t *self, const mlx_value_t *value);
void mlx_request_done(mlx_request_t **self, const mlx_value_t *value); /* NULL: empty map */
void mlx_request_error(mlx_request_t **self, const mlx_error_t *err);

#endif
