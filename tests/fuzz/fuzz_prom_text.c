/*  fuzz_prom_text.c - whatever /metrics says: samples lie inside the text, labels are terminated */
#include "common/runtime/prom_text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_sample(void *arg, const mlx_prom_sample_t *sample)
{
    const char *text = arg;
    char value[32];
    if (!sample->name[0] || strlen(sample->name) >= MLX_PROM_NAME_MAX)
        mlx_panic("a sample without a proper name");
    if (sample->labels < text || sample->labels_len > MLX_PROM_LABELS_MAX)
        mlx_panic("labels from elsewhere");
    if (mlx_prom_label(sample, "le", value, sizeof value) && strlen(value) >= sizeof value)
        mlx_panic("a label that is not terminated");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /*  Memory of its own, so that a sanitizer sees a step beyond its end. */
    MLX_CLEANUP(mlx_free_p) char *text = size ? mlx_alloc(size, 1) : NULL;
    if (size)
        memcpy(text, data, size);
    size_t bad;
    size_t good = mlx_prom_parse(text ? text : "", size, on_sample, text, &bad);
    if (good + bad > size)
        mlx_panic("more lines than bytes");
    return 0;
}
