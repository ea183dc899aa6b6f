/*  assets.h - the files of the dashboard page, built into the program (see embed.cmake) */
#ifndef MLX_GATEWAY_ASSETS_H
#define MLX_GATEWAY_ASSETS_H

#include <stddef.h>

typedef struct {
    const char *path; /* "/app.js" */
    const char *type; /* Content-Type */
    const unsigned char *data;
    size_t len;
} mlx_asset_t;

/*  The file at PATH, or NULL. Static storage. */
const mlx_asset_t *mlx_asset_find(const char *path);

#endif
