/*  target_parts.h - what a target is made of: target.c asks, target_view.c tells */
#ifndef MLX_WATCHER_TARGET_PARTS_H
#define MLX_WATCHER_TARGET_PARTS_H

#include "ended_once.h"
#include "gate.h"
#include "logs/log_source.h"
#include "meter.h"
#include "prompt_eta.h"
#include "runner.h"
#include "slots.h"
#include "target.h"
#include "totals.h"
#include "traffic.h"
#include "unlisted.h"

/*  A query of the back end and where it stands. */
typedef struct {
    mlx_target_t *owner;
    const mlx_runtime_query_t *query;
    mlx_http_call_t *call; /* being asked */
    int64_t due_us;        /* monotonic */
    bool owed; /* disturbs, and is asked once more all the same: what was seen has ended */
    char refused[MLX_RUNTIME_ADVICE_MAX]; /* why there is no answer; "" when there is */
} mlx_target_ask_t;

struct mlx_target {
    mlx_target_options_t options;
    const mlx_runtime_backend_t *backend;
    mlx_timer_t *timer;
    mlx_http_call_t *probe; /* finding out the kind */
    const char *probe_path;
    bool locked; /* it lets nobody in without a key, or not with the one we have */
    mlx_target_ask_t asks[MLX_RUNTIME_QUERIES_MAX];
    size_t ask_count;

    bool seen; /* was there at least once as this kind */
    bool reachable;
    bool loading;      /* it says so, and that it will answer in a while */
    bool resting;      /* what listened there has ended */
    int64_t rested_us; /* since then */
    bool foreign;      /* it is not a model server */
    bool late;         /* it takes long to answer: one that does one thing at a time works */
    int misses;
    char reason[300];
    mlx_runtime_state_t state;
    mlx_slots_t *slots;
    mlx_meter_t meter;
    mlx_unlisted_t unlisted;
    const char *client;     /* who asks without the tap, or NULL */
    mlx_runner_t *runner;   /* Ollama on this machine only */
    mlx_log_source_t *log;  /* of a server on this machine whose log is known */
    mlx_ended_once_t *once; /* requests that both tell */
    mlx_gate_t *gate;       /* of a kind that may sleep */
    mlx_prompt_eta_t eta;
    mlx_totals_t totals[MLX_RUNTIME_KINDS_MAX]; /* of each kind that it was */
    mlx_traffic_t *traffic; /* of one on this machine; NULL: looking at it is of no use */
    bool sees_all;          /* what comes to it is seen there, so it need not be asked at rest */
    int64_t look_us;        /* when to look at the traffic next */
};

/*  Whose answer to PATH this is, or NULL. */
const mlx_runtime_backend_t *mlx_target_claimant(const char *path, const mlx_http_reply_t *reply);

/*  Wake for the question that is due first, or for a look whether there is something to ask. */
void mlx_target_arm(mlx_target_t *self);

/*  Whether there is something to look at; look when it is time, and have asked what that tells to
 *  ask (target_look.c). */
bool mlx_target_looks(const mlx_target_t *self);
void mlx_target_look(mlx_target_t *self, int64_t now_us);

/*  Nothing goes on there that is not seen: it need not be asked often. */
bool mlx_target_quiet(const mlx_target_t *self);

/*  It is awake and works: no need to wait for the turn. */
void mlx_target_ask_through_gate(mlx_target_t *self);

/*  It has answered a question of ROLE: where that says that it does nothing, nothing goes on. */
void mlx_target_settle(mlx_target_t *self, mlx_query_role_t role);

/*  Ends as slots or runners tell them, and as the log does (target_log.c). */
void mlx_target_ended_live(mlx_target_t *self, const mlx_ended_t *request);

/*  Begin to follow the log of the server that answers now, or cease to. */
void mlx_target_open_log(mlx_target_t *self);
void mlx_target_close_log(mlx_target_t *self);

#endif
