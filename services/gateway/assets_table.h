/*  assets_table.h - what embed.cmake writes, for assets.c only: everyone else uses assets.h */
#ifndef MLX_GATEWAY_ASSETS_TABLE_H
#define MLX_GATEWAY_ASSETS_TABLE_H

#include "assets.h"

extern const mlx_asset_t mlx_asset_table[];
extern const size_t mlx_asset_count;

#endif
