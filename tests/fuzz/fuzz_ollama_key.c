/*  libFuzzer target: services/cache/remote/ollama_key.h */
#include "services/cache/remote/ollama_key.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_error_t err;
    mlx_ollama_key_t key;
    if (mlx_ollama_key_parse((const char *)data, size, &key, &err))
        return 0;
    /* Whatever it holds, it can be signed with. */
    MLX_CLEANUP(mlx_free_p) char *auth = mlx_ollama_key_sign(&key, "text", &err);
    if (!auth)
        mlx_panic("a key that was read cannot sign: %s", err.text);
    mlx_ollama_key_clear(&key);
    return 0;
}
