/*  libFuzzer target: the sidecar of a download (services/cache/transfer/range_map.h). The first
 *  byte says how much of the file is there; after the sidecar of a real part, the input changes
 *  it. */
#include "services/cache/transfer/range_map.h"

#include "proto/base.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char etag[] = "0123456789abcdef0123456789abcdef01234567";

enum {
    FILE_BYTES = 100000,
    PIECE_BYTES = 4096
};

static void check(const mlx_range_map_t *map, uint64_t held)
{
    for (size_t i = 0; i < mlx_range_map_count(map); i++) {
        uint64_t at = mlx_range_map_at(map, i);
        if (at < mlx_range_map_begin(map, i) || at > mlx_range_map_end(map, i))
            mlx_panic("piece %zu is outside of itself", i);
        if (at > mlx_range_map_begin(map, i) && at > held)
            mlx_panic("piece %zu is said to be there, but the file ends before it", i);
    }
    if (mlx_range_map_bytes(map) > FILE_BYTES)
        mlx_panic("more bytes than the file has");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    uint64_t held = (uint64_t)data[0] * FILE_BYTES / 255;
    mlx_range_map_t *map = mlx_range_map_new(etag, FILE_BYTES, PIECE_BYTES);
    mlx_range_map_reached(map, 0, PIECE_BYTES);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(map);
    size_t len = strlen(text);
    /* Pairs of a place and a byte, so that most of the sidecar stays what it is. */
    for (size_t i = 1; i + 2 < size && data[0] % 2; i += 3)
        text[(data[i] * 256u + data[i + 1]) % len] = (char)data[i + 2];
    mlx_range_map_clear(map);
    bool taken = data[0] % 2 ? mlx_range_map_parse(map, text, len, held)
                             : mlx_range_map_parse(map, (const char *)data + 1, size - 1, held);
    if (taken)
        check(map, held);
    mlx_range_map_destroy(&map);
    return 0;
}
