/*  watcher.h - all endpoints that are watched, and what is published of them
 *
 *  Watches Ollama where OLLAMA_HOST says (or at its default place), what the config names, and what
 *  else is found by its socket and program (finder.h). Publishes runtime.<kind>.<endpoint>.models
 *  and .activity, four times a second while busy, and .request as each ends.
 *
 *      mlx_watcher_t *watcher = mlx_watcher_new(&options, &err);
 *      mlx_watcher_destroy(&watcher);
 */
#ifndef MLX_WATCHER_WATCHER_H
#define MLX_WATCHER_WATCHER_H

#include "common/bus/loop.h"
#include "control.h"
#include "fingerprint.h"
#include "proto/value.h"

typedef struct mlx_watcher mlx_watcher_t;

typedef struct {
    mlx_loop_t *loop;
    const mlx_value_t *runtimes; /* list of {kind, url}; kind absent: find out; NULL: none */
    bool discover;               /* look for Ollama where OLLAMA_HOST says */
    bool find;                   /* look for what else listens on this machine (finder.h) */
    const char *ollama_host;     /* value of OLLAMA_HOST; NULL: not set */
    const char *tap_listen;      /* where the tap listens; NULL: no tap */
    const char *tap_upstream;    /* the runtime behind it; NULL: Ollama, wherever it is */
    int64_t busy_ms;             /* how often to ask a runtime that has something to do */
    int64_t idle_ms;             /* and one that has not */
    bool runner_probe;
    const char *proc_root;           /* "/proc"; borrowed */
    const mlx_fingerprint_t *prints; /* of API keys; borrowed; NULL: not told apart */

    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);

    /*  Something from outside was bad; KIND tells problems apart. */
    void (*problem)(void *arg, const char *kind, const char *text);

    /*  An event worth a line in the log. */
    void (*info)(void *arg, const char *text);
    void *arg;
} mlx_watcher_options_t;

/*  Starts watching. Caller owns it and must destroy it before the loop; with a tap the loop must
 *  not run afterwards, a wake-up from the tap's thread may still be on its way. NULL with ERR
 *  (usage): an address is none. */
mlx_watcher_t *mlx_watcher_new(const mlx_watcher_options_t *options, mlx_error_t *err);
void mlx_watcher_destroy(mlx_watcher_t **self);

/*  Do a command of control.h. The watcher must live until FN has been called. */
void mlx_watcher_control(mlx_watcher_t *self, const char *cmd, const mlx_value_t *args,
                         mlx_control_fn fn, void *arg);

/*  What the sensors of this machine say: the energy of requests comes from it. */
void mlx_watcher_hear(mlx_watcher_t *self, const char *topic, const mlx_value_t *d);

#endif
