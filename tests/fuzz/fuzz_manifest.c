/*  libFuzzer target: services/cache/model/manifest.h */
#include "services/cache/model/manifest.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_error_t err;
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *first = mlx_manifest_parse((const char *)data, size, &err);
    if (!first)
        return 0;
    /* What we write from it must be read as the same. */
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    if (!first->config.sha256[0])
        return 0;
    mlx_manifest_write(&out, first);
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *second = mlx_manifest_parse(out.data, out.len, &err);
    if (!second || second->count != first->count || second->config.size != first->config.size)
        mlx_panic("a manifest changed by being written");
    for (size_t i = 0; i < first->count; i++)
        if (second->layers[i].size != first->layers[i].size)
            mlx_panic("layer %zu changed by being written", i);
    return 0;
}
