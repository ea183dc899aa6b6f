/*  overview.h - what the bus says now: newest value of each topic, and the headline drawn from them
 *
 *  Every front end (mlxctl status and top, the menu bar, MLXDash) shows the same numbers because
 *  they all ask here. Values carry their time; one that is older than MLX_OVERVIEW_STALE_US counts
 *  as absent, so a front end never shows the past as the present.
 *
 *      mlx_overview_t *overview = mlx_overview_new("myhost");
 *      mlx_overview_put(overview, message);                     for each message
 *      mlx_headline_t headline = mlx_overview_headline(overview, mlx_wall_us());
 */
#ifndef MLX_COMMON_VIEW_OVERVIEW_H
#define MLX_COMMON_VIEW_OVERVIEW_H

#include "common/base/clock.h"
#include "common/base/held.h"
#include "proto/message.h"

typedef struct mlx_overview mlx_overview_t;

enum {
    MLX_OVERVIEW_STALE_US = MLX_HELD_STALE_S * 1000000
};

/*  Figures of one machine at one moment. Reals are NaN and strings NULL when not available. Strings
 *  are borrowed from the overview until the next put. */
typedef struct {
    const char *model; /* at work, else loaded, else NULL */
    size_t models_loaded;
    size_t models_busy;            /* different models at work now */
    size_t requests;               /* they work on */
    bool busy;                     /* some runtime works on a request */
    double tokens_per_second;      /* sum over busy runtimes; NaN: idle or unknown */
    double last_tokens_per_second; /* of the newest request that ended */
    const mlx_value_t *prompt;     /* the "running" of a runtime that only reads a prompt */
    const char *source;            /* runner, tap, slots, metrics or log */
    double memory_used;            /* bytes */
    double memory_total;
    double gpu_utilization; /* ratio, of the busiest GPU */
    double gpu_memory_used; /* bytes, all GPUs */
    double gpu_memory_total;
    double cpu_utilization; /* ratio */
    double temperature;     /* celsius: GPU where known, else CPU, else the hottest sensor */
    double power;           /* watts: machine, else GPUs and package as far as known */
    double cache_bytes;
    double cache_saved;
    double cache_models;
    size_t services_up;
    size_t services_down; /* down or degraded */
    size_t runtimes_up;
    size_t alerts;     /* firing */
    bool sensors_late; /* the source of these figures has fallen silent: they were true once */
    bool runtimes_late;
} mlx_headline_t;

/*  HOST: whose values the headline shows; NULL: the first host heard. */
mlx_overview_t *mlx_overview_new(const char *host);
void mlx_overview_destroy(mlx_overview_t **self);

/*  Remember MESSAGE (copied) as the newest of its topic and host, without the values in it that
 *  were stale when it was sent (held.h). What is kept is bounded: see room.h. */
void mlx_overview_put(mlx_overview_t *self, const mlx_message_t *message);

/*  The same for one that came at HEARD_US: a sender whose clock is ahead, or lies, makes its values
 *  no younger than they are. For listeners; put is for those who are given everything at once. A
 *  source that has not been heard for a minute is forgotten, as long as others are. */
void mlx_overview_hear(mlx_overview_t *self, const mlx_message_t *message, int64_t heard_us);

mlx_headline_t mlx_overview_headline(const mlx_overview_t *self, int64_t now_us);

/*  The same as a map: figures that are not available are absent. Caller owns it. */
mlx_value_t *mlx_overview_headline_value(const mlx_overview_t *self, int64_t now_us);

/*  Everything: {host, t, headline: {...}, messages: [...]}, messages as `mlxctl watch` prints them.
 *  It is what `mlxctl status --json` and the gateway's /api/status give. Caller owns it. */
mlx_value_t *mlx_overview_value(const mlx_overview_t *self, int64_t now_us);

/*  Is a value of TOPIC too old to be told as today's? What is said once for each event (an alert, a
 *  benchmark's result) never is: it holds until the next one. */
bool mlx_overview_stale(const char *topic, int64_t age_us);

/*  Newest data of TOPIC of the headline's host, or NULL when absent or stale. Borrowed until the
 *  next put. *AGE_US (may be NULL) is set when there is a value. */
const mlx_value_t *mlx_overview_get(const mlx_overview_t *self, const char *topic, int64_t now_us,
                                    int64_t *age_us);

/*  Is there a message, stale or not, of TOPIC from HOST? */
bool mlx_overview_has(const mlx_overview_t *self, const char *topic, const char *host);

/*  Call FN for each message (stale ones too) whose topic begins with PREFIX, in order of topic. */
typedef void (*mlx_overview_fn)(void *arg, const mlx_message_t *message, int64_t age_us);
void mlx_overview_each(const mlx_overview_t *self, const char *prefix, int64_t now_us,
                       mlx_overview_fn fn, void *arg);

/*  How far apart the two newest messages of MESSAGE's topic and host were made; 0: only one is
 *  known. MESSAGE is one that mlx_overview_each gave. */
int64_t mlx_overview_pace(const mlx_overview_t *self, const mlx_message_t *message);

/*  Whose values the headline shows; NULL before the first message. */
const char *mlx_overview_host(const mlx_overview_t *self);

/*  The hosts that values are known of, each once, at most MAX; borrowed until the next put. Returns
 *  their number. */
size_t mlx_overview_hosts(const mlx_overview_t *self, const char **hosts, size_t max);

/*  Show the values of HOST from now on. */
void mlx_overview_select(mlx_overview_t *self, const char *host);

/*  Call FN with SELF showing each of its hosts in turn, at most MAX (of 256); after that it shows
 *  the one that it showed before. */
void mlx_overview_each_host(mlx_overview_t *self, size_t max,
                            void (*fn)(mlx_overview_t *self, void *arg), void *arg);

#endif
