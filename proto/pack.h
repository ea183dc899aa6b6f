/*  pack.h - value trees as msgpack, bounded
 *
 *  Unpacking first scans the bytes: msgpack-c would allocate whatever size a header claims, so five
 *  bytes could ask for gigabytes. Only what is well formed, within the limits and without ext or
 *  bin types is then unpacked. Unsigned integers above 2^63-1 are refused.
 */
#ifndef MLX_PROTO_PACK_H
#define MLX_PROTO_PACK_H

#include "proto/buf.h"
#include "proto/error.h"
#include "proto/value.h"

enum {
    MLX_PACK_MAX_BYTES = 1024 * 1024, /* of one message body */
    MLX_PACK_MAX_DEPTH = 16,
    MLX_PACK_MAX_VALUES = 65536, /* scalars, containers and keys together */
};

/*  Append VALUE to BUF. */
void mlx_pack(mlx_buf_t *buf, const mlx_value_t *value);

/*  Unpack exactly one value from LEN bytes. Caller owns it and must destroy it. NULL with ERR
 *  (usage) when the bytes are malformed, too large, too deep, or have bytes behind the value. */
mlx_value_t *mlx_unpack(const void *data, size_t len, mlx_error_t *err);

/*  Borrowed pieces of a packed map, found without unpacking it: what a router needs to know. */
typedef struct {
    mlx_type_t type;  /* MLX_NULL: absent */
    const char *data; /* of a string */
    size_t len;
    int64_t number; /* of an int */
} mlx_span_t;

typedef struct {
    const char *name;
    size_t len;
} mlx_pack_key_t;

#define MLX_PACK_KEY(text)                                                                         \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

/*  Scan a packed map as mlx_unpack does and find the values of COUNT keys at its top level; an
 *  absent key leaves its span empty. It is quickest if the keys come in the order asked for. 0, or
 *  -1 with ERR. */
int mlx_pack_peek(const void *data, size_t len, const mlx_pack_key_t *keys, size_t count,
                  mlx_span_t *spans, mlx_error_t *err);

#endif
