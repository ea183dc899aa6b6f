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
};

#define MLX_FACT_STALE_US INT64_C(20000000)

typedef struct {
    char topic[32];
    int64_t t;
    char throttle[96]; /* "hw_thermal_slowdown, sw_power_cap"; "": its clocks are free */
    double celsius, watts, watts_limit, utilization;
    double memory_used, memory_total;
} mlx_fact_gpu_t;

typedef struct {
    char name[128], digest[96], quantization[32];
    int64_t size, vram, context; /* 0: not known, but for a vram that is told as 0: then has_vram */
    bool has_vram;
    int64_t expires_at; /* 0: stays */
    bool loaded;
    int64_t used_at;     /* last seen at work, else first seen loaded */
    int64_t loaded_at;   /* 0: it was loaded when we came */
    double swap_at_load; /* NaN: not known */
    int64_t loads[MLX_FACT_LOADS];
    int64_t contexts[MLX_FACT_LOADS]; /* that it was loaded with */
    size_t load_count;                /* ever; the newest is at (load_count - 1) % LOADS */
} mlx_fact_model_t;

typedef struct {
    int64_t at; /* end of the request; 0: none */
    char model[128];
    double tokens, prompt_tokens;
    double waited_s; /* for its first token, beyond the server's work on the prompt */
} mlx_fact_request_t;

typedef struct {
    char topic[160]; /* "runtime.ollama.127_0_0_1-11434." */
    char label[96];  /* for a person: "ollama at http://127.0.0.1:11434" */
    char kind[32];
    int64_t t; /* of the newest list of models */
    mlx_fact_model_t models[MLX_FACT_MODELS];
    size_t count;
    bool busy;
    mlx_fact_request_t last;
    mlx_fact_request_t waits[MLX_FACT_WAITS]; /* requests that waited long */
    size_t wait_count;
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
    const mlx_slower_t *slower; /* a model that an update made slower, or NULL */
} mlx_facts_t;

mlx_facts_t *mlx_facts_new(void);
void mlx_facts_destroy(mlx_facts_t **self);

/*  MESSAGE of this machine; others must not be given. */
void mlx_facts_message(mlx_facts_t *self, const mlx_message_t *message);

/*  The loaded model of RUNTIME that NAME means ("m" and "m:latest" are one); NULL: none. */
const mlx_fact_model_t *mlx_fact_model(const mlx_fact_runtime_t *runtime, const char *name);

#endif
