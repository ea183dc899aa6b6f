/*  app.h - the double's state: its models, its settings and the role that it plays */
#ifndef MLX_TESTS_DOUBLE_APP_H
#define MLX_TESTS_DOUBLE_APP_H

#include "proto/value.h"
#include "tests/double/fault.h"
#include "tests/double/model.h"
#include "tests/double/net.h"
#include "tests/double/words.h"

enum {
    MLX_APP_MAX_MODELS = 16
};

typedef struct mlx_app mlx_app_t;

/*  BODY is the parsed request, an empty map when there was none. */
typedef void (*mlx_route_fn)(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body);

typedef struct {
    const char *method;
    const char *path;
    mlx_route_fn fn;
} mlx_route_t;

/*  One server that the double can play: its pages, its way to write headers. */
typedef struct {
    const char *name;
    bool single; /* such a server has one model */
    mlx_net_head_fn head;
    bool old;                  /* speaks HTTP/1.0 */
    const mlx_route_t *routes; /* ends with a NULL method */
    void (*not_found)(mlx_conn_t *conn);
    void (*bad_json)(mlx_conn_t *conn, const char *text, size_t len);
} mlx_role_t;

typedef struct {
    double rate;        /* tokens per second of each generation */
    double prompt_rate; /* prompt tokens per second */
    bool noise;         /* uneven gaps between tokens, the mean kept */
    int64_t multi;      /* every MULTI-th piece carries two tokens; 0: none does */
    int64_t load_ns;
    int64_t sleep_ns; /* llama-server: sleeps when nothing was asked for so long; 0: never */
    int64_t tokens;   /* length of a reply that asks for none */
    int parallel;     /* slots of each model */
    int64_t keep_ns;  /* keep_alive of requests that give none; negative: for ever */
    int64_t context;  /* tokens */
    double vram;      /* share of a loaded model that is said to be in GPU memory */
    bool runner;      /* a child process per loaded model */
    bool metrics;     /* llama-server: serve /metrics */
    bool no_props;    /* llama-server: refuse /props */
    const char *models_dir;
} mlx_app_options_t;

struct mlx_app {
    mlx_app_options_t options;
    const mlx_role_t *role;
    mlx_net_t *net;
    mlx_words_t *words;
    mlx_model_t *models[MLX_APP_MAX_MODELS];
    size_t model_count;
    mlx_fault_t fault;
    mlx_net_timer_t *refusal; /* ends a time of refused connections */
    int64_t tokens;           /* generated in all */
    int64_t generations;
    int64_t stopped; /* generations ended by their client */
    int generating;  /* now */
    int next_task;
    int64_t used; /* llama-server: when it was last asked for what counts as use */
    bool asleep;
    int64_t wakes;          /* times that something woke it */
    mlx_buf_t log;          /* "METHOD path" of each request, one a line */
    const char *model_path; /* llama-server: what /props names */
    uint64_t random;
};

/*  NAMES: the models to serve, or none for the two recorded ones. Caller owns the result. */
mlx_app_t *mlx_app_new(const mlx_app_options_t *options, const mlx_role_t *role,
                       const char *const *names, size_t count);
void mlx_app_destroy(mlx_app_t **self);

/*  The model of that name (":latest" is implied), or NULL. */
mlx_model_t *mlx_app_model(mlx_app_t *self, const char *name);

/*  Child PID has ended and is reaped: a model whose runner it was is no longer loaded. */
void mlx_app_child_ended(mlx_app_t *self, pid_t pid);

/*  llama-server: whether it sleeps now. */
bool mlx_app_sleeps(mlx_app_t *self);

/*  0 <= r < 1, the same sequence in each run. */
double mlx_app_random(mlx_app_t *self);

/*  The roles, by the names that --as takes; NULL: none is named so. */
const mlx_role_t *mlx_role_find(const char *name);

extern const mlx_role_t mlx_role_ollama, mlx_role_llama, mlx_role_vllm, mlx_role_openai;

#endif
