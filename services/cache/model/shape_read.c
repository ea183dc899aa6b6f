/*  Shapes from GGUF headers and from config.json. Every number is bounded here. */
#include "services/cache/model/gguf.h"
#include "services/cache/model/shape.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_COUNT = 1 << 20, /* of a width, a window, a vocabulary; contexts are longer */
    MAX_CONTEXT = 1 << 26
};

#define AT(member) offsetof(mlx_shape_t, member)

/*  Keys behind the architecture's name, and of config.json. */
static const struct {
    const char *gguf, *config;
    size_t member;
} numbers[] = {
    {"block_count", "num_hidden_layers", AT(layers)},
    {"nextn_predict_layers", NULL, AT(predicted_layers)},
    {"embedding_length", "hidden_size", AT(width)},
    {"vocab_size", "vocab_size", AT(vocabulary)},
    {"context_length", "max_position_embeddings", AT(context)},
    {"feed_forward_length", "intermediate_size", AT(feed_forward)},
    {"expert_used_count", "num_experts_per_tok", AT(experts_used)},
    {"expert_feed_forward_length", "moe_intermediate_size", AT(expert_feed_forward)},
    {"attention.head_count", "num_attention_heads", AT(heads)},
    {"attention.key_length", "head_dim", AT(key_length)},
    {"attention.value_length", "head_dim", AT(value_length)},
    {"attention.key_length_swa", NULL, AT(key_length_sliding)},
    {"attention.value_length_swa", NULL, AT(value_length_sliding)},
    {"attention.sliding_window", "sliding_window", AT(window)},
    {"attention.sliding_window_pattern", "sliding_window_pattern", AT(window_pattern)},
    {"attention.kv_lora_rank", "kv_lora_rank", AT(latent)},
    {"rope.dimension_count", "qk_rope_head_dim", AT(rope)},
    {"attention.key_length_mla", "qk_nope_head_dim", AT(key_length_mla)},
    {"attention.shared_kv_layers", "num_kv_shared_layers", AT(shared_layers)},
    {"full_attention_interval", "full_attention_interval", AT(full_interval)},
    {"ssm.conv_kernel", "linear_conv_kernel_dim", AT(conv_kernel)},
    {"ssm.inner_size", NULL, AT(inner)},
    {"ssm.state_size", "linear_key_head_dim", AT(state)},
    {"ssm.group_count", "linear_num_key_heads", AT(groups)},
    {"shortconv.l_cache", "conv_L_cache", AT(conv_cache)},
};

static void put(mlx_shape_t *self, size_t member, int64_t value)
{
    int64_t limit = member == AT(context) ? MAX_CONTEXT : MAX_COUNT;
    if (member == AT(layers))
        limit = MLX_SHAPE_LAYERS;
    if (value >= 0 && value <= limit)
        *(int64_t *)(void *)((char *)self + member) = value;
}

static void on_number(void *arg, const char *key, size_t index, int64_t value)
{
    mlx_shape_t *self = arg;
    /* Behind the architecture, which is one word. */
    const char *rest = strchr(key, '.');
    if (!rest || index >= MLX_SHAPE_LAYERS)
        return;
    rest++;
    if (strcmp(rest, "attention.head_count_kv") == 0 && value >= 0 && value <= MAX_COUNT) {
        for (size_t i = index; i < MLX_SHAPE_LAYERS; i++)
            self->heads_kv[i] = (int32_t)value;
        return;
    }
    if (strcmp(rest, "attention.sliding_window_pattern") == 0 && self->listed_sliding) {
        self->sliding[index] = value != 0;
        return;
    }
    for (size_t i = 0; i < MLX_COUNT(numbers); i++)
        if (strcmp(rest, numbers[i].gguf) == 0) {
            int64_t now = *(int64_t *)(void *)((char *)self + numbers[i].member);
            /* Of a list the largest counts: widths that differ by layer. */
            if (index == 0 || value > now)
                put(self, numbers[i].member, value);
        }
}

