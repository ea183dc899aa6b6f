/*  libFuzzer target: the Link header of a hub (services/cache/transfer/fetch.h). */
#include "services/cache/transfer/fetch.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MLX_CLEANUP(mlx_free_p) char *header = mlx_strndup(size ? (const char *)data : "", size);
    MLX_CLEANUP(mlx_free_p) char *next = mlx_fetch_next_link(header);
    if (next && (strchr(next, '>') || !strstr(header, next)))
        mlx_panic("\"%s\" is no link of the header", next);
    /* What may be fetched of it has an origin without a user name. */
    MLX_CLEANUP(mlx_free_p) char *origin = next ? mlx_url_origin(next, NULL) : NULL;
    if (origin && (strchr(origin, '@') || strncmp(origin, "http", 4) != 0))
        mlx_panic("\"%s\" is no origin", origin);
    return 0;
}
