/*  stream_stats.h - the figures of one request for text, from the bytes that pass
 *
 *  Knows the request's body (for the model's name) and the reply's body, both given in pieces cut
 *  anywhere, and the time at which each passed. While a reply streams it counts the pieces of text
 *  and derives a live rate; the server's own counts and clock, which come last, take their place.
 *  It keeps no text.
 *
 *      mlx_stream_stats_t *stats = mlx_stream_stats_new("/api/chat", now);
 *                                                        NULL: nothing to measure
 *      mlx_stream_stats_request(stats, data, len);
 *      mlx_stream_stats_sent(stats, now);
 *      mlx_stream_stats_head(stats, 200, "application/x-ndjson", "");
 *      mlx_stream_stats_reply(stats, data, len, now);
 *      mlx_stream_stats_end(stats, MLX_STREAM_OK, now);
 *      mlx_stream_stats_figures(stats, now, &figures);
 *
 *  Times are monotonic microseconds given by the caller. Bodies are hostile: a request body is read
 *  up to MLX_STREAM_MAX_REQUEST, a line or an unstreamed reply up to MLX_STREAM_MAX_LINE; what is
 *  longer, compressed or no JSON is passed over.
 */
#ifndef MLX_COMMON_RUNTIME_STREAM_STATS_H
#define MLX_COMMON_RUNTIME_STREAM_STATS_H

#include "proto/base.h"

typedef struct mlx_stream_stats mlx_stream_stats_t;

enum {
    MLX_STREAM_MAX_REQUEST = 256 * 1024,
    MLX_STREAM_MAX_LINE = 1024 * 1024,
};

typedef enum {
    MLX_STREAM_RUNNING,
    MLX_STREAM_OK,
    MLX_STREAM_ERROR,        /* HTTP status of 400 or more, or an error inside the stream */
    MLX_STREAM_CLIENT_ABORT, /* the client went away before the reply was complete */
    MLX_STREAM_SERVER_ABORT, /* the server did */
    MLX_STREAM_LOST,         /* the connection could not be followed to the end */
} mlx_stream_outcome_t;

/*  What is not known is -1, NaN or "". */
typedef struct {
    char model[128];
    char done_reason[32];
    const char *api; /* static: "generate", "chat", "chat_completions"... (stream_reply.h) */
    mlx_stream_outcome_t outcome;
    int status;          /* HTTP status */
    bool streamed;       /* the reply comes piece by piece */
    bool server_counted; /* generated_tokens is the server's count, not ours of the pieces */
    bool server_timed;   /* generation_rate is by the server's clock, not by ours */
    int64_t started_us;  /* the request's head passed */
    int64_t ended_us;
    double ttft_s;            /* from the request's last byte to the first text; streams only */
    double live_rate;         /* tokens/s over the last two seconds; while running only */
    int64_t prompt_tokens;    /* those the server had to work on: a cached prompt may not count */
    int64_t whole_prompt;     /* with what was found in a cache: the server's usage field */
    int64_t generated_tokens; /* so far */
    int64_t progress_total;   /* while the prompt is read and the server tells: its tokens */
    int64_t progress_done;    /* of these, those that are read or were cached */
    double prompt_rate;       /* tokens/s */
    double generation_rate;   /* (n - 1) tokens over the time since the first; once it has ended */
    double client_rate;       /* the same by our clock, from the first text to the last */
    double load_s;
    double total_s;
    double prompt_s; /* that the server spent on the prompt, by its clock */
    double queued_s; /* once it has ended: from the request's last byte until the server began with
                        the prompt, loading left out: the request waited its turn; by both clocks */
    int64_t cached_tokens;   /* of the prompt, that the server had from before */
    int64_t draft_tokens;    /* proposed by a draft model */
    int64_t draft_accepted;  /* and taken */
    int64_t thinking_tokens; /* of those generated: the server's count, else of pieces */
} mlx_stream_figures_t;

/*  NULL when PATH generates no text. Caller owns the result and must destroy it. */
mlx_stream_stats_t *mlx_stream_stats_new(const char *path, int64_t now_us);
void mlx_stream_stats_destroy(mlx_stream_stats_t **self);

/*  A piece of the request's body, and its end. */
void mlx_stream_stats_request(mlx_stream_stats_t *self, const char *data, size_t len);
void mlx_stream_stats_sent(mlx_stream_stats_t *self, int64_t now_us);

/*  The reply's head and a piece of its body. */
void mlx_stream_stats_head(mlx_stream_stats_t *self, int status, const char *content_type,
                           const char *encoding);
void mlx_stream_stats_reply(mlx_stream_stats_t *self, const char *data, size_t len, int64_t now_us);

/*  Does a piece of the reply's body tell anything? Not when its form is not known, for example. */
bool mlx_stream_stats_reads_reply(const mlx_stream_stats_t *self);

/*  The end, of whatever kind; only the first call counts. MLX_STREAM_OK becomes MLX_STREAM_ERROR
 *  when the reply said so. */
void mlx_stream_stats_end(mlx_stream_stats_t *self, mlx_stream_outcome_t outcome, int64_t now_us);

/*  The end of a whole reply whose client had closed its side before: without the final marker of
 *  its API the server has only stopped, and that is a MLX_STREAM_CLIENT_ABORT. */
void mlx_stream_stats_end_alone(mlx_stream_stats_t *self, int64_t now_us);

/*  First text has passed. */
bool mlx_stream_stats_generating(const mlx_stream_stats_t *self);

void mlx_stream_stats_figures(const mlx_stream_stats_t *self, int64_t now_us,
                              mlx_stream_figures_t *out);

/*  Name of OUTCOME: "running", "ok", "error", "client_abort", "server_abort", "lost". */
const char *mlx_stream_outcome_name(mlx_stream_outcome_t outcome);

#endif
