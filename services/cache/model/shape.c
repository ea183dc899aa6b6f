/*  The arithmetic; shape_read.c reads the headers. */
#include "services/cache/model/shape.h"

#include <stdlib.h>
#include <string.h>

enum {
    CELLS_STEP = 256,
    BATCH = 512,
    CONTEXT = 4096,
    BLOCK = 32,       /* elements of a quantised block */
    WIDEST = 1 << 20, /* cell, so that no product overflows */
};

/*  Bytes of 32 elements. */
static const struct {
    const char *name;
    uint64_t bytes;
} cache_types[] = {
    {"f16", 64},  {"f32", 128}, {"bf16", 64}, {"q8_0", 34},   {"q5_1", 24},
    {"q5_0", 22}, {"q4_1", 20}, {"q4_0", 18}, {"iq4_nl", 18},
};

/*  Architectures that have sliding layers without saying which: each so many-th is full. */
static const struct {
    const char *architecture;
    int64_t pattern;
} patterns[] = {
    {"gemma2", 2},  {"gpt-oss", 2}, {"gemma3", 6}, {"gemma3_text", 6}, {"gemma3n", 5},
    {"cohere2", 4}, {"exaone4", 4}, {"olmo3", 4},  {"olmo2", 4},       {"gpt_oss", 2},
};

static uint64_t block_bytes(const char *type)
{
    for (size_t i = 0; type && i < MLX_COUNT(cache_types); i++)
        if (strcmp(cache_types[i].name, type) == 0)
            return cache_types[i].bytes;
    return cache_types[0].bytes;
}

static bool is_cache_type(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(cache_types); i++)
        if (strcmp(cache_types[i].name, name) == 0)
            return true;
    return false;
}

int mlx_load_check(const mlx_load_t *load, mlx_error_t *err)
{
    if (load->context < 0 || load->context > MLX_LOAD_CONTEXT_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "the context must be from 1 to %d tokens",
                             MLX_LOAD_CONTEXT_MAX);
    if (load->slots < 0 || load->slots > MLX_LOAD_SLOTS_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "there can be 1 to %d conversations at a time",
                             MLX_LOAD_SLOTS_MAX);
    if (load->cache && !is_cache_type(load->cache))
        return mlx_error_set(err, MLX_ERR_USAGE, "\"%.60s\" is not a type of a KV cache",
                             load->cache);
    return 0;
}

static int64_t at_least(int64_t value, int64_t least)
{
    return value > least ? value : least;
}

static int64_t round_cells(int64_t cells)
{
    return (cells + CELLS_STEP - 1) / CELLS_STEP * CELLS_STEP;
}

static int64_t pattern_of(const mlx_shape_t *self)
{
    if (self->window_pattern)
        return self->window_pattern;
    for (size_t i = 0; i < MLX_COUNT(patterns); i++)
        if (strcmp(patterns[i].architecture, self->architecture) == 0)
            return patterns[i].pattern;
    return 0;
}

static bool is_sliding(const mlx_shape_t *self, int64_t layer)
{
    int64_t pattern = pattern_of(self);
    if (!self->window)
        return false;
    if (self->listed_sliding)
        return self->sliding[layer];
    return pattern && layer % pattern < pattern - 1;
}

static bool is_recurrent(const mlx_shape_t *self, int64_t layer)
{
    bool has_state = self->inner || self->conv_cache;
    if (has_state && self->full_interval)
        return (layer + 1) % self->full_interval != 0;
    return has_state && self->heads_kv[layer] == 0;
}

/* ---- caches and states ---- */

/*  Elements of one cell of LAYER. */
static int64_t cell_width(const mlx_shape_t *self, int64_t layer, bool sliding)
{
    if (self->latent && self->key_length_mla)
        return self->latent + self->rope;
    int64_t head = self->heads ? self->width / self->heads : 0;
    int64_t key = self->key_length ? self->key_length : head;
    int64_t value = self->value_length ? self->value_length : head;
    if (sliding && self->key_length_sliding)
        key = self->key_length_sliding;
    if (sliding && self->value_length_sliding)
        value = self->value_length_sliding;
    int64_t width = self->heads_kv[layer] * (key + value);
    return width < WIDEST ? width : WIDEST;
}

