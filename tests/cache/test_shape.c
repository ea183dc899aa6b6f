/*  Memory from shapes alone: rows that llama.cpp printed for models that people run. */
#include "tests/cache/fixture.h"

#include "common/base/json.h"
#include "services/cache/model/shape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576.0

static const struct {
    const char *name, *config;
    mlx_load_t load;
    double cache, state; /* MiB; -1: not printed */
} rows[] = {
    {"Mistral-7B",
     "{\"num_hidden_layers\":32,\"num_attention_heads\":32,\"num_key_value_heads\":8,"
     "\"head_dim\":128,\"hidden_size\":4096}",
     {.context = 32768},
     4096.0,
     0},
    {"Qwen2.5-3B",
     "{\"num_hidden_layers\":36,\"num_attention_heads\":16,\"num_key_value_heads\":2,"
     "\"hidden_size\":2048,\"sliding_window\":32768,\"use_sliding_window\":false}",
     {.context = 4096},
     144.0,
     0},
    {"gpt-oss-20b",
     "{\"model_type\":\"gpt_oss\",\"num_hidden_layers\":24,\"num_attention_heads\":64,"
     "\"num_key_value_heads\":8,\"head_dim\":64,\"hidden_size\":2880,\"sliding_window\":128}",
     {.context = 16384},
     384.0 + 18.0,
     0},
    {"gemma-2-2B, 4 slots of one cache",
     "{\"model_type\":\"gemma2\",\"num_hidden_layers\":26,\"num_attention_heads\":8,"
     "\"num_key_value_heads\":4,\"head_dim\":256,\"hidden_size\":2304,\"sliding_window\":4096}",
     {.context = 8192, .slots = 4, .unified = true},
     832.0,
     0},
    {"Mistral-Small q8_0",
     "{\"num_hidden_layers\":56,\"num_attention_heads\":48,\"num_key_value_heads\":8,"
     "\"head_dim\":128,\"hidden_size\":6144}",
     {.context = 49152, .cache = "q8_0"},
     5712.0,
     0},
    {"DeepSeek-V3 q8_0",
     "{\"num_hidden_layers\":61,\"num_attention_heads\":128,\"num_key_value_heads\":128,"
     "\"hidden_size\":7168,\"kv_lora_rank\":512,\"qk_rope_head_dim\":64,\"qk_nope_head_dim\":128}",
     {.context = 32768, .cache = "q8_0"},
     1166.62,
     0},
    {"Qwen3.6-27B, 4 slots",
     "{\"num_hidden_layers\":64,\"num_attention_heads\":24,\"num_key_value_heads\":4,"
     "\"head_dim\":256,\"hidden_size\":5120,\"full_attention_interval\":4,"
     "\"linear_conv_kernel_dim\":4,\"linear_key_head_dim\":128,\"linear_num_key_heads\":16,"
     "\"linear_num_value_heads\":48,\"linear_value_head_dim\":128}",
     {.context = 262144, .slots = 4, .unified = true},
     16384.0,
     598.50},
    {"SmolLM2-135M",
     "{\"num_hidden_layers\":30,\"num_attention_heads\":9,\"num_key_value_heads\":3,"
     "\"hidden_size\":576,\"intermediate_size\":1536,\"vocab_size\":49152}",
     {.context = 8192, .slots = 2, .batch = 1024},
     180.0,
     0},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *config = mlx_json_parse(rows[i].config, strlen(rows[i].config), &err);
        MLX_CLEANUP(mlx_shape_destroy) mlx_shape_t *shape = mlx_shape_of_config(config, &err);
        assert_non_null(shape);
        mlx_memory_t memory = mlx_shape_memory(shape, &rows[i].load);
        if (fabs((double)memory.cache / MIB - rows[i].cache) > 0.01 ||
            fabs((double)memory.state / MIB - rows[i].state) > 0.01)
            fail_msg("%s: cache %.2f, state %.2f MiB", rows[i].name, (double)memory.cache / MIB,
                     (double)memory.state / MIB);
    }
}

static void test_buffers(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    const char *json = rows[MLX_COUNT(rows) - 1].config;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *config = mlx_json_parse(json, strlen(json), &err);
    MLX_CLEANUP(mlx_shape_destroy) mlx_shape_t *shape = mlx_shape_of_config(config, &err);
    static const struct {
        mlx_load_t load;
        double compute;
    } printed[] = {
        {{.context = 8192, .slots = 2, .batch = 1024}, 37.29},
        {{.context = 6144, .slots = 2, .batch = 1024}, 35.29},
        {{.context = 4096, .slots = 2, .batch = 512}, 16.64},
        {{.context = 4096, .slots = 1, .batch = 2048}, 74.59},
    };
    for (size_t i = 0; i < MLX_COUNT(printed); i++) {
        mlx_memory_t memory = mlx_shape_memory(shape, &printed[i].load);
        double off = (double)memory.compute / MIB / printed[i].compute - 1;
        if (fabs(off) > 0.03)
            fail_msg("row %zu: %.2f MiB", i, (double)memory.compute / MIB);
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    static const char *const bad[] = {"{}", "[]", "{\"num_hidden_layers\":-1,\"hidden_size\":5}",
                                      "{\"num_hidden_layers\":5000000,\"hidden_size\":5}"};
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *config = mlx_json_parse(bad[i], strlen(bad[i]), &err);
        MLX_CLEANUP(mlx_shape_destroy) mlx_shape_t *shape = mlx_shape_of_config(config, &err);
        assert_null(shape);
        assert_true(*err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
