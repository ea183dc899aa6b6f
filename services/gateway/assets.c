#include "assets.h"

#include <string.h>

#include "assets_table.h"

const mlx_asset_t *mlx_asset_find(const char *path)
{
    for (size_t i = 0; i < mlx_asset_count; i++)
        if (strcmp(mlx_asset_table[i].path, path) == 0)
            return &mlx_asset_table[i];
    return NULL;
}
