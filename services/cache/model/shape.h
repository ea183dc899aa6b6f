/*  shape.h - what a model's memory depends on, read from its header alone, and how much that is
 *
 *      mlx_shape_t *shape = mlx_shape_of_gguf(fd, NULL, 0, size, &err);
 *      mlx_memory_t memory = mlx_shape_memory(shape, &(mlx_load_t){.context = 8192});
 *      memory.weights + memory.cache + memory.state + memory.compute + memory.output
 *      mlx_shape_destroy(&shape);
 *
 *  The arithmetic is llama.cpp's: full and sliding layers (gemma, gpt-oss) have caches of different
 *  lengths, a latent cache (MLA) holds one row for all heads, recurrent layers have a state that
 *  does not grow. Weights, caches, states and output are exact; the compute buffer is within a few
 *  percent with flash attention.
 */
#ifndef MLX_CACHE_MODEL_SHAPE_H
#define MLX_CACHE_MODEL_SHAPE_H

#include "proto/error.h"
#include "proto/value.h"

enum {
    MLX_SHAPE_LAYERS = 1024,
    MLX_LOAD_CONTEXT_MAX = 1 << 26,
    MLX_LOAD_SLOTS_MAX = 256,
};

/*  Counts that are absent are 0. */
typedef struct {
    char architecture[64];
    uint64_t weights; /* bytes of the tensors, of this file */
    int64_t layers;
    int64_t predicted_layers; /* of those, for guessing tokens ahead: not part of the cache */
    int64_t width, vocabulary, context, feed_forward;
    int64_t experts_used, expert_feed_forward;
    int64_t heads, key_length, value_length;
    int64_t key_length_sliding, value_length_sliding;
    int64_t window, window_pattern;       /* each so many-th layer is full; 0: by architecture */
    int64_t latent, rope, key_length_mla; /* MLA: compressed width, position part */
    int64_t shared_layers;                /* last ones, without a cache of their own */
    int64_t full_interval;                /* every so many-th layer has attention; 0: all */
    int64_t conv_kernel, inner, state, groups, conv_cache;
    bool listed_sliding;                /* the model says for each layer */
    int32_t heads_kv[MLX_SHAPE_LAYERS]; /* 0: a layer without attention */
    unsigned char sliding[MLX_SHAPE_LAYERS];
} mlx_shape_t;

/*  Of the GGUF file of SIZE bytes open as FD, or whose first LEN bytes are at MEMORY; NULL with
 *  ERR. Caller owns it and must destroy it. */
mlx_shape_t *mlx_shape_of_gguf(int fd, const void *memory, size_t len, uint64_t size,
                               mlx_error_t *err);

/*  Of a safetensors model's config.json; its weights are left to the caller. */
mlx_shape_t *mlx_shape_of_config(const mlx_value_t *config, mlx_error_t *err);
void mlx_shape_destroy(mlx_shape_t **self);

/*  How it is to be loaded, at most MLX_LOAD_.. of each; what is 0 is as llama-server has it for one
 *  conversation. */
typedef struct {
    int64_t context;   /* tokens of all slots; 0: 4096 or what the model can at most */
    int64_t slots;     /* conversations at a time (0: 1) */
    bool unified;      /* slots share one cache */
    int64_t batch;     /* tokens computed at a time (0: 512) */
    const char *cache; /* type of the cache: "f16" (NULL), "q8_0", .. */
} mlx_load_t;

/*  Bytes. */
typedef struct {
    uint64_t weights, cache, state, compute, output;
} mlx_memory_t;

/*  Tokens of context that LOAD means for this model. */
int64_t mlx_shape_context(const mlx_shape_t *self, const mlx_load_t *load);

mlx_memory_t mlx_shape_memory(const mlx_shape_t *self, const mlx_load_t *load);
uint64_t mlx_memory_total(const mlx_memory_t *memory);

/*  0 when LOAD is within its limits and names a type that a cache can have; else usage in ERR. */
int mlx_load_check(const mlx_load_t *load, mlx_error_t *err);

#endif
