/*  json.h - reading JSON from outside into a value tree, bounded (writing: proto/json.h)
 *
 *  The parser is jansson: Debian 12 and Homebrew both carry it, it is maintained, keeps 64-bit
 *  integers exact (cJSON stores doubles only) and refuses duplicate keys. Input is hostile: size,
 *  depth and the number of values are checked here before the parser recurses or allocates.
 *
 *      mlx_value_t *reply = mlx_json_parse(body, body_len, &err);
 */
#ifndef MLX_COMMON_BASE_JSON_H
#define MLX_COMMON_BASE_JSON_H

#include "proto/error.h"
#include "proto/json.h"
#include "proto/value.h"

enum {
    MLX_JSON_MAX_BYTES = 16 * 1024 * 1024,
    MLX_JSON_MAX_DEPTH = 64,
    MLX_JSON_MAX_VALUES = 500000,
};

/*  Parse LEN bytes that hold exactly one JSON value. Caller owns the result. NULL with ERR (code
 *  usage; line and column in the text) when it is not JSON, holds a key twice, an integer beyond 64
 *  bits or bytes that are not UTF-8, or is too large or too deep. */
mlx_value_t *mlx_json_parse(const char *data, size_t len, mlx_error_t *err);

/*  The same from a file of at most MLX_JSON_MAX_BYTES. */
mlx_value_t *mlx_json_load(const char *path, mlx_error_t *err);

#endif
