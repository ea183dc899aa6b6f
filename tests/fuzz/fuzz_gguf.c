/*  libFuzzer target: services/cache/model/gguf.h */
#include "services/cache/model/gguf.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_gguf_t info;
    mlx_error_t err;
    mlx_gguf_check_memory(data, size, size, &info, &err);
    return 0;
}
