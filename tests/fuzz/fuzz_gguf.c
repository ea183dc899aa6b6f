/*  libFuzzer target: services/cache/model/gguf.h */
#include "services/cache/model/gguf.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *file;
    if (!file)
        file = tmpfile();
    if (!file || ftruncate(fileno(file), 0) != 0 ||
        pwrite(fileno(file), data, size, 0) != (ssize_t)size)
        mlx_panic("cannot write a temporary file");
    mlx_gguf_t info;
    mlx_error_t err;
    mlx_gguf_check(fileno(file), size, &info, &err);
    return 0;
}
