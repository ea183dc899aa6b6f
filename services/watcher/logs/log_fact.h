/*  log_fact.h - what one line of a model server's log says
 *
 *  A format (log_grammar.h) turns a line into a fact; the story (log_story.h) makes requests of
 *  them. Reading a line is a pure function: no memory of other lines, no input or output.
 *
 *      mlx_log_fact_t fact;
 *      format->read("slot  release: id  0 | task 3 | stop processing: n_tokens = 38, ...", &fact);
 *      fact.what       MLX_LOG_ENDED
 *
 *  Lines are hostile: anybody's text may stand in them. Formats look at the beginning of a line
 *  only, where the server itself writes, and numbers that no server could mean are not read.
 */
#ifndef MLX_WATCHER_LOGS_LOG_FACT_H
#define MLX_WATCHER_LOGS_LOG_FACT_H

#include "proto/base.h"

enum {
    MLX_LOG_LINE_MAX = 4096, /* bytes of a line that are looked at */
    MLX_LOG_NAME_MAX = 200,
};

typedef enum {
    MLX_LOG_NOTHING,   /* of no interest */
    MLX_LOG_STRANGE,   /* a line of a kind that is known, in a form that is not */
    MLX_LOG_BEGAN,     /* the server started: what was under way is gone */
    MLX_LOG_LOADING,   /* it loads MODEL, where said */
    MLX_LOG_LOADED,    /* and is done, or failed */
    MLX_LOG_NAMED,     /* what comes from CHILD is MODEL's; without CHILD: what comes next */
    MLX_LOG_STARTED,   /* work on a request began */
    MLX_LOG_PROMPT,    /* its prompt: DONE of TOTAL (the cached part included), RATE, CACHED */
    MLX_LOG_READ,      /* the prompt is read: TOKENS that were not cached, in SECONDS */
    MLX_LOG_MAKING,    /* so far TOKENS, at RATE */
    MLX_LOG_MADE,      /* in all TOKENS; SECONDS from the first to the last */
    MLX_LOG_DRAFTED,   /* DRAFTED were proposed, ACCEPTED taken */
    MLX_LOG_CANCELLED, /* its client went */
    MLX_LOG_ENDED,     /* it is over; HELD: prompt and generated tokens but the newest */
    MLX_LOG_CUT,       /* a prompt of PROMPT tokens was cut to TOTAL */
    MLX_LOG_REQUEST,   /* a whole request in one line: what is known of it is said */
} mlx_log_what_t;

typedef struct {
    mlx_log_what_t what;
    int64_t child;      /* the port of the process that wrote it, behind a router; 0: the server */
    int64_t slot, task; /* -1: not said */
    double done, total, cached;
    double tokens, seconds, rate;
    double prompt; /* REQUEST, CUT: tokens of its prompt */
    double drafted, accepted;
    double held;
    int status; /* HTTP; 0: not said */
    char model[MLX_LOG_NAME_MAX];
    char api[24];     /* in the words of the catalogue; "" not said */
    char address[64]; /* of the client */
} mlx_log_fact_t;

/*  Nothing known. */
void mlx_log_fact_clear(mlx_log_fact_t *self);

/*  For formats ------------------------------------------------------------------------------ */

/*  Read numbers as PATTERN says: its text must be met, a blank stands for any number of blanks, and
 *  each '#' is a number that goes to the next of OUT (NULL: it is read and left). Returns what
 *  follows in TEXT; NULL when it does not fit or a number is none that a server means. */
const char *mlx_log_match(const char *text, const char *pattern, double *const *out);

/*  The word of the catalogue for the path of an inference request; NULL: it is none. */
const char *mlx_log_api(const char *path);

/*  Put the LEN bytes at NAME into OUT, without its folders where it is a path. Names with control
 *  characters are not taken. */
void mlx_log_name(char out[MLX_LOG_NAME_MAX], const char *name, size_t len);

#endif
