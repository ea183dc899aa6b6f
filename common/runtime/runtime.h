/*  runtime.h - the one interface to every kind of server that runs models
 *
 *  A back end is one file (kind_<name>.c) and one line in proto/runtimes.h. It names the endpoints
 *  to ask, turns each reply into the state below and says how to have text generated; it does no
 *  input or output itself. Who asks, when and how often is its users' concern: the watcher's
 *  target.c and the bencher's probe.c.
 *
 *      mlx_runtime_state_t state = {0};
 *      mlx_runtime_clear(&state);
 *      const mlx_runtime_backend_t *ollama = mlx_runtime_backend("ollama");
 *      ollama->queries[0].parse(body, len, &state, &err);
 *      mlx_runtime_clear(&state);
 *
 *  Bodies are hostile: bounded by max_body, checked by the parsers, names cut and cleaned. What a
 *  reply does not say stays absent.
 */
#ifndef MLX_COMMON_RUNTIME_RUNTIME_H
#define MLX_COMMON_RUNTIME_RUNTIME_H

#include "common/runtime/slot_list.h"
#include "proto/error.h"
#include "proto/runtimes.h"
#include "proto/value.h"

enum {
    MLX_RUNTIME_MODELS_MAX = 128,  /* a longer list is cut */
    MLX_RUNTIME_CHOICE_MAX = 1000, /* the same of what it could load */
    MLX_RUNTIME_TEXT_MAX = 200,    /* bytes of a name from outside; longer ones are cut */
    MLX_RUNTIME_QUERIES_MAX = 5,
    MLX_RUNTIME_KINDS_MAX = 24,
};

/*  What /metrics counts, since the server's start. NaN: not said. */
typedef struct {
    double running; /* requests at this moment */
    double tokens_total;
    double prompt_tokens_total;
    double requests_total; /* ended */
    double errors_total;
    double tokens_seconds;        /* time spent generating */
    double prompt_tokens_seconds; /* time spent on prompts */
    double ttft_sum;              /* seconds, over ttft_count requests */
    double ttft_count;
} mlx_runtime_counters_t;

/*  Whether the server frees its model when nobody asks for it, and has done so. */
typedef enum {
    MLX_SLEEP_UNKNOWN,
    MLX_SLEEP_NEVER, /* it has no such thing */
    MLX_SLEEP_AWAKE,
    MLX_SLEEP_ASLEEP,
} mlx_runtime_sleep_t;

typedef struct {
    char version[MLX_RUNTIME_TEXT_MAX]; /* "" unknown */
    mlx_value_t *models;                /* list of {name, digest, size, vram, context, quantization,
                    parameter_size,                family, format, expires_at}; NULL unknown. bytes,
                    tokens, µs since the                epoch; no expires_at: stays loaded */
    mlx_value_t *available; /* list of {name, state}: what it could load; NULL unknown */
    bool router;            /* it hands requests on to servers of its own */
    mlx_runtime_sleep_t sleep;
    bool has_slots;
    mlx_slot_list_t slots;
    bool has_counters;
    mlx_runtime_counters_t counters;
} mlx_runtime_state_t;

/*  Free what it holds and forget everything; a zeroed state is fit for it. */
void mlx_runtime_clear(mlx_runtime_state_t *state);

/*  All counters unknown. */
void mlx_runtime_counters_clear(mlx_runtime_counters_t *counters);

typedef enum {
    MLX_QUERY_STATE,    /* tells whether the runtime is there and what it has loaded */
    MLX_QUERY_ACTIVITY, /* tells what it is doing; the runtime may not offer it */
    MLX_QUERY_FACTS,    /* hardly ever changes */
    MLX_QUERY_CHOICE,   /* what it could load; costs it more than the others: asked rarely */
} mlx_query_role_t;

/*  One question. A failure of the STATE query means not reachable; the others may fail. */
typedef struct {
    mlx_query_role_t role;
    const char *path; /* GET */
    size_t max_body;
    int64_t busy_ms;  /* ACTIVITY: how often while it works */
    int64_t idle_ms;  /* and while it does not; of the others: always, if not 0 */
    bool disturbs;    /* it counts as use: only through the gate (gate.h) */
    bool tells_sleep; /* it says whether the server sleeps, and is free */

    /*  Put what BODY says into STATE; -1 with ERR when it is not what was asked for. */
    int (*parse)(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err);
} mlx_runtime_query_t;

