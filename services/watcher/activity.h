/*  activity.h - what a runtime is doing right now, as one of the sources sees it
 *
 *  Three sources know something: the tap (what went through it), the slots of a llama-server
 *  (Ollama's runner, or one on its own) and the counters on /metrics. Each fills one of these; the
 *  message says which was believed. What a source does not know is NaN or NULL here and absent from
 *  the message.
 *
 *      mlx_activity_t seen;
 *      mlx_activity_clear(&seen);
 *      mlx_slots_activity(slots, now_us, &seen);
 *      mlx_value_t *d = mlx_activity_message(&(mlx_activity_sources_t){.runner = &seen});
 *
 *  Strings are borrowed from the source and valid until it changes.
 */
#ifndef MLX_WATCHER_ACTIVITY_H
#define MLX_WATCHER_ACTIVITY_H

#include "proto/value.h"

enum {
    MLX_ACTIVITY_REQUESTS_MAX = 64
};

/*  A request that is running. While its prompt is read: how far that is. */
typedef struct {
    const char *model;
    const char *client; /* who asked: program or address */
    double tokens;      /* generated so far */
    double tokens_per_second;
    double age_s;
    double prompt_total;  /* tokens of the prompt */
    double prompt_done;   /* of these, those that are read or were cached */
    double prompt_cached; /* of these, those that were cached */
    double prompt_tokens_per_second;
    double prompt_eta_s; /* until it is read */
    int64_t task;        /* the server's number of it; -1: not known. For finding it again only */
} mlx_activity_request_t;

/*  Everything unknown. */
void mlx_activity_request_clear(mlx_activity_request_t *self);

/*  The request that ended last. */
typedef struct {
    int64_t t_us; /* wall clock at its end; 0: there was none */
    const char *source;
    const char *model;
    double tokens;
    double tokens_per_second;
    double prompt_tokens;
    double prompt_tokens_per_second;
    double ttft_s;
    double duration_s;
    const char *outcome;  /* "ok", "error", "client_abort", "server_abort"; NULL: not known */
    double prompt_cached; /* of prompt_tokens, found in the cache */
} mlx_activity_last_t;

/*  A prompt that was longer than the context: the server left the middle of it out. */
typedef struct {
    int64_t t_us; /* wall clock; 0: there was none */
    double asked; /* tokens that it had */
    double kept;  /* tokens that the model was given */
} mlx_activity_cut_t;

typedef struct {
    int64_t looked_us; /* monotonic, when the source was looked at last; 0: it is always current */
    bool available;    /* the source works; false: nothing below counts */
    double requests;   /* running */
    double generating; /* of those, the ones that produce tokens at the moment */
    const char *model; /* of what runs, when it is one */
    double tokens_per_second;
    double prompt_tokens_per_second;
    double ttft_s; /* of the newest request that has it */
    double tokens_total;
    double prompt_tokens_total;
    double requests_total;
    double errors_total;
    size_t list_count;
    mlx_activity_request_t list[MLX_ACTIVITY_REQUESTS_MAX];
    mlx_activity_last_t last;
    mlx_activity_cut_t cut; /* the newest; only a log tells */
} mlx_activity_t;

/*  Everything unknown. */
void mlx_activity_clear(mlx_activity_t *self);

/*  Add PART, seen by the same source elsewhere (another runner of the same Ollama). */
void mlx_activity_add(mlx_activity_t *self, const mlx_activity_t *part);

/*  All that is known of one endpoint; NULL or not available: the source has nothing. */
typedef struct {
    const mlx_activity_t *tap;
    const mlx_activity_t *own;       /* runner, slots or metrics */
    const char *own_source;          /* their name in the message */
    const mlx_activity_cut_t *cut;   /* NULL: nothing is known of any */
    const struct mlx_totals *totals; /* NULL: none are told */
    const char *reason;              /* why OWN is absent or not better; NULL: nothing to say */
} mlx_activity_sources_t;

/*  The data of runtime.<kind>.<endpoint>.activity. The tap is believed while it streams, unless OWN
 *  sees more requests than it; then OWN; then the tap when it is all there is. Requests are those
 *  of the tap, and of OWN those that did not come through it: they began before, or are more. The
 *  caller owns it. */
mlx_value_t *mlx_activity_message(const mlx_activity_sources_t *sources);

#endif
