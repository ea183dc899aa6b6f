/*  target.h - one endpoint that is watched: asked in turn, and what it answered
 *
 *  Asks the queries of its back end at their pace: faster while the runtime works, slowly while it
 *  rests or is not there. A port whose kind is not given is offered to each back
 *  end and watched as the first that knows it; when it goes away the kind is found out again.
 *
 *      mlx_target_t *target = mlx_target_new(&options);
 *      mlx_value_t *d = mlx_target_models(target);          publish as
 *      mlx_target_topic(target, "models")                   runtime.<kind>.<endpoint>.models
 *      mlx_value_t *a = mlx_target_activity(target, tap_activity);
 */
#ifndef MLX_WATCHER_TARGET_H
#define MLX_WATCHER_TARGET_H

#include "activity.h"
#include "common/http/http.h"
#include "common/runtime/endpoint.h"
#include "common/runtime/keys.h"
#include "common/runtime/runtime.h"
#include "ended.h"
#include "opens.h"
#include "proto/value.h"

typedef struct mlx_target mlx_target_t;

typedef struct {
    mlx_loop_t *loop;
    mlx_http_t *http;
    mlx_endpoint_t endpoint;
    const mlx_runtime_backend_t *backend; /* NULL: find out */
    int64_t busy_ms;        /* how often to ask for its state while it has something to do */
    int64_t idle_ms;        /* and while not, or while it is away */
    bool runner_probe;      /* look for Ollama's runners (runner.h) */
    bool expected;          /* report that it is absent even if it never was present */
    bool once;              /* was found, not named: after one wrong answer it is left alone */
    const char *probe_path; /* of one that was found: the only one to find its kind out by */
    const char *proc_root;  /* "/proc"; borrowed */
    mlx_opens_t *opens;     /* borrowed */
    const mlx_runtime_keys_t *keys; /* that HTTP sends, to say what is wrong with one; borrowed */

    void (*changed)(void *arg, mlx_target_t *target); /* there is news: publish */

    /*  One that was found has answered, and is not a model server. It must not be destroyed
     *  here. */
    void (*foreign)(void *arg, mlx_target_t *target);

    /*  It answered what it should not: to be counted and logged. KIND tells problems apart. */
    void (*problem)(void *arg, const char *kind, const char *text);

    /*  A request has ended there, as its slots tell. */
    void (*ended)(void *arg, mlx_target_t *target, const mlx_ended_t *request);
    void *arg;
} mlx_target_options_t;

/*  Starts asking at once. Caller owns it; must be destroyed before http. */
mlx_target_t *mlx_target_new(const mlx_target_options_t *options);
void mlx_target_destroy(mlx_target_t **self);

const mlx_endpoint_t *mlx_target_endpoint(const mlx_target_t *self);

/*  "runtime.<kind>.<endpoint>.<WHAT>", or NULL while there is nothing to publish: the kind is not
 *  known, or it never was there and is not expected. Caller owns it and must free it. */
char *mlx_target_topic(const mlx_target_t *self, const char *what);

/*  The data of those topics; the caller owns it. TAP: what the tap sees of this endpoint, or NULL;
 *  it and what the target saw itself go into the totals. */
mlx_value_t *mlx_target_models(const mlx_target_t *self);
mlx_value_t *mlx_target_activity(mlx_target_t *self, const mlx_activity_t *tap);

/*  Who asks it without the tap, for the activity; NULL: not known. Borrowed until the next call. */
void mlx_target_client(mlx_target_t *self, const char *client);

/*  What listened there has ended, as the system's tables say: it is told, and nothing more is asked
 *  until mlx_target_wake. What it has counted is kept. */
void mlx_target_rest(mlx_target_t *self);

/*  Something listens there, a server of the kind BACKEND (NULL: found out by PROBE_PATH alone). */
void mlx_target_wake(mlx_target_t *self, const mlx_runtime_backend_t *backend,
                     const char *probe_path);

/*  It rests, or has turned out to be no model server. */
bool mlx_target_idle(const mlx_target_t *self);

bool mlx_target_busy(const mlx_target_t *self);

/*  Something was seen going there: ask now instead of at the next turn. */
void mlx_target_poll_now(mlx_target_t *self);

/*  A request is under way there at this moment. */
void mlx_target_working(mlx_target_t *self);

#endif