/*  What an answer that is none means. The first that fits is said. */
typedef struct {
    const char *path; /* of the question; NULL: any */
    long status;      /* HTTP status; 200: of a body that is no answer; 0: any of 400 and more */
    const char *says; /* the body contains this; NULL: anything */
    const char *text; /* for a person; NULL ends the table */
} mlx_runtime_cause_t;

/*  An answer to a question by which a server is recognised. */
typedef struct {
    const char *path;
    long status; /* of HTTP */
    const char *body;
    size_t len;
    const char *server; /* the header of that name; "" when absent */
} mlx_runtime_answer_t;

/*  How to have text generated. */
typedef struct {
    const char *path; /* POST */
    bool keeps;       /* loads models on demand and has a keep_alive to give back */
    bool loads;       /* may load the model with the first request, and does not say so */
    bool no_cache;    /* takes cache_prompt */
    bool forced;      /* takes ignore_eos: replies have the length that was asked for */
} mlx_runtime_generate_t;

/*  What a server of this kind is called as a program. */
typedef struct {
    const char *name; /* of its file, or of the script or module that an interpreter runs; a '*' at
                         one end stands for anything; NULL ends the table */
    const char *word; /* must be among its arguments, dashes left out; NULL: none need be */
    bool vague;       /* others are called so, too */
} mlx_runtime_program_t;

typedef struct {
    const char *kind;   /* its word in proto/runtimes.h */
    bool on_demand;     /* loads and unloads models as requests come: worth a look more often */
    bool runners;       /* a llama-server child serves each of its models */
    bool lists_all;     /* what it names as its models may not be loaded */
    bool one_at_a_time; /* some servers of this kind answer nobody while they generate */

    const mlx_runtime_program_t *programs; /* may be NULL */
    uint16_t ports[3];                     /* where it listens by default; 0: no more */

    /*  What tells it from other kinds: the reply of status 200 to GET PROBE_PATH. */
    const char *probe_path;
    bool (*claims)(const mlx_runtime_answer_t *answer);

    const mlx_runtime_cause_t *causes; /* before those of every kind; may be NULL */

    mlx_runtime_query_t queries[MLX_RUNTIME_QUERIES_MAX]; /* the first is STATE; ends: path NULL */
    mlx_runtime_generate_t generate;
} mlx_runtime_backend_t;

/*  All kinds, in the order in which an unknown server is offered to them. Static storage. */
const mlx_runtime_backend_t *const *mlx_runtime_backends(size_t *count);

/*  To recognise a server: ask each path in turn, from the first (AFTER NULL) to the last (then NULL
 *  is returned), until one of the back ends takes its answer for its own, or is known by how it
 *  says that it loads its model. */
const char *mlx_runtime_next_probe(const char *after);
const mlx_runtime_backend_t *mlx_runtime_claimant(const mlx_runtime_answer_t *answer);

/*  The kind that a program is: NAME is that of its file or script, ARGV all that it was started
 *  with. *VAGUE is set: others are called so. NULL: none that is known. */
const mlx_runtime_backend_t *mlx_runtime_of_program(const char *name, size_t argc,
                                                    const char *const *argv, bool *vague);

/*  Whether its arguments say that it serves on another port than PORT. */
bool mlx_runtime_names_other_port(size_t argc, const char *const *argv, uint16_t port);

/*  Whether PORT is BACKEND's by default. */
bool mlx_runtime_usual_port(const mlx_runtime_backend_t *backend, uint16_t port);

/*  The one path to ask an unknown program for that listens on PORT; NULL: nobody's by default. */
const char *mlx_runtime_usual_probe(uint16_t port);

/*  What STATUS and BODY say in answer to PATH, for a person: by the table of BACKEND (may be NULL),
 *  then by what all kinds have in common. NULL: nothing is known of it. Static storage. */
const char *mlx_runtime_cause(const mlx_runtime_backend_t *backend, const char *path, long status,
                              const char *body);

/*  The answer is that nobody is let in without a key, or not with that one. What to say of it is
 *  mlx_runtime_keys_advice's to know (keys.h). */