typedef struct {
    int64_t slots, batch;
    int64_t full, sliding; /* cells of one stream */
    int64_t streams;
} cells_t;

int64_t mlx_shape_context(const mlx_shape_t *self, const mlx_load_t *load)
{
    if (load->context)
        return load->context;
    return self->context && self->context < CONTEXT ? self->context : CONTEXT;
}

static cells_t cells_of(const mlx_shape_t *self, const mlx_load_t *load)
{
    cells_t c = {.slots = at_least(load->slots, 1), .batch = load->batch ? load->batch : BATCH};
    int64_t context = mlx_shape_context(self, load);
    c.streams = load->unified ? 1 : c.slots;
    c.full = round_cells(at_least(context / c.streams, 1));
    int64_t window = self->window * (load->unified ? c.slots : 1) + c.batch;
    c.sliding = round_cells(window < c.full ? window : c.full);
    return c;
}

static uint64_t cache_bytes(const mlx_shape_t *self, const cells_t *c, const char *type)
{
    uint64_t sum = 0;
    int64_t count = self->layers - self->predicted_layers - self->shared_layers;
    for (int64_t i = 0; i < count && i < MLX_SHAPE_LAYERS; i++) {
        if (is_recurrent(self, i))
            continue;
        bool sliding = is_sliding(self, i);
        uint64_t cells = (uint64_t)((sliding ? c->sliding : c->full) * c->streams);
        sum += cells * (uint64_t)cell_width(self, i, sliding) * block_bytes(type) / BLOCK;
    }
    return sum;
}

/*  Of one layer and one slot, as 32-bit numbers. */
static uint64_t state_numbers(const mlx_shape_t *self)
{
    if (self->conv_cache)
        return (uint64_t)(self->width * (self->conv_cache - 1));
    int64_t row = self->inner + 2 * self->groups * self->state;
    return (uint64_t)(at_least(self->conv_kernel - 1, 0) * row + self->state * self->inner);
}

static int64_t count_recurrent(const mlx_shape_t *self)
{
    int64_t count = 0, layers = self->layers - self->predicted_layers;
    for (int64_t i = 0; i < layers && i < MLX_SHAPE_LAYERS; i++)
        count += is_recurrent(self, i);
    return count;
}

/* ---- buffers ---- */

/*  The masks of both kinds of layers in 16 bits, and the activations of the widest part of a layer.
 */
static uint64_t compute_bytes(const mlx_shape_t *self, const cells_t *c)
{
    int64_t experts = self->experts_used * self->expert_feed_forward;
    int64_t feed = self->feed_forward > experts ? self->feed_forward : experts;
    int64_t inside = 3 * feed > 5 * self->inner ? 3 * feed : 5 * self->inner;
    int64_t layers = self->layers - self->predicted_layers;
    bool sliding = false, full = false;
    for (int64_t i = 0; i < layers && i < MLX_SHAPE_LAYERS; i++) {
        sliding = sliding || is_sliding(self, i);
        full = full || (!is_sliding(self, i) && !is_recurrent(self, i));
    }
    int64_t masks = (full ? c->full : 0) + (sliding ? c->sliding : 0);
    return (uint64_t)c->batch * (uint64_t)(2 * masks + 4 * (5 * self->width + inside));
}

mlx_memory_t mlx_shape_memory(const mlx_shape_t *self, const mlx_load_t *load)
{
    cells_t c = cells_of(self, load);
    int64_t recurrent = count_recurrent(self);
    return (mlx_memory_t){
        .weights = self->weights,
        .cache = cache_bytes(self, &c, load->cache),
        .state = (uint64_t)(recurrent * c.slots) * state_numbers(self) * 4,
        .compute = compute_bytes(self, &c),
        .output = (uint64_t)(c.slots * self->vocabulary) * 4,
    };
}

uint64_t mlx_memory_total(const mlx_memory_t *memory)
{
    return memory->weights + memory->cache + memory->state + memory->compute + memory->output;
}

void mlx_shape_destroy(mlx_shape_t **self)
{
    free(*self);
    *self = NULL;
}
