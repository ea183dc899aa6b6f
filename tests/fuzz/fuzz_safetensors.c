/*  libFuzzer target: services/cache/model/safetensors.h */
#include "services/cache/model/safetensors.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_safetensors_t info;
    mlx_error_t err;
    /* The first two bytes say how much data the file would have behind the header. */
    if (size < 2)
        return 0;
    uint64_t rest = (uint64_t)data[0] << 8 | data[1];
    size_t len = size - 2;
    mlx_safetensors_header((const char *)data + 2, len, 8 + len + rest, &info, &err);
    return 0;
}