bool mlx_runtime_wants_key(const mlx_runtime_backend_t *backend, const char *path, long status,
                           const char *body);

/*  The server says that it is loading its model: it will answer in a while. */
bool mlx_runtime_is_loading(long status, const char *body);

/*  By name; NULL when there is none. */
const mlx_runtime_backend_t *mlx_runtime_backend(const char *kind);

/* clang-format off */
#define MLX_RUNTIME_EXTERN(kind) extern const mlx_runtime_backend_t mlx_runtime_##kind;
MLX_RUNTIME_KINDS(MLX_RUNTIME_EXTERN)
/* clang-format on */

/*  For back ends ---------------------------------------------------------------------------- */

/*  Set KEY of MAP to TEXT, control characters replaced, cut to MLX_RUNTIME_TEXT_MAX - 1 bytes at a
 *  character's edge. Absent when TEXT is NULL or "". */
void mlx_runtime_set_text(mlx_value_t *map, const char *key, const char *text);

/*  The same into a field of MLX_RUNTIME_TEXT_MAX bytes. */
void mlx_runtime_copy_text(char *out, const char *text);

/*  Set KEY of MAP to the whole number FROM of ITEM when it is there and not negative. */
void mlx_runtime_set_size(mlx_value_t *map, const char *key, const mlx_value_t *item,
                          const char *from);

/*  Parse a JSON object; NULL with ERR when it is none. */
mlx_value_t *mlx_runtime_object(const char *body, size_t len, mlx_error_t *err);

/*  GET /v1/models of every kind but Ollama: {"data": [{"id", "owned_by", ...}]}. Makes the entries
 *  that have an id the models of STATE, named by it; FILL (may be NULL) adds what else an entry
 *  says. Entries with a status are also what is available, and models only while it is "loaded". 0,
 *  or -1 with ERR when it is no such reply: then STATE is as it was. */
int mlx_runtime_take_v1_models(const char *body, size_t len, mlx_runtime_state_t *state,
                               void (*fill)(mlx_value_t *model, const mlx_value_t *entry),
                               mlx_error_t *err);

/*  Of engines that serve one model from their start (vLLM, SGLang): /v1/models, where max_model_len
 *  is the context, and an object with the engine's "version". */
int mlx_runtime_parse_engine_models(const char *body, size_t len, mlx_runtime_state_t *state,
                                    mlx_error_t *err);
int mlx_runtime_parse_engine_version(const char *body, size_t len, mlx_runtime_state_t *state,
                                     mlx_error_t *err);

/*  Of servers made of llama.cpp: /v1/models, where each has its "meta", and /slots. */
int mlx_runtime_parse_gguf_models(const char *body, size_t len, mlx_runtime_state_t *state,
                                  mlx_error_t *err);
int mlx_runtime_parse_slots(const char *body, size_t len, mlx_runtime_state_t *state,
                            mlx_error_t *err);

/*  GET /v1/models of a server that does not say what is loaded: its entries are those available. */
int mlx_runtime_take_v1_available(const char *body, size_t len, mlx_runtime_state_t *state,
                                  mlx_error_t *err);

/*  Which sample of /metrics is which of the counters: offsetof(mlx_runtime_counters_t, ...). */
typedef struct {
    const char *name; /* NULL ends the table */
    size_t field;
} mlx_runtime_metric_t;

/*  Make the counters of STATE what BODY says of METRICS; samples of one name, of several engines or
 *  models, are added up. It has counters if it says the first of METRICS; else -1 with ERR. */
int mlx_runtime_take_metrics(const char *body, size_t len, const mlx_runtime_metric_t *metrics,
                             mlx_runtime_state_t *state, mlx_error_t *err);

/*  Whether all entries of a /v1/models reply are owned by OWNER (NULL: any reply will do). */
bool mlx_runtime_owned_by(const mlx_runtime_answer_t *answer, const char *owner);

/*  Replace what is available; ownership of LIST is taken. */
void mlx_runtime_set_available(mlx_runtime_state_t *state, mlx_value_t *list);

/*  Replace the models of STATE; ownership of LIST is taken. */
void mlx_runtime_set_models(mlx_runtime_state_t *state, mlx_value_t *list);

#endif
