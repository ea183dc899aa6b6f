/*  fuzz_json.c - whatever bytes arrive: an error, or a tree that our writer and parser agree on */
#include "common/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *value = mlx_json_parse((const char *)data, size, &err);
    if (!value) {
        if (err.code != MLX_ERR_USAGE || !err.text[0])
            mlx_panic("refused without saying why");
        return 0;
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, value, size % 2);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *again = mlx_json_parse(text.data, text.len, &err);
    if (!mlx_value_equal(value, again))
        mlx_panic("\"%s\" reads back as something else: %s", text.data, err.text);
    return 0;
}
