/*  facts.h - what the findings are drawn from: the newest readings, and what became of each model
 *
 *  Fed with the messages of this machine. Bounded: what does not fit is left out. Numbers that are
 *  not known are NaN, or 0 where 0 says nothing (a size, a context).
 *
 *      mlx_facts_t *facts = mlx_facts_new();
 *      mlx_facts_message(facts, message);
 *      const mlx_fact_runtime_t *runtime = &facts->runtimes[0];
 *      mlx_facts_destroy(&facts);
 *
 *  Times are microseconds since the epoch, by the messages.
 */
#ifndef MLX_RECORDER_FACTS_H
#define MLX_RECORDER_FACTS_H

#include "proto/message.h"
#include "speed_watch.h"

enum {
    MLX_FACT_GPUS = 16,
    MLX_FACT_RUNTIMES = 16,
    MLX_FACT_MODELS = 16, /* of one runtime */
    MLX_FACT_LOADS = 16,  /* of one model: the newest */
    MLX_FACT_WAITS = 16,  /* of one runtime: the newest */
    MLX_FACT_TALKS = 16,  /* of one runtime: the newest */
    MLX_FACT_KINDS = 16,  /* of models whose speed is known */
    MLX_FACT_RATES = 9,   /* of one kind: the newest */
    MLX_FACT_WHO = 32,    /* bytes of a client's name */
};

#define MLX_FACT_STALE_US INT64_C(20000000)

typedef struct {
    char topic[32];
    int64_t t;
    char vendor[16];
    char throttle[96]; /* "hw_thermal_slowdown, sw_power_cap"; "": its clocks are free */
    double celsius, watts, watts_limit, utilization;
    double memory_used, memory_total;
} mlx_fact_gpu_t;

typedef struct {
    char name[128], digest[96], quantization[32], family[32], parameters[16];
    int64_t size, vram, context; /* 0: not known, but for a vram that is told as 0: then has_vram */
    bool has_vram;
    int64_t expires_at; /* 0: stays */
    bool loaded;
    int64_t used_at;     /* last seen at work, else first seen loaded */
    int64_t loaded_at;   /* 0: it was loaded when we came */
    double swap_at_load; /* NaN: not known */
    int64_t loads[MLX_FACT_LOADS];
    int64_t contexts[MLX_FACT_LOADS];          /* that it was loaded with */
    char askers[MLX_FACT_LOADS][MLX_FACT_WHO]; /* who asked for that; "": not known */
    double load_s;     /* that the newest load took, as the server said; 0: unknown */
    size_t load_count; /* ever; the newest is at (load_count - 1) % LOADS */
} mlx_fact_model_t;

typedef struct {
    int64_t at; /* end of the request; 0: none */
    char model[128];
    double tokens, prompt_tokens;
    double waited_s; /* for its first token, beyond the server's work on the prompt */
} mlx_fact_request_t;

/*  The newest prompt of which the server's log says that it was cut. */
typedef struct {
    int64_t at; /* 0: none */
    double asked, kept;
} mlx_fact_cut_t;

/*  One client's conversation with one model: each prompt holds the one before and its reply. */
typedef struct {
    char client[MLX_FACT_WHO], model[128];
    int64_t at; /* end of its newest request; 0: none */
    double prompt_tokens, tokens;
    int broken;    /* requests in a row that were read again, though most of them was known */
    double cached; /* of the newest of these: tokens until the first that was read again */
    double again;  /* of all of these: known tokens that were read again */
} mlx_fact_talk_t;

/*  What is known of the speed of a size of model in one quantization, whole on the GPU. */
typedef struct {
    char family[32], parameters[16], quantization[32], name[128];
    int64_t at, size;
    double rates[MLX_FACT_RATES];
    size_t count; /* ever; the newest is at (count - 1) % RATES */
} mlx_fact_kind_t;

typedef struct {
    char topic[160]; /* "runtime.ollama.127_0_0_1-11434." */
    char label[96];  /* for a person: "ollama at http://127.0.0.1:11434" */
    char kind[32], version[32];
    int64_t t; /* of the newest list of models */
    mlx_fact_model_t models[MLX_FACT_MODELS];
    size_t count;
    bool busy;
    mlx_fact_request_t last;
    mlx_fact_cut_t cut;
    mlx_fact_request_t waits[MLX_FACT_WAITS]; /* requests that waited long */
    size_t wait_count;
    mlx_fact_talk_t talks[MLX_FACT_TALKS];
    int64_t ended_at; /* the newest request, of any model */
} mlx_fact_runtime_t;

typedef struct {
    mlx_fact_gpu_t gpus[MLX_FACT_GPUS];
    size_t gpu_count;
    double swap_used; /* NaN: not known */
    int64_t memory_t;
    char thermal_state[32];
    int64_t heat_t;
    mlx_fact_runtime_t runtimes[MLX_FACT_RUNTIMES];
    size_t runtime_count;
    mlx_fact_kind_t kinds[MLX_FACT_KINDS];
    const mlx_slower_t *slower; /* a model that an update made slower, or NULL */
} mlx_facts_t;

mlx_facts_t *mlx_facts_new(void);
void mlx_facts_destroy(mlx_facts_t **self);

/*  MESSAGE of this machine; others must not be given. */
void mlx_facts_message(mlx_facts_t *self, const mlx_message_t *message);

/*  A request that has ended: D is of runtime.*.request. For facts.c. */
void mlx_facts_request(mlx_facts_t *self, mlx_fact_runtime_t *runtime, const mlx_value_t *d);

/*  The loaded model of RUNTIME that NAME means ("m" and "m:latest" are one); NULL: none. */
const mlx_fact_model_t *mlx_fact_model(const mlx_fact_runtime_t *runtime, const char *name);

#endif
