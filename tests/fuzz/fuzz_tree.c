/*  libFuzzer target: services/cache/model/tree.h */
#include "services/cache/model/names.h"
#include "services/cache/model/tree.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_error_t err;
    MLX_CLEANUP(mlx_tree_destroy) mlx_tree_t *tree = mlx_tree_new();
    if (mlx_tree_add_page(tree, (const char *)data, size, &err))
        return 0;
    mlx_tree_select_model(tree, &err);
    mlx_tree_select_gguf(tree, NULL, &err);
    if (mlx_tree_select(tree, NULL, NULL, &err))
        return 0;
    for (size_t i = 0; i < tree->count; i++)
        if (strstr(tree->files[i].file.path, "..") && mlx_name_path(tree->files[i].file.path, &err))
            mlx_panic("an unsafe path was selected");
    return 0;
}