static void on_length(void *arg, const char *key, uint64_t count)
{
    mlx_shape_t *self = arg;
    const char *rest = strchr(key, '.');
    if (strcmp(key, "tokenizer.ggml.tokens") == 0 && count <= MAX_COUNT)
        self->vocabulary = (int64_t)count;
    if (rest && strcmp(rest + 1, "attention.sliding_window_pattern") == 0)
        self->listed_sliding = true;
}

static void on_tensor(void *arg, const char *name, uint64_t bytes)
{
    mlx_shape_t *self = arg;
    (void)name;
    self->weights += bytes;
}

static int check(const mlx_shape_t *self, mlx_error_t *err)
{
    return self->layers && self->width
               ? 0
               : mlx_error_set(err, MLX_ERR_FAILED,
                               "the header does not say how many layers it has, or how wide");
}

/*  Heads of a layer without a list: as many as for queries. */
static void default_heads(mlx_shape_t *self, bool told)
{
    for (size_t i = 0; !told && i < MLX_SHAPE_LAYERS; i++)
        self->heads_kv[i] = (int32_t)self->heads;
}

mlx_shape_t *mlx_shape_of_gguf(int fd, const void *memory, size_t len, uint64_t size,
                               mlx_error_t *err)
{
    mlx_shape_t *self = mlx_alloc(1, sizeof *self);
    mlx_gguf_t info;
    const mlx_gguf_visitor_t visitor = {
        .number = on_number, .length = on_length, .tensor = on_tensor, .arg = self};
    self->heads_kv[0] = -1;
    int rc = mlx_gguf_visit(fd, memory, len, size, &visitor, &info, err);
    default_heads(self, self->heads_kv[0] >= 0);
    snprintf(self->architecture, sizeof self->architecture, "%s", info.architecture);
    if (rc || check(self, err))
        mlx_shape_destroy(&self);
    return self;
}

/* ---- config.json ---- */

static void read_layer_types(mlx_shape_t *self, const mlx_value_t *config)
{
    const mlx_value_t *types = mlx_value_get(config, "layer_types");
    for (size_t i = 0; i < mlx_value_size(types) && i < MLX_SHAPE_LAYERS; i++) {
        const char *type = mlx_value_as_str(mlx_value_at(types, i), NULL);
        self->listed_sliding = true;
        self->sliding[i] = type && strcmp(type, "sliding_attention") == 0;
        if (type && !strstr(type, "attention"))
            self->heads_kv[i] = 0;
        if (type && strcmp(type, "linear_attention") == 0)
            self->heads_kv[i] = 0;
    }
}

/*  Which layers slide is no question where the model does not use its window. */
static void drop_unused_window(mlx_shape_t *self, const mlx_value_t *config)
{
    bool used = true;
    if (mlx_value_bool(config, "use_sliding_window", &used) && !used)
        self->window = 0;
}

mlx_shape_t *mlx_shape_of_config(const mlx_value_t *config, mlx_error_t *err)
{
    mlx_shape_t *self = mlx_alloc(1, sizeof *self);
    const mlx_value_t *text = mlx_value_get(config, "text_config");
    const mlx_value_t *from = mlx_value_type(text) == MLX_MAP ? text : config;
    const char *type = mlx_value_str(from, "model_type");
    int64_t value, heads_kv = -1;
    snprintf(self->architecture, sizeof self->architecture, "%.60s", type ? type : "");
    for (size_t i = 0; i < MLX_COUNT(numbers); i++)
        if (numbers[i].config && mlx_value_int(from, numbers[i].config, &value))
            put(self, numbers[i].member, value);
    int64_t values = 0, length = 0;
    mlx_value_int(from, "linear_num_value_heads", &values);
    mlx_value_int(from, "linear_value_head_dim", &length);
    if (values > 0 && length > 0 && values <= MAX_COUNT && length <= MAX_COUNT)
        put(self, AT(inner), values * length);
    mlx_value_int(from, "num_key_value_heads", &heads_kv);
    bool told = heads_kv >= 0 && heads_kv <= MAX_COUNT;
    for (size_t i = 0; told && i < MLX_SHAPE_LAYERS; i++)
        self->heads_kv[i] = (int32_t)heads_kv;
    default_heads(self, told);
    read_layer_types(self, from);
    drop_unused_window(self, from);
    if (check(self, err))
        mlx_shape_destroy(&self);
    return self;
}
