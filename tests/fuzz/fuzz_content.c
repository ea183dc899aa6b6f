/*  libFuzzer target: services/cache/content/content.h. The first byte says what kind of file the
 *  rest is. */
#include "services/cache/content/content.h"

#include "proto/base.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "model.bin",   "model.pt",        "weights.npz",           "model.keras",      "saved_model.pb",
    "config.json", "tokenizer.jinja", "tokenizer_config.json", "model_index.json", "README.md",
    "LICENSE",     "model.gguf",      "modules.json",          "model.h5",         "d/model.onnx",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *all[] = {names[data[0] % MLX_COUNT(names)], "m.py"};
    mlx_content_t content = {
        .names = all, .count = MLX_COUNT(all), .found = {.list = mlx_value_list()}};
    const mlx_source_t source = mlx_source_memory(data + 1, size - 1);
    mlx_content_check(&content, all[0], &source);
    if (mlx_value_size(content.found.list) > MLX_FINDINGS_MAX)
        mlx_panic("more findings than there may be");
    if (content.found.refused && !content.found.first[0])
        mlx_panic("refused for nothing");
    mlx_value_destroy(&content.found.list);
    return 0;
}
