/*  gen.h - one generation: waits for its model, computes its prompt, says its tokens at their pace
 *
 *  Token K (from 1) is due at K / rate after the prompt was computed, whatever the load of the
 *  machine was in between, and the final counts are what really happened: eval_duration ends with
 *  the last token. How it is said, a style knows.
 */
#ifndef MLX_TESTS_DOUBLE_GEN_H
#define MLX_TESTS_DOUBLE_GEN_H

#include "tests/double/app.h"

typedef struct mlx_style mlx_style_t;

/*  What a request asks for. */
typedef struct {
    char name[128]; /* the model as the request spells it */
    const mlx_style_t *style;
    mlx_set_t words;
    bool stream;
    bool usage; /* stream_options.include_usage */
    bool think;
    bool load_only;
    int64_t prompt;  /* tokens */
    uint64_t hash;   /* of the prompt */
    int64_t predict; /* negative: the model's natural length */
    double rate;     /* 0: the double's */
    int64_t keep_ns;
} mlx_job_t;

struct mlx_gen {
    mlx_app_t *app;
    mlx_conn_t *conn;
    mlx_model_t *model;
    mlx_job_t job;
    mlx_gen_t *next; /* in the queue */
    mlx_net_timer_t *timer;
    int slot;       /* -1: queued */
    int id;         /* as in "chatcmpl-ID" */
    int64_t target; /* tokens */
    int64_t decoded;
    int64_t said; /* of them, in pieces */
    int64_t pieces;
    bool cached;
    int64_t
        start; /* monotonic, ns: the request, the model's being there, the prompt, the last token */
    int64_t loaded;
    int64_t prompted;
    int64_t last;
    mlx_buf_t text; /* of a reply that is not streamed */
    mlx_buf_t thinking;
};

/*  Writing a generation, in one protocol. TEXT is that of one or more tokens. */
struct mlx_style {
    const char *stream_type;
    const char *whole_type;
    void (*piece)(const mlx_gen_t *gen, mlx_buf_t *out, const char *text, bool thinking);
    void (*final)(const mlx_gen_t *gen, mlx_buf_t *out); /* of a stream */
    void (*whole)(const mlx_gen_t *gen, mlx_buf_t *out);
};

/*  Serve JOB on CONN, from MODEL. It ends itself. */
void mlx_gen_start(mlx_app_t *app, mlx_conn_t *conn, mlx_model_t *model, const mlx_job_t *job);

/*  Called by the model: it is loaded, and slot SLOT is this generation's (-1: load_only needs
 *  none). */
void mlx_gen_begin(mlx_gen_t *self, int slot);

void mlx_gen_destroy(mlx_gen_t **self);

/*  Why it ended. */
const char *mlx_gen_reason(const mlx_gen_t *self);

/*  Tokens of a prompt of LEN bytes, as the recorded server counts a small vocabulary's. */
int64_t mlx_gen_prompt_tokens(const mlx_app_t *app, size_t len);

#endif
